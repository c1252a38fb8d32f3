"""The `flow` engine: time by max-min fair sharing between events. Exact for the fluid model; plain cases are not simulated twice.

Block by block, the cheapest exact way: (1) no contention: the recursion of drift.py; (2) contention, but all ranks start the
block together and end it together: one repetition by events, the others alike; (3) anything else: events to the end of the
schedule. The check that makes (1) and (3) safe: a message that comes on a link before an earlier block has left it must find
room, or the simulation goes back to the last moment at which nothing was on the wires.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.engine.blocks import Traffic
from netsim.engine.calibration import Calibration
from netsim.engine.drift import Wires
from netsim.engine.events import run_events
from netsim.engine.loads import Ledger
from netsim.engine.plan import Outcome
from netsim.engine.sharing import ByLatency
from netsim.result import Result
from topologies.fabric import Fabric, Floats, frozen
from topologies.paths import Router


def flow(
    fabric: Fabric,
    router: Router,
    schedule: Schedule,
    placement: Placement,
    *,
    overhead: float = 0.0,
    sharing: Literal["equal", "inverse-latency"] = "equal",
    calibration: Calibration | None = None,
) -> Result:
    """The time of a schedule in the fluid model.

    A message waits the latency of its path plus `overhead`, then takes its max-min fair share of every link until its bytes are
    through. `sharing`: flows on a full link are equal, or weigh as 1/latency of their paths (long-lived TCP; SimGrid's CM02, with
    which the two agree digit by digit). With a `calibration` messages also wait for their size and for being added, and links and
    cables carry what they were measured to carry. Counters: `events`, `flow_hops` (flows on links that the fair-share solver
    looked at), `rows_solved`, `free_steps` (repetitions done by recursion), `skipped_steps`; where there were events also `flows`
    and `bytes`: how many were simulated by events, and the memory kept for them.
    """
    traffic = Traffic(fabric, router, schedule, placement, calibration)
    ledger = Ledger(traffic)
    weighted = Traffic(fabric, ByLatency(router), schedule, placement, calibration) if sharing == "inverse-latency" else traffic
    walk = _Walk(weighted, overhead)
    for number in range(len(traffic)):  # side by side, so that the paths of a large block are made once for both
        ledger.add(number)
        if walk.next_block == number:
            walk.step()
    contention = ledger.contention()
    time = float(walk.ready.max()) if len(walk.ready) else 0.0
    return Result(schedule.collective, time, "flow", contention, frozen(walk.block_end, np.float64), walk.counters)


class _Walk:
    """How far the simulation has come: the walkers' times after `next_block` blocks, and what is still on the wires."""

    def __init__(self, traffic: Traffic, overhead: float) -> None:
        self.traffic, self.overhead = traffic, overhead
        self.ready: Floats = np.zeros(traffic.n_walkers)
        self.wires = Wires(traffic.capacity)
        self.block_end = np.zeros(len(traffic))
        self.next_block = 0
        self.together = 0, 0.0  # the last block before which all walkers were at one time, and that time
        self.counters = dict.fromkeys(("events", "flow_hops", "rows_solved", "free_steps", "skipped_steps"), 0)

    def step(self) -> None:
        """Do one block, or all that are left."""
        if np.ptp(self.ready) <= 1e-13 * self.ready.max():
            self.together = self.next_block, float(self.ready.max())
        block = self.traffic[self.next_block]
        moved = self.wires.advance(block, self.ready, self.overhead)
        if moved is not None:
            after, walked = moved
            self.counters["free_steps"] += walked
            self.counters["skipped_steps"] += block.repeat - walked
            self._arrive(after)
        elif not self._in_step():
            self._by_events()

    def _arrive(self, after: Floats) -> None:
        taking_part = after > self.ready
        self.block_end[self.next_block] = after[taking_part].max(initial=0.0)
        self.ready = after
        self.next_block += 1

    def _in_step(self) -> bool:
        """Do the block by simulating one repetition, if all walkers are together before it, and after it if more follows."""
        first, start = self.together
        if first != self.next_block:
            return False
        block = self.traffic[self.next_block]
        outcome = run_events([block], [1], np.zeros_like(self.ready), np.zeros(len(self.traffic.capacity)), *self._physics())
        self._count(outcome)
        if block.repeat == 1 and self.next_block + 1 == len(self.traffic):
            self._arrive(start + outcome.ready)
            return True
        if np.ptp(outcome.ready) > 1e-13 * outcome.ready.max():
            return False
        self.counters["skipped_steps"] += block.repeat - 1
        self._arrive(np.full_like(self.ready, start + block.repeat * float(outcome.ready.max())))
        return True

    def _by_events(self) -> None:
        """All that is left by events, from here or, where earlier blocks are still on the wires, from the last time together."""
        outcome = self._events_from(self.next_block, self.ready, self.wires.busy_until())
        if outcome.clash:
            self.next_block, start = self.together
            outcome = self._events_from(self.next_block, np.full_like(self.ready, start), np.zeros(len(self.traffic.capacity)))
        self.ready = outcome.ready
        self.block_end[self.next_block :] = outcome.block_end
        self.next_block = len(self.traffic)

    def _events_from(self, first: int, ready: Floats, busy_until: Floats) -> Outcome:
        blocks = [self.traffic[i] for i in range(first, len(self.traffic))]
        outcome = run_events(blocks, [b.repeat for b in blocks], ready, busy_until, *self._physics())
        self._count(outcome)
        return outcome

    def _physics(self) -> tuple[Floats, float]:
        return self.traffic.capacity, self.overhead

    def _count(self, outcome: Outcome) -> None:
        self.counters["events"] += outcome.events
        self.counters["flow_hops"] += int(outcome.work[0])
        self.counters["rows_solved"] += int(outcome.work[1])
        if outcome.flows >= self.counters.get("flows", 0):
            self.counters.update(flows=outcome.flows, bytes=outcome.bytes)
