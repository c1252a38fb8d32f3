"""Host names as Slurm writes them: `n[0-3,7],login1`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from topologies.errors import InputError

_MOST = 1_000_000  # hosts in one list; `n[0-999999999]` is a slip of the finger, not a cluster


def expand(text: str) -> list[str]:
    """The names in a hostlist, in the order written; a name may hold several brackets; zeros in front are kept.

    Raises InputError for brackets that do not pair, ranges that are none, and more than a million names.

    >>> expand("n[0-2,7],gpu[08-10]-ib, x")
    ['n0', 'n1', 'n2', 'n7', 'gpu08-ib', 'gpu09-ib', 'gpu10-ib', 'x']
    """
    names: list[str] = []
    for item in _split(text):
        parts = re.split(r"\[([^\[\]]*)\]", item)  # text, bracket, text, bracket, ..., text
        if any("[" in part or "]" in part for part in parts[0::2]):
            raise InputError(f"host list {text!r}: {item!r} has a bracket without its partner")
        choices = [list(_numbers(part, text)) if i % 2 else [part] for i, part in enumerate(parts)]
        size = 1
        for choice in choices:
            size *= len(choice)
        if len(names) + size > _MOST:
            raise InputError(f"host list {text!r}: more than {_MOST} names; shorten the range")
        names += ["".join(combination) for combination in product(*choices)]
    return names


def _split(text: str) -> Iterator[str]:
    """The items between commas that stand outside brackets."""
    for item in re.split(r",(?![^\[\]]*\])", text):
        if item.strip():
            yield item.strip()


def _numbers(ranges: str, text: str) -> Iterator[str]:
    for piece in ranges.split(","):
        found = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", piece, re.ASCII)
        if not found:
            raise InputError(f"host list {text!r}: {piece!r} is neither a number nor a range like 0-3")
        low, high = found[1], found[2] or found[1]
        if int(high) < int(low):
            raise InputError(f"host list {text!r}: range {piece!r} runs backwards")
        if int(high) - int(low) >= _MOST:
            raise InputError(f"host list {text!r}: more than {_MOST} names; shorten the range")
        yield from (str(n).zfill(len(low)) for n in range(int(low), int(high) + 1))
