"""Bus bandwidth against size, or case against case where there is one size; the bound is dashed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log2, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from netsim.plot.page import MARGIN, WIDTH, Page, colour, cut, marker, printable, text_width
from netsim.plot.words import bound_busbw, busbw, largest, percent, rate_text, title
from netsim.units import format_size

if TYPE_CHECKING:
    from netsim.pipeline import Run

_LEFT, _RIGHT = 0.85, 0.85
_SHARED = "0.25"  # of a bound that all cases have
_DASHES = (0.0, (4.0, 4.0))
_BAR = 0.52  # inches from one bar to the next
_BOUND_POINTS = 101
_END_LABELS = 8  # cases whose lines end in a label; more would cover one another


def bandwidth(page: Page, runs: Sequence[Run]) -> None:
    """The upper half of the page."""
    if any(len(run.results) > 1 for run in runs):
        _curves(page, runs)
    else:
        _bars(page, runs)


def _bounds_agree(runs: Sequence[Run]) -> bool:
    """Whether one line can stand for the bounds of all cases: the same cut binds, and the eye sees one line."""
    rows = [{r.collective.bytes: (b.label, bound_busbw(r, b)) for r, b in run.rows()} for run in runs]
    if any(row.keys() != rows[0].keys() for row in rows):
        return False
    seen = 0.004 * _reach(runs)
    pairs = [(row[size], rows[0][size]) for row in rows for size in row]
    return all(label == first and abs(rate - other) <= seen for (label, rate), (first, other) in pairs)


def _reach(runs: Sequence[Run]) -> float:
    """The upper end of a bandwidth axis, GB/s."""
    rates = [rate for run in runs for r, b in run.rows() for rate in (busbw(r), bound_busbw(r, b)) if isfinite(rate)]
    return 1.06 * max(rates, default=1.0)


def _curves(page: Page, runs: Sequence[Run]) -> None:
    axes = page.axes(_LEFT, WIDTH - _LEFT - _RIGHT, 3.2)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, _reach(runs))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    shared = len(runs) > 1 and _bounds_agree(runs)
    for n, run in enumerate(runs):
        sizes = [r.collective.bytes for r in run.results]
        if n == 0 or not shared:
            style: Any = {"color": colour(n), "linestyle": _dashes(n, len(runs))}
            if shared:
                style = {"color": _SHARED, "linestyle": _DASHES, "zorder": 3}  # above the lines of those that reach it
            axes.plot(*_bound_curve(run), lw=1.5, label=f"bound {n}", **style)
        rates = [busbw(r) for r in run.results]
        axes.plot(sizes, rates, color=colour(n), marker=marker(n), markersize=5, lw=1.8, label=printable(title(run)))
    if len(runs) <= _END_LABELS:
        _label_ends(axes, runs)
    _size_ticks(axes, sorted({r.collective.bytes for run in runs for r in run.results}))
    axes.set_xlabel("size (bytes, 1024-based)")
    axes.set_ylabel("bus bandwidth (GB/s)")
    page.skip(3.2 + 0.62)
    _key(page, runs, shared)


def _bound_curve(run: Run) -> tuple[list[float], list[float]]:
    """The bound between the sizes too: it bends where latency gives way to bandwidth."""
    rows = sorted(run.rows(), key=lambda row: row[0].collective.bytes)
    (result, bound), last = rows[0], rows[-1][0].collective.bytes
    sizes = [float(s) for s in np.geomspace(result.collective.bytes, last, _BOUND_POINTS)]
    scale = result.collective.bus_factor / 1e9
    return sizes, [size / time * scale if (time := bound.resized(size).time) > 0 else nan for size in sizes]


def _dashes(n: int, of: int) -> tuple[float, tuple[float, float]]:
    """Dashes of bounds that lie on one another take turns."""
    return (4.0 * n, (4.0, 4.0 * max(of - 1, 1))) if of <= 4 else _DASHES


def _label_ends(axes: Axes, runs: Sequence[Run]) -> None:
    """`37.3 %` where each line ends, moved apart where they would touch."""
    ends = sorted((busbw(largest(run)[0]), n) for n, run in enumerate(runs) if largest(run)[0].time > 0)
    top = axes.get_ylim()[1]
    for (_, n), height in zip(ends, apart([rate / top for rate, _ in ends], 0.06), strict=True):
        text = percent(*largest(runs[n]))
        axes.text(1.012, height, text, transform=axes.transAxes, color=colour(n), va="center", weight="bold")


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights between 0 and 1, moved until neighbours are a gap apart: up first, then down from the top.

    >>> apart([0.0, 0.5, 0.95, 0.99], 0.25)
    [0.0, 0.5, 0.75, 1.0]
    """
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap) if moved else height)
    ceiling = 1.0
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved


