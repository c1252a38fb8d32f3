"""A report as a picture: bandwidth against size with the physical limit, and the load of every class of links round by round."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from netsim.output import write_whole
from netsim.plot.bandwidth import bandwidth
from netsim.plot.loads import loads
from netsim.plot.page import INCH_LIMIT, Page, styled
from netsim.plot.words import heading, subheading
from topologies.errors import InputError

if TYPE_CHECKING:
    from netsim.pipeline import Run

#: suffix -> what else the writer of that format is told; no dates, so that equal reports are equal bytes
_FORMATS: dict[str, dict[str, Any]] = {
    ".svg": {"metadata": {"Date": None, "Creator": "netsim"}},
    ".png": {"metadata": {"Software": "netsim"}},
}


def plot(runs: Sequence[Run], path: str | Path) -> None:
    """Draw the runs of a report, case by case, into FILE.svg or FILE.png; the file appears whole or not at all.

    Equal runs give equal bytes of SVG. Raises InputError for another suffix or no runs, NetsimError where the file cannot be
    written.

    >>> plot((), "contention.pdf")
    Traceback (most recent call last):
    topologies.errors.InputError: contention.pdf: a plot's name must end in .svg or .png
    """
    path = Path(path)
    options = _FORMATS.get(path.suffix)
    if options is None:
        raise InputError(f"{path}: a plot's name must end in {' or '.join(_FORMATS)}")
    drawn = BytesIO()
    with styled():
        picture = figure(runs)
        dpi = min(160.0, INCH_LIMIT / picture.get_figheight())
        picture.savefig(drawn, format=path.suffix[1:], dpi=dpi, **options)
    write_whole(path, lambda file: file.write_bytes(drawn.getvalue()))


def figure(runs: Sequence[Run]) -> Figure:
    """The picture as a matplotlib Figure: no pyplot state, no backend chosen.

    Raises InputError where there are no runs.
    """
    if not runs:
        raise InputError("plot: no runs: nothing to draw")
    with styled():
        page = Page()
        page.text(heading(runs), size=13, weight="bold", below=0.06)
        page.text(subheading(runs), colour="0.35", below=0.28)
        bandwidth(page, runs)
        page.skip(0.35)
        loads(page, runs)
        return page.finished()
