"""Who meets whom when: the ways of all walkers through their messages, and how they go on as these are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from netsim.engine.heap import Heap, put, put_anywhere
from topologies.fabric import Floats
from topologies.jit import allocating_kernel, inner_kernel

SAME_TIME = 1e-12  # relative difference below which two times are one event

MESSAGE = np.dtype(
    [
        ("src", "i4"),  # walkers
        ("dst", "i4"),
        ("first_row", "i8"),  # its rows in the net: first_row .. last_row - 1
        ("last_row", "i8"),
        ("present", "i4"),  # ends that have reached its block
        ("rows_left", "i4"),  # rows not yet through
    ],
    align=True,
)
WALKER = np.dtype(
    [
        ("done", "f8"),  # when it was through with its last repetition; at first, when it may begin
        ("stop", "i8"),  # where it is
        ("last_stop", "i8"),  # one behind its last
        ("reps_left", "i8"),
        ("waiting_for", "i8"),  # messages of this repetition not yet done
    ],
    align=True,
)
STOP = np.dtype([("block", "i8"), ("first_meet", "i8"), ("last_meet", "i8"), ("repeat", "i8")], align=True)


class Plan(NamedTuple):
    """Who meets whom when: walkers go from stop to stop; a stop is a block, done `repeat` times, with the messages of `meets`."""

    messages: NDArray[np.void]
    walkers: NDArray[np.void]
    stops: NDArray[np.void]
    meets: NDArray[np.int32]
    block_end: Floats  #: when the last walker left each block

    def message_of_row(self) -> NDArray[np.int32]:
        """The message that each row belongs to."""
        rows = self.messages["last_row"] - self.messages["first_row"]
        return np.repeat(np.arange(len(self.messages), dtype=np.int32), rows)


class Outcome(NamedTuple):
    """When each walker was through, when each block was, and what it took; `clash`: an earlier block was still on a link."""

    ready: Floats
    block_end: Floats
    clash: bool
    events: int
    work: NDArray[np.int64]  #: rows looked at on links, rates told, classes set right, fills
    flows: int  #: rows simulated
    bytes: int  #: memory of everything that was kept for them


def make_plan(blocks: Sequence[Block], repeat: Sequence[int], ready: Floats) -> Plan:
    """The blocks' messages end to end, and every walker's way through them."""
    rows = np.concatenate([_rows_of(b) for b in blocks])
    messages = np.zeros(len(rows), MESSAGE)
    messages["src"] = np.concatenate([b.src for b in blocks])
    messages["dst"] = np.concatenate([b.dst for b in blocks])
    messages["last_row"] = np.cumsum(rows)
    messages["first_row"] = messages["last_row"] - rows
    block_of = np.repeat(np.arange(len(blocks), dtype=np.int32), [len(b.src) for b in blocks])
    first_stop, block, first_meet, meets = _stops(messages, block_of, len(ready))
    stops = np.zeros(len(block), STOP)
    stops["block"], stops["repeat"] = block, np.asarray(repeat, np.int64)[block]
    stops["first_meet"], stops["last_meet"] = first_meet[:-1], first_meet[1:]
    walkers = np.zeros(len(ready), WALKER)
    walkers["done"] = ready
    walkers["stop"], walkers["last_stop"] = first_stop[:-1], first_stop[1:]
    return Plan(messages, walkers, stops, meets, np.zeros(len(blocks)))


def _rows_of(block: Block) -> NDArray[np.int64]:
    """How many rows each message of a block has."""
    flow = block.paths.flow
    return np.ones(len(block.src), np.int64) if flow is None else np.bincount(flow, minlength=len(block.src))


@allocating_kernel
def _stops(messages: Any, block_of: Any, n_walkers: Any) -> Any:
    """Where each walker stops and which messages it meets there, in two passes over the messages.

    Returns (first stop of each walker, block of each stop, first meet of each stop, messages met), the firsts with an end added.
    """
    n_stops = np.zeros(n_walkers + 1, np.int64)
    n_meets = np.zeros(n_walkers + 1, np.int64)
    last = np.full(n_walkers, -1, np.int32)
    for m in range(len(messages)):
        for w in (messages[m].src, messages[m].dst):
            n_meets[w + 1] += 1
            if last[w] != block_of[m]:
                last[w] = block_of[m]
                n_stops[w + 1] += 1
    first_stop, next_meet = np.cumsum(n_stops), np.cumsum(n_meets)
    block = np.empty(first_stop[-1], np.int32)
    first_meet = np.empty(first_stop[-1] + 1, np.int64)
    first_meet[-1] = next_meet[-1]
    meets = np.empty(next_meet[-1], np.int32)
    stop = first_stop - 1
    last[:] = -1
    for m in range(len(messages)):
        for w in (messages[m].src, messages[m].dst):
            if last[w] != block_of[m]:
                last[w] = block_of[m]
                stop[w] += 1
                block[stop[w]] = block_of[m]
                first_meet[stop[w]] = next_meet[w]
            meets[next_meet[w]] = m
            next_meet[w] += 1
    return first_stop, block, first_meet, meets


@inner_kernel
def row_through(plan: Plan, number: Any, now: Any, arrivals: Any) -> Any:
    """A row is through. Walkers for whom that ended the repetition go on; returns how many have somewhere to go."""
    message = plan.messages[number]
    message.rows_left -= 1
    n = 0
    if message.rows_left > 0:
        return n
    for w in (message.src, message.dst):
        walker = plan.walkers[w]
        walker.waiting_for -= 1
        if walker.waiting_for > 0:
            continue
        walker.done = now
        walker.reps_left -= 1
        if walker.reps_left == 0:
            block = plan.stops[walker.stop].block
            plan.block_end[block] = max(plan.block_end[block], now)
            walker.stop += 1
            if walker.stop == walker.last_stop:
                continue
            walker.reps_left = plan.stops[walker.stop].repeat
        arrivals[n] = w
        n += 1
    return n


@inner_kernel
def arrive(plan: Plan, heap: Heap, w: Any, now: Any, wait: Any, many: Any) -> None:
    """A walker posts its messages; those whose other end is there too begin to wait."""
    stop = plan.stops[plan.walkers[w].stop]
    plan.walkers[w].waiting_for = stop.last_meet - stop.first_meet
    for i in range(stop.first_meet, stop.last_meet):
        message = plan.messages[plan.meets[i]]
        message.present += 1
        if message.present == 2:
            message.present = 0
            message.rows_left = message.last_row - message.first_row
            for row in range(message.first_row, message.last_row):
                if many:
                    put_anywhere(heap, row, now + wait[row])
                else:
                    put(heap, row, now + wait[row])
