"""Max-min fair rates of bottleneck classes, brought up to date when rows come and go.

The *level* of a link is what remains for each row that it holds: (capacity - rates of its rows that others hold) / rows held. The
rates are fair if every row is held by a link, every link that holds rows gives them its level and has no faster row, and no link
carries more than its capacity. `repair` puts the links for which one of these is in doubt in a queue and sets them right one by
one, the lowest level first, since a class acts on links of higher levels only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.engine.classes import NOBODY, Classes, hold, let_go, move, settle, touch, use_of
from netsim.engine.heap import pop, put
from topologies.jit import inner_kernel, kernel

EPS = 1e-11  # relative difference below which two rates are one
SAME_RATE = 1e-13  # relative change of a rate below which it is not taken over
ANEW = 256  # so many levels of a link are found by differences before its sum of rates is taken anew


@kernel
def repair(c: Classes, fresh: Any, n_fresh: Any) -> None:
    """Make the rates fair again after `fresh[:n_fresh]` joined and rows left the touched links.

    Filling all anew bounds the work: it is done where many have come, and where setting right has cost more than that would.
    """
    whole = len(c.holder) + len(c.links)  # what `fill` goes through, whatever is active
    patience = np.int64(-1) if 8 * n_fresh > c.state[0].active and 32 * n_fresh > whole else 4 * whole
    if patience >= 0:
        for i in range(n_fresh):
            _admit(c, np.int64(fresh[i]))
    while patience >= 0:
        _queue_touched(c)
        if c.queue.size[0] == 0:
            return
        number = np.int64(pop(c.queue))
        _set_right(c, number)
        patience -= 1 + c.links[number].holds
    fill(c)


@inner_kernel
def _admit(c: Classes, row: Any) -> None:
    """Have a new row held, at the rate of the rows there, by the link that by itself would give it least: a first guess."""
    best, lowest = np.int64(0), np.inf
    for e in range(row << c.shift, (row << c.shift) + c.width):
        if c.crossed[e] == len(c.links) - 1:
            break
        link = c.links[c.crossed[e]]
        level = max(link.capacity - link.others, 0.0) / (link.demand + use_of(c, e))
        if level < lowest:
            best, lowest = np.int64(e), level
    holder = c.links[c.crossed[best]]
    settle(c, np.int64(c.crossed[best]))
    if holder.holds == 0:
        holder.rate = lowest
    hold(c, best)
    _tell(c, row, np.int64(NOBODY), 0.0)
    move(c, np.int64(c.crossed[best]))


@inner_kernel
def _tell(c: Classes, row: Any, before: Any, was: Any) -> None:
    """Tell the links of a row that it has another holder, and with that another rate."""
    rate = c.links[c.holder[row]].rate
    for e in range(row << c.shift, (row << c.shift) + c.width):
        number = np.int64(c.crossed[e])
        if number != c.holder[row]:
            other = c.links[number]
            other.others += use_of(c, e) * (rate if number == before else rate - was)
            other.top = max(other.top, rate)
        touch(c, number)
    c.state[0].looked_at += c.width


@inner_kernel
def _queue_touched(c: Classes) -> None:
    """Queue the touched links whose rows do not get its level, or that have a row, not theirs, that is faster."""
    for i in range(c.state[0].n_touched):
        link = c.links[c.touched[i]]
        if link.holds > 0:
            level = max(link.capacity - link.others, 0.0) / link.demand
            if abs(level - link.rate) > SAME_RATE * link.rate or link.top > level * (1 + EPS):
                put(c.queue, np.int64(c.touched[i]), level)
        elif link.others > link.capacity * (1 + EPS):
            put(c.queue, np.int64(c.touched[i]), link.capacity / link.count)
    c.state[0].n_touched = 0
    c.state[0].epoch += 1


@inner_kernel
def _set_right(c: Classes, number: Any) -> None:
    """Give a link's class its level, and take over the rows that are faster."""
    link = c.links[number]
    if link.holds == 0 and link.others <= link.capacity * (1 + EPS):
        return
    settle(c, number)
    level = max(link.capacity - link.others, 0.0) / link.demand if link.holds > 0 else 0.0
    link.levels += 1
    if link.levels % ANEW == 0:
        link.demand = _uses(c, number, np.int64(link.holds))
    if link.top > level * (1 + EPS) or link.levels % ANEW == 0:
        fair = _level_with_faster(c, number, level)
        if link.holds == 0:
            link.rate = fair
        _take_over(c, number, fair)
        if link.holds == 0:
            return
        level = max(link.capacity - link.others, 0.0) / link.demand
    change = level - link.rate
    if abs(change) > SAME_RATE * link.rate:
        link.rate = level
        _tell_all(c, number, change)
        move(c, number)


