"""Who sends what, when: rounds of messages. One meaning for simulation and replay.

Each rank walks the rounds of a channel in order. In a round it posts all its sends and receives of that round and goes on when
all are done. A message starts when both ends have reached its round and is done, for both, when its last byte has arrived.
No global barrier; channels run side by side and share the wires.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.collective import Collective
from topologies.fabric import Ints, frozen


class Messages(NamedTuple):
    """The messages of one repetition of a round: ranks, and how many chunks each carries."""

    src: Ints
    dst: Ints
    chunks: NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class Round:
    """Rows `src → dst: chunks chunk .. chunk + n_chunks - 1`, all int32 of one length (scalars are broadcast).

    Chunk numbers wrap around the channel's chunk space; where `wrap` is given, around the aligned window of `wrap` chunks
    that they start in (what lets rings of several groups run side by side). `reduce` (bool per row): the receiver adds to
    what it has, instead of replacing it. The round is done `repeat` times, `chunk` moving by `shift` (per row) from one
    repetition to the next. Adjacent rows with the same (src, dst) make one message that carries several pieces.
    """

    src: Ints
    dst: Ints
    chunk: Ints
    n_chunks: Ints
    reduce: NDArray[np.bool_]
    repeat: int
    shift: Ints
    wrap: int

    def __init__(
        self,
        src: ArrayLike,
        dst: ArrayLike,
        chunk: ArrayLike,
        n_chunks: ArrayLike,
        reduce: ArrayLike,
        repeat: int = 1,
        shift: ArrayLike = 0,
        wrap: int = 0,
    ) -> None:
        size = np.shape(src)
        for name, values in (("src", src), ("dst", dst), ("chunk", chunk)):
            object.__setattr__(self, name, frozen(np.broadcast_to(np.asarray(values, np.int32), size), np.int32))
        # mostly one value for all rows: a scalar stays one number seen `rows` times (a million ranks, forty rounds: 360 MB)
        for name, values, dtype in (("n_chunks", n_chunks, np.int32), ("reduce", reduce, np.bool_), ("shift", shift, np.int32)):
            object.__setattr__(self, name, np.broadcast_to(np.asarray(values, dtype), size))
        object.__setattr__(self, "repeat", repeat)
        object.__setattr__(self, "wrap", wrap)

    def pieces(self, repetition: int, n_chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Single chunks sent in a repetition, in order: (row, chunk). `n_chunks`: the channel's.

        >>> Round([0, 1], [1, 0], [3, 0], [2, 1], False, repeat=2, shift=-1).pieces(1, n_chunks=4)
        (array([0, 0, 1]), array([2, 3, 3]))
        """
        window = self.wrap or n_chunks
        row = np.repeat(np.arange(len(self.src)), self.n_chunks)
        within = np.arange(len(row)) - np.repeat(np.cumsum(self.n_chunks, dtype=np.int64) - self.n_chunks, self.n_chunks)
        base = self.chunk.astype(np.int64) // window * window
        start = self.chunk - base + self.shift.astype(np.int64) * repetition
        return row, base[row] + (start[row] + within) % window

    @cached_property
    def messages(self) -> Messages:
        """The messages of one repetition: adjacent rows of one pair merged."""
        if not len(self.src):
            return Messages(self.src, self.dst, self.n_chunks.astype(np.int64))
        starts = self._starts()
        if len(starts) == len(self.src):
            return Messages(self.src, self.dst, self.n_chunks.astype(np.int64))
        chunks = np.add.reduceat(self.n_chunks.astype(np.int64), starts)
        return Messages(frozen(self.src[starts], np.int32), frozen(self.dst[starts], np.int32), chunks)

    @property
    def added_chunks(self) -> NDArray[np.int64]:
        """How many chunks of each message are added to what the receiver has: int64[messages]."""
        chunks = np.where(self.reduce, self.n_chunks, 0).astype(np.int64)
        return np.add.reduceat(chunks, self._starts()) if len(chunks) else chunks

    def _starts(self) -> NDArray[np.int64]:
        """The first row of each message."""
        return np.flatnonzero(np.concatenate(([True], (self.src[1:] != self.src[:-1]) | (self.dst[1:] != self.dst[:-1]))))


@dataclass(frozen=True)
class Channel:
    """Rounds in order over a chunk space of their own: chunk c of the channel is chunk `first_chunk + c` of the schedule."""

    rounds: tuple[Round, ...]
    n_chunks: int
    first_chunk: int = 0

    @property
    def n_steps(self) -> int:
        """Rounds with repetitions counted."""
        return sum(r.repeat for r in self.rounds)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A collective and the channels that perform it. `n_chunks` equal chunks make up `collective.payload` bytes.

    How chunks are numbered is part of the operation (collectives/checks.py holds schedules to it):
    all-reduce, broadcast, reduce: the vector cut in n_chunks pieces; all-gather, reduce-scatter: rank r's part is chunks
    r*c .. (r+1)*c - 1 of every channel, c = channel.n_chunks / ranks; all-to-all: block (s, d), what rank s has for rank d,
    is chunks (s*ranks + d)*c .. + c - 1 of every channel, c = channel.n_chunks / ranks².
    """

    collective: Collective
    channels: tuple[Channel, ...]
    algorithm: str = ""

    def __post_init__(self) -> None:
        starts = np.cumsum([0, *(c.n_chunks for c in self.channels)])
        placed = tuple(Channel(c.rounds, c.n_chunks, int(s)) for c, s in zip(self.channels, starts, strict=False))
        object.__setattr__(self, "channels", placed)

    @property
    def n_chunks(self) -> int:
        return sum(c.n_chunks for c in self.channels)

    @property
    def chunk_bytes(self) -> float:
        return self.collective.payload / self.n_chunks

    @property
    def n_steps(self) -> int:
        """Rounds, repetitions counted, of the longest channel."""
        return max((c.n_steps for c in self.channels), default=0)

    def bytes_sent(self) -> NDArray[np.float64]:
        """Bytes that each rank sends in all: float64[ranks]."""
        chunks = np.zeros(self.collective.ranks)
        for r in self.all_rounds():
            chunks += r.repeat * np.bincount(r.src, weights=r.n_chunks, minlength=self.collective.ranks)
        return chunks * self.chunk_bytes

    def all_rounds(self) -> Iterator[Round]:
        for channel in self.channels:
            yield from channel.rounds

    def resized(self, nbytes: float) -> Schedule:
        """The same messages for another size: rounds are shared, so that a size sweep builds them once."""
        c = self.collective
        return Schedule(Collective(c.op, c.ranks, nbytes, c.root), self.channels, self.algorithm)


def one_channel(collective: Collective, rounds: Sequence[Round], n_chunks: int, algorithm: str = "") -> Schedule:
    """A schedule of a single channel; rounds without rows are dropped."""
    kept: tuple[Any, ...] = tuple(r for r in rounds if len(r.src))
    return Schedule(collective, (Channel(kept, n_chunks),), algorithm)
