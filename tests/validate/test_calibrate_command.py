"""`netsim calibrate` from end to end: patterns, targets, files, the emulated fabric."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from netsim.build import Job, build_all
from netsim.cli import main
from netsim.engine.calibration import Calibration, Piece
from netsim.provenance import provenance
from netsim.scenario import load
from netsim.scenario.calibration import read_calibration
from topologies.errors import InputError
from topologies.registry import Table
from validate.calibrate.fit import fit
from validate.calibrate.measure import SMALLEST, job_of, measure
from validate.calibrate.patterns import Pattern, around, patterns
from validate.calibrate.points import points_of
from validate.measurement import Measured, Measurement
from validate.predict import predict
from validate.request import Outcome, Request

TRUE = Calibration((Piece(8192, 2e-6, 2e9), Piece(inf, 2e-5)), {"all": 0.9, "leaf-spine": 0.8}, {"all": 1.5}, 2e10)
TEXT = """\
fabric: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 4, spines: 1, link: 100Gbit/s}
collective: {op: all-reduce, size: 1MiB}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def job(fabric: dict[str, object], **keys: object) -> Job:
    return build_all(load({"fabric": fabric, "collective": {"op": "all-reduce", "size": "1MiB"}} | keys))[0][0]


def machine(request: Request) -> Outcome:
    """A target whose machine is as TRUE says, to 0.1 per cent."""
    rng = np.random.default_rng(0)
    rows = []
    for row in request.rows:
        seconds = predict(replace(row, job=replace(row.job, calibration=TRUE)))
        runs = tuple(seconds * float(rng.lognormal(0, 1e-3)) for _ in range(request.repeat))
        doubts = ("run 1: a storm",) if row.by == request.options.get("storm") else ()
        rows.append(Measured(row.name, row.by, "broadcast", row.size, row.placement.ranks, runs, 0, doubts))
    measurement = Measurement("mpi", tuple(rows), "2026-01-31T10:00:00+00:00", {"machine": "none"})
    return Outcome(measurement, tuple(predict(row) for row in request.rows))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("target", {"mpi": f"{__name__}:machine"}, group="none")
    monkeypatch.setattr("validate.calibrate.measure.TARGETS", table)


