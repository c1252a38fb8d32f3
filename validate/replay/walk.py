"""Walking the rounds: a rank posts its messages of a round, and goes on when all are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from validate.replay.ready import Ready
from validate.replay.wire import Bound


class Late(Exception):
    """Something took longer than its limit; says what."""


class _Step:
    """What is under way of a step: requests, and sends that wait for the word of their receivers."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.left = 0  #: requests that have not ended
        self.waiting: list[tuple[Callable[[], bool], Callable[[], Any]]] = []

    def post(self, request: Any) -> None:
        self.requests.append(request)
        self.left += 1

    def look(self, some: Callable[[list[Any]], list[int] | None]) -> bool:
        """Whether anything has ended or begun since the last look."""
        waiting, self.waiting = self.waiting, []
        for ready, send in waiting:
            if ready():
                self.post(send())
            else:
                self.waiting.append((ready, send))
        ended = some(self.requests) or []
        self.left -= len(ended)
        return bool(ended) or len(self.waiting) < len(waiting)

    @property
    def done(self) -> bool:
        return not (self.left or self.waiting)


def walk(
    channels: Sequence[Sequence[Bound]], comm: Any, asleep: Callable[[], None], deadline: float, ready: Ready | None = None
) -> None:
    """Every step of every channel, channels side by side; `asleep` is called where nothing has moved.

    `ready`: a message starts when its receiver has said there that it has reached the round, as schedules mean it. Without, the
    MPI library decides how far messages run ahead: over TCP they fill the kernel's buffers, and links that others still need.
    Messages of one pair and tag are matched in the order they are posted in (MPI 4.1, 3.5: they do not overtake).
    Raises Late where it is not done by `deadline` (time.monotonic).
    """
    from mpi4py import MPI

    some = MPI.Request.Testsome
    under_way: list[tuple[Iterator[_Step], _Step]] = []
    for number, steps in enumerate(channels):
        walker = _steps(steps, comm, number, MPI.FLOAT, ready)
        under_way += [(walker, step) for step in islice(walker, 1)]
    while under_way:
        if ready:
            ready.listen()
        moved = [step.look(some) for _, step in under_way]
        if any(moved):
            under_way = [going for walker, step in under_way for going in _on(walker, step)]
        else:
            check(deadline)
            asleep()


def _on(walker: Iterator[_Step], step: _Step) -> list[tuple[Iterator[_Step], _Step]]:
    """The same step while some of it is left, else the next, if any."""
    return [(walker, step)] if not step.done else [(walker, following) for following in islice(walker, 1)]


def _steps(steps: Sequence[Bound], comm: Any, tag: int, kind: Any, ready: Ready | None) -> Iterator[_Step]:
    """Post a step, give it out, and when it is done go on: pieces into place, sums made. A message's tag is its channel."""
    for bound in steps:
        for target, source in bound.pack:
            target[:] = source
        step = _Step()
        for into, peer in bound.receives:
            step.post(comm.Irecv([into, kind], peer, tag))
            if ready:
                ready.say(peer, tag)
        for what, peer in bound.sends:
            send = partial(comm.Isend, [what, kind], peer, tag)
            if ready:
                step.waiting.append((partial(ready.heard, peer, tag), send))
            else:
                step.post(send())
        yield step
        for target, source in bound.place:
            target[:] = source
        for target, source in bound.add:
            target += source


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
