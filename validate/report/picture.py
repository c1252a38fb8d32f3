"""Predicted against measured as a picture: times on the left, errors on the right, a colour for each schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from math import ceil, floor, isfinite, log10
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netsim.output import write_whole
from netsim.plot.page import MARGIN, WIDTH, Page, colour, cut, marker, styled
from netsim.units import format_time
from topologies.errors import InputError
from validate.comparison import Comparison, Point
from validate.report.words import SCALED, figures, origin

BAND = 0.05  #: of the grey band around the diagonal
_SIDE = 4.2  # inches of each panel
_LEFT, _GAP = 0.95, 1.05
_KEY_COLUMNS = 3
_FORMATS: dict[str, dict[str, Any]] = {
    ".svg": {"metadata": {"Date": None, "Creator": "netsim"}},
    ".png": {"metadata": {"Software": "netsim"}, "dpi": 140},
}


def draw(comparison: Comparison, path: Path) -> None:
    """Draw it into FILE.svg or FILE.png, whole or not at all. Raises InputError for another suffix."""
    if path.suffix not in _FORMATS:
        raise InputError(f"{path}: a plot's name must end in {' or '.join(_FORMATS)}")
    drawn = BytesIO()
    with styled():
        figure(comparison).savefig(drawn, format=path.suffix[1:], **_FORMATS[path.suffix])
    write_whole(path, lambda file: file.write_bytes(drawn.getvalue()))


def figure(comparison: Comparison) -> Figure:
    """The picture; rows that netsim predicts nothing for have no place in it. Raises InputError where none is left."""
    points = [point for point in comparison.points if isfinite(point.error)]
    if not points:
        raise InputError("plot: no row that was predicted and measured: nothing to draw")
    with styled():
        page = Page()
        measurement = comparison.measurement
        page.text(f"Predicted against measured on {measurement.on}", size=13, weight="bold", below=0.04)
        for line in [line for line in origin(measurement) if not line.startswith("measured on")][:6]:
            page.put(MARGIN, page.y, cut(line, WIDTH - 2 * MARGIN, 8), size=8, color="0.35")
            page.skip(0.15)
        page.skip(0.25)
        names = list(dict.fromkeys(point.row.by for point in points))
        times = page.axes(_LEFT, _SIDE - 0.25, _SIDE - 0.25)
        errors = page.axes(_LEFT + _SIDE - 0.25 + _GAP, WIDTH - MARGIN - _LEFT - _SIDE + 0.25 - _GAP, _SIDE - 0.25)
        _times(times, points, names, " of the scaled fabric" * (measurement.on in SCALED))
        _errors(errors, points, names)
        page.skip(_SIDE - 0.25 + 0.55)
        _key(page, names, any(point.measured.doubts for point in points))
        for line in [line for line in figures(comparison) if not line.startswith(" ")]:  # the table has the details
            page.put(MARGIN, page.y, cut(line, WIDTH - 2 * MARGIN, 8), size=8, color="0.2")
            page.skip(0.16)
        return page.finished()


def _times(axes: Axes, points: Sequence[Point], names: Sequence[str], whose: str) -> None:
    """Measured over predicted, both logarithmic on one scale; the bars reach from the fastest run to the slowest."""
    every = [t for p in points for t in (p.predicted, *p.measured.seconds)]
    low, high = min(every) / 1.3, max(every) * 1.3
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.fill_between(
        [low, high], [low * (1 - BAND), high * (1 - BAND)], [low * (1 + BAND), high * (1 + BAND)], color="0.9", lw=0
    )
    axes.plot([low, high], [low, high], color="0.45", lw=1, zorder=1)
    _marks(axes, points, names, lambda point, seconds: seconds)
    for axis in (axes.xaxis, axes.yaxis):
        ticks = _ticks(low, high)
        axis.set_ticks(ticks, [format_time(t).replace("us", "µs") for t in ticks])
        axis.set_ticks([], minor=True)
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_xlabel(f"predicted time{whose}")
    axes.set_ylabel(f"measured time{whose}: median, fastest to slowest run", fontsize=8)


def _errors(axes: Axes, points: Sequence[Point], names: Sequence[str]) -> None:
    """What a diagonal hides: measured/predicted − 1."""
    low, high = min(p.predicted for p in points) / 1.3, max(p.predicted for p in points) * 1.3
    ends = [100 * (t / p.predicted - 1) for p in points for t in p.measured.seconds]
    reach = 1.15 * max(100 * BAND, *(abs(end) for end in ends))
    axes.set(xscale="log", xlim=(low, high), ylim=(-reach, reach))
    axes.axhspan(-100 * BAND, 100 * BAND, color="0.9", lw=0)
    axes.axhline(0, color="0.45", lw=1, zorder=1)
    _marks(axes, points, names, lambda point, seconds: 100 * (seconds / point.predicted - 1))
    ticks = _ticks(low, high)
    axes.xaxis.set_ticks(ticks, [format_time(t).replace("us", "µs") for t in ticks])
    axes.xaxis.set_ticks([], minor=True)
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_xlabel("predicted time")
    axes.set_ylabel("measured / predicted − 1 (%)")


def _marks(axes: Axes, points: Sequence[Point], names: Sequence[str], height: Callable[[Point, float], float]) -> None:
    """The points schedule by schedule, with bars from the fastest run to the slowest; hollow where not to be trusted."""
    for n, name in enumerate(names):
        for doubtful in (False, True):
            own = [point for point in points if point.row.by == name and bool(point.measured.doubts) is doubtful]
            if not own:
                continue
            at = [height(point, point.measured.median) for point in own]
            low = [max(0.0, y - height(point, min(point.measured.seconds))) for point, y in zip(own, at, strict=True)]
            high = [max(0.0, height(point, max(point.measured.seconds)) - y) for point, y in zip(own, at, strict=True)]
            fill = "white" if doubtful else colour(n)
            style: Any = {"color": colour(n), "marker": marker(n), "markersize": 5, "markerfacecolor": fill, "alpha": 0.85}
            axes.errorbar([p.predicted for p in own], at, [low, high], elinewidth=1, capsize=2, linestyle="none", **style)


def _ticks(low: float, high: float) -> list[float]:
    """At most eight round times between two times; both ends where not even two lie between.

    >>> _ticks(0.07, 1.1)
    [0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0]
    >>> _ticks(0.07, 11)
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    """
    for steps in (("1", "1.5", "2", "3", "5", "7"), ("1", "2", "5"), ("1", "3"), ("1",)):
        powers = range(floor(log10(low)), ceil(log10(high)) + 1)
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 8:
            break
    return ticks[:: ceil(len(ticks) / 8)] if len(ticks) >= 2 else [float(f"{t:.2g}") for t in (low * 1.05, high / 1.05)]


def _key(page: Page, names: Sequence[str], doubts: bool) -> None:
    """The schedules with their marks; what the band and hollow marks are."""
    told = [(n, name) for n, name in enumerate(names)]
    width = (WIDTH - 2 * MARGIN) / _KEY_COLUMNS
    rows = ceil(len(told) / _KEY_COLUMNS)
    for n, name in told:
        left, top = MARGIN + width * (n // rows), page.y + 0.2 * (n % rows)
        axes = page.axes(left, 0.2, 0.2, top)
        axes.axis("off")
        axes.plot([0], [0], color=colour(n), marker=marker(n), markersize=5)
        page.put(left + 0.25, top + 0.1, cut(name, width - 0.35), va="center")
    page.skip(0.2 * rows + 0.08)
    text = f"grey: within {100 * BAND:g} %" + "; hollow: not trustworthy, left out of the figures" * doubts
    page.text(text, size=8, colour="0.35", below=0.1)
