"""Measure the tables of docs/validation.md on emulated fabrics and write them: python benchmarks/validation/run.py

Each line of PLAN is one `netsim validate`, whose measurement is kept under docs/measurements/emulated/; one that is there is not
measured again, so that an interrupted run goes on where it was: --again measures all anew, a name that set, --page only writes
the page. An hour and a half on a machine that does nothing else; runs that something disturbed are repeated and then told.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from topologies.errors import InputError
from validate.asked import request_of
from validate.comparison import RESOLUTION, Comparison, Point, compare
from validate.from_file import file_outcome

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = ROOT / "docs" / "measurements" / "emulated"
PAGE = ROOT / "docs" / "validation.md"
FABRICS = {
    "fat-tree": "fat-tree k=4, d-mod-k",
    "fat-tree-polarised": "fat-tree k=4, polarised ECMP",
    "bigraph": "BiGraph m=2 n=8",
    "leaf-spine": "leaf-spine 4×4 hosts, 2 spines (2:1)",
    "torus": "torus 4×4",
}
MPICH = ("mpich:ring", "mpich:reduce_scatter_allgather", "mpich:recursive_doubling", "mpich:tree")
OPEN_MPI = ("openmpi:ring", "openmpi:rabenseifner", "openmpi:recursive_doubling")


@dataclass(frozen=True)
class Set:
    """One `netsim validate`: the scenario's name, the name of what it leaves, its options, and what is set in the scenario."""

    scenario: str
    kept: str
    options: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    open_mpi: bool = False

    @property
    def source(self) -> Path:
        return HERE / f"{self.scenario}.yaml"

    @property
    def file(self) -> Path:
        return KEPT / f"{self.kept}.json"


def _natives(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--native", name))


#: sets of their own for what takes much longer, or much shorter, than the rest: rows share one scale, and short ones tell little
SERVER = ("--set", "algorithm=parameter-server")
DOUBLING = ("--set", "algorithm=recursive-doubling")
BOTH_WAYS = ("--set", "algorithm=bidirectional-ring")
TEN, TEN_LONG, USUAL = ("--repeat", "10", "--seconds", "4s"), ("--repeat", "10", "--seconds", "12s"), ("--seconds", "4s")
STRUCTURED = [Set(f"{f}-structured", f"{f}-structured", TEN) for f in ("fat-tree", "bigraph", "torus")]
STRUCTURED += [
    Set("fat-tree-polarised-structured", "fat-tree-polarised-structured", TEN_LONG),
    Set("fat-tree-polarised-structured", "fat-tree-polarised-structured-doubling", TEN, DOUBLING),
    Set("fat-tree-polarised-structured", "fat-tree-polarised-structured-both-ways", TEN_LONG, BOTH_WAYS),
]
STRUCTURED += [
    Set(f"{f}-structured", f"{f}-structured-server", TEN, SERVER) for f in ("fat-tree", "bigraph", "torus", "fat-tree-polarised")
]
RANDOM = [Set(f"{f}-random", f"{f}-random", USUAL) for f in ("fat-tree", "bigraph", "leaf-spine", "torus")]
RANDOM += [Set(f"{f}-random", f"{f}-random-server", USUAL, SERVER) for f in ("fat-tree", "bigraph", "leaf-spine", "torus")]
MAPS = [Set(f"{f}-maps", f"{f}-maps", ("--maps", "12", "--seconds", "12s", "--repeat", "2")) for f in ("fat-tree", "bigraph")]
CONTESTED = ("fat-tree", "fat-tree-polarised", "bigraph")
WINNERS = [Set(f"{f}-winners", f"{f}-winners-mpich", ("--seconds", "2s", "--repeat", "2", *_natives(MPICH))) for f in CONTESTED]
WINNERS_OPEN = [
    Set(f"{f}-winners", f"{f}-winners-openmpi", ("--seconds", "2s", "--repeat", "2", *_natives(OPEN_MPI)), open_mpi=True)
    for f in CONTESTED
]
DIRECT, XOR, BRUCK = ("--set", "algorithm=direct"), ("--set", "algorithm=pairwise-xor"), ("--set", "algorithm=bruck")
OTHERS = [Set("sixty-four", "sixty-four", ("--seconds", "60s"))]
OTHERS += [Set("all-to-all", f"all-to-all-{how[-1].partition('=')[2]}", USUAL, how) for how in (DIRECT, XOR, BRUCK)]
PLAN = [*STRUCTURED, *RANDOM, *MAPS, *WINNERS, *OTHERS, *WINNERS_OPEN]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="measure these only, such as fat-tree-maps")
    parser.add_argument("--again", action="store_true", help="measure what was measured before, too")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    parser.add_argument(
        "--open-mpi", metavar="PYTHON", help="a Python whose environment has openmpi and mpi4py; else those sets are left"
    )
    chosen = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    failed = 0
    for one in PLAN if not chosen.page else ():
        if (chosen.sets and one.kept not in chosen.sets) or (one.file.exists() and not (chosen.again or chosen.sets)):
            continue
        if one.open_mpi and not chosen.open_mpi:
            print(f"{one.kept}: left out: no --open-mpi PYTHON", file=sys.stderr)
            continue
        python = ("--mpi-python", chosen.open_mpi) if one.open_mpi else ()
        print(f"{datetime.now(UTC):%H:%M:%S} {one.kept}", file=sys.stderr, flush=True)
        how = [str(one.source), *one.options, *one.settings, *python, "--save", str(one.file)]
        command = [sys.executable, "-m", "netsim", "validate", *how]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if code not in (0, 3):
            print(f"{one.kept}: exit code {code}", file=sys.stderr)
            failed = failed or code
    found = {one.kept: compared for one in PLAN if one.file.exists() and (compared := comparison(one))}
    keep(PAGE, list(page(found)))
    return failed or int(len(found) < sum(one.file.exists() for one in PLAN))


