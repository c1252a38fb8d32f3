"""A page that grows downwards: everything is placed in inches, so that a picture of one case and one of fifty read alike."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

WIDTH = 10.0
MARGIN = 0.3
_FONT = "DejaVu Sans"  # comes with matplotlib: the same on every machine
_INNER = WIDTH - 2 * MARGIN
INCH_LIMIT = 60_000  #: pixels of height over inches: Agg draws at most 2^16 rows

#: Okabe & Ito's colours for colour-blind readers, without the yellow that white paper swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
MARKERS = "osD^vPX"

_STYLE: Any = {  # Any: stubs of matplotlib differ in how keys are typed
    "font.family": _FONT,
    "font.size": 9,
    "text.parse_math": False,  # names are names, also with a $ in them
    "svg.hashsalt": "netsim",
    "svg.fonttype": "path",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.labelcolor": "0.2",
    "xtick.color": "0.2",
    "ytick.color": "0.2",
    "grid.color": "0.9",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib's own defaults and ours, whatever the user's matplotlibrc says; as before afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # leaves the backend alone
        matplotlib.rcParams.update(_STYLE)
        yield


def colour(case: int) -> str:
    return COLOURS[case % len(COLOURS)]


def marker(case: int) -> str:
    """Changes with every case, so that cases beyond the colours differ too."""
    return MARKERS[(case + case // len(COLOURS)) % len(MARKERS)]


@cache
def _drawable(character: str) -> bool:
    return get_font(findfont(_FONT)).get_char_index(ord(character)) != 0


def printable(text: str) -> str:
    """The text with a box for each character that the font lacks; a line of its own for nothing in it."""
    return "".join(c if _drawable(c) else "\u25a1" for c in " ".join(text.split()))


def text_width(text: str, size: float = 9, weight: str = "normal") -> float:
    """Inches that a line is wide."""
    font = FontProperties(family=_FONT, size=size, weight=weight)
    points, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(points) / 72


def wrapped(text: str, inches: float, size: float = 9, weight: str = "normal") -> list[str]:
    """The text in lines that fit into so many inches."""
    lines = [""]
    for word in printable(text).split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if text_width(longer, size, weight) <= inches:
            lines[-1] = longer
        else:
            lines.append(cut(word, inches, size, weight))
    return [line for line in lines if line]


def cut(text: str, inches: float, size: float = 9, weight: str = "normal") -> str:
    """The text on one line, its end left out where it has no room."""
    text = printable(text)
    if text_width(text, size, weight) <= inches:
        return text
    fits = bisect_right(range(len(text)), inches, key=lambda n: text_width(text[:n] + "…", size, weight)) - 1
    return text[: max(fits, 0)] + "…"


class Page:
    """A figure and how far down it is filled. Positions are inches from the left and from the top."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH, 1))
        self.y = MARGIN
        self._texts: list[tuple[float, float, str, dict[str, Any]]] = []
        self._axes: list[tuple[float, float, float, float, Axes]] = []

    def skip(self, inches: float) -> None:
        self.y += inches

    def text(
        self,
        text: str,
        *,
        size: float = 9,
        weight: str = "normal",
        colour: str = "0.1",
        width: float = _INNER,
        below: float = 0.08,
    ) -> None:
        """A paragraph, and the room that it takes."""
        for line in wrapped(text, width, size, weight):
            self.put(MARGIN, self.y, line, size=size, weight=weight, color=colour)
            self.y += size * 1.35 / 72
        self.skip(below)

    def put(self, left: float, top: float, text: str, **style: Any) -> None:
        """One line anywhere, its upper left corner there unless `ha` says otherwise."""
        self._texts.append((left, top, printable(text), {"va": "top", **style}))

    def axes(self, left: float, width: float, height: float, top: float | None = None) -> Axes:
        """Axes with their upper edge `top` inches down (default: here). Takes no room: `skip` does."""
        axes = self.figure.add_axes((0, 0, 1, 1), label=f"axes{len(self._axes)}")
        self._axes.append((left, self.y if top is None else top, width, height, axes))
        return axes

    def finished(self) -> Figure:
        """The figure, as high as it is filled."""
        height = self.y + MARGIN
        self.figure.set_size_inches(WIDTH, height)
        for left, top, width, tall, axes in self._axes:
            axes.set_position((left / WIDTH, 1 - (top + tall) / height, width / WIDTH, tall / height))
        for left, top, text, style in self._texts:
            self.figure.text(left / WIDTH, 1 - top / height, text, **style)
        return self.figure
