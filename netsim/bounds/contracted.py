"""The fabric as a flow network in whole numbers: parallel cables added up, ranks with equal links to one switch made one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Floats, Ints

Longs = NDArray[np.int64]
Ids = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Contracted:
    """Arcs as a CSR over the nodes that are left; flows run from where a cut is looked for to the rest of the fabric.

    Making one node of a switch's m equal single-homed ranks keeps every cut that can bind: with the switch inside a set, a rank
    outside costs its link and one inside at most x, which no link is narrower than; with the switch outside, each is better off
    alone, and the single endpoints are looked at by themselves (tightest.py). Single-homed endpoints without a rank carry
    nothing and go with their switch; all others are kept as relays, which can only make the bound smaller.
    """

    node_of: Longs  #: int64[fabric nodes]: the node that each became
    offsets: Longs  #: int64[nodes+1]
    head: Longs  #: int64[arcs]
    back: Longs  #: int64[arcs]: the arc between the same two nodes the other way round
    capacity: Longs  #: int64[arcs]
    ranks: Longs  #: int64[nodes]: ranks that a node stands for
    sinks: Longs  #: the nodes with ranks, in the order of their endpoints

    def members(self, nodes: Longs) -> NDArray[np.bool_]:
        """Which fabric nodes these stand for: bool[fabric nodes]."""
        inside = np.zeros(len(self.ranks), dtype=np.bool_)
        inside[nodes] = True
        return inside[self.node_of]


def contracted(fabric: Fabric, capacity: Longs, endpoints: Ints, *, against: bool, apart: int = -1) -> Contracted:
    """The network of these integer link capacities for ranks on `endpoints`.

    `against`: arcs run against the links, so that the flow out of a set is what the links can bring into it. `apart`: an endpoint
    that is to stay by itself.
    """
    node_of, ranks = _merge(fabric, capacity, endpoints, apart)
    tail, head = (fabric.dst, fabric.src) if against else (fabric.src, fabric.dst)
    n = len(ranks)
    a, b = node_of[tail], node_of[head]
    kept = a != b
    keys, which = np.unique(a[kept] * n + b[kept], return_inverse=True)
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, which, capacity[kept])
    low, high = keys // n, keys % n
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(low, minlength=n), out=offsets[1:])
    back = np.searchsorted(keys, high * n + low).astype(np.int64)  # every cable has both directions, so every arc has its back
    return Contracted(node_of, offsets, high, back, total, ranks, np.flatnonzero(ranks))


def _merge(fabric: Fabric, capacity: Longs, endpoints: Ints, apart: int) -> tuple[Longs, Longs]:
    """(node that each fabric node becomes, ranks that each node stands for)."""
    has_rank = np.zeros(fabric.n_nodes, dtype=np.bool_)
    has_rank[endpoints] = True
    switch, width, even = single_homed(fabric, capacity)
    name = np.arange(fabric.n_nodes, dtype=np.int64)
    idle = np.flatnonzero((switch >= 0) & ~has_rank[: fabric.n_endpoints])
    alike = np.flatnonzero((switch >= 0) & even & has_rank[: fabric.n_endpoints])
    alike = alike[alike != apart]
    order = alike[np.lexsort((alike, width[alike], switch[alike]))]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(switch[order]) != 0) | (np.diff(width[order]) != 0)
    name[order] = order[new][np.cumsum(new) - 1]
    name[idle] = switch[idle]
    kept, node_of = np.unique(name, return_inverse=True)
    ranks = np.bincount(node_of[endpoints], minlength=len(kept))
    return node_of, ranks.astype(np.int64)


def single_homed(fabric: Fabric, capacity: Longs) -> tuple[Longs, Longs, NDArray[np.bool_]]:
    """Per endpoint: the one node that it is cabled to (-1: several or none), how wide, whether both ways are equal."""
    offsets, order = fabric.out_links
    n = fabric.n_endpoints
    degree = np.diff(offsets[: n + 1])
    switch = np.full(n, -1, dtype=np.int64)
    out, into = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    cabled = np.flatnonzero(degree)
    if len(cabled):
        links, starts = order[: offsets[n]], offsets[cabled]
        low, high = (f.reduceat(fabric.dst[links], starts) for f in (np.minimum, np.maximum))
        switch[cabled] = np.where((low == high) & (low >= n), low, -1)
        out[cabled] = np.add.reduceat(capacity[links], starts)
        into[cabled] = np.add.reduceat(capacity[links ^ 1], starts)
    return switch, out, out == into


def whole(capacity: Floats, most: int) -> Longs:
    """Capacities as whole numbers in the largest common unit; rounded to about `most` steps where there is none.

    Rounding can only misjudge cuts that are equal to that precision; the bound itself is computed from the capacities as given.

    >>> whole(np.array([25e9, 50e9, 75e9]), 2**40)
    array([1, 2, 3])
    """
    for values in (capacity / capacity.min(), capacity):
        if (values == np.rint(values)).all() and values.max() < 2.0**62:
            units: Longs = values.astype(np.int64)
            units //= np.gcd.reduce(units)
            if units.max() <= most:
                return units
    rounded: Longs = np.maximum(1, np.rint(capacity * (most / capacity.max()))).astype(np.int64)
    return rounded