def comparison(one: Set) -> Comparison | None:
    """What a kept measurement says, beside what netsim said then; None, and a line, where it is of another scenario."""
    request = request_of(str(one.source), list(one.settings[1::2]), one.file, repeat=None, maps=0, native=[], options={})
    try:
        return compare(file_outcome(request, one.file), request.rows)
    except InputError as error:
        print(f"{one.kept}: left out, measure it again: {error}", file=sys.stderr)
        return None


def keep(path: Path, lines: Sequence[str]) -> None:
    """Put the lines between the marks of the page."""
    text = path.read_text()
    begin = text.index("-->\n", text.index("<!-- measured: ")) + len("-->\n")
    path.write_text(text[:begin] + "\n".join(lines) + "\n" + text[text.index("<!-- end of measured -->") :])


def page(found: dict[str, Comparison]) -> Iterator[str]:
    """The generated part of the page."""
    if not found:
        return
    kept = [c.measurement for c in found.values()]
    dates = sorted(one.date[:10] for one in kept)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    machines, mpis, fabrics = (
        " and ".join(dict.fromkeys(one.where[key] for one in kept)) for key in ("machine", "mpi", "fabric")
    )
    yield f"Measured {when} on {machines}; {mpis}; {fabrics}."
    yield ""
    yield "| what | slowest row | rows | of them trusted | median error | worst error | median CV | worst CV |"
    yield "|---|---|---|---|---|---|---|---|"
    groups = {
        "structured: natural order, dealt over leaves, HDRM; ten runs each": STRUCTURED,
        "random rank maps, and natural order on the leaf-spine": RANDOM,
        "twelve rank maps": MAPS,
        "64 ranks": OTHERS[:1],
        "all-to-all": OTHERS[1:],
        "ring, halving-doubling, tree beside MPICH's own": WINNERS,
        "the same beside Open MPI's own": WINNERS_OPEN,
    }
    for title, sets in groups.items():
        points = [p for one in sets if one.kept in found for p in found[one.kept].points]
        if points:
            yield f"| {title} | {' or '.join(dict.fromkeys(_seconds(one) for one in sets))} | {summary(points)} |"
    yield ""
    yield from orders(found)
    yield from winners(found)
    yield from schedules(found)


def _seconds(one: Set) -> str:
    return one.options[one.options.index("--seconds") + 1].replace("s", " s")


