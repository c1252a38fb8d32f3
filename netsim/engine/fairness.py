"""Max-min fair rates, brought up to date when flows come and go.

An allocation is max-min fair exactly if every flow has a bottleneck: a saturated link on which no flow is faster (Bertsekas &
Gallager, Data Networks, 6.5.2). When flows come or go, only those near them can lose that property. `rebalance` re-solves a small
set by progressive filling with all other flows held, looks on the links it touched for flows whose bottleneck no longer holds
them or that now keep a slower one down, takes these into the set, and repeats until there is none: then every flow has a
bottleneck again, so the rates are the fair ones. Flows slower than everything that changed are never looked at (bottleneck
structure: Ros-Giralt et al., SIGMETRICS 2019).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topologies.jit import kernel

EPS = 1e-11  # relative difference below which two rates are one

# Records, not arrays of fields: what is read together lies in one cache line.
LINK = np.dtype(
    [
        ("capacity", "f8"),
        ("room", "f8"),  # capacity left for the unfilled rows of the set
        ("demand", "f8"),  # sum of their uses
        ("level", "f8"),  # key in the filling heap; may lag behind room / demand
        ("first", "i8"),  # where the link's active rows begin in `members`
        ("touched", "i8"),  # epoch in which the link was last touched; negative: already checked in it
        ("count", "i4"),  # active rows
        ("open", "i4"),  # unfilled rows of the set
    ],
    align=True,
)
ROW = np.dtype(
    [
        ("rate", "f8"),
        ("new_rate", "f8"),
        ("left", "f8"),  # bytes to go at time `since`
        ("since", "f8"),
        ("begin", "i8"),  # the row's entries: begin .. end - 1
        ("end", "i8"),
        ("chosen", "i8"),  # epoch in which the row was last in the set
        ("held_by", "i4"),  # its bottleneck link, -1 for none
        ("new_held_by", "i4"),
        ("message", "i4"),
        ("flowing", "i4"),
    ],
    align=True,
)
ENTRY = np.dtype([("use", "f8"), ("link", "i4"), ("position", "i4")], align=True)  # a row on a link; its place in `members`
MEMBER = np.dtype([("use", "f8"), ("row", "i4"), ("entry", "i4")], align=True)  # an active row on a link

LOOKED_AT, SOLVED, PASSES = 0, 1, 2  #: counters in Net.work


class Net(NamedTuple):
    """Rows over the links that they use, links renumbered 0..U-1, and the scratch space of `rebalance`."""

    links: NDArray[np.void]
    rows: NDArray[np.void]
    entries: NDArray[np.void]
    members: NDArray[np.void]
    queue: NDArray[np.int32]  #: the filling heap
    chosen: NDArray[np.int32]  #: the rows of the set
    epoch: NDArray[np.int64]
    work: NDArray[np.int64]  #: members looked at, rows solved, passes


def make_net(
    offsets: NDArray[np.int64],
    links: NDArray[np.int32],
    use: NDArray[np.float64] | None,
    message: NDArray[np.int32],
    capacity: NDArray[np.float64],
) -> tuple[Net, NDArray[np.int64]]:
    """The net of these rows, none of them active, and the fabric's numbers of its links."""
    seen = np.zeros(len(capacity), dtype=bool)
    seen[links] = True
    used = np.flatnonzero(seen)
    local = (np.cumsum(seen, dtype=np.int32) - 1)[links]
    link = np.zeros(len(used), LINK)
    link["capacity"] = capacity[used]
    counts = np.bincount(local, minlength=len(used))
    link["first"] = np.cumsum(counts) - counts
    row = np.zeros(len(offsets) - 1, ROW)
    row["begin"], row["end"] = offsets[:-1], offsets[1:]
    row["held_by"] = -1
    row["message"] = message
    entry = np.zeros(len(links), ENTRY)
    entry["link"] = local
    entry["use"] = 1.0 if use is None else use
    scratch = np.empty(len(used), np.int32), np.empty(len(row), np.int32)
    net = Net(link, row, entry, np.zeros(len(links), MEMBER), *scratch, np.zeros(1, np.int64), np.zeros(3, np.int64))
    return net, used


