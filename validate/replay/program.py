"""The program of every rank: row after row, each untimed once and then timed, all ranks starting at one moment."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.errors import NetsimError
from validate.replay import machine
from validate.replay.asleep import sleeper
from validate.replay.collective import native_call
from validate.replay.data import Buffers, buffers
from validate.replay.ready import Ready
from validate.replay.result import RowResult, write_results
from validate.replay.steps import Step, load_table, own_steps
from validate.replay.walk import Late, wait, walk
from validate.replay.wire import bind

Once = Callable[[float, Callable[[], None]], None]  #: does a row once, by a deadline, with a way to sleep
SETTLE = 60.0  #: seconds beyond a run's limit that ranks may take to meet before it and after it


@dataclass(frozen=True, eq=False)
class Ranks:
    """The ranks that do a row, as this one sees them; rank r of `comm` is logical rank r."""

    comm: Any
    poll: float
    one_clock: bool  #: all see the same CLOCK_MONOTONIC
    counts_tcp: bool  #: this is the first of the ranks that share a network, and reads its counters

    def meet(self, limit: float) -> None:
        """A barrier, asleep."""
        wait(self.comm.Ibarrier().Test, self.poll, time.monotonic() + limit)

    def start(self, limit: float) -> float:
        """A moment for all to start at (time.monotonic), a little ahead; where clocks differ, as soon as all have met."""
        self.meet(limit)
        if not self.one_clock:
            return time.monotonic()
        ahead = 0.01 + self.poll * (10 + self.comm.size)  # the news goes from sleeper to sleeper
        moment = np.array([time.monotonic() + ahead])
        wait(self.comm.Ibcast(moment, 0).Test, self.poll, time.monotonic() + limit)
        return float(moment[0])

    def gather(self, values: Sequence[float], limit: float) -> NDArray[np.float64]:
        """float64[ranks, values] on rank 0; elsewhere nothing of use."""
        own = np.array(values, np.float64)
        out = np.zeros((self.comm.size, len(own)))
        wait(self.comm.Igather(own, out, 0).Test, self.poll, time.monotonic() + limit)
        return out


def perform(files: Mapping[str, bytes], world: Any, folder: Path | None) -> list[RowResult]:
    """Do every row of a plan; on rank 0 of the world give back what came out, and write it to `folder` after each row.

    Raises Late where a run takes longer than its limit, NetsimError where seats are missing: the caller must end all ranks.
    """
    plan = json.loads(files["plan.json"])
    needed = 1 + max((max(row["seats"]) for row in plan["rows"]), default=0)
    if world.size < needed:
        raise NetsimError(f"{world.size} MPI ranks for {needed} seats; mpiexec must be of mpi4py's MPI, and start as many")
    gc.freeze()  # what imports made stays: each collection before a run looks only at what rows left
    poll, repeat = float(plan["poll"]), int(plan["repeat"])
    everyone = ranks_of(world, poll)
    groups: dict[tuple[int, ...], Ranks | None] = {}
    own: dict[tuple[str, int], tuple[list[int], list[list[Step]]]] = {}  # the last table's chunks and steps: rows share them
    out: list[RowResult] = []
    for row in plan["rows"]:
        seats, limit = tuple(row["seats"]), float(row["limit"])
        if seats not in groups:
            _all_meet(everyone, row, limit + SETTLE)
            groups[seats] = _seated(world, seats, poll)
        group, result = groups[seats], None
        if group is not None:
            key = row["table"], group.comm.rank
            if key not in own:
                table = load_table(files[row["table"]])
                own = {key: (table["channels"].tolist(), own_steps(table, group.comm.rank))}
            try:
                result = _measured(row, *own[key], group, repeat, limit)
            except Late as error:
                raise Late(f"{row['name']}: rank {group.comm.rank}: {error} after {limit:.0f} s, the limit of a run") from None
        _all_meet(everyone, row, limit * (repeat + 1) + SETTLE * (repeat + 2))  # ranks that sat the row out wait here, asleep
        out += _at_leader(result, seats[0], world)
        if folder and world.rank == 0:
            write_results(folder, out)
    return out


def ranks_of(comm: Any, poll: float) -> Ranks:
    """Look around: who shares a clock, who a network."""
    clocks, networks = comm.allgather(machine.clock_id()), comm.allgather(machine.network_id())
    return Ranks(comm, poll, len(set(clocks)) == 1, networks.index(networks[comm.rank]) == comm.rank)


def _seated(world: Any, seats: tuple[int, ...], poll: float) -> Ranks | None:
    """The ranks of a row in logical order, whatever order the launcher started them in; None for one that has no seat."""
    from mpi4py import MPI

    here = seats.index(world.rank) if world.rank in seats else -1
    comm = world.Split(0 if here >= 0 else MPI.UNDEFINED, here)
    return None if here < 0 else ranks_of(comm, poll)


def _all_meet(everyone: Ranks, row: Mapping[str, Any], limit: float) -> None:
    """A barrier of all ranks before or after a row."""
    try:
        everyone.meet(limit)
    except Late:
        raise Late(f"{row['name']}: rank {everyone.comm.rank}: other ranks have not come after {limit:.0f} s") from None


def _at_leader(result: RowResult | None, first: int, world: Any) -> list[RowResult]:
    """The row's result on rank 0 of the world."""
    if first and world.rank == first:
        world.send(result, 0)
    if first and world.rank == 0:
        result = world.recv(source=first)
    return [result] if result is not None and world.rank == 0 else []


