"""The target as a whole with NCCL made of numpy; what it says of what is missing."""

import os
import runpy
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from nccl_fake import Driver, Fake, FakeError, Wires, in_threads
from ruamel.yaml import YAML
from test_nccl_processes import free_port, processes

from collectives.schedule import Channel, Round, Schedule
from netsim.cli import main
from netsim.scenario import load
from topologies.errors import BackendUnavailable, InputError, NetsimError
from validate.from_file import file_outcome
from validate.measured import as_saved
from validate.measurement import Measured, Measurement
from validate.native import native_rows
from validate.nccl import target
from validate.nccl.gpu import visible_gpus
from validate.nccl.measure import Here, bytes_of, seats
from validate.nccl.native import settings_of
from validate.nccl.options import options_of
from validate.nccl.party import party
from validate.nccl.sharing import sharing
from validate.nccl.target import _check_ranks, _check_same, perform, predicted_of
from validate.predict import predict
from validate.request import Outcome, Request, Row, rows

SCENARIO: dict[str, Any] = {
    "fabric": {"kind": "fat-tree", "k": 4},
    "ranks": 4,
    "placement": {"kind": "random", "seed": 3},
    "collective": {"op": "all-reduce", "size": ["4KiB", "10B"]},
    "algorithm": "halving-doubling",
}
MAPPED = SCENARIO | {"placement": {"kind": "explicit", "endpoints": [9, 2, 4, 0]}}


def request(scenario: dict[str, Any] = SCENARIO, native: tuple[str, ...] = (), repeat: int = 2) -> Request:
    loaded = load(scenario)
    asked = rows(loaded)
    return Request(loaded, (*asked, *native_rows(asked, native)), repeat)


def replayed(
    asked: Request, spoil: int = -1, limit: float = 60.0, broken: type[Fake] | None = None
) -> tuple[list[Any], list[Fake]]:
    """What each process of a replay gives or raises, and its library; rank `spoil` receives wrong numbers, or is `broken`."""
    size = asked.rows[0].schedule.collective.ranks
    wires, port = Wires(size), free_port()
    libraries = [(broken or Fake)(wires, rank == spoil) if rank == spoil else Fake(wires) for rank in range(size)]

    def run(rank: int) -> Outcome:
        with party(processes(size, port)[rank], limit) as tied:
            return perform(asked, Here(tied, libraries[rank], limit), {"library": "fake"}, ())

    return in_threads([partial(run, rank) for rank in range(size)]), libraries


def measurement(out: list[Any]) -> Measurement:
    assert isinstance(out[0], Outcome), out
    return out[0].measurement


def test_rows_are_timed_checked_and_predicted() -> None:
    asked = request(native=("nccl:ring",))
    out, libraries = replayed(asked)
    got = measurement(out)
    assert [(row.by, row.bytes, len(row.seconds), row.wrong) for row in got.rows] == [
        ("halving-doubling", 4096.0, 2, 0),
        ("halving-doubling", 8.0, 2, 0),  # floats are four bytes: 10 B are two of them and a half, and two are moved
        ("nccl:ring", 4096.0, 2, 0),
        ("nccl:ring", 8.0, 2, 0),
    ]
    expected = [predict(row, size=size) for row, size in zip(asked.rows, (4096, 8, 4096, 8), strict=True)]
    assert out[0].predicted == pytest.approx(expected)
    assert got.on == "nccl"
    assert [len(made.communicators) for made in libraries] == [2] * 4  # one for the replay, one for nccl:ring
    assert [made.calls.count("close") for made in libraries] == [2] * 4


def test_every_run_begins_with_fresh_data_and_a_meeting() -> None:
    _, libraries = replayed(request({**SCENARIO, "collective": {"op": "all-reduce", "size": "4KiB"}}))
    once: list[Any] = ["copy", ("all-reduce", 1)]
    for library in libraries:
        starts = [n for n in range(len(library.calls)) if library.calls[n : n + 2] == once]
        assert len(starts) == 3  # two runs after the first
        assert [len(library.calls[b:e]) for b, e in pairwise(starts)] == [2 + 4 + 2] * 2  # four rounds, two sums


def test_communicators_have_the_logical_ranks() -> None:
    """Process i is at the i-th endpoint, ascending; NCCL's rank is the rank that the map puts there."""
    asked = request(MAPPED)
    assert seats(asked.rows[0]) == [3, 1, 2, 0]
    out, libraries = replayed(asked)
    assert all(row.wrong == 0 for row in measurement(out).rows)
    assert [made.communicators[0][1] for made in libraries] == [3, 1, 2, 0]
    assert len({made.communicators[0][2] for made in libraries}) == 1


def test_wrong_elements_come_out_as_such() -> None:
    out, _ = replayed(request(), spoil=2)
    assert [row.wrong and row.wrong > 0 for row in measurement(out).rows] == [True, True]


