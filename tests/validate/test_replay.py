"""The replay under real MPI: every algorithm and operation comes out as numpy says, and what goes wrong is told."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi_launch import command, launch, needs_mpi

from collectives import ALGORITHMS
from collectives.algorithm import ops_of
from collectives.collective import Collective, Op
from collectives.ring import ring
from collectives.schedule import Channel, Schedule
from topologies.errors import InputError, NetsimError
from validate.replay import machine
from validate.replay.plan import plan_files, write_plan
from validate.replay.result import RowResult, forget_results, read_results, rows_done, write_results

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "ring": [{}, {"chunks": 5}],
    "multi-ring": [{"channels": 3, "server_size": 2}],
    "halving-doubling": [{}, {"nearest_first": True}],
    "binomial-tree": [{}, {"chunks": 5}],
    "double-binary-tree": [{}, {"chunks": 5}],
    "hierarchical": [{"server_size": 2, "inter": "ring"}],
    "reduce-ring-broadcast": [{"server_size": 2}],
    "torus-2d": [{"x": 2}],
    "blueconnect": [{"factors": [2]}],
    "direct": [{}, {"one_shot": True}],
}


@dataclass(frozen=True)
class Case:
    """What a plan reads of a row."""

    schedule: Schedule
    name: str = "case"
    by: str = "an algorithm"
    native: str = ""


def plan(
    folder: Path, cases: list[Case], seats: list[int], repeat: int = 0, limit: float = 30.0, rendezvous: bool = False
) -> None:
    files = plan_files(
        cases,  # type: ignore[arg-type]
        sizes=[case.schedule.collective.bytes for case in cases],
        seats=[seats] * len(cases),
        repeat=repeat,
        poll=2e-4,
        limits=[limit] * len(cases),
        rendezvous=rendezvous,
    )
    write_plan(folder, files)


def every_schedule(ranks: int, nbytes: float) -> Iterator[Case]:
    """Each algorithm with each operation that it performs, and a few of its parameters."""
    for kind in ALGORITHMS:
        function = ALGORITHMS.load(kind)
        for op in ops_of(function):
            for given in PARAMETERS.get(kind, [{}]):
                parameters = dict(given)
                if kind == "torus-2d":
                    parameters["y"] = ranks // 2
                if kind == "blueconnect":
                    parameters["factors"] = [2, ranks // 2]
                try:
                    schedule = function(
                        Collective(op, ranks, nbytes, root=3 if op in (Op.BROADCAST, Op.REDUCE) else 0), **parameters
                    )
                except InputError:  # it says that it cannot: no power of two, no pipeline for this operation
                    continue
                yield Case(schedule, f"{kind} {op.value} {parameters}")


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "seats", "rendezvous"),
    [(8, [3, 1, 4, 0, 7, 2, 6, 5], False), (8, list(range(8)), True), (6, [5, 0, 3, 1, 4, 2], False)],
)
def test_every_algorithm_comes_out_right(tmp_path, ranks, seats, rendezvous):
    cases = [*every_schedule(ranks, 4_044.0)]
    cases += [
        case for case in every_schedule(ranks, 4.0) if case.schedule.collective.op is Op.ALL_REDUCE
    ]  # most chunks are empty
    kinds = {case.name.split()[0] for case in cases}
    assert kinds == set(ALGORITHMS) - (set() if ranks == 8 else {"halving-doubling", "swing"})
    plan(tmp_path, cases, seats, rendezvous=rendezvous)
    done = launch(ranks, "-m", "validate.replay", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    wrong = {case.name: row.wrong for case, row in zip(cases, read_results(tmp_path), strict=True) if row.wrong}
    assert wrong == {}


@needs_mpi
def test_what_a_broken_schedule_does_is_counted(tmp_path):
    good = ring(Collective(Op.ALL_REDUCE, 4, 4_000.0))
    (channel,) = good.channels
    unfinished = Schedule(good.collective, (Channel(channel.rounds[:1], channel.n_chunks),), "unfinished")
    plan(tmp_path, [Case(unfinished), Case(good)], [0, 1, 2, 3], repeat=1)
    assert launch(4, "-m", "validate.replay", str(tmp_path)).returncode == 0
    broken, right = read_results(tmp_path)
    assert broken.wrong == 2 * 4 * 750  # in each of two runs every rank lacks the sums of three quarters of the vector
    assert right.wrong == 0


@needs_mpi
def test_ranks_without_a_seat_sit_out_and_the_librarys_own_is_checked_too(tmp_path):
    schedule = ring(Collective(Op.ALL_REDUCE, 3, 40_000.0))
    plan(tmp_path, [Case(schedule), Case(schedule, native="mpich:ring")], [3, 1, 2], repeat=2)
    done = launch(4, "-m", "validate.replay", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    for row in read_results(tmp_path):
        assert row.wrong == 0
        assert len(row.seconds) == len(row.retransmits) == 2
        assert all(0 < s < 30 for s in row.seconds)
        assert all(share is None or 0 <= share <= 1 for share in row.idle)  # None: over before the clock has ticked


@needs_mpi
def test_too_few_ranks_are_told_in_one_line(tmp_path):
    """As an mpiexec of another MPI starts them: each alone in a world of one."""
    plan(tmp_path, [Case(ring(Collective(Op.ALL_REDUCE, 4, 4_000.0)))], [0, 1, 2, 3])
    done = launch(1, "-m", "validate.replay", str(tmp_path))
    assert done.returncode != 0
    assert "replay: 1 MPI ranks for 4 seats; mpiexec must be of mpi4py's MPI" in done.stderr


@needs_mpi
def test_a_run_beyond_its_limit_ends_all_ranks_with_one_line(tmp_path):
    plan(tmp_path, [Case(ring(Collective(Op.ALL_REDUCE, 4, 4e6)))], [0, 1, 2, 3], limit=0.0)
    done = launch(4, "-m", "validate.replay", str(tmp_path), limit=30)
    assert done.returncode != 0
    assert "replay: case, an algorithm, 4000000 B: rank" in done.stderr
    assert "the limit of a run" in done.stderr


@needs_mpi
def test_a_rank_that_dies_ends_the_job(tmp_path):
    plan(tmp_path, [Case(ring(Collective(Op.ALL_REDUCE, 4, 4e6)))], [0, 1, 2, 3], repeat=1_000, limit=60.0)
    with subprocess.Popen(command(4, "-m", "validate.replay", str(tmp_path)), stderr=subprocess.DEVNULL) as job:
        victim = _last_rank(job.pid, tmp_path)
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        try:
            assert job.wait(timeout=15) != 0
        finally:
            job.kill()
    with pytest.raises(NetsimError, match="before its first row was done"):
        read_results(tmp_path)


def _last_rank(launcher: int, folder: Path) -> int:
    """The process of a rank, once all four are there."""
    for _ in range(200):
        ranks = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != launcher and _runs(pid, folder)]
        if len(ranks) >= 4:
            return max(ranks)
        time.sleep(0.05)
    raise AssertionError("the ranks did not start")


def _runs(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[1:4] == [b"-m", b"validate.replay", str(folder).encode()]


@needs_mpi
def test_a_rank_needs_nothing_heavy():
    code = "import validate.replay.__main__ as m, validate.replay.program, sys; from mpi4py import MPI; print(*sys.modules)"
    loaded = set(launch(1, "-c", code).stdout.split())
    assert {"numpy", "mpi4py.MPI"} <= loaded
    assert not loaded & {"netsim", "pydantic", "numba", "scipy", "networkx", "ruamel", "typer", "rich"}


def test_idle_is_told_of_the_processors_that_ranks_may_use(monkeypatch):
    stat = "cpu  90 0 0 900 0 0 0 0 0 0\ncpu0 10 2 3 40 5 0 0 1 7 0\ncpu1 80 0 0 860 0 0 0 0 0 0\nintr 7\n"
    monkeypatch.setattr(machine, "_text", {"/proc/stat": stat}.__getitem__)
    monkeypatch.setattr(machine, "processors", lambda: {0})
    assert machine.jiffies() == (45, 61)
    monkeypatch.setattr(machine, "processors", lambda: {7})
    assert machine.jiffies() is None


def test_results_are_read_back_whole_or_not_at_all(tmp_path):
    rows = [RowResult((0.5, 0.25), 0, (0.9, 1.0), (0, 3), ("late",)), RowResult((1.0,), 7, (), (0,))]
    write_results(tmp_path, rows)
    assert read_results(tmp_path) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert rows_done(tmp_path) == 2
    whole = (tmp_path / "result.json").read_text()
    for broken in (whole[:-20], "[]", "{}", whole.replace('"wrong": 7', '"right": 7')):
        (tmp_path / "result.json").write_text(broken)
        with pytest.raises(NetsimError, match=r"result\.json: ") as told:
            read_results(tmp_path)
        assert "\n" not in str(told.value)
        assert rows_done(tmp_path) == 0
    forget_results(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_refused_where_two_ranks_share_a_seat(tmp_path):
    with pytest.raises(InputError, match="2 seats for 3 ranks"):
        plan(tmp_path, [Case(ring(Collective(Op.ALL_REDUCE, 3, 40.0)))], [0, 1, 1])


def test_a_plan_of_a_thousand_ranks_is_small(tmp_path):
    cases = [Case(ring(Collective(Op.ALL_REDUCE, 1_024, size))) for size in (1e6, 2e6)]
    cases[1] = replace(cases[1], schedule=cases[0].schedule.resized(2e6))
    plan(tmp_path, cases, list(range(1_024)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "schedule-0.npz"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 200_000
    assert np.load(tmp_path / "schedule-0.npz")["src"].shape == (2_048,)
