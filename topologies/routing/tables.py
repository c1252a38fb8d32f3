"""Routing by forwarding tables: ones that were read from switches, and the ways to fill them: min-hop and up/down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError, Unroutable
from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel
from topologies.paths import Paths, Router
from topologies.routing.levels import up_down_height
from topologies.routing.pgft import D_MOD_K
from topologies.routing.single_path import single_path

DEAD_END, LOOP, PULLED = -1, -2, -3


@dataclass(frozen=True, eq=False)
class ForwardingTables:
    """`next_link[node, endpoint]`: the link that a node sends what is for the endpoint over, -1 where its table has no entry.

    int32[nodes, n_endpoints], links numbered as when the fabric was whole. In the rows of endpoints -1 means their first cable.
    """

    next_link: Ints


def min_hop(fabric: Fabric) -> Router:
    """Shortest paths, one next hop for each switch and destination, balanced by destination: a forwarding table for any graph.

    Of its n shortest next hops towards destination number x, in the order of their links, a switch takes the one with index
    x mod n; on trees it takes (x // prod(w below)) mod n, which is d-mod-k. Parallel cables to the only next switch are chosen by
    the digit above, x // (neighbouring switches). OpenSM's minhop balances by counting, to the same effect on regular fabrics.
    """
    return single_path(fabric, D_MOD_K)


def up_down(fabric: Fabric) -> Router:
    """Up*/down*: no route goes up after it came down, so no cycle of full buffers can form; otherwise balanced as min-hop.

    Up is the higher tier where every cable joins two tiers and the endpoints hang on the lowest; elsewhere nearer to the first
    node of the highest tier (Schroeder et al. 1991). A node from which the destination can be reached downwards goes down. Where
    faults leave a pair no legal way, min-hop may have one.
    """
    return single_path(fabric, D_MOD_K, up_down_height)


def forwarding_tables(fabric: Fabric, *, tables: ForwardingTables | None = None) -> Router:
    """Routing by these tables; by those that came with the fabric where none are given.

    Raises InputError where there are none, or they are not of the size of the fabric.
    """
    tables = tables or getattr(fabric.shape, "tables", None)
    if tables is None:
        raise InputError(f"{fabric.name}: has no forwarding tables; give them with the fabric, or route by min-hop")
    if tables.next_link.shape != (fabric.n_nodes, fabric.n_endpoints):
        size, want = tables.next_link.shape, (fabric.n_nodes, fabric.n_endpoints)
        raise InputError(f"{fabric.name}: forwarding tables of {size} nodes and endpoints, needed are {want}")
    return TableRouter(fabric, tables)


@dataclass(frozen=True, eq=False)
class TableRouter:
    """Follows the tables. Raises Unroutable for loops (naming their switches), dead ends and entries over cables now pulled."""

    fabric: Fabric
    tables: ForwardingTables

    @cached_property
    def _next_link(self) -> Ints:
        """The tables in today's link numbers; DEAD_END without an entry, PULLED where the cable is gone."""
        f = self.fabric
        old = np.array(self.tables.next_link, dtype=np.int32)
        first = np.full(f.n_endpoints, DEAD_END, dtype=np.int32)
        offsets, links = f.out_links
        cabled = np.flatnonzero(np.diff(offsets[: f.n_endpoints + 1]))
        first[cabled] = links[offsets[cabled]]
        if f.cable_was is not None:
            now = np.full(max(int(old.max(initial=-1)), int(f.cable_was.max(initial=-1)) * 2 + 1) + 2, PULLED, dtype=np.int32)
            now[2 * f.cable_was], now[2 * f.cable_was + 1] = np.arange(0, f.n_links, 2), np.arange(1, f.n_links, 2)
            now[-1] = DEAD_END
            old = now[old]
        node, d = np.nonzero(old >= f.n_links)
        if not len(node):
            node, d = np.nonzero((old >= 0) & (f.src[old] != np.arange(f.n_nodes)[:, None]))
        if len(node):
            at, to = f.label_of(int(node[0])), f.label_of(int(d[0]))
            raise InputError(
                f"{f.name}: the forwarding table of {at} sends {to} over link {old[node[0], d[0]]}, which is not its own"
            )
        own = old[: f.n_endpoints]
        own[:] = np.where(own == DEAD_END, first[:, None], own)
        return old

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        table, f = self._next_link, self.fabric
        offsets = np.zeros(len(src) + 1, dtype=np.int64)
        lengths = _follow(src, dst, table, f.dst, offsets, np.empty(0, dtype=np.int32))
        if (lengths < 0).any():
            raise self._error(src, dst, lengths)
        np.cumsum(lengths, out=offsets[1:])
        links = np.empty(offsets[-1], dtype=np.int32)
        _follow(src, dst, table, f.dst, offsets, links)
        return Paths.single(f, offsets, links)

    def _error(self, src: Ints, dst: Ints, lengths: NDArray[np.int64]) -> Unroutable:
        """What is wrong with the first pair that the tables lose, and how many more they lose."""
        f, table = self.fabric, self._next_link
        bad = np.flatnonzero(lengths < 0)
        s, d = int(src[bad[0]]), int(dst[bad[0]])
        way = [s]
        while (link := int(table[way[-1], d])) >= 0 and (ahead := int(f.dst[link])) not in way:
            way.append(ahead)
        at, to = f.label_of(way[-1]), f.label_of(d)
        if link >= 0:
            loop = " → ".join(f.label_of(v) for v in [*way[way.index(ahead) :], ahead])
            what = f"the forwarding tables loop on the way to {to}: {loop}"
        elif link == PULLED:
            what = f"the forwarding table of {at} sends {to} over a cable that is gone; route by min-hop"
        else:
            what = f"the forwarding table of {at} has no entry for {to}"
        more = f" (and {len(bad) - 1} more flows are lost)" if len(bad) > 1 else ""
        return Unroutable(f"{f.label_of(s)}→{to}: {what}{more}")


@allocating_kernel
def _follow(src: Ints, dst: Ints, table: Ints, link_dst: Ints, offsets: NDArray[np.int64], links: Ints) -> NDArray[np.int64]:
    """Links on each way, or DEAD_END, LOOP or PULLED; written to `links` if it has room."""
    lengths = np.zeros(len(src), dtype=np.int64)
    for i in range(len(src)):
        v, d = src[i], dst[i]
        while v != d:
            link = table[v, d]
            if link < 0:
                lengths[i] = link
                break
            if lengths[i] == len(table):
                lengths[i] = LOOP
                break
            if len(links):
                links[offsets[i] + lengths[i]] = link
            lengths[i] += 1
            v = link_dst[link]
    return lengths