def summary(points: Sequence[Point]) -> str:
    """`rows | trusted | median | worst | CVs`."""
    good = [p for p in points if p.trusted]
    if not good:
        return f"{len(points)} | 0 | | | |"
    worst = max((p.error for p in good), key=abs)
    spread = [p.measured.variation for p in good]
    errors = f"{100 * median(abs(p.error) for p in good):.2f} % | {100 * worst:+.2f} %"
    return f"{len(points)} | {len(good)} | {errors} | {100 * median(spread):.2f} % | {100 * max(spread):.2f} %"


def orders(found: dict[str, Comparison]) -> Iterator[str]:
    """Whether rank maps come out in the right order."""
    yield "### The order of twelve rank maps"
    yield ""
    yield f"Times that differ by less than {100 * RESOLUTION:g} % or their CV are tied; beside it, where every difference counts."
    yield "Last, of the pairs that are tied neither in prediction nor in measurement, those in opposite order."
    yield ""
    yield "| fabric | schedule | maps | Kendall τ-b | every difference counted | pairs the wrong way round |"
    yield "|---|---|---|---|---|---|"
    for one in MAPS:
        for order in found[one.kept].orders if one.kept in found else ():
            fabric, pairs = one.scenario.removesuffix("-maps"), f"{order.swapped} of {order.told_apart}"
            yield f"| {fabric} | {order.by} | {order.maps} | {order.tau:.3f} | {order.raw_tau:.3f} | {pairs} |"
    yield ""


def winners(found: dict[str, Comparison]) -> Iterator[str]:
    """Who is fastest of ring, halving-doubling, tree and the library's own."""
    yield "### Ring, halving-doubling or tree"
    yield ""
    contests = [(one, c) for one in (*WINNERS, *WINNERS_OPEN) if one.kept in found for c in found[one.kept].contests]
    agreed = sum(c.agree for _, c in contests)
    if contests:
        alone = [c for _, c in contests if not c.alike]
        share, alone_agreed = 100 * agreed / len(contests), sum(c.agree for c in alone)
        yield f"The predicted winner is the measured one in {agreed} of {len(contests)} cells ({share:.0f} %):"
        yield f"{alone_agreed} of {len(alone)} where one is predicted to win, {agreed - alone_agreed} of"
        yield f"{len(contests) - len(alone)} where several are predicted exactly alike and one of them has to win."
        every = [c for comparison in found.values() for c in comparison.contests]
        yield f"Of all schedules measured together, over all tables: {sum(c.agree for c in every)} of {len(every)}."
        yield ""
    yield "| fabric | with | rank map | predicted fastest | measured fastest | its lead over the predicted | agree |"
    yield "|---|---|---|---|---|---|---|"
    for one, c in contests:
        fabric, _, mpi = one.kept.partition("-winners-")
        where = f"| {FABRICS[fabric]} | {mpi} | {c.name} |"
        predicted, agree = " = ".join((c.predicted, *c.alike)), "yes" if c.agree else "no"
        yield f"{where} {predicted} | {c.measured} | {100 * c.slower:.2f} % | {agree} |"
    yield ""


def schedules(found: dict[str, Comparison]) -> Iterator[str]:
    """One table for each fabric: schedules down, rank maps across, error and CV in the cells."""
    for name, title in FABRICS.items():
        points = [
            p
            for one in (*STRUCTURED, *RANDOM)
            if one.scenario.rsplit("-", 1)[0] == name and one.kept in found
            for p in found[one.kept].points
        ]
        if not points:
            continue
        columns = list(dict.fromkeys(_map(p) for p in points))
        yield f"### {title}: error (CV) in per cent"
        yield ""
        yield "| schedule | " + " | ".join(columns) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for by in dict.fromkeys(p.measured.by for p in points):
            cells = {_map(p): cell(p) for p in points if p.measured.by == by}
            yield f"| {by} | " + " | ".join(cells.get(column, "") for column in columns) + " |"
        yield ""


def _map(point: Point) -> str:
    return point.row.job.titles["placement"]


def cell(point: Point) -> str:
    """`+0.31 (0.12)`, or why there is no figure."""
    if point.measured.doubts:
        return f"not trusted: {point.measured.doubts[0]}"
    return f"{100 * point.error:+.2f} ({100 * point.measured.variation:.2f})"


if __name__ == "__main__":
    sys.exit(main())
