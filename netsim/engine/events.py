"""The event loop of the fluid model: messages wait, flow at fair rates, finish; ranks go on when a round's messages are done.

A message starts when both its walkers have reached its block, waits (path latency + overhead), then takes its max-min fair share
of every link until its bytes are through. Everything that happens at one time is one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from netsim.engine.fairness import rebalance
from netsim.engine.heap import Heap, empty_heap, put, put_anywhere, put_in_order, take_due
from netsim.engine.net import Net, join, leave, make_net
from topologies.fabric import Floats, frozen
from topologies.jit import allocating_kernel, kernel

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


class Scratch(NamedTuple):
    """Lists of one event: rows that joined, links that rows have left (and when each was last listed), walkers, what is due."""

    fresh: NDArray[np.int32]
    freed: NDArray[np.int32]
    freed_at: NDArray[np.int64]
    arrivals: NDArray[np.int32]
    due: NDArray[np.int32]


class Outcome(NamedTuple):
    """When each walker was through, when each block was, and what it took; `clash`: an earlier block was still on a link."""

    ready: Floats
    block_end: Floats
    clash: bool
    events: int
    work: NDArray[np.int64]  #: members looked at, rows solved, passes
    flows: int  #: rows simulated
    bytes: int  #: memory of everything that was kept for them


def run_events(
    blocks: Sequence[Block], repeat: Sequence[int], ready: Floats, busy_until: Floats, capacity: Floats, overhead: float
) -> Outcome:
    """Simulate blocks from the times at which walkers are `ready`.

    `busy_until` float64[links]: when earlier blocks leave each link; a message that comes on before then is a `clash`, and the
    outcome is not valid: the caller must start from an earlier block.
    """
    plan = _plan(blocks, repeat, ready)
    net, used = _net(blocks, plan, capacity)
    wait = np.concatenate([b.row_wait(overhead) for b in blocks])
    nbytes = frozen(_joined([b.row_bytes() for b in blocks]), np.float64)
    scratch = Scratch(
        np.empty(len(net.rows), np.int32),
        np.empty(len(net.links), np.int32),
        np.full(len(net.links), -1, np.int64),
        np.empty(2, np.int32),
        np.empty(len(net.rows) + len(ready), np.int32),
    )
    heap = empty_heap(len(net.rows) + len(ready))
    clash, events = _loop(net, plan, heap, scratch, wait, nbytes, busy_until[used])
    held = (*net, *plan, *heap, *scratch, wait, nbytes)
    size = sum(array.nbytes for array in held)
    return Outcome(plan.walkers["done"].copy(), plan.block_end, bool(clash), int(events), net.work, len(net.rows), size)


def _plan(blocks: Sequence[Block], repeat: Sequence[int], ready: Floats) -> Plan:
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


def _net(blocks: Sequence[Block], plan: Plan, capacity: Floats) -> tuple[Net, NDArray[np.int64]]:
    """The blocks' rows end to end; also the fabric's numbers of the links in use."""
    links = _joined([b.paths.links for b in blocks])
    hops = [len(b.paths.links) for b in blocks]
    before = np.cumsum([0, *hops])
    offsets = _joined([b.paths.offsets[1:] + n for b, n in zip(blocks, before, strict=False)])
    plain = all(b.paths.use is None for b in blocks)
    use = None if plain else _joined([np.ones(len(b.paths.links)) if b.paths.use is None else b.paths.use for b in blocks])
    message = np.repeat(np.arange(len(plan.messages), dtype=np.int32), plan.messages["last_row"] - plan.messages["first_row"])
    return make_net(np.concatenate([[0], offsets]), links, use, message, capacity)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The parts end to end; a single one as it is, for it may be large."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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


@kernel
def _loop(net: Net, plan: Plan, heap: Heap, scratch: Scratch, wait: Any, nbytes: Any, busy_until: Any) -> Any:
    """Run to the end. Heap ids: a row (it starts to flow, or has finished), or rows + walker (it gets ready).

    Returns (clash, events); the walkers' times and the ends of the blocks are left in the plan.
    """
    n_rows, rows, walkers = len(nbytes), net.rows, plan.walkers
    for w in range(len(walkers)):
        if walkers[w].stop < walkers[w].last_stop:
            walkers[w].reps_left = plan.stops[walkers[w].stop].repeat
            put(heap, n_rows + w, walkers[w].done)
    events = 0
    while heap.size[0] > 0:
        now = heap.nodes[0].key
        horizon = now * (1 + SAME_TIME)
        n_fresh, n_freed = np.int64(0), np.int64(0)
        events += 1
        n_due = take_due(heap, horizon, scratch.due)
        while n_due > 0:
            many = n_due * 8 > heap.size[0] and n_due > 8  # then what they bring is put in order at once
            for i in range(n_due):
                item = scratch.due[i]
                n_arrivals = 0
                if item >= n_rows:
                    scratch.arrivals[0] = item - n_rows
                    n_arrivals = 1
                elif not rows[item].flowing:
                    if _too_early(net, item, busy_until, horizon):
                        return True, events
                    rows[item].flowing, rows[item].left, rows[item].since = 1, nbytes[item], now
                    join(net, item)
                    scratch.fresh[n_fresh] = item
                    n_fresh += 1
                else:
                    rows[item].flowing = 0
                    leave(net, item)
                    n_freed = _free(net, item, scratch, n_freed, events)
                    n_arrivals = _row_through(plan, rows[item].message, now, scratch.arrivals)
                for k in range(n_arrivals):
                    _arrive(plan, heap, scratch.arrivals[k], now, wait, many)
            if many:
                put_in_order(heap)
            n_due = take_due(heap, horizon, scratch.due)  # who has nothing to wait for starts at once
        n = rebalance(net, scratch.fresh, n_fresh, scratch.freed, n_freed)
        many = n * 8 > heap.size[0] and n > 8
        for i in range(n):
            _retime(heap, rows, net.chosen[i], now, many)
        if many:
            put_in_order(heap)
    return False, events


@kernel
def _retime(heap: Heap, rows: Any, number: Any, now: Any, many: Any) -> None:
    """Take over a row's new rate: settle what it has sent, and move its end; with `many` others, the order comes afterwards."""
    row = rows[number]
    if abs(row.new_rate - row.rate) > 1e-14 * row.rate:
        row.left -= row.rate * (now - row.since)
        row.since = now
        row.rate = row.new_rate
        end = now + max(row.left, 0.0) / row.rate
        if many:
            put_anywhere(heap, number, end)
        else:
            put(heap, number, end)


@kernel
def _too_early(net: Net, row: Any, busy_until: Any, horizon: Any) -> Any:
    """Whether a link of the row still carries messages that this simulation does not know of."""
    for e in range(net.rows[row].begin, net.rows[row].end):
        if busy_until[net.entries[e].link] > horizon:
            return True
    return False


@kernel
def _free(net: Net, row: Any, scratch: Scratch, n_freed: Any, event: Any) -> Any:
    """Note the links that a departed row has left, each once an event."""
    for e in range(net.rows[row].begin, net.rows[row].end):
        link = net.entries[e].link
        if scratch.freed_at[link] != event:
            scratch.freed_at[link] = event
            scratch.freed[n_freed] = link
            n_freed += 1
    return n_freed


@kernel
def _row_through(plan: Plan, number: Any, now: Any, arrivals: Any) -> Any:
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


@kernel
def _arrive(plan: Plan, heap: Heap, w: Any, now: Any, wait: Any, many: Any) -> None:
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
