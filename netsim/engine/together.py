"""Several jobs on one fabric at once: each has its own schedule, placement and start, all share the wires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.engine.blocks import Block, Traffic
from netsim.engine.calibration import Calibration
from netsim.engine.events import run_events
from netsim.engine.loads import contention_of
from netsim.engine.sharing import ByLatency
from netsim.engine.wiring import wiring
from netsim.result import Result
from topologies.errors import InputError
from topologies.fabric import Fabric, Floats, frozen
from topologies.paths import Router


@dataclass(frozen=True, eq=False)
class Tenant:
    """A job among others: how it is routed, what it sends, from where, and when it starts (seconds)."""

    router: Router
    schedule: Schedule
    placement: Placement
    start: float = 0.0


def flow_together(
    fabric: Fabric,
    tenants: Sequence[Tenant],
    *,
    overhead: float = 0.0,
    sharing: Literal["equal", "inverse-latency"] = "equal",
    calibration: Calibration | None = None,
) -> tuple[Result, ...]:
    """What the `flow` engine says of jobs that share the fabric: a Result each, times counted from the job's own start.

    `block_end` counts from the common zero. `contention` is that of the job's own messages. Counters are those of the whole
    simulation, the same in every Result. Raises InputError where two jobs have an endpoint in common.
    """
    _check_disjoint(fabric, tenants)
    capacity = wiring(fabric, calibration).capacity
    blocks: list[Block] = []
    ready: list[Floats] = []
    firsts = [0]
    for tenant in tenants:
        router = ByLatency(tenant.router) if sharing == "inverse-latency" else tenant.router
        traffic = Traffic(fabric, router, tenant.schedule, tenant.placement, calibration)
        ahead = np.int32(sum(len(r) for r in ready))
        blocks += [replace(b, src=frozen(b.src + ahead, np.int32), dst=frozen(b.dst + ahead, np.int32)) for b in traffic]
        ready.append(np.full(traffic.n_walkers, tenant.start))
        firsts.append(len(blocks))
    if {b.paths.width is None for b in blocks} == {True, False}:  # a bundle stands for its cables only where all are sprayed
        blocks = [replace(b, paths=b.paths.unbundled()) for b in blocks]
    if not blocks:
        return tuple(_result(fabric, t, np.array([t.start]), np.zeros(0), {}, calibration) for t in tenants)
    idle = np.zeros(len(capacity))
    outcome = run_events(blocks, [b.repeat for b in blocks], np.concatenate(ready), idle, capacity, overhead)
    counters = {"events": outcome.events, "flow_hops": int(outcome.work[0]), "rows_solved": int(outcome.work[1])}
    counters |= {"flows": outcome.flows, "bytes": outcome.bytes}
    done = np.split(outcome.ready, np.cumsum([len(r) for r in ready])[:-1])
    ends = [outcome.block_end[a:b] for a, b in pairwise(firsts)]
    return tuple(_result(fabric, *each, counters, calibration) for each in zip(tenants, done, ends, strict=True))


def _result(
    fabric: Fabric,
    tenant: Tenant,
    done: np.ndarray,
    ends: np.ndarray,
    counters: dict[str, int],
    calibration: Calibration | None,
) -> Result:
    contention = contention_of(Traffic(fabric, tenant.router, tenant.schedule, tenant.placement, calibration)).contention()
    time = float(done.max()) - tenant.start
    return Result(tenant.schedule.collective, time, "flow", contention, frozen(ends, np.float64), counters)


def _check_disjoint(fabric: Fabric, tenants: Sequence[Tenant]) -> None:
    owner = np.full(fabric.n_endpoints, -1)
    for number, tenant in enumerate(tenants):
        mine = tenant.placement.endpoint[: tenant.schedule.collective.ranks]
        if (owner[mine] >= 0).any():
            twice = int(mine[owner[mine] >= 0][0])
            raise InputError(
                f"jobs {int(owner[twice]) + 1} and {number + 1} both have {fabric.label_of(twice)}; one job per endpoint"
            )
        owner[mine] = number
