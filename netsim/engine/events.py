"""The event loop of the fluid model: messages wait, flow at fair rates, finish; ranks go on when a round's messages are done.

A message starts when both its walkers have reached its block, waits (path latency + overhead), then takes its max-min fair share
of every link until its bytes are through. Everything that happens at one time is one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from netsim.engine.fairness import Net, join, leave, make_net, no_rates, rebalance
from netsim.engine.heap import empty_heap, pop, put
from topologies.fabric import Floats

SAME_TIME = 1e-12  # relative difference below which two times are one event


class Messages(NamedTuple):
    """All messages of some blocks, and the stops at which each walker meets them.

    Walker w visits stops `stops[w] .. stops[w+1]-1`; stop s is block `block[s]`, done `repeat[block[s]]` times, with messages
    `at_stop[meets[s] : meets[s+1]]`. Message m joins walkers `src[m]`, `dst[m]` and is rows `rows[m] .. rows[m+1]-1`, row r
    waiting `wait[r]` seconds before its `bytes[r]`.
    """

    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    rows: NDArray[np.int64]
    message: NDArray[np.int32]
    wait: NDArray[np.float64]
    bytes: NDArray[np.float64]
    repeat: NDArray[np.int64]
    stops: NDArray[np.int64]
    block: NDArray[np.int32]
    meets: NDArray[np.int64]
    at_stop: NDArray[np.int32]


class Outcome(NamedTuple):
    """When each walker was through, when each block was, and what it took; `clash`: an earlier block was still on a link."""

    ready: Floats
    block_end: Floats
    clash: bool
    events: int
    work: NDArray[np.int64]  #: entries looked at, rows re-solved, growth rounds


def run_events(
    blocks: Sequence[Block], repeat: Sequence[int], ready: Floats, busy_until: Floats, capacity: Floats, overhead: float
) -> Outcome:
    """Simulate blocks from the times at which walkers are `ready`.

    `busy_until` float64[links]: when earlier blocks leave each link; a message that comes on before then is a `clash`, and the
    outcome is not valid: the caller must start from an earlier block.
    """
    net, messages, used = _gather(blocks, repeat, len(ready), capacity, overhead)
    done = ready.copy()
    block_end = np.zeros(len(blocks))
    rates = no_rates(net)
    heap = empty_heap(len(messages.bytes) + len(ready))
    clash, events = _loop(net, messages, rates, heap, done, block_end, busy_until[used], np.empty(len(net.capacity), np.int32))
    return Outcome(done, block_end, bool(clash), int(events), rates.work)


def _gather(
    blocks: Sequence[Block], repeat: Sequence[int], walkers: int, capacity: Floats, overhead: float
) -> tuple[Net, Messages, NDArray[np.int64]]:
    """The blocks' messages end to end; also the fabric's numbers of the links in use."""
    src = np.concatenate([b.src for b in blocks])
    dst = np.concatenate([b.dst for b in blocks])
    block_of = np.repeat(np.arange(len(blocks), dtype=np.int32), [len(b.src) for b in blocks])
    links = np.concatenate([b.paths.links for b in blocks])
    hops = np.concatenate([np.diff(b.paths.offsets) for b in blocks])
    offsets = np.concatenate([[0], np.cumsum(hops)])
    use = np.concatenate([np.ones(len(b.paths.links)) if b.paths.use is None else b.paths.use for b in blocks])
    rows_per = [np.ones(len(b.src), np.int64) if b.paths.flow is None else np.bincount(b.paths.flow, minlength=len(b.src)) for b in blocks]
    counts = np.concatenate(rows_per)
    stops, block, meets, at_stop = _stops(src, dst, block_of, walkers)
    messages = Messages(
        src=src,
        dst=dst,
        rows=np.concatenate([[0], np.cumsum(counts)]),
        message=np.repeat(np.arange(len(src), dtype=np.int32), counts),
        wait=np.concatenate([b.paths.latency for b in blocks]) + overhead,
        bytes=np.concatenate([b.row_bytes() for b in blocks]),
        repeat=np.asarray(repeat, np.int64),
        stops=stops,
        block=block,
        meets=meets,
        at_stop=at_stop,
    )
    seen = np.zeros(len(capacity), dtype=bool)
    seen[links] = True
    return make_net(offsets, links, use, capacity), messages, np.flatnonzero(seen)


@numba.njit(cache=True, nogil=True)
def _stops(src, dst, block_of, walkers):  # type: ignore[no-untyped-def]
    """Where each walker stops and which messages it meets there, in two passes over the messages."""
    n_stops = np.zeros(walkers + 1, np.int64)
    n_meets = np.zeros(walkers + 1, np.int64)
    last = np.full(walkers, -1, np.int32)
    for m in range(len(src)):
        for w in (src[m], dst[m]):
            n_meets[w + 1] += 1
            if last[w] != block_of[m]:
                last[w] = block_of[m]
                n_stops[w + 1] += 1
    stops, next_meet = np.cumsum(n_stops), np.cumsum(n_meets)[:-1].copy()
    block = np.empty(stops[-1], np.int32)
    meets = np.empty(stops[-1] + 1, np.int64)
    at_stop = np.empty(2 * len(src), np.int32)
    meets[-1] = len(at_stop)
    stop = stops[:-1] - 1
    last[:] = -1
    for m in range(len(src)):
        for w in (src[m], dst[m]):
            if last[w] != block_of[m]:
                last[w] = block_of[m]
                stop[w] += 1
                block[stop[w]] = block_of[m]
                meets[stop[w]] = next_meet[w]
            at_stop[next_meet[w]] = m
            next_meet[w] += 1
    return stops, block, meets, at_stop


@numba.njit(cache=True, nogil=True)
def _loop(net, msg, rates, heap, done, block_end, busy_until, freed):  # type: ignore[no-untyped-def]
    """Run to the end. Heap ids: a row (it starts to flow, or has finished), or rows + walker (it gets ready).

    `done` holds the walkers' starting times and, in the end, the times at which they were through. Returns (clash, events).
    """
    n_rows, walkers = len(msg.bytes), len(done)
    flowing = np.zeros(n_rows, np.bool_)
    left = np.zeros(n_rows)  # bytes to go at time `since`
    since = np.zeros(n_rows)
    present = np.zeros(len(msg.src), np.int8)  # ends of a message that have reached its block
    rows_left = np.zeros(len(msg.src), np.int32)
    waiting_for = np.zeros(walkers, np.int64)  # messages of the current repetition not yet done
    stop = msg.stops[:-1].copy()
    reps_left = np.zeros(walkers, np.int64)
    fresh = np.empty(n_rows, np.int32)
    freed_at = np.full(len(net.capacity), -1, np.int64)
    arrivals = np.empty(walkers, np.int32)
    for w in range(walkers):
        if stop[w] < msg.stops[w + 1]:
            reps_left[w] = msg.repeat[msg.block[stop[w]]]
            put(heap, n_rows + w, done[w])
    events = 0
    while heap.size[0] > 0:
        now = heap.key[heap.items[0]]
        horizon = now * (1 + SAME_TIME)
        n_fresh, n_freed = 0, 0
        events += 1
        while heap.size[0] > 0 and heap.key[heap.items[0]] <= horizon:
            item = pop(heap)
            n_arrivals = 0
            if item >= n_rows:
                arrivals[0] = item - n_rows
                n_arrivals = 1
            elif not flowing[item]:
                for e in range(net.offsets[item], net.offsets[item + 1]):
                    if busy_until[net.links[e]] > horizon:
                        return True, events
                flowing[item] = True
                left[item], since[item] = msg.bytes[item], now
                join(net, rates, item)
                fresh[n_fresh] = item
                n_fresh += 1
            else:
                flowing[item] = False
                leave(net, rates, item)
                n_freed = _free(net, item, freed, n_freed, freed_at, events)
                m = msg.message[item]
                rows_left[m] -= 1
                if rows_left[m] == 0:
                    n_arrivals = _complete(msg, m, now, waiting_for, stop, reps_left, done, block_end, arrivals)
            for i in range(n_arrivals):
                _arrive(msg, heap, arrivals[i], now, present, rows_left, waiting_for, stop)
        n = rebalance(net, rates, fresh, n_fresh, freed, n_freed)
        for i in range(n):
            row = rates.rows[i]
            rates.held_by[row] = rates.new_held_by[row]
            old, new = rates.rate[row], rates.new_rate[row]
            if abs(new - old) > 1e-14 * old:
                left[row] -= old * (now - since[row])
                since[row] = now
                rates.rate[row] = new
                put(heap, row, now + max(left[row], 0.0) / new)
    return False, events


@numba.njit(cache=True, nogil=True)
def _free(net, row, freed, n_freed, freed_at, event):  # type: ignore[no-untyped-def]
    """Note the links that a departed row has left, each once an event."""
    for e in range(net.offsets[row], net.offsets[row + 1]):
        link = net.links[e]
        if freed_at[link] != event:
            freed_at[link] = event
            freed[n_freed] = link
            n_freed += 1
    return n_freed


@numba.njit(cache=True, nogil=True)
def _complete(msg, m, now, waiting_for, stop, reps_left, done, block_end, arrivals):  # type: ignore[no-untyped-def]
    """A message is through: walkers for whom it was the last of the repetition go on. Returns how many have somewhere to go."""
    n = 0
    for w in (msg.src[m], msg.dst[m]):
        waiting_for[w] -= 1
        if waiting_for[w] > 0:
            continue
        done[w] = now
        reps_left[w] -= 1
        if reps_left[w] == 0:
            block = msg.block[stop[w]]
            block_end[block] = max(block_end[block], now)
            stop[w] += 1
            if stop[w] == msg.stops[w + 1]:
                continue
            reps_left[w] = msg.repeat[msg.block[stop[w]]]
        arrivals[n] = w
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _arrive(msg, heap, w, now, present, rows_left, waiting_for, stop):  # type: ignore[no-untyped-def]
    """A walker posts its messages; those whose other end is there too begin to wait."""
    lo, hi = msg.meets[stop[w]], msg.meets[stop[w] + 1]
    waiting_for[w] = hi - lo
    for i in range(lo, hi):
        m = msg.at_stop[i]
        present[m] += 1
        if present[m] == 2:
            present[m] = 0
            rows_left[m] = msg.rows[m + 1] - msg.rows[m]
            for row in range(msg.rows[m], msg.rows[m + 1]):
                put(heap, row, now + msg.wait[row])
