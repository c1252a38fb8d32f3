"""The cuts that bind, exactly: minimum cuts by max-flow, and the ratio cut of all-gather by Newton's method on them."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from netsim.bounds.contracted import Contracted, Longs, contracted, whole
from netsim.bounds.max_flow import first_short, scratch
from topologies.fabric import Fabric, Ints

Mask = NDArray[np.bool_]


def endpoint_width(fabric: Fabric, endpoints: Ints, capacity: NDArray[np.generic], *, into: bool) -> NDArray[np.generic]:
    """What each endpoint's own links carry together, into it or out of it."""
    total = np.zeros(fabric.n_nodes, dtype=capacity.dtype)
    np.add.at(total, fabric.dst if into else fabric.src, capacity)
    return total[endpoints]


def gather_cut(fabric: Fabric, endpoints: Ints, *, into: bool = True) -> Mask:
    """The set R of nodes with ranks in it that maximises (N - ranks in R) / B(R), B the capacity into (or out of) R: bool[nodes].

    All-gather has to bring that many parts of M/N bytes into R, reduce-scatter as many out of it. One over that ratio is x*, the
    largest x for which max-flow(s → v) ≥ N x for every rank v, a source s feeding x to each rank (Zhao et al., ForestColl).
    The ranks must be connected.
    Newton: start with the endpoints' own links; wherever the flow of some rank falls short, its minimum cut is a tighter R.
    """
    n = len(endpoints)
    capacity = whole(fabric.capacity, _most(fabric, n))
    width = endpoint_width(fabric, endpoints, capacity, into=into)
    narrow = int(np.argmin(width))
    inside: Mask = np.arange(fabric.n_nodes) == endpoints[narrow]
    num, den = _reduced(int(width[narrow]), n - 1)  # x = num / den
    net = contracted(fabric, capacity, endpoints, against=into)
    endless, work, index = np.zeros(len(net.ranks), dtype=np.bool_), scratch(len(net.ranks)), 0
    while True:
        index, flow, reached = _first_short(net, net.ranks * num, endless, index, den, num * n, work)
        if index == len(net.sinks):
            return inside
        within = int(net.ranks[reached].sum())
        num, den = _reduced((flow - num * within) // den, n - within)
        inside = net.members(reached)


def split_cut(fabric: Fabric, endpoints: Ints, root: int, *, into: bool = True) -> Mask:
    """The set R of nodes, with ranks but not the endpoint `root`, that the least capacity leads into (or out of): bool[nodes]."""
    capacity = whole(fabric.capacity, _most(fabric, 1))
    others = endpoints[endpoints != root]
    width = endpoint_width(fabric, others, capacity, into=into)
    narrow = int(np.argmin(width))
    inside: Mask = np.arange(fabric.n_nodes) == others[narrow]
    least = int(width[narrow])
    net = contracted(fabric, capacity, endpoints, against=into, apart=root)
    endless, work, index = np.zeros(len(net.ranks), dtype=np.bool_), scratch(len(net.ranks)), 0
    endless[net.node_of[root]] = True
    while True:
        index, flow, reached = _first_short(net, np.zeros_like(net.ranks), endless, index, 1, least, work)
        if index == len(net.sinks):
            return inside
        least = flow
        inside = net.members(reached)


def _first_short(
    net: Contracted, drain: Longs, endless: Mask, first: int, times: int, need: int, work: Longs
) -> tuple[int, int, Longs]:
    found: tuple[int, int, Longs] = first_short(
        net.offsets, net.head, net.back, net.capacity, drain, endless, net.sinks, first, times, need, net.capacity * times, work
    )
    return found


def _most(fabric: Fabric, ranks: int) -> int:
    """The largest capacity in whole numbers for which no product in the flow leaves int64."""
    return int(2**60 // (ranks * np.bincount(fabric.src).max()))


def _reduced(num: int, den: int) -> tuple[int, int]:
    common = gcd(num, den) or 1
    return num // common, den // common
