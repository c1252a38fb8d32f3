"""What text and JSON of nccl-tests have in common: names of tests, rows of one test that was run several times."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from collectives.collective import Collective, Op
from topologies.errors import InputError
from validate.measurement import Measured

_TESTS = {
    "all_reduce": Op.ALL_REDUCE,
    "reduce_scatter": Op.REDUCE_SCATTER,
    "all_gather": Op.ALL_GATHER,
    "broadcast": Op.BROADCAST,
    "reduce": Op.REDUCE,
    "alltoall": Op.ALL_TO_ALL,
}
Ops = tuple[str, ...]  #: operations that rows may be of

_PROGRAM = re.compile(r"\b([a-z][a-z_0-9]*)_perf\b")


def op_of(line: str, at: str = "") -> str:
    """The operation whose program a line names, "" where it names none.

    Raises InputError for one that netsim has not, where `at` says that the line names a program and nothing else.
    """
    found = _PROGRAM.search(line)
    if found is None or (found[1] not in _TESTS and not at):
        return ""
    if found[1] not in _TESTS:
        raise InputError(f"{at}: {found[0]}: not a collective that netsim predicts; these are: {', '.join(_TESTS)}")
    return _TESTS[found[1]].value


def op_by_looks(asked: Ops, redop: str, root: int, ratio: float, ranks: int, at: str) -> str:
    """The operation of a row whose test is not named: what reduction, root and busbw/algbw allow; that of `asked` where several.

    Raises InputError where they allow none or several of `asked`, or, asked for none, not a single one.
    """
    reduces = redop not in ("none", "")
    if root >= 0:
        possible = [Op.REDUCE if reduces else Op.BROADCAST]
    else:
        possible = [Op.ALL_REDUCE, Op.REDUCE_SCATTER] if reduces else [Op.ALL_GATHER, Op.ALL_TO_ALL]
    near = [op for op in possible if abs(Collective(op, ranks, 1.0).bus_factor - ratio) < 0.05]
    names = [op.value for op in near or possible]
    fit = [name for name in names if name in asked or not asked]
    if len(fit) == 1:
        return fit[0]
    why = ": the file does not name its test; say the operation" if fit else f", not {' or '.join(asked)}"
    raise InputError(f"{at}: the row looks like {' or '.join(names)}{why}")


def joined(rows: Iterable[Measured]) -> tuple[Measured, ...]:
    """Rows of the same test become one with all their times."""
    out: dict[Measured, list[Measured]] = {}
    for row in rows:
        out.setdefault(replace(row, seconds=(), wrong=None), []).append(row)
    return tuple(
        replace(same[0], seconds=tuple(s for row in same for s in row.seconds), wrong=_wrong(row.wrong for row in same))
        for same in out.values()
    )


def _wrong(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if known else None
