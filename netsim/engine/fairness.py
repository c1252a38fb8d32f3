"""Max-min fair rates, brought up to date when flows come and go.

An allocation is max-min fair exactly if every flow has a bottleneck: a saturated link on which no flow is faster (Bertsekas &
Gallager, Data Networks, 6.5.2). When flows come or go, only those near them can lose that property. `rebalance` re-solves a small
set by progressive filling with all other flows held, looks on the links it touched for flows whose bottleneck no longer holds
them or that now keep a slower one down, takes these into the set, and repeats until there is none: then every flow has a
bottleneck again, so the rates are the fair ones. Flows slower than everything that changed are never looked at (bottleneck
structure: Ros-Giralt et al., SIGMETRICS 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.engine.net import LOOKED_AT, PASSES, SOLVED, Net, hold, let_go, use_of
from topologies.jit import kernel

EPS = 1e-11  # relative difference below which two rates are one


@kernel
def rebalance(net: Net, fresh: Any, n_fresh: Any, freed: Any, n_freed: Any) -> Any:
    """Make the rates fair again after `fresh[:n_fresh]` joined and rows left the links `freed[:n_freed]`.

    Returns n: rows chosen[:n] have a new_rate and new_held_by. The links know already; the caller settles what the rows have sent
    and takes their new rates over.
    """
    links, rows = net.links, net.rows
    net.epoch[0] += 1
    n = np.int64(0)  # a literal 0 would have every callee compiled twice
    for i in range(n_fresh):
        n = _choose(net, np.int64(fresh[i]), n)
    for i in range(n_freed):  # rows that the departed held down
        link = links[freed[i]]
        row = link.held_row if link.holds > 0 else -1
        while row >= 0:
            n = _choose(net, np.int64(row), n)
            row = rows[row].next_held
        net.work[LOOKED_AT] += link.holds
    if 2 * n < net.active[0]:
        for i in range(n_fresh):
            n = _overtake(net, fresh[i], n)
    if 2 * n >= net.active[0]:  # most will change: one pass over all is less than several that grow
        n = _choose_all(net, n)
    n_links = np.int64(0)
    while n > 0:
        n_links = _touch(net, n)
        _fill(net, n_links)
        net.work[SOLVED] += n
        net.work[PASSES] += 1
        grown = _grow(net, n, n_links)
        if grown == n:
            break
        n = grown
    _enter(net, n, n_links)
    return n


@kernel
def _choose(net: Net, row: Any, n: Any) -> Any:
    """Add a row to the set, once."""
    if net.rows[row].chosen != net.epoch[0]:
        net.rows[row].chosen = net.epoch[0]
        net.chosen[n] = row
        n += 1
    return n


@kernel
def _choose_all(net: Net, n: Any) -> Any:
    """Add all active rows to the set; where these are many of all, in the order in which they lie in memory."""
    if 4 * net.active[0] > len(net.rows):
        net.epoch[0] += 1  # a new set, to have those already chosen in that order too
        n = np.int64(0)
        for row in range(len(net.rows)):
            if net.rows[row].flowing:
                n = _choose(net, row, n)
        return n
    for link in net.links:
        for m in range(link.first, link.first + link.count):
            n = _choose(net, np.int64(net.members[m].row), n)
        if n == net.active[0]:
            break
    return n


@kernel
def _overtake(net: Net, fresh: Any, n: Any) -> Any:
    """Add the rows that a newcomer will slow down, as far as single links can tell: a good start saves passes.

    A link's level is found once an event, and its rows are looked through once, however many newcomers it has.
    """
    links, rows, entries, members, epoch = net.links, net.rows, net.entries, net.members, net.epoch[0]
    tightest = entries[rows[fresh].begin].link
    for e in range(rows[fresh].begin, rows[fresh].end):
        link = links[entries[e].link]
        if abs(link.touched) != epoch:
            link.touched = epoch
            link.estimate = _local_level(net, entries[e].link)
        if link.estimate < links[tightest].estimate:
            tightest = entries[e].link
    link = links[tightest]
    if link.touched == epoch:
        link.touched = -epoch
        if link.top > link.estimate * (1 + EPS):
            for m in range(link.first, link.first + link.count):
                if rows[members[m].row].rate > link.estimate * (1 + EPS):
                    n = _choose(net, np.int64(members[m].row), n)
    return n


@kernel
def _local_level(net: Net, number: Any) -> Any:
    """The common rate of a link's fast and fresh rows if its slower rows keep theirs."""
    rows, members, link = net.rows, net.members, net.links[number]
    lo, hi = link.first, link.first + link.count
    level = 0.0
    while True:
        kept, demand = 0.0, 0.0
        for m in range(lo, hi):
            r = rows[members[m].row].rate
            if 0.0 < r <= level:
                kept += use_of(net, np.int64(members[m].entry)) * r
            else:
                demand += use_of(net, np.int64(members[m].entry))
        net.work[LOOKED_AT] += hi - lo
        if demand <= 0.0:
            return np.inf
        new = max(link.capacity - kept, 0.0) / demand
        if new <= level * (1 + EPS):
            return max(new, level)
        level = new


