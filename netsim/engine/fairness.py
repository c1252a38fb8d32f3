"""Max-min fair rates, brought up to date when flows come and go.

An allocation is max-min fair exactly if every flow has a bottleneck: a saturated link on which no flow is faster (Bertsekas &
Gallager, Data Networks, 6.5.2). When flows come or go, only those near them can lose that property. `rebalance` re-solves a small
set by progressive filling with all other flows held, looks on the links it touched for flows whose bottleneck no longer holds
them or that now keep a slower one down, takes these into the set, and repeats until there is none: then every flow has a
bottleneck again, so the rates are the fair ones. Flows slower than everything that changed are never looked at twice (bottleneck
structure: Ros-Giralt et al., SIGMETRICS 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

EPS = 1e-11  # relative difference below which two rates are one


class Net(NamedTuple):
    """Rows of all messages over the links that they use, renumbered 0..U-1.

    `offsets` int64[rows+1], `links` int32[entries], `use` float64[entries], `row` int32[entries] (the row of an entry),
    `capacity` float64[U], `first` int64[U+1]: where each link's list of active entries begins in `Rates.members`.
    """

    offsets: NDArray[np.int64]
    links: NDArray[np.int32]
    use: NDArray[np.float64]
    row: NDArray[np.int32]
    capacity: NDArray[np.float64]
    first: NDArray[np.int64]


class Rates(NamedTuple):
    """Who is active where, at which rate, held by which link; and the scratch space of `rebalance`."""

    members: NDArray[np.int32]  #: entries active on each link: members[first[l] .. first[l] + count[l] - 1]
    position: NDArray[np.int32]  #: place of an entry in its link's list
    count: NDArray[np.int32]
    rate: NDArray[np.float64]  #: per row
    held_by: NDArray[np.int32]  #: bottleneck link per row
    new_rate: NDArray[np.float64]
    new_held_by: NDArray[np.int32]
    chosen: NDArray[np.int64]  #: epoch in which a row was last in the set
    touched: NDArray[np.int64]  #: epoch in which a link was last touched
    room: NDArray[np.float64]  #: capacity left for unfilled rows of the set
    demand: NDArray[np.float64]  #: sum of their uses
    open: NDArray[np.int32]  #: how many they are
    level: NDArray[np.float64]  #: key of a link in the filling heap
    queue: NDArray[np.int32]  #: the filling heap; before that, the touched links
    rows: NDArray[np.int32]  #: the set
    epoch: NDArray[np.int64]
    work: NDArray[np.int64]  #: entries looked at, rows re-solved, growth rounds


def make_net(offsets: NDArray[np.int64], links: NDArray[np.int32], use: NDArray[np.float64], capacity: NDArray[np.float64]) -> Net:
    """The net of these rows, links renumbered to those in use."""
    seen = np.zeros(len(capacity), dtype=bool)
    seen[links] = True
    number = np.cumsum(seen, dtype=np.int32) - 1
    local = number[links]
    first = np.zeros(int(seen.sum()) + 1, dtype=np.int64)
    np.cumsum(np.bincount(local, minlength=len(first) - 1), out=first[1:])
    row = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    return Net(offsets, local.astype(np.int32), use, row, capacity[seen], first)


def no_rates(net: Net) -> Rates:
    """Nothing active yet."""
    rows, links, entries = len(net.offsets) - 1, len(net.capacity), len(net.links)

    def ints(n: int, fill: int = 0) -> NDArray[np.int32]:
        return np.full(n, fill, dtype=np.int32)

    return Rates(
        members=ints(entries),
        position=ints(entries),
        count=ints(links),
        rate=np.zeros(rows),
        held_by=ints(rows, -1),
        new_rate=np.zeros(rows),
        new_held_by=ints(rows, -1),
        chosen=np.zeros(rows, np.int64),
        touched=np.zeros(links, np.int64),
        room=np.zeros(links),
        demand=np.zeros(links),
        open=ints(links),
        level=np.zeros(links),
        queue=ints(links),
        rows=ints(rows),
        epoch=np.zeros(1, np.int64),
        work=np.zeros(3, np.int64),
    )


@numba.njit(cache=True, nogil=True)
def join(net, rates, row):  # type: ignore[no-untyped-def]
    """Put a row on its links, at rate 0 until the next `rebalance`."""
    rates.rate[row] = 0.0
    rates.held_by[row] = -1
    for e in range(net.offsets[row], net.offsets[row + 1]):
        link = net.links[e]
        rates.position[e] = rates.count[link]
        rates.members[net.first[link] + rates.count[link]] = e
        rates.count[link] += 1


@numba.njit(cache=True, nogil=True)
def leave(net, rates, row):  # type: ignore[no-untyped-def]
    """Take a row off its links."""
    for e in range(net.offsets[row], net.offsets[row + 1]):
        link = net.links[e]
        rates.count[link] -= 1
        last = rates.members[net.first[link] + rates.count[link]]
        rates.members[net.first[link] + rates.position[e]] = last
        rates.position[last] = rates.position[e]


@numba.njit(cache=True, nogil=True)
def rebalance(net, rates, fresh, n_fresh, freed, n_freed):  # type: ignore[no-untyped-def]
    """Make the rates fair again after `fresh[:n_fresh]` joined and rows left the links `freed[:n_freed]`.

    Returns n: rows[:n] have a new_rate and new_held_by, which the caller takes over (it must settle the bytes first).
    """
    rates.epoch[0] += 1
    n = 0
    for i in range(n_fresh):
        n = _choose(rates, fresh[i], n)
    for i in range(n_freed):  # rows that the departed held down
        link = freed[i]
        for m in range(net.first[link], net.first[link] + rates.count[link]):
            row = net.row[rates.members[m]]
            if rates.held_by[row] == link:
                n = _choose(rates, row, n)
        rates.work[0] += rates.count[link]
    if n_fresh > 0:
        n = _overtaken(net, rates, n)
    while n > 0:
        n_links = _touch(net, rates, n)
        _fill(net, rates, n_links)
        rates.work[1] += n
        rates.work[2] += 1
        grown = _unsettled(net, rates, n)
        if grown == n:
            break
        n = grown
    return n


@numba.njit(cache=True, nogil=True)
def _choose(rates, row, n):  # type: ignore[no-untyped-def]
    """Add a row to the set, once."""
    if rates.chosen[row] != rates.epoch[0]:
        rates.chosen[row] = rates.epoch[0]
        rates.rows[n] = row
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _overtaken(net, rates, n):  # type: ignore[no-untyped-def]
    """Add the rows that a newcomer will slow down, as far as one link can tell: a good start saves growth rounds.

    On each link of a fresh row: the level at which the link is full if all slower rows keep their rates.
    """
    fresh = n
    for i in range(fresh):
        row = rates.rows[i]
        if rates.held_by[row] >= 0:
            continue
        best = np.inf
        for e in range(net.offsets[row], net.offsets[row + 1]):
            best = min(best, _local_level(net, rates, net.links[e]))
        for e in range(net.offsets[row], net.offsets[row + 1]):
            link = net.links[e]
            if _local_level(net, rates, link) > best * (1 + EPS):
                continue
            for m in range(net.first[link], net.first[link] + rates.count[link]):
                other = net.row[rates.members[m]]
                if rates.rate[other] > best * (1 + EPS):
                    n = _choose(rates, other, n)
    return n


@numba.njit(cache=True, nogil=True)
def _local_level(net, rates, link):  # type: ignore[no-untyped-def]
    """The common rate of a link's fast and fresh rows if its slower rows keep theirs."""
    lo, hi = net.first[link], net.first[link] + rates.count[link]
    level = 0.0
    while True:
        kept, demand = 0.0, 0.0
        for m in range(lo, hi):
            e = rates.members[m]
            r = rates.rate[net.row[e]]
            if r > 0.0 and r <= level:
                kept += net.use[e] * r
            else:
                demand += net.use[e]
        rates.work[0] += hi - lo
        if demand <= 0.0:
            return np.inf
        new = max(net.capacity[link] - kept, 0.0) / demand
        if new <= level * (1 + EPS):
            return max(new, level)
        level = new


