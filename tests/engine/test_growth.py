"""How the flow engine's work and memory grow with the job: counts, which are the same on every machine."""

from __future__ import annotations

import tracemalloc

import pytest

from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from collectives.placement import identity, random
from collectives.ring import ring
from netsim.engine.flow import flow
from netsim.result import Result
from topologies.clos import clos
from topologies.fabric import Fabric
from topologies.routing import router

LEVELS = {64: (4, 4, 4), 256: (4, 8, 8), 1024: (8, 8, 16), 4096: (16, 16, 16)}


def fabric(ranks: int) -> Fabric:
    a, b, c = LEVELS[ranks]
    return clos(children=[a, b, c], parents=[1, a, b], link=12.5e9, latency=1e-6)


def random_map(ranks: int) -> tuple[Result, int]:
    """Halving-doubling under a random map, and the messages of its schedule."""
    net = fabric(ranks)
    result = flow(net, router(net), halving_doubling(Collective(Op.ALL_REDUCE, ranks, 100 * 2**20)), random(net, ranks, seed=0))
    return result, int(result.contention.messages @ result.contention.repeat)


@pytest.mark.parametrize("ranks", [256, 1024, 4096])
def test_events_grow_with_messages_and_work_per_event_hardly(ranks: int) -> None:
    """At most two events a message, its start and its end; four times the ranks: less than a quarter more flow-hops an event."""
    (small, _), (large, messages) = random_map(ranks // 4), random_map(ranks)
    assert large.counters["events"] <= 2 * messages
    per_event = [r.counters["flow_hops"] / r.counters["events"] for r in (small, large)]
    assert per_event[1] < 1.25 * per_event[0]


def test_bytes_per_flow_do_not_grow() -> None:
    """Peak memory over messages: the same at 1,024 ranks as at 256 to a twentieth, though the fabric has four times the links."""

    def per_flow(ranks: int) -> float:
        random_map(ranks)  # what is made once and kept, kernels above all
        tracemalloc.start()
        try:
            _, messages = random_map(ranks)
            return tracemalloc.get_traced_memory()[1] / messages
        finally:
            tracemalloc.stop()

    assert per_flow(1024) < 1.05 * per_flow(256)


@pytest.mark.parametrize("ranks", [64, 1024, 4096])
def test_a_ring_in_natural_order_is_done_at_once(ranks: int) -> None:
    """However many steps: none is simulated by events, none walked."""
    net = fabric(ranks)
    result = flow(net, router(net), ring(Collective(Op.ALL_REDUCE, ranks, 100 * 2**20)), identity(net, ranks))
    assert result.counters["events"] == result.counters["free_steps"] == 0
    assert result.counters["skipped_steps"] == 2 * (ranks - 1)
