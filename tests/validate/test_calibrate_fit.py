"""Known parameters, simulated measurements, and what the fit makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netsim as ns
from netsim.build import build_all
from netsim.engine.calibration import Calibration, Piece
from netsim.scenario import load
from netsim.scenario.calibration import read_calibration
from topologies.errors import InputError
from validate.calibrate.fit import Fit, fit
from validate.calibrate.measure import rows_of
from validate.calibrate.parameters import parameter_file
from validate.calibrate.patterns import patterns
from validate.calibrate.points import Point, points_of, times
from validate.measurement import Measured
from validate.predict import predict

FABRIC = {"kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 4, "spines": 1, "link": "100Gbit/s"}
SCENARIO = {"fabric": FABRIC, "collective": {"op": "all-reduce", "size": "1MiB"}}
JOB = build_all(load(SCENARIO))[0][0]
PATTERNS = patterns(JOB)


def measured(true: Calibration, noise: Callable[[], float] = lambda: 1.0) -> list[Point]:
    """What a machine with these parameters and this noise shows."""

    of = {(p.name(JOB.fabric), p.kind): p for p in PATTERNS}
    said = []
    for row in rows_of(JOB, PATTERNS, "mpi"):
        pattern = of[row.name, row.by]
        message = row.size / pattern.senders
        once = pattern.row(JOB, message)
        seconds = predict(replace(once, job=replace(once.job, calibration=true))) * times("mpi", message)
        said.append(Measured(row.name, row.by, "broadcast", row.size, 2, tuple(seconds * noise() for _ in range(3))))
    return list(points_of(JOB, PATTERNS, "mpi", said, ()))


def same(found: Fit, true: Calibration, rel: float) -> None:
    """All parameters, each as near as the times are; what costs next to nothing may be found to cost nothing."""
    sizes = np.array([64.0, 4096.0, 2.0**17, 2.0**20])
    nothing = np.zeros(4)
    assert found.calibration.wait(sizes, nothing) == pytest.approx(true.wait(sizes, nothing), rel=rel)
    for between in ("host-leaf", "leaf-spine"):
        assert found.calibration.efficiency[between] == pytest.approx(true.efficiency[between], rel=rel)
        assert found.calibration.duplex[between] == pytest.approx(true.duplex[between], rel=rel)
    assert 1 / found.calibration.reduction == pytest.approx(1 / true.reduction, rel=10 * rel)


@settings(max_examples=6, deadline=None)
@given(
    waits=st.tuples(st.floats(1e-6, 3e-6), st.floats(6e-6, 3e-5)),
    rates=st.tuples(st.floats(1e9, 4e9), st.floats(2e10, 5e10)),
    switch=st.sampled_from([4 << 10, 16 << 10, 64 << 10]),
    efficiency=st.tuples(st.floats(0.7, 1.0), st.floats(0.5, 0.95)),
    duplex=st.tuples(st.floats(1.0, 2.0), st.floats(1.0, 2.0)),
    reduction=st.floats(5e9, 5e10),
)
def test_what_is_true_is_found(waits, rates, switch, efficiency, duplex, reduction) -> None:  # type: ignore[no-untyped-def]
    classes = ("host-leaf", "leaf-spine")
    true = Calibration(
        (Piece(switch, waits[0], rates[0]), Piece(inf, waits[1], rates[1])),
        dict(zip(classes, efficiency, strict=True)),
        dict(zip(classes, duplex, strict=True)),
        reduction,
    )
    found = fit(measured(true))
    assert [piece.up_to for piece in found.calibration.overhead] == [switch, inf]
    assert found.worst < 1e-6
    assert found.r2 > 1 - 1e-9
    same(found, true, rel=1e-4)


TRUE = Calibration(
    (Piece(8192, 2e-6, 2e9), Piece(inf, 2e-5, 3e10)),
    {"host-leaf": 0.9, "leaf-spine": 0.8},
    {"host-leaf": 1.6, "leaf-spine": 1.2},
    1e10,
)


@pytest.mark.parametrize("seed", range(3))
def test_noise_of_a_per_cent_moves_parameters_by_little_and_intervals_say_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = fit(measured(TRUE, lambda: float(rng.lognormal(0.0, 0.01))))
    same(found, TRUE, rel=0.05)
    assert found.median < 0.01
    low, high = found.efficiency["host-leaf"]
    assert low - 0.01 < 0.9 < high + 0.01
    assert high - low < 0.1


def test_a_plain_machine_has_no_parameters_worth_the_name() -> None:
    found = fit(measured(Calibration()))
    assert len(found.calibration.overhead) == 1
    assert found.calibration.overhead[0].seconds < 1e-12
    assert found.calibration.efficiency == pytest.approx({"host-leaf": 1.0, "leaf-spine": 1.0})
    assert found.calibration.duplex == pytest.approx({"host-leaf": 2.0, "leaf-spine": 2.0})
    assert found.reduction is None or found.reduction[0] > 1e14


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.floats(0.05, 1.0), hurry=st.floats(0.3, 1.5))
def test_no_parameter_leaves_its_range_however_bad_the_data(seed: int, noise: float, hurry: float) -> None:
    """Times that are far too short included: a negative latency would fit them best."""
    rng = np.random.default_rng(seed)
    points = [
        Point("", "", s, s, hurry * (1e-6 + s / 1e10) * float(rng.lognormal(0, noise)), 1e-6, s / 1e10, "host-leaf", both, added)
        for s in 4.0 ** np.arange(1, 12)
        for both, added in ((False, False), (True, False), (False, True))
    ]
    for credit in (False, True):
        found = fit(points, credit=credit)
        c = found.calibration
        assert all(piece.seconds >= 0 and piece.rate > 0 for piece in c.overhead)
        assert all(low >= 0 for low, _ in found.time)
        assert 0 < c.efficiency["host-leaf"] <= 1 <= c.duplex["host-leaf"] <= 2
        assert c.reduction > 0
        assert ns.run(SCENARIO | {"calibration": written_back(found)}).result.time > 0


def written_back(found: Fit) -> dict[str, object]:
    from netsim.scenario.source import parse

    return dict(parse(parameter_file(found, date="2026-01-01", source="test", where={}), "params.yaml").data)


def test_burst_credit_does_not_spoil_the_slope() -> None:
    """Messages 4 ms early, as behind a token bucket: the slope is theirs, the time is zero and not negative."""
    sizes = [n * 40_000 for n in (6, 8, 12, 16, 20)]
    points = [Point("", "", s, s, s / 2.4e6 - 4e-3, 0.0, s / 2.5e6, "host-leaf") for s in sizes]
    c = fit(points, credit=True).calibration
    assert (len(c.overhead), c.overhead[0].seconds) == (1, 0.0)
    assert c.efficiency["host-leaf"] == pytest.approx(2.4 / 2.5, rel=1e-9)
    assert fit(points).calibration.efficiency["host-leaf"] > 2.41 / 2.5  # what the credit is for


def test_two_sizes_are_no_measurement() -> None:
    with pytest.raises(InputError, match="calibration: 2 sizes of messages; at least 3 are needed"):
        fit([Point("", "", s, s, s, 0.0, s, "host-leaf") for s in (1.0, 2.0)])


def test_the_file_says_what_was_found_and_a_scenario_takes_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    found = fit(measured(TRUE, lambda: float(rng.lognormal(0.0, 0.005))))
    path = tmp_path / "params.yaml"
    where = {"cpu": "a: b", "kernel": 6.1, "options": {"x": [1, 2]}}
    path.write_text(parameter_file(found, date="2026-01-31T10:00:00+00:00", source="mpi", where=where), encoding="utf-8")
    text = read_calibration(path)
    assert (text.date, text.source, text.where) == ("2026-01-31T10:00:00+00:00", "mpi", where)
    read, c = text.values, found.calibration
    assert read.source == "mpi"
    assert read.wait(np.array([5.0, 1e6]), np.ones(2)) == pytest.approx(c.wait(np.array([5.0, 1e6]), np.ones(2)), rel=1e-5)
    assert read.efficiency == pytest.approx(c.efficiency, rel=1e-5)
    assert read.duplex == pytest.approx(c.duplex, rel=1e-5)
    assert text.overhead is not None
    assert all(p.time_interval and p.time_interval[0] <= p.time <= p.time_interval[1] * (1 + 1e-5) for p in text.overhead)
    assert set(read.fitted_on) == set(c.fitted_on) == {(r.name, r.by, int(r.size)) for r in rows_of(JOB, PATTERNS, "mpi")}
    (tmp_path / "s.yaml").write_text(
        "fabric: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 4, spines: 1}\n"
        "collective: {op: all-reduce, size: 1MiB}\ncalibration: params.yaml\n",
        encoding="utf-8",
    )
    assert set(ns.run(tmp_path / "s.yaml").runs[0].job.calibration.fitted_on) == set(c.fitted_on)
