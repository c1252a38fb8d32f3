"""Predicted beside measured: errors row by row, whether rank maps come out in the right order, and who is fastest.

The error of a row is measured/predicted − 1, the measured time being the median of its runs: +5 % means that the real thing took
5 % longer than netsim says. Rows with doubts, and rows that the scenario's calibration was fitted on, are shown and left out of
every figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import isfinite, nan, sqrt
from statistics import median

from validate.measurement import Measured, Measurement
from validate.request import Outcome, Row

RESOLUTION = 0.01  #: times that differ by less put nobody in another order: what structured schedules are predicted to
FEWEST_MAPS = 3  #: two can only be in order or not


@dataclass(frozen=True, eq=False)
class Point:
    """A row of a measurement with what netsim says of it."""

    measured: Measured
    predicted: float  #: seconds; nan where netsim knows no schedule that does the same
    row: Row

    @property
    def error(self) -> float:
        """measured / predicted − 1."""
        return self.measured.median / self.predicted - 1 if self.predicted > 0 else nan

    @property
    def trusted(self) -> bool:
        """Whether the row counts: predicted, no doubts, and not what the scenario's calibration was fitted on."""
        return isfinite(self.error) and not self.measured.doubts and not self.fitted

    @property
    def fitted(self) -> bool:
        """Whether the calibration of the scenario was fitted on this very row, which proves nothing then."""
        known = self.row.job.calibration
        return known is not None and (self.row.name, self.row.by, int(self.measured.bytes)) in known.fitted_on

    @property
    def case(self) -> str:
        """The name without the rank map."""
        return self.row.job.case.title or self.row.job.fabric.name

    @property
    def rank_map(self) -> str:
        """What follows the case in the name where there are several maps."""
        return self.row.name.removeprefix(self.case).removeprefix(", ")

    def same(self, *but_for: str) -> Hashable:
        """Equal for points whose resolved cases differ in nothing but these keys, and that were measured alike."""
        specs = {key: value for key, value in self.row.job.specs.items() if key not in but_for}
        m = self.measured
        return json.dumps(specs, sort_keys=True, default=str), m.op, m.redop, m.root, m.dtype, m.in_place


@dataclass(frozen=True)
class Order:
    """How well the order of rank maps was predicted."""

    case: str
    by: str
    bytes: float
    maps: int
    tau: float  #: Kendall's tau-b where times within RESOLUTION, or within their own variation, are ties; nan where all are
    raw_tau: float  #: the same where every difference counts
    told_apart: int  #: pairs of maps that are tied neither in prediction nor in measurement
    swapped: int  #: those of them that were predicted the wrong way round


@dataclass(frozen=True)
class Contest:
    """Who is fastest of those that do the same collective on the same endpoints."""

    name: str
    bytes: float
    predicted: str  #: of several predicted alike the one that measured best
    alike: tuple[str, ...]  #: those others
    measured: str
    agree: bool  #: the predicted one is the fastest that was measured, or differs from it by less than their variation
    slower: float  #: measured time of the predicted one over the fastest − 1


@dataclass(frozen=True, eq=False)
class Comparison:
    """All points, and what they come to."""

    measurement: Measurement
    points: tuple[Point, ...]

    @cached_property
    def trusted(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.trusted)

    @property
    def doubtful(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.measured.doubts)

    @property
    def wrong(self) -> tuple[Point, ...]:
        """Points with elements that came out wrong."""
        return tuple(point for point in self.points if point.measured.wrong)

    @property
    def median_error(self) -> float:
        """Median of |error|; nan where no row counts."""
        return median(abs(point.error) for point in self.trusted) if self.trusted else nan

    @property
    def worst(self) -> Point | None:
        """The point with the largest |error|."""
        return max(self.trusted, key=lambda point: abs(point.error), default=None)

    @cached_property
    def orders(self) -> tuple[Order, ...]:
        """One for each schedule and size that was measured on three rank maps or more."""
        size = _sizes(self.trusted)
        groups = _grouped(self.trusted, lambda point: (point.same("placement"), size[point.measured.bytes], point.row.by))
        return tuple(_order(group) for group in groups if len({p.row.placement.endpoint.tobytes() for p in group}) >= FEWEST_MAPS)

    @cached_property
    def contests(self) -> tuple[Contest, ...]:
        """One for each rank map and size at which several did the same collective. A source that measured one thing and is held
        against several schedules makes no contest."""
        size = _sizes(self.trusted)
        groups = _grouped(
            self.trusted,
            lambda point: (point.same("algorithm"), size[point.measured.bytes], point.row.placement.endpoint.tobytes()),
        )
        return tuple(_contest(group) for group in groups if len({id(point.measured.seconds) for point in group}) > 1)


