"""What a schedule means: single chunks moving step by step, from what every rank has to what it must have.

In a round every rank sends what it had when the round began; what arrives replaces or adds to what it has when the round ends.
Steps are rounds counted with their repetitions, from 0, within a channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.collective import Collective, Op
from collectives.schedule import Channel, Schedule
from topologies.errors import ScheduleError

#: Operations that add what the ranks contribute.
REDUCING = (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.REDUCE)


class Step(NamedTuple):
    """The single chunks that move in one repetition of a round: int64, and whether they are added; all of one length."""

    number: int
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    chunk: NDArray[np.int64]
    reduce: NDArray[np.bool_]


def steps(channel: Channel) -> Iterator[Step]:
    """A channel step by step, repetitions and runs of chunks written out."""
    number = 0
    for r in channel.rounds:
        for repetition in range(r.repeat):
            row, chunk = r.pieces(repetition, channel.n_chunks)
            yield Step(number, r.src[row].astype(np.int64), r.dst[row].astype(np.int64), chunk, r.reduce[row])
            number += 1


def precondition(collective: Collective, n_chunks: int) -> NDArray[np.bool_]:
    """Which rank has which chunk of its own to begin with: bool[ranks, n_chunks], chunks numbered as Schedule says.

    >>> precondition(Collective(Op.ALL_GATHER, ranks=2, bytes=4.0), n_chunks=4).astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 1, 1]])
    """
    op, p = collective.op, collective.ranks
    if op is Op.ALL_GATHER:
        return _blocks(p, p, n_chunks)
    if op is Op.ALL_TO_ALL:
        return _blocks(p, p, n_chunks)  # blocks (s, ·) are neighbours
    if op is Op.BROADCAST:
        return _root_only(collective, n_chunks)
    return np.ones((p, n_chunks), np.bool_)


def postcondition(collective: Collective, n_chunks: int) -> NDArray[np.bool_]:
    """Which rank must have which chunk at the end, complete: bool[ranks, n_chunks]."""
    op, p = collective.op, collective.ranks
    if op is Op.REDUCE_SCATTER:
        return _blocks(p, p, n_chunks)
    if op is Op.ALL_TO_ALL:
        return np.tile(_blocks(p, p, n_chunks // p), (1, p))
    if op is Op.REDUCE:
        return _root_only(collective, n_chunks)
    return np.ones((p, n_chunks), np.bool_)


def _blocks(ranks: int, parts: int, n_chunks: int) -> NDArray[np.bool_]:
    return np.repeat(np.eye(ranks, parts, dtype=np.bool_), n_chunks // parts, axis=1)


def _root_only(collective: Collective, n_chunks: int) -> NDArray[np.bool_]:
    return np.repeat(np.arange(collective.ranks)[:, None] == collective.root, n_chunks, axis=1)


def replay(schedule: Schedule, buffers: NDArray[Any]) -> NDArray[Any]:
    """What the ranks have after the schedule if buffers[rank, chunk, ...] is what they had before; chunks in order of channels.

    >>> from collectives.ring import ring
    >>> schedule = ring(Collective(Op.ALL_REDUCE, ranks=3, bytes=24.0))
    >>> replay(schedule, np.arange(9).reshape(3, 3)).tolist()
    [[9, 12, 15], [9, 12, 15], [9, 12, 15]]
    """
    shape = (schedule.collective.ranks, schedule.n_chunks)
    if buffers.shape[:2] != shape:
        raise ScheduleError(f"{schedule.algorithm}: buffers of shape {buffers.shape}: the schedule needs {shape} first")
    out = buffers.copy()
    for channel in schedule.channels:
        own = out[:, channel.first_chunk : channel.first_chunk + channel.n_chunks]
        for _, src, dst, chunk, reduce in steps(channel):
            moved = own[src, chunk]
            own[dst[~reduce], chunk[~reduce]] = moved[~reduce]
            np.add.at(own, (dst[reduce], chunk[reduce]), moved[reduce])
    return out
