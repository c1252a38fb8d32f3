"""Flows by bottleneck class: all rows that one link holds have one rate, so that a change of it is one change, not one a row.

A link's class are the rows that it holds. Each of them gets the link's `rate`; `served`, a clock that runs at that rate, is what
each has been given since the class began. A row that comes with `left` bytes to go is through when the clock shows
`served + left`: a key that stays right whatever becomes of the rate. The rows of a class wait for their ends in a heap of their
own. A link's rows lie in one list: first those that it holds, as that heap, then the others in any order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.heap import Heap, empty_heap
from netsim.engine.rows import Rows
from topologies.errors import InputError
from topologies.jit import inner_kernel, kernel

LINK = np.dtype(  # what `levels` goes through comes first, so that it lies in one cache line or two
    [
        ("capacity", "f8"),
        ("others", "f8"),  # sum of use * rate over its rows that other links hold
        ("top", "f8"),  # none of these is faster; may be too high, never too low
        ("touched", "i8"),  # epoch in which it was last noted as touched
        ("rate", "f8"),  # of each row that it holds
        ("demand", "f8"),  # sum of the uses of these; in `fill`, of those that no link holds yet
        ("holds", "i4"),  # rows whose bottleneck it is
        ("count", "i4"),  # its active rows: these and the others
        ("first", "i8"),  # where its list of them begins in `lists`
        ("served", "f8"),  # bytes that each row that it holds has been given as of `since`
        ("since", "f8"),
        ("moved", "i8"),  # event in which it was last noted as moved
        ("levels", "i4"),  # how often its level has been found
        ("open", "i4"),  # scratch of `fill`: rows that no link holds yet
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("now", "f8"),
        ("event", "i8"),
        ("epoch", "i8"),
        ("active", "i8"),  # rows on their links
        ("n_touched", "i8"),
        ("n_moved", "i8"),
        ("looked_at", "i8"),  # counters: rows looked at on links
        ("solved", "i8"),  # rows that were given a rate
        ("passes", "i8"),  # classes that were
        ("fills", "i8"),  # how often all rates were found anew
    ],
    align=True,
)
NOBODY = -1  #: holder of a row that no link holds


class Classes(NamedTuple):
    """Rows over links 0..U-1. A row on its h-th link is the entry `row << shift | h`; link U is behind the end of short paths.

    A row has no link twice.
    """

    shift: int
    width: int  #: links of the longest path
    links: NDArray[np.void]
    crossed: NDArray[np.int32]  #: the link of each entry
    use: NDArray[np.float64]  #: of each entry: the part of its row's bytes that crosses the link; empty where all are 1
    place: NDArray[np.int32]  #: where each entry stands in the list of its link
    lists: NDArray[np.int32]  #: of entries
    holder: NDArray[np.int32]  #: the link that holds each row
    key: NDArray[np.float64]  #: what its holder's clock shows when the row is through; without a holder, bytes to go
    queue: Heap  #: links whose level is in doubt
    touched: NDArray[np.int32]  #: links of which a row or a rate has changed
    moved: NDArray[np.int32]  #: links of whose class the next end has moved in this event
    state: NDArray[np.void]  #: one STATE


def make_classes(rows: Rows, capacity: NDArray[np.float64]) -> tuple[Classes, NDArray[np.int64]]:
    """The classes of these rows, none of them active, and the fabric's numbers of their links.

    Raises InputError where entries do not fit in 32 bits: 268 million rows of up to 8 links.
    """
    local, used = rows.renumbered(len(capacity))
    hops, n_rows, n_links = np.diff(rows.offsets), len(rows.offsets) - 1, len(used) + 1
    width = int(hops.max())
    shift = (width - 1).bit_length()
    if n_rows << shift > np.iinfo(np.int32).max:
        raise InputError(f"flow: {n_rows} messages over up to {width} links are too many; take engine: loads or fewer ranks")
    link = np.zeros(n_links, LINK)
    link["capacity"] = np.append(capacity[used], np.inf)
    counts = np.bincount(local, minlength=n_links)
    link["first"] = np.cumsum(counts) - counts
    uses = _folded(link, local, rows.use)
    inside = np.arange(1 << shift) < hops[:, None]
    crossed = np.full((n_rows, 1 << shift), n_links - 1, np.int32)
    crossed[inside] = local
    use = np.zeros(crossed.shape if len(uses) else (0, crossed.shape[1]))
    use[inside[: len(use)]] = uses
    state = np.zeros(1, STATE)
    state["epoch"] = 1
    classes = Classes(
        shift=shift,
        width=width,
        links=link,
        crossed=crossed.reshape(-1),
        use=use.reshape(-1),
        place=np.empty(crossed.size, np.int32),
        lists=np.empty(len(local), np.int32),
        holder=np.full(n_rows, NOBODY, np.int32),
        key=np.empty(n_rows),
        queue=empty_heap(n_links),
        touched=np.empty(n_links + 1, np.int32),  # one more: a link is written down before it is asked whether it is there
        moved=np.empty(n_links, np.int32),
        state=state,
    )
    return classes, used


def _folded(link: NDArray[np.void], local: NDArray[np.int32], use: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The uses; none where on each link all are alike (single paths, bundles): then they are made part of its capacity."""
    if use is None:
        return np.empty(0)
    of_link = np.ones(len(link))
    of_link[local] = use  # whichever comes last
    if (of_link[local] != use).any():
        return use
    link["capacity"] /= of_link
    return np.empty(0)


