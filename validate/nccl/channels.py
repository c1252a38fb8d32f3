"""Channels of a schedule laid side by side, step by step: what NCCL is given where a schedule has several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from collectives.schedule import Channel, Round, Schedule
from collectives.semantics import steps
from validate.request import Row


def aligned(schedule: Schedule) -> Schedule:
    """The same messages on one channel: its step s is step s of every channel, and its chunks are numbered as the schedule's.

    NCCL asks that communicators which run side by side on a GPU be launched in one order everywhere and all fit on it, else ranks
    wait for one another for ever. One communicator and one group a step cannot: step numbers are the same on all ranks. The price
    is that channels wait for one another at each step; prediction is made of the aligned schedule, so that what is simulated is
    what is replayed. (Ranks and bytes of the collective are kept, chunks are not blocks by rank any more: `collectives.checks`
    would not know it.)
    """
    if len(schedule.channels) <= 1:
        return schedule
    rounds = tuple(_side_by_side(schedule) if _alike(schedule) else _written_out(schedule))
    return Schedule(schedule.collective, (Channel(rounds, schedule.n_chunks),), schedule.algorithm)


def replayed(row: Row) -> Row:
    """The row as NCCL is given it: its channels side by side; its own collective as it is."""
    return row if row.native else replace(row, job=replace(row.job, schedule=aligned(row.job.schedule)))


def _alike(schedule: Schedule) -> bool:
    """Whether the rounds of all channels repeat alike and wrap in windows that their place leaves whole."""
    first = [r.repeat for r in schedule.channels[0].rounds]
    windows = {r.wrap or c.n_chunks for c in schedule.channels for r in c.rounds}
    return all([r.repeat for r in c.rounds] == first for c in schedule.channels) and all(
        len(windows) == 1 and c.first_chunk % window == 0 for c in schedule.channels for window in windows
    )


def _side_by_side(schedule: Schedule) -> Iterator[Round]:
    for together in zip(*(c.rounds for c in schedule.channels), strict=True):
        wrap = together[0].wrap or schedule.channels[0].n_chunks
        src, dst, n_chunks, reduce, shift = (
            np.concatenate([getattr(r, name) for r in together]) for name in ("src", "dst", "n_chunks", "reduce", "shift")
        )
        chunk = np.concatenate([r.chunk + c.first_chunk for r, c in zip(together, schedule.channels, strict=True)])
        yield Round(src, dst, chunk, n_chunks, reduce, together[0].repeat, shift, wrap)


def _written_out(schedule: Schedule) -> Iterator[Round]:
    """Every step a round of single chunks."""
    for together in zip_longest(*(steps(c) for c in schedule.channels)):
        there = [(step, c.first_chunk) for step, c in zip(together, schedule.channels, strict=True) if step is not None]
        src, dst, reduce = (np.concatenate([getattr(step, name) for step, _ in there]) for name in ("src", "dst", "reduce"))
        yield Round(src, dst, np.concatenate([step.chunk + first for step, first in there]), 1, reduce)