@numba.njit(cache=True, nogil=True)
def _touch(net, rates, n):  # type: ignore[no-untyped-def]
    """List the links of the set in `queue` and find the room that rows outside leave on them; returns how many links."""
    rates.epoch[0] += 1  # `touched` has an epoch of its own: rows are re-marked with it
    epoch = rates.epoch[0]
    n_links = 0
    for i in range(n):
        row = rates.rows[i]
        rates.chosen[row] = epoch
        rates.new_held_by[row] = -1
    for i in range(n):
        row = rates.rows[i]
        for e in range(net.offsets[row], net.offsets[row + 1]):
            link = net.links[e]
            if rates.touched[link] == epoch:
                continue
            rates.touched[link] = epoch
            rates.queue[n_links] = link
            n_links += 1
            held, demand, open_rows = 0.0, 0.0, 0
            for m in range(net.first[link], net.first[link] + rates.count[link]):
                other = rates.members[m]
                if rates.chosen[net.row[other]] == epoch:
                    demand += net.use[other]
                    open_rows += 1
                else:
                    held += net.use[other] * rates.rate[net.row[other]]
            rates.room[link] = max(net.capacity[link] - held, 0.0)
            rates.demand[link] = demand
            rates.open[link] = open_rows
            rates.level[link] = rates.room[link] / demand
            rates.work[0] += rates.count[link]
    return n_links


