"""The steps of a rank as MPI messages: what is sent from where, what is received into where, what is added when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from validate.replay.data import Buffers, Floats
from validate.replay.steps import Message, Step


class Late(Exception):
    """Something took longer than its limit; says what."""


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


def walk(channels: Sequence[Sequence[Bound]], comm: Any, asleep: Callable[[], None], deadline: float) -> None:
    """Every step of every channel, channels side by side; `asleep` is called where nothing has moved.

    A message's tag is its channel; messages of one pair, channel and round after round, are matched in the order they are posted
    in (MPI 4.1, 3.5: they do not overtake). Raises Late where it is not done by `deadline` (time.monotonic).
    """
    from mpi4py import MPI

    done = MPI.Request.Testall
    under_way = [_channel(steps, comm, tag, MPI.FLOAT) for tag, steps in enumerate(channels)]
    posted: list[tuple[list[Any], Iterator[list[Any]]]] = []
    for channel in under_way:
        posted += [(requests, channel) for requests in islice(channel, 1)]
    while posted:
        left = []
        moved = False
        for requests, channel in posted:
            if done(requests):
                moved = True
                left += [(following, channel) for following in islice(channel, 1)]
            else:
                left.append((requests, channel))
        posted = left
        if not moved:
            _check(deadline)
            asleep()


def _channel(steps: Sequence[Bound], comm: Any, tag: int, kind: Any) -> Iterator[list[Any]]:
    """Post a step, give out its requests, and when they are done go on: pieces into place, sums made."""
    receive, send = comm.Irecv, comm.Isend
    for step in steps:
        requests = [receive([into, kind], peer, tag) for into, peer in step.receives]
        for target, source in step.pack:
            target[:] = source
        requests += [send([what, kind], peer, tag) for what, peer in step.sends]
        yield requests
        for target, source in step.place:
            target[:] = source
        for target, source in step.add:
            target += source


def wait(done: Callable[[], bool], poll: float, deadline: float) -> None:
    """Until `done()`, asleep between looks: more ranks than cores must not spin. Raises Late at the deadline."""
    while not done():
        _check(deadline)
        if poll:
            time.sleep(poll)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Late("no message has moved")