@pytest.mark.parametrize(
    "fabric",
    [
        {"kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 2, "spines": 1},
        {"kind": "fat-tree", "k": 4},
        {"kind": "bigraph", "m": 2, "n": 8},
        {"kind": "torus", "dims": [3, 3]},
        {"kind": "dragonfly", "routers_per_group": 4, "hosts_per_router": 2, "global_links": 2},
    ],
)
@pytest.mark.parametrize("placement", ["identity", "random"])
def test_each_pattern_makes_its_class_the_slowest(fabric: dict[str, object], placement: str) -> None:
    """Slowing down the other classes' links by a little changes nothing, slowing down its own by a half takes twice as long."""
    here = job(fabric | {"latency": "0s"}, placement=placement)
    found = patterns(here)
    assert {"ping-pong", "exchange", "incast"} <= {p.kind for p in found}
    classes = {p.between for p in found}
    for pattern in found:
        row = pattern.row(here, 1e6)
        plain = predict(row)
        slow = Calibration(efficiency={pattern.between: 0.5})
        assert predict(replace(row, job=replace(row.job, calibration=slow))) == pytest.approx(2 * plain, rel=0.05)
        if pattern.kind not in ("pairs", "exchanging pairs"):
            continue
        others = Calibration(efficiency=dict.fromkeys(classes - {pattern.between}, 0.75))
        assert predict(replace(row, job=replace(row.job, calibration=others))) == pytest.approx(plain, rel=1e-9)
        half = Calibration(duplex={pattern.between: 1.0})
        assert predict(replace(row, job=replace(row.job, calibration=half))) == pytest.approx(
            plain * (2 if pattern.both else 1), rel=0.05
        )


def test_an_incast_takes_as_long_as_all_its_messages() -> None:
    here = job({"kind": "leaf-spine", "leaves": 1, "hosts_per_leaf": 4, "spines": 1, "link": "1GB/s", "latency": "1us"})
    (incast,) = (p for p in patterns(here) if p.kind == "incast")
    assert predict(incast.row(here, 1e6)) == pytest.approx(3e-3 + 2e-6, rel=1e-12)
    schedule = incast.schedule(1e6)
    assert schedule.channels[0].rounds[0].chunk.tolist() == [0, 1, 2]  # memory of their own at the receiver


def test_one_rank_is_no_pair() -> None:
    with pytest.raises(InputError, match="1 rank: calibration needs two endpoints at least"):
        patterns(job({"kind": "fat-tree", "k": 4}, ranks=1))


@pytest.mark.usefixtures("simulated")
def test_measured_fitted_saved_and_fitted_again(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, kept = str(tmp_path / "p.yaml"), str(tmp_path / "m.json")
    assert main(["calibrate", scenario, "--on", "mpi", "-o", out, "--save", kept]) == 0
    assert "residuals 0.0" in capsys.readouterr().err
    text = read_calibration(out)
    found = text.values
    assert (text.source, text.where) == ("mpi", {"machine": "none"})
    assert [p.up_to for p in found.overhead] == [8192, inf]
    assert [p.seconds for p in found.overhead] == pytest.approx([2e-6, 2e-5], rel=0.02)
    assert found.efficiency == pytest.approx({"host-leaf": 0.9, "leaf-spine": 0.8}, rel=0.01)
    assert found.duplex == pytest.approx({"host-leaf": 1.5, "leaf-spine": 1.5}, rel=0.01)
    assert found.reduction == pytest.approx(2e10, rel=0.05)
    assert ("h0 h1", "ping-pong", 8192) in found.fitted_on
    loaded = load(scenario)
    assert json.loads(Path(kept).read_text())["scenario_id"] == provenance(loaded, build_all(loaded)).scenario_id
    assert main(["calibrate", scenario, kept]) == 0
    again = capsys.readouterr().out
    assert "date: '2026-01-31T10:00:00+00:00'" in again.splitlines()
    assert [line for line in again.splitlines() if "value" in line] == [
        line for line in Path(out).read_text().splitlines() if "value" in line
    ]
    calibrated = tmp_path / "calibrated.yaml"
    calibrated.write_text(TEXT + "calibration: p.yaml\n", encoding="utf-8")
    assert main(["run", str(calibrated)]) == 0


@pytest.mark.usefixtures("simulated")
def test_what_cannot_be_trusted_is_left_out_and_said(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", scenario, "--on", "mpi", "--repeat", "1", "--option", "storm=incast"]) == 3
    told = capsys.readouterr()
    assert "h0 h1 h2 h3: incast: no size of it is trustworthy" in told.err
    assert "incast" not in told.out


def osu(title: str, rows: Iterator[tuple[int, float]]) -> str:
    return f"\n# OSU MPI {title} Test v7.5\n# Datatype: MPI_CHAR.\n# Size\n" + "".join(f"{s:<12d}{x:>12.4f}\n" for s, x in rows)


def test_files_of_others(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host that takes 2 us a message, of which the wire's part is 80 % efficient and carries 1.6 times as much both ways."""
    wire, sizes = 0.8 * 12.5e9, [1 << n for n in range(2, 23)]

    def seconds(size: int, window: int = 1, both: bool = False) -> float:
        return 1e-6 + 2e-6 + window * size / wire * (2 / 1.6 if both else 1)  # the first: two links

    texts = {
        "lat.txt": osu("Latency", ((s, 1e6 * seconds(s)) for s in sizes)),
        "bw.txt": osu("Bandwidth", ((s, 64e-6 * s / seconds(s, 64)) for s in sizes)),
        "bibw.txt": osu("Bi-Directional Bandwidth", ((s, 128e-6 * s / seconds(s, 64, True)) for s in sizes)),
        "sendrecv.txt": "# nccl-tests sendrecv_perf\n"
        + "".join(
            f"{s:>12} {s // 4:>12} float sum -1 {1e6 * (seconds(s, 1, True) + 1e-6):8.3f} 1.0 1.0 0\n" for s in sizes if s > 4096
        ),
    }
    texts["bw.txt"] = "".join(f"[1,0]<stdout>:{line}\n" for line in texts["bw.txt"].splitlines())  # as mpirun --tag-output has it
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["calibrate", scenario, *(str(tmp_path / name) for name in texts), "-o", str(tmp_path / "p.yaml")]) == 0
    found = read_calibration(tmp_path / "p.yaml").values
    assert found.overhead[-1].seconds == pytest.approx(2e-6, rel=0.05)
    assert found.efficiency["host-leaf"] == pytest.approx(0.8, rel=0.01)
    assert found.duplex["host-leaf"] == pytest.approx(1.6, rel=0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("what is this", "m.txt:1: not a measurement to calibrate on; known: what netsim calibrate --save wrote, osu_latency"),
        ("# OSU MPI Latency Test v7.5\n# Size\n4 1.2.3\n", "m.txt:3: '1.2.3' is not a number; was the output cut off?"),
        ("# OSU MPI Latency Test v7.5\n# Size\n4 0.0\n", "m.txt:3: 0.0: must be more than 0"),
        ("# OSU MPI Latency Test v7.5\n# Size\n", "m.txt:2: no rows; expected lines of a size and a number"),
        ("# OSU MPI Latency Test v7.5\n4 1\n8 1\n", "calibration: 2 sizes of messages; at least 3 are needed"),
        (
            "# OSU MPI Latency Test v7.5\n4 1\n8 1\n16 1\n# OSU MPI Bandwidth Test v7.5\n4 1\n",
            "m.txt: osu_latency, osu_bw: several tests; give each a file of its own",
        ),
        ("# nccl-tests sendrecv_perf\n# all_reduce_perf\n", "m.txt: sendrecv_perf, all_reduce_perf: several tests"),
        ("# OSU MPI Allreduce Latency Test v7.5\n4 1\n", "m.txt:1: not a measurement to calibrate on"),
        ("# all_reduce_perf, not sendrecv\n4 1 float sum -1 1.0 \n", "m.txt:1: not a measurement to calibrate on"),
        ("# sendrecv_perf\n#  Rank  0 Group  0\n#  Rank  1 Group  0\n", "m.txt: ranks: 2 in the file, 8 in the scenario"),
        ('{"format": "netsim-measurement/1"', "not JSON"),
        ('{"format": "netsim-measurement/1", "on": "mpi", "rows": []}', "rows: "),
    ],
)
def test_a_file_that_is_none(scenario: str, tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.txt").write_text(text, encoding="utf-8")
    assert main(["calibrate", scenario, str(tmp_path / "m.txt")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--on", "mpi"], "netsim calibrate: name a scenario too"),
        (["a.yaml", "b.yml"], "b.yml: a second scenario; calibration measures one"),
        (["--on", "nowhere", "S"], "unknown target 'nowhere'"),
        (["--on", "nccl", "S"], "netsim calibrate --on nccl: 8 ranks; must be 2: --set ranks=2; or give nccl-tests' sendrecv"),
        (["S", "m.txt", "--on", "mpi"], "m.txt: a file is read, nothing is measured: leave out --on"),
        (["S", "m.txt", "--repeat", "2"], "m.txt: a file is read, nothing is measured: leave out --repeat"),
    ],
)
def test_what_is_asked_wrongly(scenario: str, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *(scenario if a == "S" else a for a in arguments)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for network namespaces")
@pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py and an MPI")
def test_an_emulated_fabric_is_nearly_its_own_model() -> None:
    """Four hosts; ping-pong and pairs of large messages only, so that it takes seconds."""
    scenario = load(SMALLEST)
    here = job_of(scenario)
    some: tuple[Pattern, ...] = tuple(p for p in patterns(here) if p.kind in ("ping-pong", "pairs"))
    rows = [p.row(here, size) for p in some for size in (240_000, 320_000, 400_000)]
    outcome = measure(scenario, rows, "emulated", 1, {})
    points = list(points_of(here, some, "emulated", outcome.measurement.rows, outcome.predicted))
    if len(points) < len(rows):
        pytest.skip(f"this machine is busy with other things: {outcome.measurement.rows[0].doubts}")
    found = fit(points, credit=True)
    assert found.worst < 0.1
    assert all(0.93 < value <= 1 for value in found.calibration.efficiency.values())
    assert found.calibration.overhead[0].seconds < 5e-3


@pytest.mark.parametrize(("source", "slower"), [("mpi", 1.0), ("emulated", 2.0)])
def test_the_emulated_fabric_is_not_taken_for_a_cluster(source: str, slower: float) -> None:
    """What was measured on a cluster says nothing of it; what was measured on it does, and slower wires are no latency."""
    from validate.emulated.scale import excerpt, here, latency_part

    plain = job({"kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 2, "spines": 1, "latency": "0s"})
    fabric, pattern = plain.fabric, patterns(plain)[0]
    part = excerpt(fabric, np.arange(4, dtype=np.int32), np.arange(fabric.n_links, dtype=np.int32))
    half = Calibration(efficiency={"all": 0.5}, source=source)
    row = pattern.row(plain, 1e6)
    calibrated = replace(row, job=replace(row.job, calibration=half))
    assert predict(here(calibrated, part, fabric, plain.router)) == pytest.approx(slower * predict(row), rel=1e-9)
    assert latency_part(calibrated, part, plain.router) <= 1e-9  # type: ignore[arg-type]


def test_every_rank_that_was_started_has_something_to_do() -> None:
    here = job({"kind": "fat-tree", "k": 4}, placement="random")
    assert around(here).endpoints == tuple(here.placement.endpoint.tolist())
    assert predict(around(here).row(here, 1e6)) > 0