@inner_kernel
def use_of(c: Classes, entry: Any) -> Any:
    """The part of its row's bytes that crosses the entry's link."""
    return c.use[entry] if len(c.use) else 1.0


@kernel
def join(c: Classes, row: Any, nbytes: Any) -> None:
    """Put a row on its links; none holds it yet."""
    c.state[0].active += 1
    c.key[row] = nbytes
    for e in range(row << c.shift, (row << c.shift) + c.width):
        if c.crossed[e] == len(c.links) - 1:
            break
        link = c.links[c.crossed[e]]
        _set(c, link.first + link.count, np.int64(e))
        link.count += 1


@kernel
def leave(c: Classes, row: Any) -> None:
    """Take a row off its links; that which holds it is settled."""
    c.state[0].active -= 1
    holder = c.holder[row]
    let_go(c, row)
    for e in range(row << c.shift, (row << c.shift) + c.width):
        if c.crossed[e] == len(c.links) - 1:
            break
        link = c.links[c.crossed[e]]
        if c.crossed[e] != holder:
            link.others -= use_of(c, e) * c.links[holder].rate
        link.count -= 1
        _set(c, link.first + c.place[e], np.int64(c.lists[link.first + link.count]))
        if link.count == link.holds:
            link.others, link.top = 0.0, 0.0
        touch(c, np.int64(c.crossed[e]))


@inner_kernel
def hold(c: Classes, entry: Any) -> None:
    """Let the link of an entry, which is settled, hold its row, which none holds. Rates and sums are the caller's."""
    row, link = entry >> c.shift, c.links[c.crossed[entry]]
    if link.holds == 0:
        link.served, link.demand = 0.0, 0.0
    c.holder[row] = c.crossed[entry]
    c.key[row] += link.served
    _set(c, link.first + c.place[entry], np.int64(c.lists[link.first + link.holds]))
    link.holds += 1
    link.demand += use_of(c, entry)
    _rise(c, link.first, np.int64(link.holds - 1), entry)


@inner_kernel
def let_go(c: Classes, row: Any) -> None:
    """Take a row from the link that holds it, which is settled; it stays on it."""
    entry = row << c.shift
    while c.crossed[entry] != c.holder[row]:
        entry += 1
    link, at = c.links[c.holder[row]], np.int64(c.place[entry])
    link.holds -= 1
    link.demand -= use_of(c, entry)
    last = np.int64(c.lists[link.first + link.holds])
    _set(c, link.first + link.holds, entry)
    if last != entry:
        _sink(c, link.first, np.int64(link.holds), at, last)
        _rise(c, link.first, np.int64(c.place[last]), last)
    c.key[row] -= link.served
    c.holder[row] = NOBODY


@kernel
def settle(c: Classes, number: Any) -> None:
    """Let a link's clock run up to now."""
    link = c.links[number]
    link.served += link.rate * (c.state[0].now - link.since)
    link.since = c.state[0].now


@inner_kernel
def touch(c: Classes, number: Any) -> None:
    """Note a link of which a row or a rate has changed, once an epoch."""
    c.touched[c.state[0].n_touched] = number
    c.state[0].n_touched += c.links[number].touched != c.state[0].epoch
    c.links[number].touched = c.state[0].epoch


@inner_kernel
def move(c: Classes, number: Any) -> None:
    """Note a link of whose class the next end moves, once an event."""
    if c.links[number].moved != c.state[0].event:
        c.links[number].moved = c.state[0].event
        c.moved[c.state[0].n_moved] = number
        c.state[0].n_moved += 1


@inner_kernel
def _set(c: Classes, at: Any, entry: Any) -> None:
    """Put an entry at a place of `lists`, which is one of its link's."""
    c.lists[at] = entry
    c.place[entry] = at - c.links[c.crossed[entry]].first


@inner_kernel
def _rise(c: Classes, first: Any, at: Any, entry: Any) -> None:
    """Put an entry at place `at` of the heap that begins at `first`, or above. Rows with one key keep any order."""
    key = c.key[entry >> c.shift]
    while at > 0:
        up = np.int64(c.lists[first + ((at - 1) >> 1)])
        if c.key[up >> c.shift] <= key:
            break
        _set(c, first + at, up)
        at = (at - 1) >> 1
    _set(c, first + at, entry)


@inner_kernel
def _sink(c: Classes, first: Any, size: Any, at: Any, entry: Any) -> None:
    """Put an entry at place `at` of the heap of `size` that begins at `first`, or below."""
    key = c.key[entry >> c.shift]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and c.key[c.lists[first + child + 1] >> c.shift] < c.key[c.lists[first + child] >> c.shift]:
            child += 1
        below = np.int64(c.lists[first + child])
        if key <= c.key[below >> c.shift]:
            break
        _set(c, first + at, below)
        at = child
    _set(c, first + at, entry)
