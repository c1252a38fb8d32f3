"""Predicted beside measured: the figures, the table, JSON and the picture of synthetic measurements."""

import json
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.scenario import load
from topologies.errors import InputError
from validate.comparison import Comparison, InOrder, compare, in_order
from validate.measurement import Measured, Measurement
from validate.report.json_report import as_json
from validate.report.picture import draw, figure
from validate.report.table import table
from validate.request import Outcome, Row, rows

RING_AND_TREE = {
    "fabric": {"kind": "fat-tree", "k": 4},
    "ranks": 8,
    "collective": {"op": "all-reduce", "size": "1MiB"},
    "algorithm": ["ring", "binomial-tree"],
}
WHERE = {"machine": "Linux 6.18, 2 processors", "rates": "scenario's × 5e-05"}


def rows_of(scenario: dict, maps: int = 0) -> tuple[Row, ...]:
    return rows(load(scenario), maps)


def compared(asked: tuple[Row, ...], predicted, measured, *, on: str = "emulated", doubts=(), **cells) -> Comparison:
    """`measured`: the times of each row's runs; `doubts`: rows that have one."""
    made = tuple(
        Measured(
            row.name, row.by, "all-reduce", 2.0**18, row.placement.ranks, tuple(times), 0, ("disturbed",) * (n in doubts), **cells
        )
        for n, (row, times) in enumerate(zip(asked, measured, strict=True))
    )
    return compare(
        Outcome(Measurement(on, made, "2026-10-01T12:00:00+00:00", WHERE, "abc", ("no delay",)), tuple(predicted)), asked
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=14))
def test_tau_is_scipys(pairs):
    from scipy.stats import kendalltau

    x, y = zip(*pairs, strict=True)
    own = in_order(x, y).tau
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert isnan(own)
    else:
        assert own == pytest.approx(kendalltau(x, y, variant="b").statistic, abs=1e-12)


def test_errors_leave_out_what_is_not_trusted():
    asked = rows_of(RING_AND_TREE, 2)
    result = compared(asked, (1.0, 1.0, 2.0, nan), [(1.02, 1.04, 1.03), (9.0,), (1.9,), (5.0,)], doubts={1})
    assert [point.trusted for point in result.points] == [True, False, True, False]
    assert result.points[0].error == pytest.approx(0.03)
    assert result.median_error == pytest.approx(0.04)
    assert result.worst is result.points[2]
    assert result.doubtful == (result.points[1],)


def test_order_of_maps_is_judged_schedule_by_schedule():
    """Two schedules on four maps each: one in order, one reversed; maps that measure alike within their variation are ties."""
    asked = rows_of(RING_AND_TREE, 4)
    assert [row.by for row in asked] == ["ring"] * 4 + ["binomial-tree"] * 4
    rising = [(1.0, 1.0), (1.99, 2.01), (2.0, 2.02), (3.0, 3.0)]
    ring, tree = compared(asked, (1, 2, 2, 3, 4, 3, 2, 1), rising * 2).orders
    assert (ring.case, ring.by, ring.maps) == ("ring", "ring", 4)
    assert ring.tau == pytest.approx(1)
    assert ring.raw_tau == pytest.approx(5 / 30**0.5)
    assert tree.tau == pytest.approx(-5 / (6 * 5) ** 0.5)
    assert tree.raw_tau == pytest.approx(-1)
    assert [(order.swapped, order.told_apart) for order in (ring, tree)] == [(0, 5), (5, 5)]


def test_what_differs_by_less_than_the_resolution_is_tied_pair_by_pair():
    """Of three times 0.8 % apart each, neighbours are tied and the ends are not: ties make no chains."""
    assert in_order([1.0, 1.008, 1.016], [3, 2, 1], [0.01] * 3) == InOrder(-1 / 3**0.5, 1, 1)
    asked = rows_of(RING_AND_TREE | {"algorithm": "ring"}, 3)
    (order,) = compared(asked, (1, 1, 2), [(1.0,), (1.009,), (1.9,)]).orders
    assert order.tau == pytest.approx(1)
    assert order.raw_tau == pytest.approx(2 / 6**0.5)


def test_maps_that_a_scenario_lists_are_maps_too():
    asked = rows_of(RING_AND_TREE | {"algorithm": "ring", "placement": [{"kind": "random", "seed": n} for n in (1, 2, 3)]})
    (order,) = compared(asked, (1, 2, 3), [(1,), (2,), (3,)]).orders
    assert (order.case, order.maps, order.tau) == ("fat-tree(k=4)", 3, 1)
    assert compared(asked[:2], (1, 2), [(1,), (2,)]).orders == ()


@pytest.mark.parametrize(
    ("predicted", "measured", "agree", "slower"),
    [
        ((1, 2), [(1.1,), (1.9,)], True, 0),
        ((1, 2), [(1.9,), (1.1,)], False, 1.9 / 1.1 - 1),
        ((1, 2), [(1.00, 1.02), (1.00, 1.01)], True, 1.01 / 1.005 - 1),  # apart by less than they vary
        ((1, 1), [(1.9,), (1.1,)], True, 0),  # predicted alike: either is right
    ],
)
def test_who_is_fastest(predicted, measured, agree: bool, slower: float):
    (contest,) = compared(rows_of(RING_AND_TREE), predicted, measured).contests
    assert (contest.agree, contest.slower) == (agree, pytest.approx(slower))
    assert contest.name == "fat-tree(k=4), identity"
    assert contest.alike == (("ring",) if predicted == (1, 1) else ())


