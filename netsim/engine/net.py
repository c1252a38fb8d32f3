"""Flows on links as records: who is active where, at which rate, held by which link."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netsim.engine.heap import NODE
from netsim.engine.rows import Rows
from topologies.jit import kernel

# Records, not arrays of fields: what is read together lies in one cache line or two.
LINK = np.dtype(
    [
        ("capacity", "f8"),
        ("used", "f8"),  # sum of use * rate over its active rows
        ("top", "f8"),  # no active row is faster; may be too high, never too low
        ("level", "f8"),  # rate of the rows that it holds, if it holds any
        ("first", "i8"),  # where the link's active rows begin in `members`
        ("count", "i4"),  # active rows
        ("holds", "i4"),  # rows whose bottleneck it is
        ("held_row", "i4"),  # the first of those; the others follow by ROW.next_held
        # the rest is scratch of `rebalance`, about the rows of the set on this link
        ("touched", "i8"),  # epoch in which these were last valid
        ("room", "f8"),  # capacity left for those not yet filled
        ("demand", "f8"),  # sum of their uses
        ("estimate", "f8"),  # level as far as the link alone can tell
        ("new_top", "f8"),  # the fastest of the set
        ("new_level", "f8"),  # rate at which this pass has filled rows here as their bottleneck; inf for none
        ("open", "i4"),  # those not yet filled
        ("held", "i4"),  # those that the link held before
        ("chain", "i4"),  # the first of them, as an entry; the others follow by ENTRY.next
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
        ("next_held", "i4"),  # its neighbours in the list of the rows that this link holds, -1 at the ends
        ("last_held", "i4"),
        ("new_held_by", "i4"),
        ("message", "i4"),
        ("flowing", "i4"),
    ],
    align=True,
)
# A row on a link; its place in the link's `members`; in `rebalance`, the next row of the set there.
ENTRY = np.dtype([("link", "i4"), ("row", "i4"), ("position", "i4"), ("next", "i4")], align=True)
MEMBER = np.dtype([("row", "i4"), ("entry", "i4")], align=True)  # an active row on a link

LOOKED_AT, SOLVED, PASSES = 0, 1, 2  #: counters in Net.work


class Net(NamedTuple):
    """Rows over the links that they use, links renumbered 0..U-1, and the scratch space of `rebalance`."""

    links: NDArray[np.void]
    rows: NDArray[np.void]
    entries: NDArray[np.void]
    use: NDArray[np.float64]  #: of each entry; empty where all are 1
    members: NDArray[np.void]
    queue: NDArray[np.void]  #: the filling heap
    touched: NDArray[np.int32]  #: the links of the set
    chosen: NDArray[np.int32]  #: the rows of the set
    epoch: NDArray[np.int64]
    active: NDArray[np.int64]  #: how many rows are active
    work: NDArray[np.int64]  #: members looked at, rows solved, passes


def make_net(rows: Rows, message: NDArray[np.int32], capacity: NDArray[np.float64]) -> tuple[Net, NDArray[np.int64]]:
    """The net of these rows, none of them active, and the fabric's numbers of its links; `message`: that of each row."""
    local, used = rows.renumbered(len(capacity))
    offsets = rows.offsets
    link = np.zeros(len(used), LINK)
    link["capacity"] = capacity[used]
    counts = np.bincount(local, minlength=len(used))
    link["first"] = np.cumsum(counts) - counts
    row = np.zeros(len(offsets) - 1, ROW)
    row["begin"], row["end"] = offsets[:-1], offsets[1:]
    row["held_by"] = -1
    row["message"] = message
    entry = np.zeros(len(local), ENTRY)
    entry["link"] = local
    entry["row"] = np.repeat(np.arange(len(row), dtype=np.int32), np.diff(offsets))
    uses = _folded(link, local, rows.use)
    scratch = np.empty(len(used), NODE), np.empty(len(used), np.int32), np.empty(len(row), np.int32)
    net = Net(link, row, entry, uses, np.zeros(len(local), MEMBER), *scratch, *(np.zeros(k, np.int64) for k in (1, 1, 3)))
    return net, used


def _folded(link: NDArray[np.void], local: NDArray[np.int32], use: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The uses; none where on each link all are alike (single paths, bundles): then they are made part of its capacity."""
    if use is None:
        return np.empty(0)
    of_link = np.ones(len(link))
    of_link[local] = use  # whichever comes last
    if (of_link[local] != use).any():
        return use.copy()
    link["capacity"] /= of_link
    return np.empty(0)


@kernel
def use_of(net: Net, entry: Any) -> Any:
    """The part of its row's bytes that crosses the entry's link."""
    return net.use[entry] if len(net.use) else 1.0


@kernel
def join(net: Net, row: Any) -> None:
    """Put a row on its links, at rate 0 until the next `rebalance`."""
    links, rows, entries, members = net.links, net.rows, net.entries, net.members
    net.active[0] += 1
    rows[row].rate = 0.0
    rows[row].held_by = -1
    for e in range(rows[row].begin, rows[row].end):
        link = links[entries[e].link]
        entries[e].position = link.count
        member = members[link.first + link.count]
        member.row, member.entry = row, e
        link.count += 1


@kernel
def leave(net: Net, row: Any) -> None:
    """Take a row off its links."""
    links, rows, entries, members = net.links, net.rows, net.entries, net.members
    net.active[0] -= 1
    for e in range(rows[row].begin, rows[row].end):
        link = links[entries[e].link]
        link.count -= 1
        link.used = max(link.used - use_of(net, e) * rows[row].rate, 0.0) if link.count > 0 else 0.0
        last, gap = members[link.first + link.count], members[link.first + entries[e].position]
        gap.row, gap.entry = last.row, last.entry
        entries[last.entry].position = entries[e].position
    let_go(links, rows, row)


@kernel
def let_go(links: Any, rows: Any, number: Any) -> None:
    """Take a row off the list of its bottleneck."""
    row = rows[number]
    link = links[row.held_by]
    link.holds -= 1
    if row.last_held >= 0:
        rows[row.last_held].next_held = row.next_held
    else:
        link.held_row = row.next_held
    if row.next_held >= 0:
        rows[row.next_held].last_held = row.last_held


@kernel
def hold(links: Any, rows: Any, number: Any, by: Any) -> None:
    """Put a row on the list of its bottleneck."""
    link, row = links[by], rows[number]
    row.held_by, row.last_held = by, -1
    row.next_held = link.held_row if link.holds > 0 else -1
    if row.next_held >= 0:
        rows[row.next_held].last_held = number
    link.held_row = number
    link.holds += 1