@inner_kernel
def _level_with_faster(c: Classes, number: Any, level: Any) -> Any:
    """A link's level once it holds the rows that are faster than that; `level`: a bound from below."""
    link = c.links[number]
    lo, hi = link.first + link.holds, link.first + link.count
    while True:
        kept, demand = 0.0, link.demand
        for i in range(lo, hi):
            rate = c.links[c.holder[c.lists[i] >> c.shift]].rate
            if rate > level * (1 + EPS):
                demand += use_of(c, np.int64(c.lists[i]))
            else:
                kept += use_of(c, np.int64(c.lists[i])) * rate
        c.state[0].looked_at += hi - lo
        if demand <= 0.0:
            return np.inf
        new = max(link.capacity - kept, 0.0) / demand
        if new <= level * (1 + EPS):
            return level
        level = new


@inner_kernel
def _take_over(c: Classes, number: Any, level: Any) -> None:
    """Let a link hold the rows that are faster than a level, at the rate of its class; take the sum of the others anew."""
    link = c.links[number]
    kept, top = 0.0, 0.0
    for i in range(link.first + link.holds, link.first + link.count):
        entry = np.int64(c.lists[i])
        row = entry >> c.shift
        before = np.int64(c.holder[row])
        rate = c.links[before].rate
        if rate > level * (1 + EPS):
            settle(c, before)
            let_go(c, row)
            hold(c, entry)  # puts the one that stood first behind the class here: it is one that was kept
            _tell(c, row, before, rate)
            move(c, before)
            move(c, number)
        else:
            kept += use_of(c, entry) * rate
            top = max(top, rate)
    link.others, link.top = kept, top


@inner_kernel
def _tell_all(c: Classes, number: Any, change: Any) -> None:
    """Tell the links of all rows of a class by how much its rate has changed: here the time goes, so all is inlined."""
    link, links, lists, crossed, use, touched, width = c.links[number], c.links, c.lists, c.crossed, c.use, c.touched, c.width
    others, top, rate, epoch, n, fractions = (
        link.others,
        link.top,
        link.rate,
        c.state[0].epoch,
        c.state[0].n_touched,
        len(c.use) > 0,
    )
    for i in range(link.first, link.first + link.holds):
        begin = (lists[i] >> c.shift) << c.shift
        for e in range(begin, begin + width):
            other = links[crossed[e]]
            other.others += change * use[e] if fractions else change
            other.top = max(other.top, rate)
            touched[n] = crossed[e]  # stands if it is new
            n += other.touched != epoch
            other.touched = epoch
    link.others, link.top = others, top  # its own rows were none of these
    c.state[0].n_touched = n
    c.state[0].looked_at += link.holds * width
    c.state[0].solved += link.holds
    c.state[0].passes += 1


@kernel
def fill(c: Classes) -> None:
    """All classes anew by progressive filling: the link that is full first holds all its rows that none holds yet.

    A link's level only rises while others are filled, so the keys of the queue may lag behind.
    """
    _dissolve(c)
    while c.queue.size[0] > 0:
        key = c.queue.nodes[0].key
        number = np.int64(pop(c.queue))
        link = c.links[number]
        if link.open > 0:
            level = max(link.capacity - link.others, 0.0) / link.demand
            if level > key:
                put(c.queue, number, level)
            else:
                _fill_link(c, number, level)
    c.state[0].fills += 1


@inner_kernel
def _dissolve(c: Classes) -> None:
    """Let nobody hold any row: every key is bytes to go again, every clock shows now, the queue has all links that have rows."""
    c.queue.size[0] = 0
    for number in range(len(c.links)):
        c.queue.where[number] = -1
        settle(c, np.int64(number))
        move(c, np.int64(number))
    for row in range(len(c.holder)):
        if c.holder[row] != NOBODY:
            c.key[row] -= c.links[c.holder[row]].served
            c.holder[row] = NOBODY
    c.state[0].n_touched = 0
    c.state[0].epoch += 1
    for number in range(len(c.links)):
        link = c.links[number]
        link.others, link.top, link.rate, link.holds, link.open = 0.0, 0.0, 0.0, 0, link.count
        link.demand = _uses(c, np.int64(number), np.int64(link.count))
        if link.count > 0:
            put(c.queue, np.int64(number), link.capacity / link.demand)


@inner_kernel
def _uses(c: Classes, number: Any, n: Any) -> Any:
    """The sum of the uses of the first n rows in a link's list."""
    if len(c.use) == 0:
        return np.float64(n)
    total = 0.0
    for i in range(c.links[number].first, c.links[number].first + n):
        total += c.use[c.lists[i]]
    return total


@inner_kernel
def _fill_link(c: Classes, number: Any, level: Any) -> None:
    """Let a link hold its rows that nobody holds, at this level."""
    link = c.links[number]
    link.rate = level
    for i in range(link.first, link.first + link.count):
        entry = np.int64(c.lists[i])
        row = entry >> c.shift
        if c.holder[row] == NOBODY:
            hold(c, entry)
            for e in range(row << c.shift, (row << c.shift) + c.width):
                if c.crossed[e] != number:
                    other = c.links[c.crossed[e]]
                    other.others += use_of(c, e) * level
                    other.demand -= use_of(c, e)
                    other.open -= 1
                    other.top = level
    c.state[0].looked_at += link.count
    c.state[0].solved += link.holds
    c.state[0].passes += 1