def test_the_target_deals_out_gpus_and_only_process_0_has_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    wires, places, opened = Wires(4), processes(4, free_port()), []

    def opening(name: str, gpu: int) -> Fake:
        opened.append((name, gpu))
        return Fake(wires)

    monkeypatch.setattr(target, "visible_gpus", lambda: visible_gpus(lambda _: Driver(count=4)))
    monkeypatch.setattr(target, "choose", lambda name: "fake")
    monkeypatch.setattr(target, "launched", lambda environment: places.pop())
    monkeypatch.setattr(target, "open_library", opening)
    out = in_threads([partial(target.nccl, request(native=("nccl:tree",)))] * 4)
    (outcome,) = (came for came in out if isinstance(came, Outcome))
    assert sorted(came.code for came in out if isinstance(came, SystemExit)) == [0, 0, 0]
    assert sorted(opened) == [("fake", n) for n in range(4)]
    assert [row.wrong for row in outcome.measurement.rows] == [0] * 4
    assert len(outcome.predicted) == 4
    where = outcome.measurement.where
    assert {key: where[key] for key in ("library", "nccl", "ranks_on_a_gpu", "started_by")} == {
        "library": "fake 1.0",
        "nccl": "2.30.0",
        "ranks_on_a_gpu": 1,
        "started_by": "torchrun",
    }


