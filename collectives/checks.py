"""Schedules are checked, not trusted: run on symbolic contributions, and on real buffers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.collective import Collective, Op
from collectives.schedule import Channel, Schedule
from collectives.semantics import REDUCING, postcondition, precondition, replay, steps
from topologies.errors import ScheduleError

__all__ = ["check", "check_buffers", "postcondition", "precondition", "replay", "steps"]


def check(schedule: Schedule) -> None:
    """Prove that the schedule does what its collective promises, for any data and any size.

    Every rank must end with every contribution that it is due exactly once, chunk by chunk. Memory: 8 B x ranks x chunks,
    for reductions x ranks/64. Raises ScheduleError that names rank, chunk and round.
    """
    for index, channel in enumerate(schedule.channels):
        name = schedule.algorithm + (f": channel {index}" if len(schedule.channels) > 1 else "")
        _check_form(name, schedule.collective, channel)
        _check_delivery(name, schedule.collective, channel)


def _check_form(name: str, collective: Collective, channel: Channel) -> None:
    p, n = collective.ranks, channel.n_chunks
    parts = {Op.ALL_TO_ALL: p * p, Op.ALL_GATHER: p, Op.REDUCE_SCATTER: p}.get(collective.op, 1)
    if n < 1 or n % parts:
        raise ScheduleError(f"{name}: {n} chunks: {collective.op.value} over {p} ranks needs a multiple of {parts}")
    number = 0
    for r in channel.rounds:
        window = r.wrap or n
        if r.repeat < 1 or window < 1 or n % window:
            raise ScheduleError(
                f"{name}: round {number}: repeat {r.repeat}, wrap {r.wrap}: needs a repeat of 1 or more, a wrap of {n}"
            )
        for wrong, why in (
            ((r.src < 0) | (r.src >= p), f"the sender is none of the {p} ranks"),
            ((r.dst < 0) | (r.dst >= p), f"the receiver is none of the {p} ranks"),
            (r.src == r.dst, "sends to itself"),
            ((r.chunk < 0) | (r.chunk >= n), f"there are chunks 0..{n - 1}"),
            ((r.n_chunks < 1) | (r.n_chunks > window), f"carries a run of chunks that is none of 1..{window}"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ScheduleError(
                    f"{name}: round {number}: rank {r.src[row]} to rank {r.dst[row]}: chunk {r.chunk[row]}"
                    f" (run of {r.n_chunks[row]}): {why}"
                )
        number += r.repeat


def _check_delivery(name: str, collective: Collective, channel: Channel) -> None:
    p, n = collective.ranks, channel.n_chunks
    reducing = collective.op in REDUCING
    held = _contributions(precondition(collective, n), reducing)  # uint64[rank, chunk, word]: bit r is what rank r contributed
    number = -1
    for number, src, dst, chunk, reduce in steps(channel):
        where = f"{name}: round {number}"
        moved = held[src, chunk]
        _stop(where, src, chunk, ~moved.any(axis=1), "is sent and not there")
        _check_races(where, dst, chunk, reduce, p, n)
        place = ~reduce
        held[dst[place], chunk[place]] = moved[place]
        for layer in _one_at_a_time(dst * n + chunk, reduce):
            to, what, new = dst[layer], chunk[layer], moved[layer]
            old = held[to, what]
            _stop(where, to, what, ~old.any(axis=1), "is added to nothing")
            twice = old & new
            _stop(where, to, what, twice.any(axis=1), "is given what it already has of rank", twice)
            held[to, what] = old | new
    complete = _contributions(np.ones((p, 1), np.bool_), reducing)
    missing = np.bitwise_or.reduce(complete, axis=0) & ~held
    missing[~postcondition(collective, n)] = 0
    rank, chunk = np.nonzero(missing.any(axis=2))
    why, words = ("lacks what comes from rank", missing[rank, chunk]) if reducing else ("is not there", None)
    _stop(f"{name}: {_end(number)}", rank, chunk, np.ones(len(rank), np.bool_), why, words)


def _contributions(has: NDArray[np.bool_], reducing: bool) -> NDArray[np.uint64]:
    """uint64[rank, chunk, word]: bit r where rank r has something of its own; the same bit for all if nothing is summed."""
    ranks = len(has)
    bit = np.arange(ranks) if reducing else np.zeros(ranks, np.int64)
    out = np.zeros((*has.shape, int(bit[-1]) // 64 + 1), dtype=np.uint64)
    out[np.arange(ranks), :, bit // 64] = has * (np.uint64(1) << (bit % 64).astype(np.uint64))[:, None]
    return out


def _end(number: int) -> str:
    return f"after round {number}, the last" if number >= 0 else "without a round"


def _check_races(where: str, dst: Any, chunk: Any, reduce: NDArray[np.bool_], p: int, n: int) -> None:
    """What arrives to replace a chunk must be all that arrives for it in the round: nothing says which message is the last."""
    if reduce.all():
        return
    key, count = np.unique(dst * n + chunk, return_counts=True)
    replaced = np.isin(key, (dst * n + chunk)[~reduce])
    rank, what = np.divmod(key, n)
    _stop(where, rank, what, (count > 1) & replaced, "is replaced by more than one message at once")


def _one_at_a_time(key: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """The chosen rows in layers without a repeated key: a chunk may get several additions in one round."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(key[rows], kind="stable")]
    if not len(rows):
        return
    first = np.concatenate(([True], key[rows][1:] != key[rows][:-1]))
    nth = np.arange(len(rows)) - np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    by_layer = rows[np.argsort(nth, kind="stable")]
    yield from np.split(by_layer, np.cumsum(np.bincount(nth))[:-1])


def _stop(where: str, rank: Any, chunk: Any, wrong: Any, why: str, words: NDArray[np.uint64] | None = None) -> None:
    """Raises ScheduleError for the first row that is wrong; `words` hold the ranks that the complaint is about."""
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    of = ""
    if words is not None:
        word = int(np.flatnonzero(words[row])[0])
        bits = int(words[row, word])
        of = f" {word * 64 + (bits & -bits).bit_length() - 1}"
    raise ScheduleError(f"{where}: rank {rank[row]}: chunk {chunk[row]} {why}{of}")


def check_buffers(schedule: Schedule, buffers: NDArray[Any], *, tolerance: float = 0.0) -> None:
    """Replay the schedule on the buffers and compare with what numpy's sum, or the owner of each chunk, says it must give.

    What a rank does not have to begin with may be anything. `tolerance`: relative to the largest value, for floating point.
    Raises ScheduleError that names rank and chunk.
    """
    collective = schedule.collective
    had, due = (
        np.concatenate([condition(collective, c.n_chunks) for c in schedule.channels], axis=1)
        for condition in (precondition, postcondition)
    )
    summed = collective.op in REDUCING
    expected = buffers.sum(axis=0) if summed else buffers[had.argmax(axis=0), np.arange(schedule.n_chunks)]
    got = replay(schedule, buffers)
    differs = np.abs(got - expected) > tolerance * np.abs(expected).max() if tolerance else got != expected
    rank, chunk = np.nonzero(differs.reshape(*due.shape, -1).any(axis=2) & due)
    _stop(
        f"{schedule.algorithm}: {_end(schedule.n_steps - 1)}",
        rank,
        chunk,
        np.ones(len(rank), np.bool_),
        "holds other values than it must",
    )
