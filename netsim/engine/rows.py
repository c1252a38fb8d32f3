"""The rows of many blocks end to end, over the links that any of them crosses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from topologies.fabric import Floats, frozen


class Rows(NamedTuple):
    """Row i crosses links[offsets[i]:offsets[i+1]] with the part `use` of its bytes (None: all of them), after waiting."""

    offsets: NDArray[np.int64]
    links: NDArray[np.int32]
    use: NDArray[np.float64] | None
    wait: Floats
    nbytes: Floats

    def renumbered(self, n_links: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """`links` as numbers 0 .. U-1 of the links in use, and the numbers that these had."""
        seen = np.zeros(n_links, dtype=bool)
        seen[self.links] = True
        return (np.cumsum(seen, dtype=np.int32) - 1)[self.links], np.flatnonzero(seen)


def join_rows(blocks: Sequence[Block], overhead: float) -> Rows:
    """The rows of all blocks, one block after the other."""
    ahead = np.cumsum([0, *(len(b.paths.links) for b in blocks)])
    offsets = _joined([b.paths.offsets[1:] + n for b, n in zip(blocks, ahead, strict=False)])
    plain = all(b.paths.use is None for b in blocks)
    use = None if plain else _joined([np.ones(len(b.paths.links)) if b.paths.use is None else b.paths.use for b in blocks])
    return Rows(
        np.concatenate([[0], offsets]),
        _joined([b.paths.links for b in blocks]),
        use,
        frozen(_joined([b.row_wait(overhead) for b in blocks]), np.float64),  # read-only both, so that kernels are compiled once
        frozen(_joined([b.row_bytes() for b in blocks]), np.float64),
    )


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The parts end to end; a single one as it is, for it may be large."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