@kernel
def join(net: Any, row: Any) -> Any:
    """Put a row on its links, at rate 0 until the next `rebalance`."""
    links, rows, entries, members = net.links, net.rows, net.entries, net.members
    rows[row].rate = 0.0
    rows[row].held_by = -1
    for e in range(rows[row].begin, rows[row].end):
        link = links[entries[e].link]
        entries[e].position = link.count
        member = members[link.first + link.count]
        member.use, member.row, member.entry = entries[e].use, row, e
        link.count += 1


@kernel
def leave(net: Any, row: Any) -> Any:
    """Take a row off its links."""
    links, rows, entries, members = net.links, net.rows, net.entries, net.members
    for e in range(rows[row].begin, rows[row].end):
        link = links[entries[e].link]
        link.count -= 1
        last, gap = members[link.first + link.count], members[link.first + entries[e].position]
        gap.use, gap.row, gap.entry = last.use, last.row, last.entry
        entries[last.entry].position = entries[e].position


@kernel
def rebalance(net: Any, fresh: Any, n_fresh: Any, freed: Any, n_freed: Any) -> Any:
    """Make the rates fair again after `fresh[:n_fresh]` joined and rows left the links `freed[:n_freed]`.

    Returns n: rows chosen[:n] have a new_rate and new_held_by, which the caller takes over (it must settle the bytes first).
    """
    links, rows, members, epoch = net.links, net.rows, net.members, net.epoch
    epoch[0] += 1
    n = 0
    for i in range(n_fresh):
        n = _choose(net, fresh[i], n)
    for i in range(n_freed):  # rows that the departed held down
        link = links[freed[i]]
        for m in range(link.first, link.first + link.count):
            if rows[members[m].row].held_by == freed[i]:
                n = _choose(net, members[m].row, n)
        net.work[LOOKED_AT] += link.count
    for i in range(n_fresh):
        n = _overtake(net, fresh[i], n)
    while n > 0:
        n_links = _touch(net, n)
        _fill(net, n_links)
        net.work[SOLVED] += n
        net.work[PASSES] += 1
        grown = _grow(net, n)
        if grown == n:
            break
        n = grown
    return n


@kernel
def _choose(net: Any, row: Any, n: Any) -> Any:
    """Add a row to the set, once."""
    if net.rows[row].chosen != net.epoch[0]:
        net.rows[row].chosen = net.epoch[0]
        net.rows[row].new_held_by = -1
        net.chosen[n] = row
        n += 1
    return n


@kernel
def _overtake(net: Any, fresh: Any, n: Any) -> Any:
    """Add the rows that a newcomer will slow down, as far as single links can tell: a good start saves passes.

    A link's level is found once an event, and its rows are looked through once, however many newcomers it has.
    """
    links, rows, entries, members, epoch = net.links, net.rows, net.entries, net.members, net.epoch[0]
    tightest = entries[rows[fresh].begin].link
    for e in range(rows[fresh].begin, rows[fresh].end):
        link = links[entries[e].link]
        if abs(link.touched) != epoch:
            link.touched = epoch
            link.level = _local_level(net, entries[e].link)
        if link.level < links[tightest].level:
            tightest = entries[e].link
    link = links[tightest]
    if link.touched == epoch:
        link.touched = -epoch
        for m in range(link.first, link.first + link.count):
            if rows[members[m].row].rate > link.level * (1 + EPS):
                n = _choose(net, members[m].row, n)
    return n


@kernel
def _local_level(net: Any, number: Any) -> Any:
    """The common rate of a link's fast and fresh rows if its slower rows keep theirs."""
    rows, members, link = net.rows, net.members, net.links[number]
    lo, hi = link.first, link.first + link.count
    level = 0.0
    while True:
        kept, demand = 0.0, 0.0
        for m in range(lo, hi):
            r = rows[members[m].row].rate
            if 0.0 < r <= level:
                kept += members[m].use * r
            else:
                demand += members[m].use
        net.work[LOOKED_AT] += hi - lo
        if demand <= 0.0:
            return np.inf
        new = max(link.capacity - kept, 0.0) / demand
        if new <= level * (1 + EPS):
            return max(new, level)
        level = new


