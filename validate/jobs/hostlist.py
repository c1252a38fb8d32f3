"""Host lists as Slurm writes them; `topologies.formats.hostlist.expand` is the way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence


def fold(names: Iterable[str]) -> str:
    """The names as one host list, ranges of trailing numbers in brackets, the rest as they are.

    >>> fold(["n0", "n1", "n2", "n7", "login", "gpu08", "gpu09", "gpu10"])
    'n[0-2,7],login,gpu[08-10]'
    """
    split = [(name, re.fullmatch(r"(.*?)([0-9]{1,15})", name, re.ASCII)) for name in dict.fromkeys(names)]
    # gpu9 and gpu10 count on from one another, gpu09 and gpu9 do not: numbers with zeros in front go by their width
    padded = {(m[1], len(m[2])) for _, m in split if m and m[2].startswith("0") and len(m[2]) > 1}
    groups: dict[tuple[str, int], list[int]] = {}
    for name, m in split:
        if not m:
            groups[name, 0] = []
        else:
            key = (m[1], len(m[2]) if (m[1], len(m[2])) in padded else 1)
            groups.setdefault(key, []).append(int(m[2]))
    return ",".join(_item(prefix, width, numbers) for (prefix, width), numbers in groups.items())


def _item(prefix: str, width: int, numbers: Sequence[int]) -> str:
    if not numbers:
        return prefix
    ranges = ",".join(_ranges(sorted(numbers), width))
    return f"{prefix}{ranges}" if ranges.isdigit() else f"{prefix}[{ranges}]"


def _ranges(numbers: Sequence[int], width: int) -> Iterator[str]:
    start = numbers[0]
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        if following == number + 1:
            continue
        low, high = str(start).zfill(width), str(number).zfill(width)
        yield low if start == number else f"{low}-{high}"
        if following is not None:
            start = following
