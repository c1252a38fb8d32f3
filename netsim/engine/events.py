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
from netsim.engine.plan import SAME_TIME, Outcome, Plan, arrive, make_plan, row_through
from netsim.engine.rows import join_rows
from topologies.fabric import Floats
from topologies.jit import kernel


class Scratch(NamedTuple):
    """Lists of one event: rows that joined, links that rows have left (and when each was last listed), walkers, what is due."""

    fresh: NDArray[np.int32]
    freed: NDArray[np.int32]
    freed_at: NDArray[np.int64]
    arrivals: NDArray[np.int32]
    due: NDArray[np.int32]


def run_events(
    blocks: Sequence[Block], repeat: Sequence[int], ready: Floats, busy_until: Floats, capacity: Floats, overhead: float
) -> Outcome:
    """Simulate blocks from the times at which walkers are `ready`.

    `busy_until` float64[links]: when earlier blocks leave each link; a message that comes on before then is a `clash`, and the
    outcome is not valid: the caller must start from an earlier block.
    """
    plan = make_plan(blocks, repeat, ready)
    rows = join_rows(blocks, overhead)
    net, used = make_net(rows, plan.message_of_row(), capacity)
    scratch = Scratch(
        np.empty(len(net.rows), np.int32),
        np.empty(len(net.links), np.int32),
        np.full(len(net.links), -1, np.int64),
        np.empty(2, np.int32),
        np.empty(len(net.rows) + len(ready), np.int32),
    )
    heap = empty_heap(len(net.rows) + len(ready))
    clash, events = _loop(net, plan, heap, scratch, rows.wait, rows.nbytes, busy_until[used])
    held = (*net, *plan, *heap, *scratch, rows.wait, rows.nbytes)
    size = sum(array.nbytes for array in held)
    return Outcome(plan.walkers["done"].copy(), plan.block_end, bool(clash), int(events), net.work, len(net.rows), size)


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
                    n_arrivals = row_through(plan, rows[item].message, now, scratch.arrivals)
                for k in range(n_arrivals):
                    arrive(plan, heap, scratch.arrivals[k], now, wait, many)
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
