"""Schedules made of schedules: groups side by side, folded ranks, time turned round, chunks renumbered."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.algorithm import check_rows
from collectives.collective import Collective
from collectives.schedule import Round, Schedule
from topologies.errors import InputError
from topologies.fabric import Ints


def side_by_side(schedule: Schedule, groups: ArrayLike, first_chunk: ArrayLike = 0, scale: int = 1) -> list[Round]:
    """The schedule done by several groups of ranks at once, in the same rounds.

    `groups[g, j]` is the rank that plays rank j in group g; group g works on the chunks from `first_chunk[g]` on (a multiple of
    the span, schedule.n_chunks * scale), each chunk of the schedule being `scale` chunks. Chunk numbers wrap within the span.
    """
    if len(schedule.channels) != 1:
        raise InputError(
            f"{schedule.algorithm}: has {len(schedule.channels)} channels; only one can be part of another algorithm"
        )
    groups = np.atleast_2d(np.asarray(groups, dtype=np.int32))
    first = np.broadcast_to(np.asarray(first_chunk, dtype=np.int32), len(groups))[:, None]
    n = schedule.n_chunks
    return [
        Round(
            groups[:, r.src].ravel(),
            groups[:, r.dst].ravel(),
            (first + r.chunk * scale).ravel(),
            _each(r.n_chunks * scale, len(groups)),
            _each(r.reduce, len(groups)),
            r.repeat,
            _each(r.shift * scale, len(groups)),
            (r.wrap or n) * scale,
        )
        for r in schedule.channels[0].rounds
    ]


def _each(values: NDArray[np.generic], times: int) -> NDArray[np.generic]:
    """The values once per group; a single number where all are the same."""
    return values[0] if len(values) and (values == values[0]).all() else np.tile(values, times)


def mirrored(rounds: list[Round]) -> list[Round]:
    """The rounds backwards in time, every message turned round and added: all-gather becomes reduce-scatter, broadcast reduce.

    Right where every rank receives every chunk at most once: the tree that a chunk spreads over becomes the tree it is summed on.
    Repeated rounds must not wrap.
    """
    return [
        Round(r.dst, r.src, r.chunk + r.shift * (r.repeat - 1), r.n_chunks, True, r.repeat, -r.shift, r.wrap)
        for r in reversed(rounds)
    ]


def renumbered(collective: Collective, rounds: list[Round], number: ArrayLike, algorithm: str) -> list[Round]:
    """The rounds with chunk c called `number[c]`. Runs fall apart into single chunks, repetitions into rounds of their own.

    For reduce-scatter and all-gather, whose chunks are numbered by the rank that owns them, in algorithms that keep other things
    together. Raises InputError where the pieces would not fit into memory.
    """
    number = np.asarray(number, dtype=np.int32)
    check_rows(algorithm, collective, sum(r.repeat * int(r.n_chunks.sum(dtype=np.int64)) for r in rounds))
    out = []
    for r in rounds:
        for repetition in range(r.repeat):
            row, chunk = r.pieces(repetition, len(number))
            reduce = r.reduce[0] if len(r.src) and (r.reduce == r.reduce[0]).all() else r.reduce[row]
            out.append(Round(r.src[row], r.dst[row], number[chunk], 1, reduce))
    return out


def folded_ranks(ranks: int) -> Ints:
    """The p' = 2^floor(log2 p) ranks that stay when the first 2(p-p') ranks pair up and the even one of each pair steps out.

    >>> folded_ranks(6).tolist()
    [1, 3, 4, 5]
    """
    extra = ranks - (1 << ranks.bit_length() - 1)
    return np.concatenate([np.arange(1, 2 * extra, 2), np.arange(2 * extra, ranks)]).astype(np.int32)


def folded(schedule: Schedule, ranks: int) -> list[Round]:
    """An all-reduce over p' = 2^floor(log2 p) ranks made one over p (Thakur, Rabenseifner & Gropp 2005).

    Before it, each of the p - p' ranks that step out gives its vector to its neighbour; after it, it gets the sum back.
    """
    stay = folded_ranks(ranks)
    out = np.arange(0, 2 * (ranks - len(stay)), 2, dtype=np.int32)
    n = schedule.n_chunks
    inner = side_by_side(schedule, stay)
    if not len(out):
        return inner
    return [Round(out, out + 1, 0, n, True), *inner, Round(out + 1, out, 0, n, False)]
