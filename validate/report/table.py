"""A comparison as text: the table of nccl-tests with predicted, error and variation beside every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import isfinite, nan

from collectives.collective import Collective, Op
from netsim.provenance import version
from netsim.table import count
from validate.comparison import Comparison, Point
from validate.measurement import Measured
from validate.report.words import Units, figures, fitted, origin, runs_text, units

#: bytes of an element, by the names of nccl-tests; `count` is of elements
_ELEMENT = {"double": 8, "int64": 8, "uint64": 8, "half": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "f8e4m3": 1, "f8e5m2": 1}
_ELEMENT |= {"float": 4, "int32": 4, "uint32": 4, "char": 1}

_REDUCES = (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.REDUCE)

#: (title, its unit, width) of each column
_COLUMNS = [("size", "(B)", 12), ("count", "(elements)", 12), ("type", "", 8), ("redop", "", 6), ("root", "", 6)]
_COLUMNS += [("time", "({time})", 7), ("algbw", "({rate})", 6), ("busbw", "({rate})", 6), ("#wrong", "", 6)]
_COLUMNS += [("predicted", "({time})", 9), ("error", "(%)", 7), ("CV", "(%)", 6)]


def table(comparison: Comparison, scenario: str = "") -> str:
    """What `netsim validate` prints: where it was measured, a block for each case and schedule, and what the rows come to."""
    measurement = comparison.measurement
    unit = units(measurement)
    lines = [f"# netsim {version()}   scenario {measurement.scenario_id or '?'}   {scenario}"]
    lines += [f"# {line}" for line in origin(measurement)]
    lines += [f"# {runs_text(comparison)}; error: measured/predicted - 1; CV: standard deviation/mean of the runs", "#"]
    lines += titles(unit)
    for _, points in groupby(comparison.points, key=lambda point: (point.case, point.row.by)):
        lines += block(list(points), unit)
    lines += ["#", *(f"# {line}" for line in figures(comparison))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def titles(unit: Units) -> list[str]:
    """Two lines: what the columns are, and their units."""
    names = [name.rjust(width) for name, _, width in _COLUMNS]
    measures = [text.format(time=unit.time, rate=unit.rate).rjust(width) for _, text, width in _COLUMNS]
    return ["#" + "  ".join(words)[1:] for words in (names, measures)]


def block(points: Sequence[Point], unit: Units) -> Iterator[str]:
    """The rows of one schedule in one case, under a line that says which."""
    first = points[0]
    job, m = first.row.job, first.measured
    ways = f"routing: {job.titles['routing']}" + ("" if first.rank_map else f"   placement: {job.titles['placement']}")
    yield f"# {first.case}: {m.op} by {first.row.by}   ranks: {m.ranks}   {ways}   engine: {job.titles['engine']}"
    for point in points:
        yield row(point, unit)


def row(point: Point, unit: Units) -> str:
    """One line of the table; said at its end where it is not to be trusted."""
    m, collective = point.measured, collective_of(point)
    rate = m.bytes / m.median
    wrong = "N/A" if m.wrong is None else f"{m.wrong}"
    numbers = "  ".join(
        [
            fitted(m.median * unit.second, 7),
            fitted(rate * unit.byte_per_second, 6),
            fitted(rate * collective.bus_factor * unit.byte_per_second, 6),
            f"{wrong:>6}",
            fitted(point.predicted * unit.second, 9),
        ]
    )
    score = f"{_signed(100 * point.error)}  {fitted(100 * m.variation if len(m.seconds) > 1 else nan, 6)}"
    notes = (point.rank_map, "in-place" * m.in_place, "fitted on" * point.fitted, "! not trustworthy" * bool(m.doubts))
    n, redop = elements(m, collective), m.redop if collective.op in _REDUCES else "none"
    what = f"{int(m.bytes):12d}  {'N/A' if n is None else n:>12}  {m.dtype:>8}  {redop:>6}  {m.root:>6}"
    return "  ".join([what, numbers, score, *(note for note in notes if note)])


def collective_of(point: Point) -> Collective:
    m = point.measured
    return Collective(Op(m.op), m.ranks, m.bytes)


def elements(m: Measured, collective: Collective) -> int | None:
    """As nccl-tests counts them; None for a type whose width is not known."""
    width = _ELEMENT.get(m.dtype)
    return None if width is None else count(replace(collective, bytes=m.bytes * 4 / width))


def _signed(percent: float) -> str:
    """Seven columns with the sign, as many decimals as fit.

    >>> _signed(0.4), _signed(-48.2), _signed(32503.2)
    ('  +0.40', ' -48.20', ' +32503')
    """
    return fitted(percent, 7) if not isfinite(percent) else f"{percent:+7.2f}" if abs(percent) < 999 else f"{percent:+7.0f}"
