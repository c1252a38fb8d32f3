"""Heat maps of link load, class of links by round, a panel for each case on a common scale; above each the time of its rounds."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from netsim.plot.load_map import LoadMap, load_map
from netsim.plot.page import MARGIN, WIDTH, Page, colour, printable, text_width
from netsim.plot.scale import Scale
from netsim.plot.words import details, largest, outcome, title

if TYPE_CHECKING:
    from netsim.pipeline import Run

_FEW = 60  # columns that are drawn as cells with gaps between
_ROW, _STRIP = 0.25, 0.5  # inches
_FREE, _SLOWED = "#a6a6a6", "#a50f15"


def loads(page: Page, runs: Sequence[Run]) -> None:
    """The lower half of the page."""
    results = [largest(run)[0] for run in runs]
    maps = [load_map(result) for result in results]
    scale = Scale([drawn.load for drawn in maps])
    page.text("Link load: flows on the fullest link of a class, round by round", size=11, weight="bold", below=0.1)
    _key(page, scale)
    left = MARGIN + max(text_width(printable(name)) for m in maps for name in (*m.classes, "time (ms) 000")) + 0.15
    jobs = {(result.collective.op, result.collective.bytes) for result in results}
    slowest = [float(drawn.seconds.max(initial=0.0)) for drawn in maps]
    for n, (run, drawn) in enumerate(zip(runs, maps, strict=True)):
        _titles(page, run, colour(n))
        if drawn.columns:
            _panel(page, drawn, scale, left, max(slowest) if len(jobs) == 1 else slowest[n])
        else:
            page.text("nothing is sent", below=0.3)


def _key(page: Page, scale: Scale) -> None:
    """The colours, and what the bars above the maps are."""
    axes = page.axes(MARGIN, 3.0, 0.16)
    bar = page.figure.colorbar(ScalarMappable(scale.norm, scale.colours), cax=axes, orientation="horizontal", ticks=scale.ticks)
    bar.ax.set_xticklabels([f"{tick:.4g}" for tick in scale.ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=2)
    bar.outline.set_visible(False)
    page.put(MARGIN + 3.1, page.y + 0.08, "flows", va="center")
    for at, hue, text in ((4.4, _FREE, "time of a congestion-free round"), (7.0, _SLOWED, "of a round slowed by contention")):
        swatch = page.axes(at, 0.16, 0.16)
        swatch.set_facecolor(hue)
        swatch.set(xticks=[], yticks=[])
        swatch.spines[:].set_visible(False)
        page.put(at + 0.24, page.y + 0.08, text, va="center")
    page.skip(0.65)


def _titles(page: Page, run: Run, hue: str) -> None:
    """What the case is and what came out."""
    came_out = outcome(run)
    page.put(WIDTH - MARGIN, page.y, came_out, ha="right")
    room = WIDTH - 2 * MARGIN - 0.3 - text_width(came_out)
    page.text(title(run), size=10, weight="bold", colour=hue, width=room, below=0.02)
    page.text(details(run), size=8, colour="0.35", below=0.08)


def _panel(page: Page, drawn: LoadMap, scale: Scale, left: float, slowest: float) -> None:
    """Times above, loads below, both over the same rounds; few rounds do not fill the width."""
    width = min(WIDTH - MARGIN - left, max(2.5, 1.4 * drawn.columns))
    strip = page.axes(left, width, _STRIP)
    unit = _times(strip, drawn, slowest)
    page.put(left - 0.4, page.y + _STRIP / 2, f"time ({unit})", ha="right", va="center", color="0.2")
    height = _ROW * len(drawn.classes)
    heat = page.axes(left, width, height, page.y + _STRIP + 0.05)
    _heat(heat, drawn, scale, width)
    page.put(left - 0.12, page.y + _STRIP + 0.05 + height + 0.07, "round", ha="right", color="0.2")
    if drawn.pooled > 1:
        note = f"a column is {drawn.pooled} rounds: the load of the fullest, the time of all"
        page.put(left, page.y + _STRIP + 0.05 + height + 0.25, note, size=8, color="0.35")
    page.skip(_STRIP + 0.05 + height + (0.7 if drawn.pooled > 1 else 0.52))


def _times(axes: Axes, drawn: LoadMap, slowest: float) -> str:
    """How long each column takes; returns the unit of the axis."""
    unit, scale = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)) if slowest >= s or s == 1e-9)
    axes.bar(
        np.arange(drawn.columns) + 0.5,
        drawn.seconds / scale,
        width=0.8 if drawn.columns <= _FEW else 1.0,
        color=[_SLOWED if slow else _FREE for slow in drawn.slowed],
    )
    axes.set(xlim=(0, drawn.columns), ylim=(0, slowest / scale or 1.0), xticks=[])
    axes.set_yticks([0, slowest / scale], ["0", f"{slowest / scale:.3g}"])
    axes.tick_params(axis="y", labelsize=8, length=2)
    return unit


def _heat(axes: Axes, drawn: LoadMap, scale: Scale, width: float) -> None:
    """The map, hosts at the bottom as fabrics are drawn."""
    few = drawn.columns <= _FEW
    edge: dict[str, Any] = {"edgecolors": "white", "linewidth": 1.0} if few else {"edgecolors": "face", "linewidth": 0.2}
    seen = np.ma.masked_equal(drawn.load, 0)
    axes.pcolormesh(seen, cmap=scale.colours, norm=scale.norm, **edge)
    for row in range(1, len(drawn.classes)):
        axes.axhline(row, color="white", lw=1.0)
    axes.spines[:].set_visible(False)
    axes.set_yticks(np.arange(len(drawn.classes)) + 0.5, [printable(name) for name in drawn.classes])
    axes.tick_params(length=0)
    _round_names(axes, drawn, width)
    cell = width / drawn.columns
    texts = {(i, j): f"{drawn.load[i, j]:.3g}" for i, j in zip(*np.nonzero(drawn.load), strict=True)} if few else {}
    if texts and max(text_width(t, 8) for t in texts.values()) < cell - 0.04:
        for (i, j), text in texts.items():
            axes.text(j + 0.5, i + 0.48, text, ha="center", va="center", size=8, color=scale.ink(drawn.load[i, j]))


def _round_names(axes: Axes, drawn: LoadMap, width: float) -> None:
    """Names below the columns; the first round of some where not all have room."""
    cell = width / drawn.columns
    names = drawn.names()
    if drawn.pooled > 1 or max(text_width(name, 8) for name in names) + 0.06 > cell:
        names = [str(first) for first in drawn.first.tolist()]
    each = ceil((max(text_width(name, 8) for name in names) + 0.06) / cell)
    shown = range(0, drawn.columns, each)
    axes.set_xticks([n + 0.5 for n in shown], [names[n] for n in shown], fontsize=8)
