"""Walking the rounds: a rank posts its messages of a round, and goes on when all are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from validate.replay.wire import Bound

_NOTHING = np.empty(0, np.float32)  #: what "ready" carries: that it came is all it says
_DATA, _READY = range(2)  #: tags of a channel: 2 * channel + one of these


class Late(Exception):
    """Something took longer than its limit; says what."""


class _Step:
    """What is under way of a step: requests, and what follows where one has ended."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.follows: list[Callable[[], Any] | None] = []
        self.left = 0  #: requests that have not ended

    def post(self, request: Any, follow: Callable[[], Any] | None = None) -> None:
        self.requests.append(request)
        self.follows.append(follow)
        self.left += 1

    def look(self, some: Callable[[list[Any]], list[int] | None]) -> bool:
        """Whether anything has ended since the last look; what follows it has been posted then."""
        ended = some(self.requests) or []
        self.left -= len(ended)
        for n in sorted(ended):  # messages of one pair in the order of their receives
            follow = self.follows[n]
            if follow is not None:
                self.post(follow())
        return bool(ended)


def walk(
    channels: Sequence[Sequence[Bound]], comm: Any, asleep: Callable[[], None], deadline: float, rendezvous: bool = False
) -> None:
    """Every step of every channel, channels side by side; `asleep` is called where nothing has moved.

    `rendezvous`: a message starts when its receiver has said that it has reached the round, as schedules mean it. Without, the
    MPI library decides how far messages run ahead: over TCP they fill the kernel's buffers, and links that others still need.
    Messages of one pair and tag are matched in the order they are posted in (MPI 4.1, 3.5: they do not overtake).
    Raises Late where it is not done by `deadline` (time.monotonic).
    """
    from mpi4py import MPI

    some = MPI.Request.Testsome
    under_way: list[tuple[Iterator[_Step], _Step]] = []
    for number, steps in enumerate(channels):
        walker = _steps(steps, comm, 2 * number, MPI.FLOAT, rendezvous)
        under_way += [(walker, step) for step in islice(walker, 1)]
    while under_way:
        moved = [step.look(some) for _, step in under_way]
        if any(moved):
            under_way = [going for walker, step in under_way for going in _on(walker, step)]
        else:
            check(deadline)
            asleep()


def _on(walker: Iterator[_Step], step: _Step) -> list[tuple[Iterator[_Step], _Step]]:
    """The same step while some of it is left, else the next, if any."""
    return [(walker, step)] if step.left else [(walker, following) for following in islice(walker, 1)]


def _steps(steps: Sequence[Bound], comm: Any, tag: int, kind: Any, rendezvous: bool) -> Iterator[_Step]:
    """Post a step, give it out, and when it is done go on: pieces into place, sums made."""
    post = _post_when_ready if rendezvous else _post
    for bound in steps:
        for target, source in bound.pack:
            target[:] = source
        yield post(bound, comm, tag, kind)
        for target, source in bound.place:
            target[:] = source
        for target, source in bound.add:
            target += source


def _post(bound: Bound, comm: Any, tag: int, kind: Any) -> _Step:
    step = _Step()
    for into, peer in bound.receives:
        step.post(comm.Irecv([into, kind], peer, tag))
    for what, peer in bound.sends:
        step.post(comm.Isend([what, kind], peer, tag))
    return step


def _post_when_ready(bound: Bound, comm: Any, tag: int, kind: Any) -> _Step:
    step = _Step()
    for into, peer in bound.receives:
        step.post(comm.Irecv([into, kind], peer, tag + _DATA))
        step.post(comm.Isend(_NOTHING, peer, tag + _READY))
    for what, peer in bound.sends:
        step.post(comm.Irecv(_NOTHING, peer, tag + _READY), partial(comm.Isend, [what, kind], peer, tag + _DATA))
    return step


def wait(done: Callable[[], bool], poll: float, deadline: float) -> None:
    """Until `done()`, asleep between looks: more ranks than cores must not spin. Raises Late at the deadline."""
    while not done():
        check(deadline)
        if poll:
            time.sleep(poll)


def check(deadline: float) -> None:
    """Raises Late where it is past."""
    if time.monotonic() > deadline:
        raise Late("no message has moved")
