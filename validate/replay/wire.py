"""The steps of a rank as MPI messages: what is sent from where, what is received into where, what is added when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validate.replay.data import Buffers, Floats
from validate.replay.steps import Message, Step


@dataclass(frozen=True, eq=False)
class Bound:
    """A step with every message bound to the memory that it leaves from or arrives in."""

    sends: tuple[tuple[Floats, int], ...]  #: what, to whom
    receives: tuple[tuple[Floats, int], ...]
    pack: tuple[tuple[Floats, Floats], ...]  #: (target, source), copied before anything is posted
    place: tuple[tuple[Floats, Floats], ...]  #: (target, source), copied when all is done
    add: tuple[tuple[Floats, Floats], ...]  #: (target, source), added when all is done


def bind(steps: Sequence[Sequence[Step]], data: Buffers) -> list[list[Bound]]:
    """The steps of every channel, with scratch memory for what lies in pieces or is to be added; channels have their own."""
    out = []
    for channel, position in zip(steps, data.position, strict=True):
        runs = [[_runs(message, position) for message in (*step.sends, *step.receives)] for step in channel]
        most = max((sum(end - begin for run in step for begin, end, _ in run) for step in runs), default=0)
        scratch = np.zeros(most, np.float32)
        out.append([_bound(step, run, data.buffer, scratch) for step, run in zip(channel, runs, strict=True)])
    return out


_Run = tuple[int, int, bool]  #: elements begin .. end - 1 of the buffer, and whether they are added


def _runs(message: Message, position: Any) -> list[_Run]:
    """A message's elements, neighbouring chunks joined; chunks without elements left out."""
    begin, end = position[message.chunk], position[message.chunk + 1]
    some = begin < end
    begin, end, reduce = begin[some], end[some], message.reduce[some]
    if not len(begin):
        return []
    new = np.flatnonzero(np.concatenate(([True], (begin[1:] != end[:-1]) | (reduce[1:] != reduce[:-1]))))
    last = np.append(new[1:], len(begin)) - 1
    return list(zip(begin[new].tolist(), end[last].tolist(), reduce[new].tolist(), strict=True))


def _bound(step: Step, runs: list[list[_Run]], buffer: Floats, scratch: Floats) -> Bound:
    """A step in memory. What arrives goes straight to its place only where nothing of that is being sent in the same step."""
    outgoing, incoming = runs[: len(step.sends)], runs[len(step.sends) :]
    leaving = [run for message in outgoing for run in message]
    taken = 0
    sends: list[tuple[Floats, int]] = []
    receives: list[tuple[Floats, int]] = []
    pack: list[tuple[Floats, Floats]] = []
    place: list[tuple[Floats, Floats]] = []
    add: list[tuple[Floats, Floats]] = []
    for message, run in zip(step.sends, outgoing, strict=True):
        if len(run) <= 1:
            sends.append((buffer[run[0][0] : run[0][1]] if run else buffer[:0], message.peer))
            continue
        begin = taken
        for b, e, _ in run:
            pack.append((scratch[taken : taken + e - b], buffer[b:e]))
            taken += e - b
        sends.append((scratch[begin:taken], message.peer))
    for message, run in zip(step.receives, incoming, strict=True):
        if not run or (len(run) == 1 and not run[0][2] and not _meets(run[0], leaving)):
            receives.append((buffer[run[0][0] : run[0][1]] if run else buffer[:0], message.peer))
            continue
        begin = taken
        for b, e, reduce in run:
            (add if reduce else place).append((buffer[b:e], scratch[taken : taken + e - b]))
            taken += e - b
        receives.append((scratch[begin:taken], message.peer))
    return Bound(tuple(sends), tuple(receives), tuple(pack), tuple(place), tuple(add))


def _meets(run: _Run, others: Sequence[_Run]) -> bool:
    return any(run[0] < end and begin < run[1] for begin, end, _ in others)
