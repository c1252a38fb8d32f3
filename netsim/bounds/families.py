"""Cuts that the structure of a fabric offers: disjoint sets of nodes around ranks, leaves, servers, groups, tiers, dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netsim.bounds.contracted import Longs
from topologies.fabric import Fabric, Floats, Ints, NodeKind


@dataclass(frozen=True, eq=False)
class Family:
    """Disjoint sets ("parts") that together hold every rank; a node in none of them has part -1."""

    name: str  #: what the parts are: "ranks", "leaves", "servers", …
    part: Longs  #: int64[nodes]
    ranks: Longs  #: int64[parts]: how many ranks each holds, none 0
    out: Floats  #: float64[parts]: capacity that leaves each, bytes/s
    into: Floats

    @property
    def n_parts(self) -> int:
        return len(self.ranks)


def families(fabric: Fabric, endpoints: Ints) -> list[Family]:
    """Families of at least two parts, no two alike."""
    found: dict[bytes, Family] = {}
    for name, label in _labels(fabric, endpoints):
        family = _family(fabric, endpoints, name, label)
        if family.n_parts > 1:
            found.setdefault(family.part.tobytes(), family)
    return list(found.values())


def halves(fabric: Fabric, endpoints: Ints, family: Family) -> NDArray[np.bool_]:
    """The first parts of the family, up to half of the ranks, against the rest: bool[nodes].

    A node of no part goes, tier by tier and the endpoints last, where more of its cables lead.
    """
    held = np.cumsum(family.ranks)
    split = int(np.searchsorted(held, len(endpoints) / 2, side="right"))
    split = min(max(split, 1), family.n_parts - 1)
    side = np.where(family.part < 0, 0, np.where(family.part < split, 1, -1))  # 0: not yet on a side
    for tier in [*range(1, int(fabric.tier.max()) + 1), 0]:
        pull = np.bincount(fabric.src, weights=fabric.capacity * side[fabric.dst], minlength=fabric.n_nodes)
        here = (family.part < 0) & (fabric.tier == tier)
        side[here] = np.where(pull[here] > 0, 1, -1)
    return np.asarray(side > 0)


def _labels(fabric: Fabric, endpoints: Ints) -> Iterator[tuple[str, Longs]]:
    nodes = np.arange(fabric.n_nodes)
    n, leaf = fabric.n_endpoints, fabric.leaf_of
    yield "ranks", np.where(np.isin(nodes, endpoints), nodes, -1)
    if (fabric.kind[leaf] == NodeKind.SWITCH).all():  # a leaf may be joined to another of its tier, so tiers do not find it
        by_leaf = np.full(fabric.n_nodes, -1, dtype=np.int64)
        by_leaf[:n] = leaf
        by_leaf[leaf] = leaf
        yield "leaves", by_leaf
    for tier in range(int(fabric.tier.max())):
        pieces = _below(fabric, tier)
        yield ("servers" if _are_servers(fabric, pieces) else f"parts below the tier of {fabric.tier_name(tier + 1)}s"), pieces
    if (fabric.group[endpoints] >= 0).all():
        yield "groups", fabric.group.astype(np.int64)
    for d, size in enumerate(getattr(fabric.shape, "dims", ())):
        if size > 1:
            yield f"slices across dimension {d}", np.asarray(fabric.shape.coordinate(nodes, d), dtype=np.int64)


def _are_servers(fabric: Fabric, pieces: Longs) -> bool:
    """Whether the pieces are what `server_size` says: so many consecutive endpoints each."""
    if fabric.server_size < 2 or fabric.n_endpoints % fabric.server_size:
        return False
    by_server = pieces[: fabric.n_endpoints].reshape(-1, fabric.server_size)
    return bool((by_server == by_server[:, :1]).all() and len(np.unique(by_server[:, 0])) == len(by_server))


def _below(fabric: Fabric, tier: int) -> Longs:
    """Connected pieces of the fabric without the nodes above this tier."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    low = fabric.tier <= tier
    kept = (low[fabric.src] & low[fabric.dst])[::2]
    ends = fabric.src[::2][kept], fabric.dst[::2][kept]
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(fabric.n_nodes, fabric.n_nodes))
    piece = connected_components(graph, directed=False)[1]
    return np.where(low, piece, -1).astype(np.int64)


def _family(fabric: Fabric, endpoints: Ints, name: str, label: Longs) -> Family:
    """Parts numbered by their lowest-numbered rank's label; sets without ranks dissolved."""
    kept, ranks = np.unique(label[endpoints], return_counts=True)
    number = np.minimum(np.searchsorted(kept, label), len(kept) - 1)
    part = np.where(kept[number] == label, number, -1)
    a, b = part[fabric.src], part[fabric.dst]
    between = a != b
    out, into = (_capacity_of(fabric, np.where(between, p, -1), len(kept)) for p in (a, b))
    return Family(name, part, ranks, out, into)


def _capacity_of(fabric: Fabric, part: Longs, parts: int) -> Floats:
    """Capacity of the links of each part; `part` int64[links], -1 for links of none."""
    return np.bincount(part[part >= 0], fabric.capacity[part >= 0], parts).astype(np.float64)
