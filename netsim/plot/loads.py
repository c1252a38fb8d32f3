"""Heat maps of link load, class of links by round, a panel for each case on a common scale; above each the time of its rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, LogNorm, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from netsim.plot.page import MARGIN, WIDTH, Page, colour, printable, text_width
from netsim.plot.words import details, largest, outcome, title

if TYPE_CHECKING:
    from netsim.pipeline import Run
    from netsim.result import Result

_COLUMNS = 240  # more are pooled: the eye and the file have no use for them
_ROW, _STRIP = 0.25, 0.5  # inches
_FREE, _SLOWED = "#a6a6a6", "#a50f15"
_UNUSED = "#f4f4f4"


@dataclass(frozen=True, eq=False)
class LoadMap:
    """One case: load float64[classes, columns], seconds and whether slowed for each column, the rounds that it stands for."""

    classes: tuple[str, ...]
    load: NDArray[np.float64]
    seconds: NDArray[np.float64]
    slowed: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    pooled: int  #: blocks in a column, of which the fullest counts

    @property
    def columns(self) -> int:
        return len(self.first)

    def names(self) -> list[str]:
        """`3`, or `3–9` for a column of several rounds."""
        return [f"{a}" if a == b else f"{a}–{b}" for a, b in zip(self.first.tolist(), self.last.tolist(), strict=True)]


def load_map(result: Result) -> LoadMap:
    """The contention of a result, a column for each block; neighbours pooled where there are very many."""
    c = result.contention
    n = len(c.repeat)
    each = max(1, -(-n // _COLUMNS))
    starts = np.arange(0, n, each)
    stops = np.minimum(starts + each, n) - 1
    ends = result.block_end if np.isfinite(result.block_end).all() else np.cumsum(c.step_seconds * c.repeat)
    lasts = c.first_step.astype(np.int64) + c.repeat
    pool = np.maximum.reduceat if n else lambda values, starts, axis=0: values
    return LoadMap(
        classes=c.class_names,
        load=pool(c.class_load, starts, axis=0).T,
        seconds=np.diff(ends[stops], prepend=0.0),
        slowed=pool(c.slowdown, starts) > 1 + 1e-9,
        first=c.first_step[starts].astype(np.int64) + 1,
        last=lasts[stops],
        pooled=each,
    )


def loads(page: Page, runs: Sequence[Run]) -> None:
    """The lower half of the page."""
    maps = [load_map(largest(run)[0]) for run in runs]
    scale = _Scale(maps)
    page.text("Link load: flows on the fullest link of a class, round by round", size=11, weight="bold", below=0.1)
    _key(page, scale)
    left = MARGIN + max(text_width(printable(name), 9) for m in maps for name in (*m.classes, "time (ms) 000")) + 0.12
    slowest = max((float(m.seconds.max(initial=0.0)) for m in maps), default=0.0)
    for n, (run, drawn) in enumerate(zip(runs, maps, strict=True)):
        _titles(page, run, colour(n))
        if drawn.columns:
            _panel(page, drawn, scale, left, slowest)
        else:
            page.text("nothing is sent", below=0.3)


class _Scale:
    """Load → colour, the same for all panels: a colour for each count while counts are few, else a ramp, by decades if wide."""

    def __init__(self, maps: Sequence[LoadMap]) -> None:
        values = np.concatenate([m.load.ravel() for m in maps])
        used = values[values > 0]
        self.top = float(used.max(initial=1.0))
        self.colours: Colormap = matplotlib.colormaps["viridis_r"].with_extremes(bad=_UNUSED)
        self.norm: Normalize
        if self.top <= 10 and bool((used == np.rint(used)).all()):
            self.ticks = list(np.arange(1.0, max(self.top, 2.0) + 1))
            self.norm = BoundaryNorm([0.5, *(tick + 0.5 for tick in self.ticks)], self.colours.N)
        elif self.top / used.min(initial=self.top) > 20:
            low = float(used.min())
            self.ticks = _round_ticks(low, self.top)
            self.norm = LogNorm(low, self.top)
        else:
            self.ticks = [t for t in MaxNLocator(6).tick_values(0, self.top) if 0 <= t <= self.top]
            self.norm = Normalize(0, self.top)

    def ink(self, load: float) -> str:
        """Black or white, whichever reads on the colour of this load."""
        red, green, blue, _ = self.colours(self.norm(load))
        return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"


def _round_ticks(low: float, high: float) -> list[float]:
    """Powers of two between, thinned to at most eight."""
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    return list(powers[:: -(-len(powers) // 8)])


def _key(page: Page, scale: _Scale) -> None:
    """The colours, and what the bars above the maps are."""
    from matplotlib.cm import ScalarMappable

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
        page.put(at + 0.24, page.y + 0.08, text, va="center")
    page.skip(0.65)


def _titles(page: Page, run: Run, hue: str) -> None:
    page.put(WIDTH - MARGIN, page.y, outcome(run), ha="right")
    page.text(title(run), size=10, weight="bold", colour=hue, width=5.4, below=0.02)
    page.text(details(run), size=8, colour="0.35", below=0.08)


def _panel(page: Page, drawn: LoadMap, scale: _Scale, left: float, slowest: float) -> None:
    width = min(WIDTH - MARGIN - left, max(2.5, 1.4 * drawn.columns))
    strip = page.axes(left, width, _STRIP)
    unit = _times(strip, drawn, slowest)
    page.put(left - 0.4, page.y + _STRIP / 2, f"time ({unit})", ha="right", va="center", color="0.2")
    height = _ROW * len(drawn.classes)
    heat = page.axes(left, width, height, page.y + _STRIP + 0.05)
    _heat(heat, drawn, scale, width)
    page.put(left - 0.08, page.y + _STRIP + 0.05 + height + 0.07, "round", ha="right", color="0.2")
    if drawn.pooled > 1:
        note = f"a column is {drawn.pooled} rounds, of which the fullest counts"
        page.put(left, page.y + _STRIP + 0.05 + height + 0.25, note, size=8, color="0.35")
    page.skip(_STRIP + 0.05 + height + (0.7 if drawn.pooled > 1 else 0.52))


def _times(axes: Axes, drawn: LoadMap, slowest: float) -> str:
    """How long each column takes; the unit of the axis, which all cases share."""
    unit, scale = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)) if slowest >= s or s == 1e-9)
    axes.bar(
        np.arange(drawn.columns) + 0.5,
        drawn.seconds / scale,
        width=0.8 if drawn.columns <= 60 else 1.0,
        color=[_SLOWED if slow else _FREE for slow in drawn.slowed],
    )
    axes.set(xlim=(0, drawn.columns), ylim=(0, slowest / scale or 1.0), xticks=[])
    axes.set_yticks([0, slowest / scale], ["0", f"{slowest / scale:.3g}"])
    axes.tick_params(axis="y", labelsize=8, length=2)
    return unit


def _heat(axes: Axes, drawn: LoadMap, scale: _Scale, width: float) -> None:
    """The map, hosts at the bottom as fabrics are drawn."""
    few = drawn.columns <= 60
    edge: dict[str, Any] = {"edgecolors": "white", "linewidth": 1.0} if few else {"edgecolors": "face", "linewidth": 0.2}
    seen = np.ma.masked_equal(drawn.load, 0)
    axes.pcolormesh(seen, cmap=scale.colours, norm=scale.norm, **edge)
    for row in range(1, len(drawn.classes)):
        axes.axhline(row, color="white", lw=1.0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_yticks(np.arange(len(drawn.classes)) + 0.5, [printable(name) for name in drawn.classes])
    axes.tick_params(length=0)
    _round_names(axes, drawn, width)
    cell = width / drawn.columns
    texts = {(i, j): f"{drawn.load[i, j]:.3g}" for i, j in zip(*np.nonzero(drawn.load), strict=True)} if few else {}
    if texts and max(text_width(t, 8) for t in texts.values()) < cell - 0.04:
        for (i, j), text in texts.items():
            axes.text(j + 0.5, i + 0.48, text, ha="center", va="center", size=8, color=scale.ink(drawn.load[i, j]))


def _round_names(axes: Axes, drawn: LoadMap, width: float) -> None:
    """Names below as many columns as have room."""
    names = drawn.names()
    cell = width / drawn.columns
    each = max(1, -int(-max(text_width(name, 8) + 0.1 for name in names) // cell))
    shown = range(0, drawn.columns, each)
    axes.set_xticks([n + 0.5 for n in shown], [names[n] for n in shown], fontsize=8)
