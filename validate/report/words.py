"""What text and picture say alike: units that fit, where it was measured, what the figures are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from netsim.units import format_time
from validate.comparison import RESOLUTION, Comparison, Order, Point
from validate.measurement import Measurement

#: targets whose seconds are of a fabric that is slower than the scenario's by a stated constant
SCALED = ("emulated",)


@dataclass(frozen=True)
class Units:
    """The units of a table."""

    time: str
    second: float  #: in units of time
    rate: str
    byte_per_second: float  #: in units of rate


def units(measurement: Measurement) -> Units:
    """As nccl-tests has them; milliseconds and MB/s for a fabric that is scaled down, whose rates are nobody's GB/s."""
    return Units("ms", 1e3, "MB/s", 1e-6) if measurement.on in SCALED else Units("us", 1e6, "GB/s", 1e-9)


def fitted(value: float, width: int) -> str:
    """A number in so many columns with as many decimals as fit, at most two.

    >>> fitted(1.5, 7), fitted(123456.7, 7), fitted(float("nan"), 7)
    ('   1.50', ' 123457', '      -')
    """
    if not isfinite(value):
        return f"{'-':>{width}}"
    texts = (f"{value:{width}.{digits}f}" for digits in (2, 1, 0))
    return next((text for text in texts if len(text) <= width), f"{value:.3g}")


def origin(measurement: Measurement) -> Iterator[str]:
    """Where, when and on what it was measured, and what the reader must know: a line each."""
    on = f"measured on: {measurement.on}"
    yield f"{on}   date: {measurement.date}" if measurement.date else on
    for key, value in measurement.where.items():
        yield f"{key}: {_said(value)}"
    for note in measurement.notes:
        yield f"note: {note}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_said(inner) for inner in value)
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def subject(point: Point) -> str:
    """`fat-tree, random(3): ring at 1MiB`; a case that is named by its algorithm names it once."""
    name, by = point.row.name, point.row.by
    who = name if by in name else f"{name}: {by}"
    return f"{who} at {about(point.measured.bytes)}" + ", in place" * point.measured.in_place


def percent(part: float) -> str:
    """With its sign.

    >>> percent(0.00412), percent(-0.5)
    ('+0.41 %', '-50.00 %')
    """
    return f"{100 * part:+.2f} %" if isfinite(part) else "-"


def figures(comparison: Comparison) -> Iterator[str]:
    """What the points come to: errors, order of the maps, winners, and what was left out."""
    worst = comparison.worst
    if worst is not None:
        n = len(comparison.trusted)
        yield f"median |error| {100 * comparison.median_error:.2f} % of {n} row{'s' * (n != 1)}"
        yield f"worst error {percent(worst.error)}: {subject(worst)}"
    yield from _orders(comparison.orders)
    yield from _winners(comparison)
    yield from _left_out(comparison)


def _orders(orders: Sequence[Order]) -> Iterator[str]:
    """One line for each; above several what they have in common."""
    known = [order.tau for order in orders if isfinite(order.tau)]
    if len(orders) > 1 and known:
        yield f"Kendall tau {_two(median(known))} in the median, {_two(min(known))} at the least, of {len(known)} sets of maps"
    for order in orders:
        alike = f" ({_two(order.raw_tau)} where less than {100 * RESOLUTION:g} % counts as order)"
        raw = "" if _two(order.tau) == _two(order.raw_tau) else alike
        who = order.case if order.by in order.case else f"{order.case}: {order.by}"
        yield (
            "  " * (len(orders) > 1)
            + f"Kendall tau {_two(order.tau)}{raw}: {order.maps} rank maps, {who} at {about(order.bytes)};"
            + f" of {order.told_apart} pairs that differ in both, {order.swapped} the wrong way round"
        )


def _two(tau: float) -> str:
    return f"{tau:.2f}" if isfinite(tau) else "undefined, all alike"


def _winners(comparison: Comparison) -> Iterator[str]:
    contests = comparison.contests
    if not contests:
        return
    right = sum(contest.agree for contest in contests)
    shared = sum(bool(contest.alike) for contest in contests)
    yield f"the fastest was named in {right} of {len(contests)} contests" + f", {shared} with several predicted alike" * bool(
        shared
    )
    for contest in contests:
        if not contest.agree:
            where = f"{contest.name} at {about(contest.bytes)}"
            yield f"  {where}: predicted {contest.predicted}, measured {contest.measured} ({100 * contest.slower:.2f} % faster)"


def _left_out(comparison: Comparison) -> Iterator[str]:
    unknown = [point for point in comparison.points if not isfinite(point.error)]
    if unknown:
        yield f"not predicted: {', '.join(dict.fromkeys(point.row.by for point in unknown))}"
    fitted = [point for point in comparison.points if point.fitted]
    if fitted:
        rows = "1 row that" if len(fitted) == 1 else f"{len(fitted)} rows that"
        yield f"left out of these figures: {rows} the calibration was fitted on"
    doubtful = comparison.doubtful
    if doubtful:
        rows = "1 row" if len(doubtful) == 1 else f"{len(doubtful)} rows"
        yield f"not trustworthy, left out of these figures: {rows}"
        yield from (f"  {doubt_text(point)}" for point in doubtful)


def doubt_text(point: Point) -> str:
    """The first doubt, and how many more there are: what is saved has all."""
    first, *more = point.measured.doubts
    return f"{subject(point)}: {first}" + f"; {len(more)} more" * bool(more)


def wrong_text(point: Point) -> str:
    """How many elements came out wrong."""
    n = point.measured.wrong
    return f"{n} element{'s' * (n != 1)} came out wrong"


def runs_text(comparison: Comparison) -> str:
    """`time: median of 3 runs`, or what else the times are."""
    counts = sorted({len(point.measured.seconds) for point in comparison.points})
    if counts == [1]:
        return "time: one run, or the average that the source gives"
    several = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"time: median of {several} runs"


def about(nbytes: float) -> str:
    """A size in four digits, for words; the table has the exact one.

    >>> about(2**20), about(373184)
    ('1MiB', '364.4KiB')
    """
    units = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1))
    unit, scale = next((unit, scale) for unit, scale in units if nbytes >= scale or scale == 1)
    return f"{nbytes / scale:.4g}{unit}"


def short_time(seconds: float) -> str:
    """Four digits."""
    return format_time(float(f"{seconds:.4g}"))
