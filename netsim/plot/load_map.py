"""What a heat map shows: contention as a table of link classes by columns of rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from netsim.result import Result

_COLUMNS = 240  # more are pooled: the eye and the file have no use for them


@dataclass(frozen=True, eq=False)
class LoadMap:
    """A case: load float64[classes, columns], and for each column its seconds, whether contention slows it, its rounds."""

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
    ends = np.maximum.accumulate(ends)  # ranks drift: a block may be over before the one ahead of it
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