def _measured(
    row: Mapping[str, Any], channels: Sequence[int], steps: list[list[Step]], group: Ranks, repeat: int, limit: float
) -> RowResult | None:
    """A row's result on its rank 0."""
    data = buffers(row, channels, steps, group.comm.rank)
    if row["native"]:
        once: Once = native_call(row, data, group.comm, limit)
    else:
        bound = bind(steps, data)

        def once(deadline: float, asleep: Callable[[], None]) -> None:
            walk(bound, group.comm, asleep, deadline, ready)

    ready = Ready(group.comm) if row["rendezvous"] else None
    runs, busy = [], []
    for _ in range(repeat + 1):  # the first opens the connections and is not timed
        told, idle = _run(once, data, group, limit)
        runs.append(told)
        busy.append(idle)
    if ready:
        ready.close()
    if group.comm.rank:
        return None
    seconds = [float(run[:, 0].max()) for run in runs[1:]]
    late = [float(run[:, 3].max()) for run in runs[1:]]
    doubts = [
        f"run {n + 1}: a rank started {behind * 1e3:.1f} ms late, {100 * behind / s:.1f} % of the run"
        for n, (behind, s) in enumerate(zip(late, seconds, strict=True))
        if behind > max(0.01 * s, 5e-3)
    ]
    return RowResult(
        tuple(seconds),
        int(sum(run[:, 1].sum() for run in runs)),
        tuple(busy[1:]),
        tuple(None if np.isnan(again) else int(again) for again in (run[:, 2].sum() for run in runs[1:])),
        tuple(doubts),
    )


def _run(once: Once, data: Buffers, group: Ranks, limit: float) -> tuple[NDArray[np.float64], float | None]:
    """One run: per rank, on rank 0, seconds, wrong elements, segments sent again, seconds started late; and how idle it was."""
    data.refill()
    asleep = sleeper(group.poll)
    gc.collect()
    gc.disable()
    before_tcp = _sent_again(group)
    start = group.start(limit + SETTLE)
    if group.comm.rank == 0:
        _sleep_until(start - 2e-3, group.poll)
    before = machine.jiffies() if group.comm.rank == 0 else None
    _sleep_until(start, group.poll)
    begun = time.monotonic()
    once(begun + limit, asleep)
    end = time.monotonic()
    group.meet(limit + SETTLE)  # who is done early must not spin in what comes next
    idle = machine.idle_share(before, machine.jiffies()) if group.comm.rank == 0 else None
    again = _sent_again(group) - before_tcp
    gc.enable()
    seconds = end - (start if group.one_clock else begun)
    return group.gather([seconds, data.wrong(), again, max(0.0, begun - start)], limit + SETTLE), idle


def _sent_again(group: Ranks) -> float:
    """TCP segments sent again in this rank's network so far; 0 where another rank reads that counter, nan where nobody can."""
    told = machine.retransmitted() if group.counts_tcp else 0
    return np.nan if told is None else told


def _sleep_until(moment: float, poll: float) -> None:
    left = moment - time.monotonic()
    if left > 0 and (poll or left > 2e-3):
        time.sleep(left if poll else left - 1e-3)
    while not poll and time.monotonic() < moment:
        pass  # a core of one's own: no need to wait for the scheduler
