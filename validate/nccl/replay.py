"""One rank's part of a schedule as NCCL groups: what is sent and received in a round, and what is moved and added around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from collectives.schedule import Schedule
from validate.nccl.channels import aligned
from validate.nccl.library import Floats, Library
from validate.replay.data import Buffers, buffers
from validate.replay.plan import table
from validate.replay.steps import own_steps
from validate.replay.wire import Bound, bind


class Span(NamedTuple):
    """Elements begin .. begin + length - 1 of the rank's data or of its scratch memory."""

    scratch: bool
    begin: int
    length: int


class Message(NamedTuple):
    """A span to a peer or from it."""

    span: Span
    peer: int


class Move(NamedTuple):
    """Copied or added, one span to another of the same length."""

    target: Span
    source: Span


@dataclass(frozen=True)
class Group:
    """A round: pieces packed, then one NCCL group of all its messages, then pieces put in place and added."""

    pack: tuple[Move, ...]
    sends: tuple[Message, ...]
    receives: tuple[Message, ...]
    place: tuple[Move, ...]
    add: tuple[Move, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """A rank's part of a row."""

    data: Buffers
    groups: tuple[Group, ...]
    scratch: int  #: elements of scratch memory


def part(schedule: Schedule, row: Mapping[str, Any], rank: int) -> Part:
    """Whom this rank sends what, round by round. `row`: op, ranks, root, elements, as in a plan of `validate.replay`.

    A message is one ncclSend and one ncclRecv, whatever it is made of: NCCL wants the same on both sides, and which pieces lie
    side by side may differ between them. Pieces that do not are packed into scratch memory first; what arrives goes straight to
    its place where it lies in one piece there, replaces, and nothing of it is being sent; else through scratch memory.
    Messages without an element are left out, on both sides. The data are those of the MPI replay.
    """
    data = buffers(row, [c.n_chunks for c in schedule.channels], own_steps(table(schedule.channels), rank), rank)
    position = np.concatenate([*(p[:-1] for p in data.position), data.position[-1][-1:]])
    together = own_steps(table(aligned(schedule).channels), rank)
    (bound,) = bind(together, replace(data, position=(position,)))
    groups = tuple(_group(step, data.buffer) for step in bound)
    return Part(data, groups, max((_scratch(group) for group in groups), default=0))


def _group(step: Bound, buffer: Floats) -> Group:
    def messages(ends: Iterable[tuple[Floats, int]]) -> tuple[Message, ...]:
        return tuple(Message(_span(what, buffer), peer) for what, peer in ends if len(what))

    def moves(pairs: Iterable[tuple[Floats, Floats]]) -> tuple[Move, ...]:
        return tuple(Move(_span(target, buffer), _span(source, buffer)) for target, source in pairs)

    return Group(moves(step.pack), messages(step.sends), messages(step.receives), moves(step.place), moves(step.add))


def _span(view: Floats, buffer: Floats) -> Span:
    """Which elements a view shows, of the buffer or of the other array that it may be of."""
    whole = view if view.base is None else view.base
    offset = view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return Span(whole is not buffer, offset // view.itemsize, len(view))


def _scratch(group: Group) -> int:
    moved = [span for move in (*group.pack, *group.place, *group.add) for span in move]
    spans = [*moved, *(message.span for message in (*group.sends, *group.receives))]
    return max((span.begin + span.length for span in spans if span.scratch), default=0)


def walk(groups: Sequence[Group], library: Library, data: Any, scratch: Any) -> None:
    """Put every round on the stream; returns when all is under way. One group a round, none where there is nothing to send.

    Rounds follow one another because the stream does. A round that a rank has nothing to do with is passed over; since groups
    are rounds on all ranks, what one waits for is always in the group that the other has come to or is coming to.
    """

    def at(span: Span) -> tuple[Any, int]:
        return (scratch if span.scratch else data), span.begin

    for group in groups:
        for target, source in group.pack:
            library.copy(*at(target), *at(source), source.length)
        if group.sends or group.receives:
            with library.group():
                for span, peer in group.sends:
                    library.send(*at(span), span.length, peer)
                for span, peer in group.receives:
                    library.receive(*at(span), span.length, peer)
        for target, source in group.place:
            library.copy(*at(target), *at(source), source.length)
        for target, source in group.add:
            library.add(*at(target), *at(source), source.length)
