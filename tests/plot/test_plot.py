"""`--plot`: what is drawn is the report's own numbers, legibly, in the same bytes every time, whole or not at all."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

import netsim as ns
from netsim.plot import figure, plot
from netsim.plot.load_map import load_map

FABRIC = {"kind": "leaf-spine", "leaves": 4, "hosts_per_leaf": 4, "spines": 4, "link": "100Gbit/s", "latency": "1us"}
SIZES = {"op": "all-reduce", "size": "64KiB..64MiB*32"}
NARROW = FABRIC | {"spines": 1}
JOB: dict[str, Any] = {"fabric": FABRIC, "collective": SIZES, "engine": "loads"}
TWO_BOUNDS = {**JOB, "fabric": [FABRIC, NARROW], "collective": SIZES | {"op": "all-to-all"}, "algorithm": "pairwise-xor"}
ODD_NAMES = {
    **JOB,
    "compare": [
        {"name": "$x_2$ -- 网络 <b>&amp; \\frac \"'"},
        {"name": "hashed " * 40, "routing": "ecmp", "algorithm": "ring"},
        {"name": "alone", "ranks": 1},
        {"name": "", "collective": SIZES | {"op": "broadcast", "size": ["1000000B", "1MiB"]}},
    ],
}


def lines(picture: Figure, begin: str) -> list[Line2D]:
    return [line for axes in picture.axes for line in axes.lines if str(line.get_label()).startswith(begin)]


def meshes(picture: Figure) -> list[QuadMesh]:
    return [
        found for axes in picture.axes for found in axes.collections if isinstance(found, QuadMesh) and axes.get_yticklabels()
    ]


def limit(run: Any, row: int) -> float:
    c = run.results[row].collective
    return float(c.bytes / run.bounds[row].time * c.bus_factor / 1e9)


def test_lines_are_the_bandwidths_and_dashes_the_bounds_in_the_same_colour() -> None:
    runs = ns.run(TWO_BOUNDS).runs
    picture = figure(runs)
    bounds = lines(picture, "bound ")
    assert len(bounds) == len(runs) == 2
    for run, bound in zip(runs, bounds, strict=True):
        (line,) = lines(picture, run.name)
        assert np.allclose(np.asarray(line.get_ydata()), [r.busbw / 1e9 for r in run.results], rtol=1e-12)
        assert list(np.asarray(line.get_xdata())) == [r.collective.bytes for r in run.results]
        assert bound.get_color() == line.get_color()
        assert bound.is_dashed()
        at, rate = np.asarray(bound.get_xdata()), np.asarray(bound.get_ydata())
        assert rate[[0, -1]] == pytest.approx([limit(run, 0), limit(run, -1)], rel=1e-9)
        assert (np.interp(np.asarray(line.get_xdata()), at, rate) >= np.asarray(line.get_ydata()) * (1 - 1e-3)).all()
        assert picture.axes[0].get_xscale() == "log"


def test_cases_with_one_bound_share_one_line() -> None:
    picture = figure(ns.run({**JOB, "routing": ["d-mod-k", "ecmp"]}).runs)
    assert len(lines(picture, "bound ")) == 1
    assert any("bound of all: NIC of every rank" in text.get_text() for text in picture.texts)


def test_one_size_is_a_bar_for_each_case() -> None:
    runs = ns.run({**JOB, "collective": SIZES | {"size": "1MiB"}, "algorithm": ["ring", "halving-doubling"]}).runs
    picture = figure(runs)
    bars = [patch.get_width() for patch in picture.axes[0].patches if isinstance(patch, Rectangle)]
    assert bars == pytest.approx([run.results[0].busbw / 1e9 for run in runs])
    (bound,) = lines(picture, "bound ")
    assert np.asarray(bound.get_xdata()) == pytest.approx(limit(runs[0], 0))
    share = 100 * runs[0].bounds[0].time / runs[0].results[0].time
    assert any(f"{share:.1f} % of bound" in text.get_text() for text in picture.axes[0].texts)


def test_maps_are_the_loads_of_the_classes_on_one_scale() -> None:
    runs = ns.run({**JOB, "routing": ["d-mod-k", "ecmp"]}).runs
    drawn = meshes(figure(runs))
    assert len(drawn) == 2
    assert drawn[0].norm is drawn[1].norm
    for run, mesh in zip(runs, drawn, strict=True):
        contention = run.results[-1].contention
        shown = mesh.get_array()
        assert shown is not None
        assert np.array_equal(np.ma.filled(np.ma.asarray(shown), 0), contention.class_load.T)
        axes = mesh.axes
        assert axes is not None
        assert tuple(label.get_text() for label in axes.get_yticklabels()) == contention.class_names


def test_repeated_rounds_are_one_column_that_says_so() -> None:
    (mesh,) = meshes(figure(ns.run({**JOB, "algorithm": "ring"}).runs))
    assert mesh.axes is not None
    assert [label.get_text() for label in mesh.axes.get_xticklabels()] == ["1–15", "16–30"]


def test_very_many_rounds_are_pooled_and_nothing_is_lost() -> None:
    fabric = FABRIC | {"leaves": 32, "hosts_per_leaf": 16}
    job = {
        **JOB,
        "fabric": fabric,
        "collective": {"op": "all-to-all", "size": "1MiB"},
        "algorithm": "pairwise-xor",
        "routing": "ecmp",
    }
    result = ns.run(job).result
    drawn = load_map(result)
    assert drawn.pooled == 3
    assert drawn.load.shape == (len(result.contention.class_names), 171)
    assert drawn.load.max(axis=1) == pytest.approx(result.contention.class_load.max(axis=0))
    assert drawn.seconds.sum() == pytest.approx(result.time)
    assert (drawn.first[0], drawn.last[-1]) == (1, 511)
    assert (drawn.first[1:] == drawn.last[:-1] + 1).all()


def _boxes(picture: Figure) -> Iterator[tuple[str, Any]]:
    canvas = FigureCanvasAgg(picture)
    canvas.draw()  # labels of axes find their places
    renderer = canvas.get_renderer()
    for text in [*picture.texts, *(text for axes in picture.axes for text in axes.texts)]:
        yield text.get_text(), text.get_window_extent(renderer)
    for axes in picture.axes:
        for n, axis in enumerate((axes.xaxis, axes.yaxis) if axes.axison else ()):
            low, high = sorted(axis.get_view_interval())
            ticks = [label for label in axis.get_ticklabels() if low <= label.get_position()[n] <= high]
            for label in [*ticks, axis.label]:
                if label.get_text():
                    yield label.get_text(), label.get_window_extent(renderer)


@pytest.mark.parametrize("job", [JOB, TWO_BOUNDS, ODD_NAMES, {**JOB, "routing": ["ecmp"] * 9}], ids=["one", "two", "odd", "many"])
def test_no_text_leaves_the_page_or_covers_another(job: dict[str, Any]) -> None:
    picture = figure(ns.run(job).runs)
    boxes = list(_boxes(picture))
    for text, box in boxes:
        assert picture.bbox.padded(1).contains(box.x0, box.y0), text
        assert picture.bbox.padded(1).contains(box.x1, box.y1), text
    for i, (text, box) in enumerate(boxes):
        for other, its in boxes[:i]:
            assert not box.padded(-1).overlaps(its.padded(-1)), (text, other)


def test_any_name_is_drawn_as_it_is(tmp_path: Path) -> None:
    plot(ns.run(ODD_NAMES).runs, tmp_path / "odd.svg")
    text = (tmp_path / "odd.svg").read_text()
    ElementTree.fromstring(text)
    assert "$x_2$ - - □□ &lt;b&gt;" in text


def test_equal_runs_are_equal_bytes_whatever_the_users_style(tmp_path: Path) -> None:
    runs = ns.run(TWO_BOUNDS).runs
    plot(runs, tmp_path / "a.svg")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "black", "svg.hashsalt": None}):
        plot(ns.run(TWO_BOUNDS).runs, tmp_path / "b.svg")
        assert matplotlib.rcParams["font.size"] == 30
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in first
    code = (
        "import hashlib, sys, netsim as ns; from netsim.plot import plot; plot(ns.run(eval(sys.argv[1])).runs, sys.argv[2])\n"
        "print([m for m in sys.modules if m == 'matplotlib.pyplot'], hashlib.sha256(open(sys.argv[2], 'rb').read()).hexdigest())"
    )
    again = subprocess.run([sys.executable, "-c", code, repr(TWO_BOUNDS), tmp_path / "c.svg"], capture_output=True, text=True)
    assert again.stdout.split() == ["[]", hashlib.sha256(first).hexdigest()], again.stderr


def test_png(tmp_path: Path) -> None:
    plot(ns.run(JOB).runs, tmp_path / "a.png")
    written = (tmp_path / "a.png").read_bytes()
    assert written.startswith(b"\x89PNG\r\n")
    assert b"tIME" not in written


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = ns.run(JOB).runs
    with pytest.raises(ns.InputError, match=r"a\.pdf: a plot's name must end in \.svg or \.png"):
        plot(runs, tmp_path / "a.pdf")
    with pytest.raises(ns.NetsimError, match=r"nowhere/a\.svg: cannot be written: No such file"):
        plot(runs, tmp_path / "nowhere" / "a.svg")
    with pytest.raises(ns.InputError, match="no runs"):
        plot((), tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.svg").write_text("old")

    def half(self: Figure, target: Any, **options: Any) -> None:
        target.write(b"<svg")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(KeyboardInterrupt):
        plot(runs, tmp_path / "old.svg")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.svg", "old")]
