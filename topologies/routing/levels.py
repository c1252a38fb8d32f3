"""What routing by digits and up/down order read off a fabric: which way is up, and which digit counts where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Ints
from topologies.pgft import Pgft
from topologies.routing.candidates import NO_WAY, Candidates, first_forwarding, search


class Digits(NamedTuple):
    """Node v reads number // divisor[v], and to choose among parallel cables to its only next node number // divisor[v] //
    neighbours[v]: the digit that chooses between nodes is used up. int64[endpoints], int32[nodes], int32[nodes].
    """

    number: NDArray[np.int64]
    divisor: Ints
    neighbours: Ints


def layered(fabric: Fabric) -> bool:
    """Whether tiers say which way is up: every cable joins two tiers and all endpoints hang below the lowest tier of switches."""
    base = first_forwarding(fabric)
    if base == 0:
        return False
    tier_src, tier_dst = fabric.tier[fabric.src], fabric.tier[fabric.dst]
    leaves = fabric.dst[fabric.src < base]
    return bool((tier_src != tier_dst).all() and (fabric.tier[leaves] == fabric.tier[base:].min()).all())


def up_down_height(fabric: Fabric) -> Ints:
    """int32[nodes], larger being higher: the tier where the fabric is layered, else nearness to the root.

    The root is the first node of the highest tier (of each component); nodes as near as each other are ordered by number, so that
    every cable has an upper end (Schroeder et al. 1991, Autonet).
    """
    if layered(fabric):
        return fabric.tier.astype(np.int32)
    base = first_forwarding(fabric)
    wires = Candidates(fabric).wires
    distance = np.full(fabric.n_nodes - base, NO_WAY, dtype=np.int32)
    for root in base + np.argsort(-fabric.tier[base:].astype(np.int32), kind="stable"):
        if distance[root - base] == NO_WAY:
            found = np.empty((1, len(distance)), dtype=np.int32)
            search(np.array([root], dtype=np.int32), wires, np.empty(0, dtype=np.int32), found)
            distance = np.maximum(distance, found[0])  # NO_WAY is the least number
    height = np.full(fabric.n_nodes, -1, dtype=np.int32)
    order = np.lexsort((-np.arange(len(distance)), -distance))
    height[base + order] = np.arange(len(distance))
    return height


def digits(fabric: Fabric) -> Digits:
    """The digits of d-mod-k, for any fabric.

    The number of an endpoint is leaf * (endpoints of the largest leaf) + place on its leaf, leaves in the order of their first
    endpoints; of a PGFT its host slot. In layered fabrics a node of tier l divides by prod(w_1..w_l), w being the most parents
    that a node of a tier has. Elsewhere it divides by nothing.
    """
    divisor = np.ones(fabric.n_nodes, dtype=np.int32)
    if not layered(fabric):
        neighbours = _distinct_neighbours(fabric, np.ones(fabric.n_links, dtype=np.bool_))
        return Digits(_numbers(fabric), divisor, np.maximum(1, neighbours))
    parents = _distinct_neighbours(fabric, fabric.tier[fabric.dst] > fabric.tier[fabric.src])
    planes = 1
    for tier in np.unique(fabric.tier):
        divisor[fabric.tier == tier] = planes
        planes *= max(1, int(parents[fabric.tier == tier].max()))
    return Digits(_numbers(fabric), divisor, np.ones(fabric.n_nodes, dtype=np.int32))


def _numbers(fabric: Fabric) -> NDArray[np.int64]:
    number = np.arange(fabric.n_endpoints, dtype=np.int64)
    if isinstance(fabric.shape, Pgft):
        slots: NDArray[np.int64] = fabric.shape.slot(number)
        return slots
    if first_forwarding(fabric) == 0:
        return number
    _, first, leaf, sizes = np.unique(fabric.leaf_of, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(leaf, kind="stable")  # endpoints leaf by leaf
    place = np.empty_like(number)
    place[order] = number - np.repeat(np.cumsum(sizes) - sizes, sizes)
    nth = np.empty(len(first), dtype=np.int64)
    nth[np.argsort(first)] = np.arange(len(first))
    return nth[leaf] * int(sizes.max()) + place


def _distinct_neighbours(fabric: Fabric, links: NDArray[np.bool_]) -> Ints:
    """How many different forwarding nodes each node's links of this mask go to: int32[nodes]."""
    chosen = np.flatnonzero(links & (fabric.dst >= first_forwarding(fabric)))
    pairs = np.unique(fabric.src[chosen].astype(np.int64) * fabric.n_nodes + fabric.dst[chosen])
    return np.bincount(pairs // fabric.n_nodes, minlength=fabric.n_nodes).astype(np.int32)