@numba.njit(cache=True, nogil=True)
def _fill(net, rates, n_links):  # type: ignore[no-untyped-def]
    """Progressive filling of the set: the link that is full first fixes its rows; a heap with keys that may lag behind.

    A link's level only rises while others are fixed, so a popped link whose level has risen goes back in.
    """
    queue, level = rates.queue, rates.level
    for i in range(n_links // 2 - 1, -1, -1):
        _sift(queue, level, i, n_links)
    while n_links > 0:
        link = queue[0]
        if rates.open[link] > 0:
            now = rates.room[link] / rates.demand[link]
            if now > level[link]:
                level[link] = now
                _sift(queue, level, 0, n_links)
                continue
            _fix(net, rates, link, level[link])
        n_links -= 1
        queue[0] = queue[n_links]
        _sift(queue, level, 0, n_links)


@numba.njit(cache=True, nogil=True)
def _fix(net, rates, link, level):  # type: ignore[no-untyped-def]
    """Give the unfilled rows of the set on `link` the rate `level` and take it off the room of their links."""
    epoch = rates.epoch[0]
    for m in range(net.first[link], net.first[link] + rates.count[link]):
        row = net.row[rates.members[m]]
        if rates.chosen[row] != epoch or rates.new_held_by[row] >= 0:
            continue
        rates.new_rate[row] = level
        rates.new_held_by[row] = link
        for e in range(net.offsets[row], net.offsets[row + 1]):
            other = net.links[e]
            rates.room[other] = max(rates.room[other] - net.use[e] * level, 0.0)
            rates.demand[other] -= net.use[e]
            rates.open[other] -= 1


@numba.njit(cache=True, nogil=True)
def _sift(queue, level, at, size):  # type: ignore[no-untyped-def]
    """Sink queue[at] to its place among queue[:size], lowest level first, ties by link."""
    if size == 0:
        return
    item = queue[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size:
            a, b = queue[right], queue[child]
            if level[a] < level[b] or (level[a] == level[b] and a < b):
                child = right
        c = queue[child]
        if level[item] < level[c] or (level[item] == level[c] and item < c):
            break
        queue[at] = c
        at = child
    queue[at] = item


@numba.njit(cache=True, nogil=True)
def _unsettled(net, rates, n):  # type: ignore[no-untyped-def]
    """Add the rows outside the set that no longer have a bottleneck, or that are faster than a set row on its bottleneck."""
    epoch = rates.epoch[0]
    looked = -epoch  # marks links already checked in this pass
    inside = n
    for i in range(inside):
        row = rates.rows[i]
        for e in range(net.offsets[row], net.offsets[row + 1]):
            link = net.links[e]
            if rates.touched[link] == looked:
                continue
            rates.touched[link] = looked
            n = _unsettled_on(net, rates, link, epoch, n)
    return n


@numba.njit(cache=True, nogil=True)
def _unsettled_on(net, rates, link, epoch, n):  # type: ignore[no-untyped-def]
    lo, hi = net.first[link], net.first[link] + rates.count[link]
    total, top, level = 0.0, 0.0, np.inf
    for m in range(lo, hi):
        e = rates.members[m]
        row = net.row[e]
        r = rates.rate[row]
        if rates.chosen[row] == epoch and rates.new_held_by[row] >= 0:
            r = rates.new_rate[row]
            if rates.new_held_by[row] == link:
                level = min(level, r)
        total += net.use[e] * r
        top = max(top, r)
    rates.work[0] += hi - lo
    full = total >= net.capacity[link] * (1 - EPS)
    for m in range(lo, hi):
        row = net.row[rates.members[m]]
        if rates.chosen[row] == epoch:
            continue
        r = rates.rate[row]
        if r > level * (1 + EPS) or (rates.held_by[row] == link and (not full or top > r * (1 + EPS))):
            rates.new_held_by[row] = -1  # in the set from the next pass on, not yet filled in this one
            n = _choose(rates, row, n)
    return n