def compare(outcome: Outcome, rows: Iterable[Row]) -> Comparison:
    """The comparison of what a target gave back with what it was asked for."""
    asked = {(row.name, row.by): row for row in rows}
    measurement = outcome.measurement
    points = (
        Point(measured, predicted, asked[measured.name, measured.by])
        for measured, predicted in zip(measurement.rows, outcome.predicted, strict=True)
    )
    return Comparison(measurement, tuple(points))


def _sizes(points: Iterable[Point]) -> dict[float, float]:
    """The smallest of its kind for each size: schedules cut a vector in so many chunks, and move a multiple of them."""
    out: dict[float, float] = {}
    first = 0.0
    for size in sorted({point.measured.bytes for point in points}):
        first = first if first and size <= 1.02 * first else size
        out[size] = first
    return out


def _grouped(points: Iterable[Point], key: Callable[[Point], Hashable]) -> list[list[Point]]:
    groups: dict[Hashable, list[Point]] = {}
    for point in points:
        groups.setdefault(key(point), []).append(point)
    return list(groups.values())


def _order(points: Sequence[Point]) -> Order:
    first = points[0]
    predicted = [float(f"{point.predicted:.9g}") for point in points]  # equal maps give sums in another order
    measured = [point.measured.median for point in points]
    blur = [max(RESOLUTION, point.measured.variation) for point in points]
    told = in_order(predicted, measured, [RESOLUTION] * len(points), blur)
    return Order(
        first.case if first.rank_map else first.row.job.fabric.name,
        first.row.by,
        first.measured.bytes,
        len(points),
        told.tau,
        in_order(predicted, measured).tau,
        told.told_apart,
        told.swapped,
    )


@dataclass(frozen=True)
class InOrder:
    """How far two series put the same things in the same order."""

    tau: float  #: nan where all of either series are tied
    told_apart: int  #: pairs that are tied in neither
    swapped: int  #: those of them that are in opposite order


def in_order(
    x: Sequence[float], y: Sequence[float], x_blur: Sequence[float] | None = None, y_blur: Sequence[float] | None = None
) -> InOrder:
    """Kendall's tau-b: (C − D) / √((P − Tx)(P − Ty)) of P pairs, C in the same order, D in the opposite one, T tied in x or in y.

    `x_blur`, `y_blur`: of each value, the part of it by which another has to be away not to be tied with it; none: 0.
    Source: M. G. Kendall, "The treatment of ties in ranking problems", 1945.

    >>> in_order([1, 2, 3, 4], [10, 20, 40, 30])
    InOrder(tau=0.6666666666666666, told_apart=6, swapped=1)
    """
    signs = list(zip(_signs(x, x_blur or [0.0] * len(x)), _signs(y, y_blur or [0.0] * len(y)), strict=True))
    untied_x, untied_y = (sum(sign != 0 for sign in side) for side in zip(*signs, strict=True)) if signs else (0, 0)
    same, swapped = (sum(a * b == kind for a, b in signs) for kind in (1, -1))
    tau = (same - swapped) / sqrt(untied_x * untied_y) if untied_x and untied_y else nan
    return InOrder(tau, same + swapped, swapped)


def _signs(values: Sequence[float], blur: Sequence[float]) -> list[int]:
    """Of each pair: 1 or -1 by which is more, 0 where they are tied."""
    out = []
    for (a, blur_a), (b, blur_b) in combinations(zip(values, blur, strict=True), 2):
        tied = abs(a - b) <= max(blur_a, blur_b) * min(abs(a), abs(b))
        out.append(0 if tied else 1 if a > b else -1)
    return out


def _where(point: Point) -> str:
    return point.rank_map or point.row.job.titles["placement"]


def _contest(points: Sequence[Point]) -> Contest:
    """Of those predicted alike (to nine digits) the one that measured best stands for all."""
    best = min(point.predicted for point in points)
    favourites = [point for point in points if point.predicted <= best * (1 + 1e-9)]
    chosen = min(favourites, key=lambda point: point.measured.median)
    fastest = min(points, key=lambda point: point.measured.median)
    slower = chosen.measured.median / fastest.measured.median - 1
    agree = slower <= max(chosen.measured.variation, fastest.measured.variation)
    one_name = len({point.row.name for point in points}) == 1
    name = chosen.row.name if one_name else f"{chosen.row.job.fabric.name}, {_where(chosen)}"
    others = tuple(point.row.by for point in favourites if point is not chosen)
    return Contest(name, chosen.measured.bytes, chosen.row.by, others, fastest.row.by, agree, slower)