def test_one_measurement_held_against_several_schedules_is_no_contest():
    times = (1.0, 1.1)
    asked = rows_of(RING_AND_TREE)
    made = tuple(Measured(row.name, row.by, "all-reduce", 2.0**20, 8, times) for row in asked)
    assert compare(Outcome(Measurement("nccl-tests", made), (1.0, 2.0)), asked).contests == ()


GOLDEN = """\
# measured on: emulated   date: 2026-10-01T12:00:00+00:00
# machine: Linux 6.18, 2 processors
# rates: scenario's × 5e-05
# note: no delay
# time: median of 2 runs; error: measured/predicted - 1; CV: standard deviation/mean of the runs
#
#       size         count      type   redop    root     time   algbw   busbw  #wrong  predicted    error      CV
#        (B)    (elements)                               (ms)  (MB/s)  (MB/s)               (ms)      (%)     (%)
# ring: all-reduce by ring   ranks: 8   routing: d-mod-k   engine: flow
      262144         65536     float     sum      -1   510.00    0.51    0.90       0     500.00    +2.00    1.96  identity
      262144         65536     float     sum      -1  1000.00    0.26    0.46       0    1000.00    +0.00    0.00  random(1)
# binomial-tree: all-reduce by binomial-tree   ranks: 8   routing: d-mod-k   engine: flow
      262144         65536     float     sum      -1   450.00    0.58    1.02       0     600.00   -25.00    0.00  identity
      262144         65536     float     sum      -1  2000.00    0.13    0.23       0     700.00  +185.71    0.00  random(1)  \
! not trustworthy
#
# median |error| 2.00 % of 3 rows
# worst error -25.00 %: binomial-tree, identity at 256KiB
# the fastest was named in 0 of 1 contests
#   fat-tree(k=4), identity at 256KiB: predicted ring, measured binomial-tree (13.33 % faster)
# not trustworthy, left out of these figures: 1 row
#   binomial-tree, random(1) at 256KiB: disturbed
"""


def golden() -> Comparison:
    times = [(0.5, 0.52), (1.0, 1.0), (0.45, 0.45), (2.0, 2.0)]
    return compared(rows_of(RING_AND_TREE, 2), (0.5, 1.0, 0.6, 0.7), times, doubts={3})


def test_the_table():
    head, rest = table(golden(), "two.yaml").split("\n", 1)
    assert head.split("   ")[1:] == ["scenario abc", "two.yaml"]
    assert rest == GOLDEN


def test_the_table_of_real_hardware_has_the_units_of_nccl_tests():
    asked = rows_of(RING_AND_TREE | {"algorithm": "ring"})
    text = table(compared(asked, (1e-5,), [(1.1e-5,)], on="nccl", in_place=True, dtype="half"))
    (row,) = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert row == ["262144", "131072", "half", "sum", "-1", "11.00", "23.83", "41.70", "0", "10.00", "+10.00", "-", "in-place"]
    assert "(us)  (GB/s)  (GB/s)" in text


def test_json_says_the_same():
    report = json.loads(as_json(golden(), "two.yaml"))
    first, doubtful = report["results"][0], report["results"][3]
    assert (first["size"], first["count"], first["type"], first["redop"], first["root"]) == (2**18, 2**16, "float", "sum", -1)
    assert first["measured"]["runs"] == [0.5, 0.52]
    assert first["error"] == pytest.approx(0.02)
    assert "out_of_place" not in first  # of a scaled fabric, whose GB/s are nobody's
    assert (doubtful["trusted"], doubtful["measured"]["doubts"]) == (False, ["disturbed"])
    comparison = report["comparison"]
    assert (comparison["rows"], comparison["trusted"], comparison["fastest"]["named_right"]) == (4, 3, 0)
    asked = rows_of(RING_AND_TREE | {"algorithm": "ring"})
    real = json.loads(as_json(compared(asked, (nan,), [(1.1e-5,)], on="nccl")))
    (result,) = real["results"]
    assert result["out_of_place"]["time"] == pytest.approx(11)
    assert result["error"] is None
    assert real["comparison"]["median_error"] is None


@pytest.mark.parametrize(("maps", "count"), [(0, 2), (20, 40)])
def test_the_picture_has_every_point(tmp_path: Path, maps: int, count: int):
    asked = rows_of(RING_AND_TREE, maps)
    result = compared(asked, range(1, count + 1), [(n * 1.01, n * 1.03) for n in range(1, count + 1)], doubts={1})
    times, errors, *_ = figure(result).axes
    for axes in (times, errors):
        drawn = {line.get_markerfacecolor(): line.get_xydata() for line, *_ in (bars.lines for bars in axes.containers)}
        assert sum(map(len, drawn.values())) == count
        assert len(drawn["white"]) == 1
    assert np.concatenate(list(drawn.values()))[:, 1] == pytest.approx([2] * count)  # percent
    for name in ("picture.svg", "picture.png"):
        draw(result, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    with pytest.raises(InputError, match=r"x\.pdf: a plot's name must end in"):
        draw(result, tmp_path / "x.pdf")


def test_what_a_calibration_was_fitted_on_proves_nothing(tmp_path: Path):
    (tmp_path / "fitted.yaml").write_text("efficiency: {all: 0.9}\nfitted_on: [[ring, ring, 256KiB]]\n")
    asked = rows_of(RING_AND_TREE | {"calibration": str(tmp_path / "fitted.yaml")})
    result = compared(asked, (1.0, 2.0), [(1.1,), (2.04,)])
    assert [point.trusted for point in result.points] == [False, True]
    assert "# left out of these figures: 1 row that the calibration was fitted on" in table(result).splitlines()
