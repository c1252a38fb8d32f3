"""Rows replayed on an emulated fabric, until every one has as many runs as asked that can be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netsim.output import tell
from topologies.errors import NetsimError
from validate.emulated.emulation import Emulation, emulation
from validate.emulated.fidelity import judge
from validate.emulated.launch import Mpi, command, environment, failure, seat
from validate.emulated.lay_out import Layout
from validate.emulated.options import Options
from validate.emulated.scale import PAYLOAD
from validate.replay.plan import plan_files, write_plan
from validate.replay.result import RowResult, forget_results, read_results, rows_done
from validate.request import Row

_POLL = 4e-3  #: seconds that a rank sleeps at most; what arrives wakes it: whoever looks more often takes the network's time
_LAUNCHES = 3  #: of a row: once, and twice more where runs were disturbed
_START_UP = 2.0  #: seconds for each rank to come up and to go; and a minute


@dataclass(frozen=True, eq=False)
class Task:
    """A row, the bytes that move in it, and the seconds that it is predicted to take."""

    row: Row
    size: int
    predicted: float

    @property
    def sent(self) -> int:
        """Bytes that all ranks together send in a run."""
        return int(self.row.schedule.resized(self.size).bytes_sent().sum())

    @property
    def packets(self) -> float:
        """Full packets that a message takes, in the mean."""
        messages = sum(r.repeat * len(r.messages.src) for r in self.row.schedule.all_rounds())
        return self.sent / PAYLOAD / max(1, messages)

    @property
    def limit(self) -> float:
        """Seconds after which a run is given up."""
        return 5 * self.predicted + 30


@dataclass(frozen=True)
class Replayed:
    """What came of a task: as many runs as were asked for; or doubts, and the last runs, which cannot be believed."""

    predicted: float
    seconds: tuple[float, ...]
    wrong: int
    doubts: tuple[str, ...]
    good: tuple[float, ...] = ()  #: runs that can be believed, so far

    def after(self, earlier: Replayed, repeat: int, *, add_up: bool = True) -> Replayed:
        """This with the wrong elements of earlier launches and, where runs add up, their good runs."""
        wrong = earlier.wrong + self.wrong
        if not add_up:
            return replace(self, wrong=wrong)
        good = (*earlier.good, *self.good)
        if len(good) >= repeat:
            return Replayed(self.predicted, good[:repeat], wrong, (), good)
        return Replayed(self.predicted, self.seconds, wrong, self.doubts, good)


@dataclass(frozen=True, eq=False)
class Setting:
    """What all launches on one fabric have in common."""

    layout: Layout
    mpi: Mpi
    environment: dict[str, str]  #: of the ranks, beside what they always have
    options: Options
    repeat: int  #: timed runs that each task is to have
    under_way: Callable[[Sequence[Task], int], None] | None = (
        None  #: told now and then which tasks are left, and how often each is run
    )


def replay(tasks: Sequence[Task], setting: Setting) -> list[Replayed]:
    """Build the fabric, run all tasks, run those again that were disturbed.

    Raises NetsimError where a rank fails or a run passes its limit, BackendUnavailable where the fabric cannot be built.
    """
    layout, repeat = setting.layout, setting.repeat
    with emulation(layout.plan) as fabric:
        done = _launched(fabric, tasks, setting, repeat)
        for _ in range(_LAUNCHES - 1):
            todo = [n for n, row in enumerate(done) if row.doubts]
            if not todo:
                break
            tell(f"emulated: {len(todo)} of {len(tasks)} rows were disturbed ({done[todo[0]].doubts[0]}); running them again")
            missing = repeat if layout.ecmp else max(repeat - len(done[n].good) for n in todo)
            again = _launched(fabric, [tasks[n] for n in todo], setting, missing)
            for n, row in zip(todo, again, strict=True):
                done[n] = row.after(done[n], repeat, add_up=not layout.ecmp)  # new connections, new ways: nothing to add up
    return done


def _launched(fabric: Emulation, tasks: Sequence[Task], setting: Setting, repeat: int) -> list[Replayed]:
    """All tasks run in one launch of the ranks."""
    layout, mpi, options = setting.layout, setting.mpi, setting.options
    ranks = len(layout.part.endpoints)
    files = plan_files(
        [task.row for task in tasks],
        sizes=[task.size for task in tasks],
        seats=[layout.part.place(task.row.placement).tolist() for task in tasks],
        repeat=repeat,
        poll=_POLL,
        rendezvous=True,  # else messages run ahead into the kernel's buffers, over links that others still need
        limits=[task.limit for task in tasks],
    )
    write_plan(fabric.folder, files)
    forget_results(fabric.folder)
    before = np.array(fabric.counters())
    program = ["-m", "validate.replay", str(fabric.folder)]
    limit = 60 + _START_UP * ranks + (repeat + 1) * sum(task.limit for task in tasks)
    start = command(mpi, fabric.folder, ranks, program, options.launcher)
    own = environment(mpi, fabric.folder, setting.environment)

    def look() -> None:
        if setting.under_way and (left := tasks[rows_done(fabric.folder) :]):
            setting.under_way(left, repeat + 1)

    outside, at = bool(options.launcher), seat(mpi, options.launcher)
    code = fabric.run(start, own, limit, watch=layout.ecmp, outside=outside, at=at, look=look)
    if code is None:
        raise NetsimError(f"emulated fabric: the ranks were not done after {limit:.0f} s; ended")
    if code:
        raise NetsimError(failure(fabric.folder, code))
    carried, dropped = (np.array(fabric.counters()) - before).T
    everywhere = _beside(tasks, repeat, int(carried[layout.plan.leaving].sum()))
    if dropped.any():
        everywhere.append(f"{dropped.sum()} packets were dropped")
    seen = fabric.ways() if layout.ecmp else {}
    ways = layout.taking(seen) if layout.ecmp else layout.ways
    out = []
    for task, result in zip(tasks, read_results(fabric.folder), strict=True):
        unsure = layout.unsure(task.row, seen) if layout.ecmp else ""
        doubts = [*everywhere, unsure] if unsure else everywhere
        out.append(_replayed(task, result, layout.seconds(task.row, task.size, ways), doubts))
    return out


def _beside(tasks: Sequence[Task], repeat: int, carried: int) -> list[str]:
    """A doubt where the links out of endpoints carried less than the schedules sent, untimed runs included: ranks met elsewhere,
    such as in shared memory. What a library's own collective sends is not counted on.
    """
    sent = (repeat + 1) * sum(task.sent for task in tasks if not task.row.native)
    if carried >= sent:
        return []
    return [f"messages did not pass the emulated links: {100 * carried / sent:.0f} % of their bytes did"]


def _replayed(task: Task, result: RowResult, predicted: float, everywhere: Sequence[str]) -> Replayed:
    judged = judge(result, everywhere, task.sent / PAYLOAD, spinning=bool(task.row.native))
    return Replayed(predicted, result.seconds, result.wrong, judged.doubts, judged.good)
