"""What ranks hold: integers in float32, so that sums are exact in any order, and every element that comes out can be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.collective import Op
from collectives.semantics import REDUCING
from validate.replay.steps import Step

Floats = NDArray[np.float32]
NOTHING = -1.0  #: what lies where a rank has nothing to begin with


@dataclass(frozen=True, eq=False)
class Buffers:
    """A rank's data. It holds only the chunks that it ever has to do with, side by side in order of their numbers."""

    buffer: Floats
    before: Floats  #: what it holds to begin with
    after: Floats  #: what it must hold at the end, where that is due
    due: tuple[slice, ...]
    position: tuple[NDArray[np.int64], ...]  #: of each channel: where each chunk begins, and behind it where it ends

    def refill(self) -> None:
        np.copyto(self.buffer, self.before)

    def wrong(self) -> int:
        """Elements that are not what they must be."""
        return sum(int(np.count_nonzero(self.buffer[part] != self.after[part])) for part in self.due)


def buffers(row: Mapping[str, Any], channels: Sequence[int], steps: Sequence[Sequence[Step]], rank: int) -> Buffers:
    """The data of a rank for a row of the plan; `channels`: chunks of each channel, `steps`: the rank's own.

    The payload of `elements` float32 is cut into as many parts as there are chunks, equal but for one element.
    """
    op, ranks, elements = Op(row["op"]), int(row["ranks"]), int(row["elements"])
    total, first = sum(channels), np.cumsum([0, *channels])
    held, owner, due = [], [], []
    for n_chunks, own in zip(channels, steps, strict=True):
        source, wanted = ownership(op, ranks, int(row["root"]), n_chunks, rank)
        touched = wanted | (source == rank) | (source < 0)
        for step in own:
            for message in (*step.sends, *step.receives):
                touched[message.chunk] = True
        held.append(touched)
        owner.append(source)
        due.append(wanted)
    has, source, wanted = (np.concatenate(part) for part in (held, owner, due))
    bounds = np.arange(total + 1, dtype=np.int64) * elements // total
    length = np.diff(bounds) * has
    at = np.concatenate(([0], np.cumsum(length)))
    chunk = np.repeat(np.arange(total), length)
    element = bounds[chunk] + np.arange(len(chunk)) - at[chunk]
    before, after = _values(op, ranks, rank, source[chunk], element)
    position = tuple(at[f : f + n + 1] for f, n in zip(first, channels, strict=False))
    return Buffers(np.empty_like(before), before, after, _slices(at, wanted), position)


def ownership(op: Op, ranks: int, root: int, n_chunks: int, rank: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Who has each chunk of a channel to begin with, -1 for everyone, and whether this rank must have it at the end.

    Says for one rank what `collectives.semantics` says for all.

    >>> ownership(Op.ALL_TO_ALL, 2, 0, 4, rank=1)
    (array([0, 0, 1, 1]), array([False,  True, False,  True]))
    """
    chunk = np.arange(n_chunks)
    source = np.full(n_chunks, root if op is Op.BROADCAST else -1)
    wanted = np.full(n_chunks, op is not Op.REDUCE or rank == root)
    if op in (Op.ALL_GATHER, Op.ALL_TO_ALL):
        source = chunk * ranks // n_chunks
    if op is Op.REDUCE_SCATTER:
        wanted = chunk * ranks // n_chunks == rank
    if op is Op.ALL_TO_ALL:
        wanted = chunk * ranks * ranks // n_chunks % ranks == rank
    return source, wanted


def _values(op: Op, ranks: int, rank: int, source: NDArray[np.int64], element: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Before and after. Rank r has a(r) + b(e) as element e, neither above `span`: their sum over all ranks stays below 2^24."""
    span = min(1021, (1 << 23) // ranks)
    of_rank = np.append(1 + np.arange(ranks) * 389 % span, 0)  # a: differs from rank to rank; [-1] is for everyone
    of_element = (element * 2654435761 >> 16) % span  # b: neighbours, and the same place in neighbouring chunks, differ
    if op in REDUCING:
        before, after = of_rank[rank] + of_element, of_rank.sum() + ranks * of_element
    else:
        after = of_rank[source] + of_element
        before = np.where(source == rank, after, NOTHING)
    return before.astype(np.float32), after.astype(np.float32)


def _slices(at: NDArray[np.int64], wanted: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Runs of wanted chunks as slices of elements."""
    change = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    return tuple(slice(int(at[b]), int(at[e])) for b, e in zip(change[::2], change[1::2], strict=True))
