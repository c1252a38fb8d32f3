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
from netsim.engine.heap import Heap, empty_heap, put, put_in_order, take_due
from netsim.engine.levels import repair
from netsim.engine.plan import SAME_TIME, Outcome, Plan, arrive, make_plan, row_through
from netsim.engine.rows import join_rows
from topologies.fabric import Floats
from topologies.jit import inner_kernel, kernel

WORK = "looked_at", "solved", "passes", "fills"  #: counters of STATE in the order of Outcome.work


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
    work = np.array([classes.state[0][counter] for counter in WORK])
    return Outcome(plan.walkers["done"].copy(), plan.block_end, bool(clash), int(events), work, len(rows.wait), size)


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
        c.state[0].now = heap.nodes[0].key
        c.state[0].event += 1
        n_fresh = np.int64(0)
        while True:  # who has nothing to wait for starts at once
            n_due = take_due(heap, c.state[0].now * (1 + SAME_TIME), lists.due)
            if n_due == 0:
                break
            many = n_due * 8 > heap.size[0] and n_due > 8  # then what they bring is put in order at once
            for i in range(n_due):
                item = np.int64(lists.due[i])
                if item >= first_link:
                    _end_rows(c, plan, heap, lists, item - first_link, many)
                elif item >= first_walker:
                    arrive(plan, heap, item - first_walker, c.state[0].now, lists.wait, many)
                elif _too_early(c, lists, item):
                    return True, c.state[0].event
                else:
                    join(c, item, lists.nbytes[item])
                    lists.fresh[n_fresh] = item
                    n_fresh += 1
            if many:
                put_in_order(heap)
        repair(c, lists.fresh, n_fresh)
        _move_ends(c, heap, first_link)
    return False, c.state[0].event


@inner_kernel
def _end_rows(c: Classes, plan: Plan, heap: Heap, lists: Lists, number: Any, many: Any) -> None:
    """Take off the rows of a class that are through by now; the walkers who waited for nothing else go on."""
    link = c.links[number]
    settle(c, number)
    move(c, number)
    through = link.served + link.rate * c.state[0].now * SAME_TIME
    while link.holds > 0 and c.key[c.lists[link.first] >> c.shift] <= through:
        row = np.int64(c.lists[link.first + link.holds - 1]) >> c.shift
        if c.key[row] > through:  # else the last of the heap goes before the first: nothing has to move up
            row = np.int64(c.lists[link.first]) >> c.shift
        leave(c, row)
        for k in range(row_through(plan, lists.message[row], c.state[0].now, lists.arrivals)):
            arrive(plan, heap, np.int64(lists.arrivals[k]), c.state[0].now, lists.wait, many)


@inner_kernel
def _move_ends(c: Classes, heap: Heap, first_link: Any) -> None:
    """Give the classes of which the next row, or its end, is another their new place in the heap; the last if they hold none."""
    for i in range(c.state[0].n_moved):
        number = np.int64(c.moved[i])
        link, end = c.links[number], np.inf
        if link.holds > 0:
            settle(c, number)
            end = c.state[0].now + max(c.key[c.lists[link.first] >> c.shift] - link.served, 0.0) / link.rate
        put(heap, first_link + number, end)
    c.state[0].n_moved = 0


@inner_kernel
def _too_early(c: Classes, lists: Lists, row: Any) -> Any:
    """Whether a link of the row still carries messages that this simulation does not know of."""
    for e in range(row << c.shift, (row << c.shift) + c.width):
        if lists.busy_until[c.crossed[e]] > c.state[0].now * (1 + SAME_TIME):
            return True
    return False