@kernel
def _touch(net: Net, n: Any) -> Any:
    """List the links of the set and find the room that rows outside leave on them; returns how many links."""
    links, rows, entries = net.links, net.rows, net.entries
    net.epoch[0] += 1  # each pass has its own epoch
    epoch = net.epoch[0]
    n_links = 0
    for i in range(n):
        row = rows[net.chosen[i]]
        row.chosen = epoch
        row.new_held_by = -1
        for e in range(row.begin, row.end):
            link = links[entries[e].link]
            if link.touched != epoch:
                link.touched = epoch
                link.room, link.demand = link.capacity - link.used, 0.0
                link.new_top, link.new_level = 0.0, np.inf
                link.open, link.held, link.chain = 0, 0, -1
                net.touched[n_links] = entries[e].link
                n_links += 1
            use = use_of(net, e)
            link.room += use * row.rate
            link.demand += use
            link.open += 1
            entries[e].next = link.chain
            link.chain = e
            if row.held_by == entries[e].link:
                link.held += 1
    for i in range(n_links):
        link = links[net.touched[i]]
        link.room = max(link.room, 0.0)
        net.queue[i].key, net.queue[i].item = link.room / link.demand, net.touched[i]
    return n_links


@kernel
def _fill(net: Net, n_links: Any) -> None:
    """Progressive filling of the set: the link that is full first fixes its rows; a heap with keys that may lag behind.

    A link's level only rises while others are fixed, so a link that turns out to be higher than its key sinks in the heap.
    """
    links, queue = net.links, net.queue
    for i in range(n_links // 2 - 1, -1, -1):
        _sift(queue, np.int64(i), n_links, queue[i].key, np.int64(queue[i].item))
    while n_links > 0:
        number = queue[0].item
        link = links[number]
        if link.open > 0:
            now = link.room / link.demand
            if now > queue[0].key:
                _sift(queue, np.int64(0), n_links, now, np.int64(number))
                continue
            _fix(net, number, queue[0].key)
        n_links -= 1
        if n_links > 0:
            _sift(queue, np.int64(0), n_links, queue[n_links].key, np.int64(queue[n_links].item))


@kernel
def _fix(net: Net, number: Any, level: Any) -> None:
    """Give the unfilled rows of the set on a link the rate `level` and take it off the room of their links."""
    links, rows, entries = net.links, net.rows, net.entries
    link = links[number]
    link.new_level = level
    at = link.chain
    while link.open > 0:  # the last of them found, the others need no look
        row = rows[entries[at].row]
        at = entries[at].next
        net.work[LOOKED_AT] += 1
        if row.new_held_by >= 0:
            continue
        row.new_rate = level
        row.new_held_by = number
        for e in range(row.begin, row.end):
            other = links[entries[e].link]
            use = use_of(net, e)
            other.room = max(other.room - use * level, 0.0)
            other.demand -= use
            other.open -= 1
            other.new_top = level


@kernel
def _sift(queue: Any, at: Any, size: Any, key: Any, item: Any) -> None:
    """Put an item at `at` or below, where it belongs among queue[:size]: lowest key first, ties by link."""
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size:
            a, b = queue[child + 1], queue[child]
            if a.key < b.key or (a.key == b.key and a.item < b.item):
                child += 1
        below = queue[child]
        if key < below.key or (key == below.key and item < below.item):
            break
        queue[at].key, queue[at].item = below.key, below.item
        at = child
    queue[at].key, queue[at].item = key, item


@kernel
def _grow(net: Net, n: Any, n_links: Any) -> Any:
    """Add the rows outside the set that no longer have a bottleneck, or that are faster than a set row on its bottleneck.

    What a link knows of its rows (the fastest, how many it holds and at which rate) tells whether any of them can be concerned.
    """
    for i in range(n_links):
        link = net.links[net.touched[i]]
        lost = link.holds > link.held and (
            link.room > EPS * link.capacity or link.new_top > link.level * (1 + EPS)
        )  # rows outside the set that it held: it is no longer full, or they are no longer its fastest
        if lost or link.top > link.new_level * (1 + EPS):
            n = _grow_on(net, net.touched[i], lost, n)
    return n


@kernel
def _grow_on(net: Net, number: Any, lost: Any, n: Any) -> Any:
    rows, members, epoch, link = net.rows, net.members, net.epoch[0], net.links[number]
    top = 0.0
    for m in range(link.first, link.first + link.count):
        row = rows[members[m].row]
        top = max(top, row.rate)
        outside = row.chosen != epoch
        if outside and (row.rate > link.new_level * (1 + EPS) or (lost and row.held_by == number)):
            n = _choose(net, np.int64(members[m].row), n)
    link.top = top
    net.work[LOOKED_AT] += link.count
    return n


@kernel
def _enter(net: Net, n: Any, n_links: Any) -> None:
    """Tell the links what the set has come to."""
    links, rows = net.links, net.rows
    for i in range(n_links):
        link = links[net.touched[i]]
        link.used = link.capacity - link.room
        link.top = max(link.top, link.new_top)
    for i in range(n):
        row = rows[net.chosen[i]]
        if row.held_by != row.new_held_by:
            if row.held_by >= 0:
                let_go(links, rows, net.chosen[i])
            hold(links, rows, net.chosen[i], row.new_held_by)
        links[row.held_by].level = row.new_rate