def _size_ticks(axes: Axes, sizes: Sequence[float]) -> None:
    """A tick at every size, or at as many as have room."""
    low, high = log2(sizes[0]), log2(sizes[-1])
    room = max(high - low, 1e-9) / 14
    kept = [sizes[0]]
    for size in sizes[1:]:
        if log2(size) - log2(kept[-1]) >= room:
            kept.append(size)
    axes.set_xticks(kept, [format_size(size) for size in kept])
    axes.set_xticks([size for size in sizes if size not in kept], [], minor=True)
    pad = max(0.03 * (high - low), 0.1)
    axes.set_xlim(2 ** (low - pad), 2 ** (high + pad))


def _key(page: Page, runs: Sequence[Run], shared: bool) -> None:
    """A line for each case with what it reached at its largest size; what the dashes are."""
    axes = page.axes(_LEFT, 0.4, 0.21 * (len(runs) + 1))
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(len(runs) + 0.5, -0.5))
    room = WIDTH - _LEFT - 0.5 - MARGIN
    for n, run in enumerate(runs):
        result, bound = largest(run)
        size = format_size(result.collective.bytes)
        binding = "" if shared else f": {bound.label}"
        axes.plot([0, 1], [n, n], color=colour(n), lw=1.8)
        axes.plot([0.5], [n], color=colour(n), marker=marker(n), markersize=5)
        numbers = f": {rate_text(busbw(result))} at {size}, {percent(result, bound)} of bound{binding}"
        name = cut(title(run), max(2.0, room - text_width(numbers)))
        page.put(_LEFT + 0.5, page.y + 0.21 * (n + 0.5), cut(name + numbers, room), va="center")
    hue = _SHARED if shared or len(runs) > 1 else colour(0)
    axes.plot([0, 1], [len(runs)] * 2, color=hue, linestyle=_DASHES, lw=1.5)
    text = (
        f"bound of all: {largest(runs[0])[1].label}"
        if shared
        else "bound, in the colour of its case"
        if len(runs) > 1
        else "bound"
    )
    page.put(_LEFT + 0.5, page.y + 0.21 * (len(runs) + 0.5), cut(text, room), va="center")
    page.skip(0.21 * (len(runs) + 1))


def _bars(page: Page, runs: Sequence[Run]) -> None:
    """One size: a bar for each case, its bound a dashed line; one line where it is the same for all."""
    shared = _bounds_agree(runs)
    page.skip(0.2 * shared)
    axes = page.axes(MARGIN, WIDTH - 2 * MARGIN, _BAR * len(runs))
    axes.set(xlim=(0, _reach(runs)), ylim=(len(runs), 0), yticks=[], xlabel="bus bandwidth (GB/s)")
    axes.spines["left"].set_visible(False)
    for n, run in enumerate(runs):
        result, bound = largest(run)
        limit = bound_busbw(result, bound)
        top, bottom, hue = (0, len(runs), _SHARED) if shared else (n + 0.44, n + 0.94, colour(n))
        if n == 0 or not shared:
            axes.plot([limit, limit], [top, bottom], color=hue, linestyle=(0.0, (2.5, 1.5)), lw=1.8, label=f"bound {n}")
            text = f"bound {rate_text(limit)}: {bound.label}" if isfinite(limit) else bound.label
            page.put(WIDTH - MARGIN, page.y - 0.2 if shared else page.y + 0.04 + _BAR * n, cut(text, 5), ha="right", color="0.25")
        _bar(axes, n, run)
        page.put(
            MARGIN + 0.05,
            page.y + 0.04 + _BAR * n,
            cut(title(run), 9 if shared else 4.2, weight="bold"),
            weight="bold",
            color=colour(n),
        )
    page.skip(_BAR * len(runs) + 0.55)


def _bar(axes: Axes, n: int, run: Run) -> None:
    """The bar with its numbers, inside it where it is long."""
    result, bound = largest(run)
    rate, reach = busbw(result), axes.get_xlim()[1]
    axes.barh(n + 0.69, rate, height=0.42, color=colour(n), label=printable(title(run)))
    inside = rate > reach / 2
    text = f" {rate_text(rate)} at {format_size(result.collective.bytes)}, {percent(result, bound)} of bound "
    at = rate if isfinite(rate) else 0.0
    axes.text(
        at, n + 0.69, text, va="center", ha="right" if inside else "left", color="white" if inside else "0.1", weight="bold"
    )
