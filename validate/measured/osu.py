"""The text of OSU micro-benchmarks: collectives.

    # OSU MPI Allreduce Latency Test v7.5
    # Datatype: MPI_FLOAT.
    # Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
    1048576              1204.25           1190.02           1221.80         100

Sizes are MPI's, per rank: allreduce, reduce, broadcast and reduce_scatter count the whole vector, as nccl-tests does; allgather
counts what one rank gives and all-to-all what one rank sends to one peer, so that nccl-tests' size is n times as much.
Source: c/mpi/collective/osu_*.c and c/util/osu_util_mpi.c of the benchmarks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from collectives.collective import Op
from topologies.errors import InputError
from validate.measured.numbers import microseconds, size
from validate.measured.text import unlabelled
from validate.measurement import Measured, Measurement

_TITLE = re.compile(r"#\s*OSU\s+(?P<library>\w+)(?P<device>-\w+)?\s+(?P<test>.+?)\s+Test(?:\s+v(?P<version>\S+))?\s*$")

#: test -> operation, whether size counts one rank's part, root
_TESTS = {
    "Allreduce Latency": (Op.ALL_REDUCE, False, -1),
    "Reduce_scatter Latency": (Op.REDUCE_SCATTER, False, -1),
    "Allgather Latency": (Op.ALL_GATHER, True, -1),
    "All-to-All Personalized Exchange Latency": (Op.ALL_TO_ALL, True, -1),
    "Broadcast Latency": (Op.BROADCAST, False, 0),
    "Reduce Latency": (Op.REDUCE, False, 0),
}
_REDUCES = (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.REDUCE)
_TYPES = {"MPI_CHAR": "char", "MPI_FLOAT": "float", "MPI_INT": "int32", "MPI_DOUBLE": "double"}
_AVERAGE, _SLOWEST = "Avg Latency(us)", "Max Latency(us)"


def is_osu(lines: Sequence[str]) -> bool:
    return any(_TITLE.match(unlabelled(line)) for line in lines)


def osu(lines: Sequence[str], name: str, ranks: int) -> Measurement:
    """The rows of all collectives in the file. Raises InputError for tests that are none, and lines that are not of a table."""
    rows: list[Measured] = []
    versions: dict[str, None] = {}
    columns: list[str] = []
    kinds: set[bool] = set()  # whether the slowest rank's time is printed
    title: re.Match[str] | None = None
    dtype, empty = "", 0
    for number, raw in enumerate(lines, 1):
        line, at = unlabelled(raw), f"{name}:{number}"
        if found := _TITLE.match(line):
            title, columns, dtype = found, [], ""
            library = f"OSU {found['library']}{found['device'] or ''}"
            versions[f"{library} {found['version'] or ''}".rstrip()] = None
            _known(found["test"], at)
        elif title and (typed := re.match(r"#\s*Datatype:\s*(\w+)", line)):
            dtype = _TYPES.get(typed[1], typed[1].removeprefix("MPI_").lower())
        elif title and re.match(r"#\s*Size\b", line):
            columns = _columns(line, at)
            kinds.add(_SLOWEST in columns)
        elif title and line[:1].isdigit():
            row = _row(line.split(), columns, title["test"], dtype, ranks, at)
            rows += [row] if row.bytes else []
            empty += not row.bytes
    if not rows:
        raise InputError(f"{name}:{len(lines)}: no rows; expected lines of a size and a latency: was the output cut off?")
    return Measurement("osu", tuple(rows), where={"benchmark": ", ".join(versions)}, notes=tuple(_notes(kinds, ranks, empty)))


def _known(test: str, at: str) -> None:
    if test not in _TESTS:
        tests = ", ".join(known.removesuffix(" Latency") for known in _TESTS)
        raise InputError(f"{at}: OSU {test} Test: not a collective that netsim predicts; these are: {tests}")


def _columns(line: str, at: str) -> list[str]:
    columns = re.split(r"\s{2,}", line.lstrip("# ").rstrip())
    if _AVERAGE not in columns:
        raise InputError(f"{at}: no column {_AVERAGE}; expected the table of an OSU collective")
    return columns


def _row(words: Sequence[str], columns: Sequence[str], test: str, dtype: str, ranks: int, at: str) -> Measured:
    op, of_one_rank, root = _TESTS[test]
    if not columns:
        raise InputError(f"{at}: a row before the line of titles '# Size  {_AVERAGE}'")
    if len(words) != len(columns):
        raise InputError(f"{at}: {len(words)} columns, expected {len(columns)}: {', '.join(columns)}")
    if not ranks:
        raise InputError(f"{at}: OSU benchmarks do not print how many ranks there were: say it")
    cells = dict(zip(columns, words, strict=True))
    time = microseconds(cells.get(_SLOWEST, cells[_AVERAGE]), "latency", at)
    validated = cells.get("Validation")
    failed = validated not in (None, "Pass")
    return Measured(
        name="",
        by="",
        op=op.value,
        bytes=size(words[0], at) * (ranks if of_one_rank else 1),
        ranks=ranks,
        seconds=(time,),
        wrong=None if validated is None else int(failed),  # at least: it does not say how many
        doubts=("the benchmark's own validation failed",) * failed,
        redop="sum" if op in _REDUCES else "none",
        root=root,
        dtype=dtype or "char",
    )


def _notes(kinds: set[bool], ranks: int, empty: int) -> Iterator[str]:
    yield f"OSU benchmarks do not print their ranks: taken to be {ranks}"
    if empty:
        yield f"{empty} row{'s' * (empty != 1)} of 0 bytes left out"
    if True in kinds:
        yield "time: the slowest rank's average over its iterations (Max Latency)" + ", where it is printed" * (False in kinds)
    if False in kinds:
        yield "time: averaged over the ranks too; run OSU benchmarks with -f for the slowest one's, which netsim predicts"