@kernel
def _touch(net: Any, n: Any) -> Any:
    """List the links of the set in `queue` and find the room that rows outside leave on them; returns how many links."""
    links, rows, entries, members, queue = net.links, net.rows, net.entries, net.members, net.queue
    net.epoch[0] += 1  # each pass has its own epoch
    epoch = net.epoch[0]
    for i in range(n):
        rows[net.chosen[i]].chosen = epoch
        rows[net.chosen[i]].new_held_by = -1
    n_links, looked_at = 0, 0
    for i in range(n):
        row = rows[net.chosen[i]]
        for e in range(row.begin, row.end):
            link = links[entries[e].link]
            if link.touched == epoch:
                continue
            link.touched = epoch
            queue[n_links] = entries[e].link
            n_links += 1
            held, demand, unfilled = 0.0, 0.0, 0
            for m in range(link.first, link.first + link.count):
                other = rows[members[m].row]
                if other.chosen == epoch:
                    demand += members[m].use
                    unfilled += 1
                else:
                    held += members[m].use * other.rate
            link.room = max(link.capacity - held, 0.0)
            link.demand = demand
            link.open = unfilled
            link.level = link.room / demand
            looked_at += link.count
    net.work[LOOKED_AT] += looked_at
    return n_links


@kernel
def _fill(net: Any, n_links: Any) -> Any:
    """Progressive filling of the set: the link that is full first fixes its rows; a heap with keys that may lag behind.

    A link's level only rises while others are fixed, so a link whose level has risen sinks in the heap.
    """
    links, queue = net.links, net.queue
    for i in range(n_links // 2 - 1, -1, -1):
        _sift(links, queue, i, n_links)
    while n_links > 0:
        link = links[queue[0]]
        if link.open > 0:
            now = link.room / link.demand
            if now > link.level:
                link.level = now
                _sift(links, queue, 0, n_links)
                continue
            _fix(net, queue[0], link.level)
        n_links -= 1
        queue[0] = queue[n_links]
        _sift(links, queue, 0, n_links)


@kernel
def _fix(net: Any, number: Any, level: Any) -> Any:
    """Give the unfilled rows of the set on a link the rate `level` and take it off the room of their links."""
    links, rows, entries, members, epoch = net.links, net.rows, net.entries, net.members, net.epoch[0]
    link = links[number]
    for m in range(link.first, link.first + link.count):
        row = rows[members[m].row]
        if row.chosen != epoch or row.new_held_by >= 0:
            continue
        row.new_rate = level
        row.new_held_by = number
        for e in range(row.begin, row.end):
            other = links[entries[e].link]
            other.room = max(other.room - entries[e].use * level, 0.0)
            other.demand -= entries[e].use
            other.open -= 1


@kernel
def _sift(links: Any, queue: Any, at: Any, size: Any) -> Any:
    """Sink queue[at] to its place among queue[:size], lowest level first, ties by link."""
    if size == 0:
        return
    item = queue[at]
    level = links[item].level
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _before(links, queue[child + 1], queue[child]):
            child += 1
        below = links[queue[child]].level
        if level < below or (level == below and item < queue[child]):
            break
        queue[at] = queue[child]
        at = child
    queue[at] = item


@kernel
def _before(links: Any, a: Any, b: Any) -> Any:
    return links[a].level < links[b].level or (links[a].level == links[b].level and a < b)


@kernel
def _grow(net: Any, n: Any) -> Any:
    """Add the rows outside the set that no longer have a bottleneck, or that are faster than a set row on its bottleneck."""
    links, rows, entries = net.links, net.rows, net.entries
    epoch = net.epoch[0]
    inside = n
    for i in range(inside):
        row = rows[net.chosen[i]]
        for e in range(row.begin, row.end):
            number = entries[e].link
            if links[number].touched == epoch:
                links[number].touched = -epoch
                n = _grow_on(net, number, n)
    return n


@kernel
def _grow_on(net: Any, number: Any, n: Any) -> Any:
    rows, members, epoch, link = net.rows, net.members, net.epoch[0], net.links[number]
    lo, hi = link.first, link.first + link.count
    total, top, level = 0.0, 0.0, np.inf
    for m in range(lo, hi):
        row = rows[members[m].row]
        rate = row.rate
        if row.chosen == epoch and row.new_held_by >= 0:  # a row added in this pass has not been filled yet
            rate = row.new_rate
            if row.new_held_by == number:
                level = rate
        total += members[m].use * rate
        top = max(top, rate)
    net.work[LOOKED_AT] += hi - lo
    full = total >= link.capacity * (1 - EPS)
    for m in range(lo, hi):
        row = rows[members[m].row]
        if row.chosen == epoch:
            continue
        freed = row.held_by == number and (not full or top > row.rate * (1 + EPS))
        if freed or row.rate > level * (1 + EPS):
            n = _choose(net, members[m].row, n)
    return n
