"""How cost grows from 64 to 65,536 ranks: seconds, events, flow-hops, bytes; the tables and the picture of docs/performance.md.

python benchmarks/scaling.py [words of a series' name]      all, or the series named, printed only

Fabrics are three-tier Clos of full bisection with as many hosts as ranks; routes are d-mod-k unless a series says otherwise.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from cases import LINK, all_reduce, all_to_all, simulated
from tables import clock, keep, machine

from collectives.collective import Collective
from netsim.result import Result
from topologies.clos import clos
from topologies.fabric import Fabric

DOCS = Path(__file__).parent.parent / "docs"
LEVELS = {64: (4, 4, 4), 256: (4, 8, 8), 1024: (8, 8, 16), 4096: (16, 16, 16), 16384: (16, 32, 32), 65536: (32, 32, 64)}
ENOUGH = 5.0  # seconds: a point that takes longer is measured once, others five times after a warm-up


@dataclass(frozen=True)
class Series:
    """One collective and one way of placing ranks, up to as many ranks as are worth waiting for."""

    name: str
    algorithm: str
    collective: Callable[[int], Collective]
    most: int
    options: dict[str, Any]
    colour: str


@dataclass(frozen=True)
class Point:
    ranks: int
    seconds: float
    messages: int  #: of the whole schedule, repetitions counted
    kept: int  #: of one repetition of each block: what there is memory for
    counters: dict[str, int]
    peak: int  #: bytes allocated at most during the simulation

    @property
    def hops_per_event(self) -> float | None:
        return self.counters["flow_hops"] / self.counters["events"] if self.counters["events"] else None


SERIES = [
    Series("halving-doubling, natural order", "halving-doubling", all_reduce, 65536, {}, "#0072b2"),
    Series("halving-doubling, random map", "halving-doubling", all_reduce, 65536, {"seed": 0}, "#d55e00"),
    Series("ring, natural order", "ring", all_reduce, 65536, {}, "#009e73"),
    Series("ring, random map", "ring", all_reduce, 1024, {"seed": 0}, "#cc79a7"),
    Series("all-to-all direct, ECMP", "direct", all_to_all, 1024, {"routing": "ecmp"}, "#e69f00"),
]


def fabric(ranks: int) -> Fabric:
    a, b, c = LEVELS[ranks]
    return clos(children=[a, b, c], parents=[1, a, b], **LINK)


def point(series: Series, ranks: int) -> Point:
    """One size of a series, timed, then once more to see what it allocates."""
    run = simulated("flow", series.algorithm, series.collective(ranks), lambda: fabric(ranks), **series.options)()
    times = []
    for _ in range(6):
        start = perf_counter()
        result: Result = run()
        times.append(perf_counter() - start)
        if times[-1] > ENOUGH and ranks > 64:  # the smallest has compiled and loaded the kernels
            break
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    each, repeat = result.contention.messages.astype(int), result.contention.repeat.astype(int)
    return Point(ranks, median(times[1:] or times), int(each @ repeat), int(each.sum()), dict(result.counters), peak)


HEADER = [
    "| ranks | messages | seconds | µs a message | events | flow-hops touched an event | rows solved an event | bytes a flow |",
    "|---|---|---|---|---|---|---|---|",
]


def row(p: Point) -> str:
    """A line of a series' table. A flow is a message of one repetition: what is repeated is kept once."""
    events = p.counters["events"]
    work = f"{p.hops_per_event:.1f} | {p.counters['rows_solved'] / events:.1f}" if events else "| "
    rate = f"{p.seconds / p.messages * 1e6:.3g}"
    return f"| {p.ranks:,} | {p.messages:,} | {clock(p.seconds)} | {rate} | {events:,} | {work} | {p.peak / p.kept:.0f} |"


def main(words: list[str]) -> None:
    lines = [f"Machine: {machine()}."]
    print(lines[0])
    found: dict[str, list[Point]] = {}
    for series in SERIES:
        if not all(word in series.name for word in words):
            continue
        head = ["", f"### {series.name[0].upper()}{series.name[1:]}", "", *HEADER]
        print("\n".join(head), flush=True)
        lines += head
        for ranks in (n for n in LEVELS if n <= series.most):
            found.setdefault(series.name, []).append(point(series, ranks))
            lines.append(row(found[series.name][-1]))
            print(lines[-1], flush=True)
    if not words:
        keep("scaling", lines, DOCS / "performance.md")
        draw(found, DOCS / "img" / "scaling.svg")


def draw(found: dict[str, list[Point]], target: Path) -> None:
    """Time by messages beside lines of equal time a message; by ranks events, flow-hops an event, bytes a flow."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "netsim"
    figure = Figure(figsize=(10, 8), layout="constrained")
    (time, events), (hops, memory) = figure.subplots(2, 2)
    for series in SERIES:
        points = found[series.name]
        style = {"marker": "o", "markersize": 4, "color": series.colour}
        time.plot([p.messages for p in points], [p.seconds for p in points], label=series.name, **style)
        memory.plot([p.ranks for p in points], [p.peak / p.kept for p in points], **style)
        busy = [p for p in points if p.counters["events"]]
        if busy:
            events.plot([p.ranks for p in busy], [p.counters["events"] for p in busy], **style)
            hops.plot([p.ranks for p in busy], [p.hops_per_event for p in busy], **style)
    most = max(p.messages for points in found.values() for p in points)
    for per_message in (1e-8, 1e-7, 1e-6, 1e-5):
        time.plot([1e2, 1e11], [per_message * 1e2, per_message * 1e11], color="0.75", linewidth=0.8, linestyle="--", zorder=0)
    time.set(xlabel="messages", ylabel="seconds", title="time (dashed: linear)", xlim=(300, 3 * most), ylim=(1e-4, 1e2))
    events.set(xlabel="ranks", ylabel="events", title="events (none in natural order)")
    hops.set(xlabel="ranks", ylabel="flow-hops touched per event", title="work per event")
    memory.set(xlabel="ranks", ylabel="bytes per flow", title="memory")
    for axes in (time, events, hops, memory):
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3)
        if axes is not time:
            axes.set(xlim=(45, 95000), ylim=(axes.get_ylim()[0] / 2, axes.get_ylim()[1] * 2))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


if __name__ == "__main__":
    main(sys.argv[1:])
