"""The event loop of the fluid model: messages wait, flow at fair rates, finish; ranks go on when a round's messages are done.

A message starts when both its walkers have reached its block, waits (path latency + overhead), then takes its max-min fair share
of every link until its bytes are through. Everything that happens at one time is one event. The ends of rows are kept by class
(classes.py): of each only the next is in the heap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from netsim.engine.classes import Classes, join, leave, make_classes, move, settle
from netsim.engine.heap import Heap, empty_heap, put, put_anywhere, put_in_order, take_due
from netsim.engine.levels import repair
from netsim.engine.plan import SAME_TIME, Outcome, Plan, arrive, make_plan, row_through
from netsim.engine.rows import join_rows
from topologies.fabric import Floats
from topologies.jit import kernel


class Lists(NamedTuple):
    """What is known of rows and links, and lists of one event: rows that joined, walkers that go on, what is due."""

    wait: Floats
    nbytes: Floats
    message: NDArray[np.int32]  #: of each row
    busy_until: Floats
    fresh: NDArray[np.int32]
    arrivals: NDArray[np.int32]
    due: NDArray[np.int32]


def run_events(
    blocks: Sequence[Block], repeat: Sequence[int], ready: Floats, busy_until: Floats, capacity: Floats, overhead: float
) -> Outcome:
    """Simulate blocks from the times at which walkers are `ready`.

    `busy_until` float64[links]: when earlier blocks leave each link; a message that comes on before then is a `clash`, and the
    outcome is not valid: the caller must start from an earlier block.
    """
    plan, rows = make_plan(blocks, repeat, ready), join_rows(blocks, overhead)
    classes, used = make_classes(rows, capacity)
    heap = empty_heap(len(rows.wait) + len(ready) + len(classes.links))
    lists = Lists(
        rows.wait,
        rows.nbytes,
        plan.message_of_row(),
        np.append(busy_until[used], 0.0),
        np.empty(len(rows.wait), np.int32),
        np.empty(2, np.int32),
        np.empty(len(heap.where), np.int32),
    )
    clash, events = _loop(classes, plan, heap, lists)
    size = sum(a.nbytes for part in (classes, classes.queue, plan, heap, lists) for a in part if isinstance(a, np.ndarray))
    return Outcome(plan.walkers["done"].copy(), plan.block_end, bool(clash), int(events), classes.work, len(rows.wait), size)


@kernel
def _loop(c: Classes, plan: Plan, heap: Heap, lists: Lists) -> Any:
    """Run to the end. Heap ids: a row (it starts to flow), rows + walker (it gets ready), rows + walkers + link (its class has
    a row that ends; never, for a link that holds none).

    Returns (clash, events); the walkers' times and the ends of the blocks are left in the plan.
    """
    walkers = plan.walkers
    first_walker, first_link = len(lists.wait), len(lists.wait) + len(walkers)
    for w in range(len(walkers)):
        if walkers[w].stop < walkers[w].last_stop:
            walkers[w].reps_left = plan.stops[walkers[w].stop].repeat
            put(heap, np.int64(first_walker + w), walkers[w].done)
    while heap.size[0] > 0 and heap.nodes[0].key < np.inf:
        c.now[0] = heap.nodes[0].key
        c.event[0] += 1
        n_fresh = np.int64(0)
        n_due = take_due(heap, c.now[0] * (1 + SAME_TIME), lists.due)
        while n_due > 0:
            many = n_due * 8 > heap.size[0] and n_due > 8  # then what they bring is put in order at once
            for i in range(n_due):
                item = np.int64(lists.due[i])
                if item >= first_link:
                    _end_rows(c, plan, heap, lists, item - first_link, many)
                elif item >= first_walker:
                    arrive(plan, heap, item - first_walker, c.now[0], lists.wait, many)
                elif _too_early(c, lists, item):
                    return True, c.event[0]
                else:
                    join(c, item, lists.nbytes[item])
                    lists.fresh[n_fresh] = item
                    n_fresh += 1
            if many:
                put_in_order(heap)
            n_due = take_due(heap, c.now[0] * (1 + SAME_TIME), lists.due)
        repair(c, lists.fresh, n_fresh)
        _move_ends(c, heap, first_link)
    return False, c.event[0]


@kernel
def _end_rows(c: Classes, plan: Plan, heap: Heap, lists: Lists, number: Any, many: Any) -> None:
    """Take off the rows of a class that are through by now; the walkers who waited for nothing else go on."""
    link, horizon = c.links[number], c.now[0] * (1 + SAME_TIME)
    settle(c, number)
    move(c, number)
    while link.holds > 0 and _end(c, number, np.int64(0)) <= horizon:
        last = np.int64(link.holds - 1)  # if that is through too it goes first: nothing is behind it in the heap
        at = last if _end(c, number, last) <= horizon else np.int64(0)
        row = np.int64(c.lists[link.first + at]) >> c.shift
        leave(c, row)
        for k in range(row_through(plan, lists.message[row], c.now[0], lists.arrivals)):
            arrive(plan, heap, np.int64(lists.arrivals[k]), c.now[0], lists.wait, many)


@kernel
def _end(c: Classes, number: Any, at: Any) -> Any:
    """When a row of a class, which is settled, is through at its present rate; `at`: its place in the list."""
    link = c.links[number]
    return c.now[0] + max(c.key[c.lists[link.first + at] >> c.shift] - link.served, 0.0) / link.rate


@kernel
def _move_ends(c: Classes, heap: Heap, first_link: Any) -> None:
    """Give the classes whose next end has moved their new place in the heap."""
    many = c.n_moved[0] * 8 > heap.size[0] and c.n_moved[0] > 8
    for i in range(c.n_moved[0]):
        number = np.int64(c.moved[i])
        settle(c, number)
        end = _end(c, number, np.int64(0)) if c.links[number].holds > 0 else np.inf
        if many:
            put_anywhere(heap, first_link + number, end)
        else:
            put(heap, first_link + number, end)
    if many:
        put_in_order(heap)
    c.n_moved[0] = 0


@kernel
def _too_early(c: Classes, lists: Lists, row: Any) -> Any:
    """Whether a link of the row still carries messages that this simulation does not know of."""
    for e in range(row << c.shift, (row << c.shift) + c.width):
        if lists.busy_until[c.crossed[e]] > c.now[0] * (1 + SAME_TIME):
            return True
    return False