@pytest.mark.parametrize("lacking", ["visible_gpus", "open_library"])
def test_what_a_rank_lacks_all_hear(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """Within seconds, whatever the limit: those that wait for it are many, and only rank 0 speaks."""
    wires, places, here = Wires(4), processes(4, free_port()), threading.local()

    def launched(environment: Any) -> Any:
        here.own = places.pop()
        return here.own

    def there(what: Any) -> Any:
        def find(*_: Any) -> Any:
            if here.own.rank == 2:
                raise BackendUnavailable("it is not here")
            return what()

        return find

    found = {"visible_gpus": lambda: visible_gpus(lambda _: Driver(count=4)), "open_library": lambda: Fake(wires)}
    for name, what in found.items():
        monkeypatch.setattr(target, name, there(what) if name == lacking else lambda *_, what=what: what())
    monkeypatch.setattr(target, "choose", lambda name: "fake")
    monkeypatch.setattr(target, "launched", launched)
    began = time.monotonic()
    out = in_threads([partial(target.nccl, request())] * 4)
    assert [(type(came), str(came)) for came in out] == [(BackendUnavailable, "rank 2: it is not here")] * 4
    assert time.monotonic() - began < 20


class Broken(Fake):
    """A rank whose NCCL fails."""

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        raise FakeError("unhandled cuda error\n(more)")


class Stuck(Fake):
    """A rank whose GPU is never done."""

    def done(self, mark: Any) -> bool:
        return False


def test_what_nccl_says_is_one_line_and_all_ranks_end() -> None:
    out, _ = replayed(request(), spoil=1, limit=3.0, broken=Broken)
    assert all(isinstance(error, NetsimError) for error in out)
    assert "ncclCommInitRank: rank 1: unhandled cuda error (more) (NCCL_DEBUG=INFO says more)" in str(out[1])
    assert all("\n" not in str(error) for error in out)


def test_a_gpu_that_is_never_done_ends_all_ranks() -> None:
    out, _ = replayed(request(), spoil=3, limit=1.0, broken=Stuck)
    assert all(isinstance(error, NetsimError) for error in out)
    assert "halving-doubling, 4096 B: not done after 1 s" in str(out[3])


def test_channels_are_predicted_as_they_are_replayed_then_and_from_a_file(tmp_path: Path) -> None:
    """Ten chunks each way: four, one, four, one, against one, four, one, four. Apart 10 chunks' time, in step 4 times 4."""
    scenario = load({"fabric": {"kind": "single-switch", "hosts": 2}, "collective": {"op": "all-reduce", "size": "1GiB"}})
    (row,) = rows(scenario)
    first = Channel(tuple(Round([0], [1], [0], n, True) for n in (4, 1, 4, 1)), 4)
    second = Channel(tuple(Round([1], [0], [0], n, True) for n in (1, 4, 1, 4)), 4)
    unlike = replace(row, job=replace(row.job, schedule=Schedule(row.schedule.collective, (first, second), "unlike")))
    assert predicted_of(unlike) == pytest.approx(8 / 5 * predict(unlike), rel=1e-3)
    asked = Request(scenario, (unlike,))
    done = Measurement("nccl", (Measured(row.name, row.by, "all-reduce", bytes_of(row), 2, (1.0,)),))
    kept = tmp_path / "kept.json"
    kept.write_text(as_saved(Outcome(done, (1.0,)), asked))
    assert file_outcome(asked, kept).predicted == (predicted_of(unlike),)


@pytest.fixture
def no_gpu() -> str:
    """What is said of it; the test is skipped where there is one."""
    try:
        visible_gpus()
    except BackendUnavailable as error:
        return str(error)
    pytest.skip("there is a GPU here")


def test_without_a_gpu_a_line_and_code_4(no_gpu: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text("fabric: {kind: fat-tree, k: 4}\ncollective: {op: all-reduce, size: 1MiB}\n")
    assert main(["validate", str(scenario), "--on", "nccl"]) == 4
    assert capsys.readouterr() == ("", f"{no_gpu}\n")
    assert no_gpu.startswith("no CUDA device: ")


PROBE = Path(__file__).parents[2] / "tools" / "nccl_probe.py"


def test_the_probe_without_a_gpu_says_a_line_and_ends_with_4(no_gpu: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, str(PROBE), str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (4, "", f"{no_gpu}\n")
    assert not list(tmp_path.iterdir())


def test_the_probe_replays_a_scenario_that_is_one() -> None:
    probe = runpy.run_path(str(PROBE))
    scenario = YAML(typ="safe").load(probe["_SCENARIO"].format(ranks=4))
    assert [(row.by, row.schedule.collective.ranks) for row in rows(load(scenario))] == [("halving-doubling", 4)] * 3 + [
        ("ring", 4)
    ] * 3


def test_options_are_checked() -> None:
    assert options_of({"library": "cupy", "share": "hostid", "limit": "5s"}) == type(options_of({}))("cupy", "hostid", 5.0)
    for given, message in (
        ({"limits": "5s"}, "--option limits: the target nccl has none of this name, did you mean 'limit'"),
        ({"share": "yes"}, "--option share=yes: must be one of multirank, hostid"),
        ({"library": "nccl"}, "--option library=nccl: no such NCCL library"),
        ({"limit": "0s"}, "--option limit=0s: must be longer"),
    ):
        with pytest.raises(InputError, match=message):
            options_of(given)


def test_several_ranks_on_a_gpu_need_a_new_nccl_or_a_word() -> None:
    assert sharing(4, (2, 30, 3), None, 1).environment["NCCL_MULTI_RANK_GPU_ENABLE"] == "1"
    with pytest.raises(BackendUnavailable, match=r"NCCL 2\.28\.9: 4 ranks on one GPU: it allows one"):
        sharing(4, (2, 28, 9), None, 1)
    assert sharing(4, (2, 28, 9), "hostid", 1).environment["NCCL_HOSTID"] == "netsim-1"
    assert any("share a GPU" in note for note in sharing(4, (2, 28, 9), "hostid", 1).notes)
    assert not any("share a GPU" in note for note in sharing(1, (2, 28, 9), "hostid", 1).notes)


def test_ranks_need_a_process_each() -> None:
    with pytest.raises(InputError, match=r"4 ranks, and 2 processes started by torchrun; start one for each rank: torchrun"):
        _check_ranks(request().rows, processes(2, 1)[0])
    _check_ranks(request().rows, processes(4, 1)[0])


def test_processes_with_another_scenario_are_told() -> None:
    port = free_port()
    asked = [request(), request(MAPPED)]

    def run(rank: int) -> None:
        with party(processes(2, port)[rank], 10.0) as tied:
            _check_same(asked[rank], tied)

    for error in in_threads([partial(run, rank) for rank in range(2)]):
        assert isinstance(error, InputError)
        assert "rank 1: runs another scenario" in str(error)


def test_a_collective_of_another_library_is_refused() -> None:
    with pytest.raises(InputError, match=r"--native mpich:ring: --on nccl runs NCCL's own: nccl:ring, nccl:tree"):
        settings_of("mpich:ring")


class Watching(Fake):
    """Notes what NCCL would read when its communicator is made."""

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        super().connect(ranks, rank, unique_id)
        self.calls.append(("NCCL_ALGO", os.environ.get("NCCL_ALGO")))


def test_the_algorithm_is_in_the_environment_while_the_communicator_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NCCL_ALGO", raising=False)
    asked = request(SCENARIO | {"ranks": 4}, native=("nccl:tree",))
    alone = Request(asked.scenario, tuple(_of_one_rank(row) for row in asked.rows), 1)
    (outcome,), (library,) = replayed(alone, spoil=0, broken=Watching)
    assert isinstance(outcome, Outcome), outcome
    assert [call[1] for call in library.calls if call[0] == "NCCL_ALGO"] == [None, "Tree"]
    assert "NCCL_ALGO" not in os.environ


def _of_one_rank(row: Row) -> Row:
    """The environment is of a process, and here ranks are threads: so one rank."""
    scenario = {**SCENARIO, "ranks": 1, "algorithm": "ring"}
    (alone, *_) = rows(load(scenario))
    return Row(alone.job, row.size, row.name, row.native)
