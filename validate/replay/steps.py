"""A rank's own part of a schedule: step by step whom it sends what, and from whom it receives."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.schedule import Round


@dataclass(frozen=True, eq=False)
class Message:
    """Chunks, numbered as in the channel, to a peer or from it; `reduce` per chunk: added to what the receiver has."""

    peer: int
    chunk: NDArray[np.int64]
    reduce: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Step:
    """What a rank does in one repetition of a round; ranks that have nothing to do have no such step."""

    sends: tuple[Message, ...]
    receives: tuple[Message, ...]


def own_steps(table: Mapping[str, NDArray[Any]], rank: int) -> list[list[Step]]:
    """Channel by channel the steps of a rank. `table`: as `validate.replay.plan.table` makes it.

    >>> from collectives.collective import Collective, Op
    >>> from collectives.ring import ring
    >>> from validate.replay.plan import table
    >>> ((first, second),) = own_steps(table(ring(Collective(Op.ALL_GATHER, ranks=3, bytes=12.0)).channels), rank=0)
    >>> [(m.peer, m.chunk.tolist()) for m in (*first.sends, *first.receives, *second.sends, *second.receives)]
    [(1, [0]), (2, [2]), (1, [2]), (2, [1])]
    """
    steps: list[list[Step]] = [[] for _ in table["channels"]]
    for channel, begin, end, repeat, wrap in table["rounds"].tolist():
        mine = begin + np.flatnonzero((table["src"][begin:end] == rank) | (table["dst"][begin:end] == rank))
        if len(mine):
            own = {name: table[name][mine] for name in ("src", "dst", "chunk", "n_chunks", "reduce", "shift", "message")}
            steps[channel] += _repeated(own, rank, repeat, wrap, int(table["channels"][channel]))
    return steps


def _repeated(own: Mapping[str, NDArray[Any]], rank: int, repeat: int, wrap: int, n_chunks: int) -> Iterator[Step]:
    rows = Round(**{name: own[name] for name in own if name != "message"}, repeat=repeat, wrap=wrap)
    row, _ = rows.pieces(0, n_chunks)
    starts = np.flatnonzero(np.diff(own["message"][row], prepend=-1))
    spans = list(zip(starts.tolist(), [*starts[1:].tolist(), len(row)], strict=True))
    ends = list(zip(own["src"][row[starts]].tolist(), own["dst"][row[starts]].tolist(), strict=True))
    reduce = own["reduce"][row]
    for repetition in range(repeat):
        _, chunk = rows.pieces(repetition, n_chunks)
        messages = [(src, dst, chunk[b:e], reduce[b:e]) for (src, dst), (b, e) in zip(ends, spans, strict=True)]
        yield Step(
            tuple(Message(dst, what, how) for src, dst, what, how in messages if src == rank),
            tuple(Message(src, what, how) for src, dst, what, how in messages if dst == rank),
        )


def load_table(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a table's file."""
    with np.load(io.BytesIO(content)) as arrays:
        return dict(arrays)
