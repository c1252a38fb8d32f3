"""Seconds per byte that a collective needs at least, by operation: which cuts count, and how much has to cross them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.collective import Collective, Op
from netsim.bounds import words
from netsim.bounds.contracted import Ids, Longs, contracted, single_homed, whole
from netsim.bounds.families import Family, families, halves
from netsim.bounds.latency import hop_sum
from netsim.bounds.tightest import endpoint_width, gather_cut, split_cut
from topologies.fabric import Fabric, Ints

Mask = NDArray[np.bool_]

_HOP_WORK = 300_000_000  # arcs walked for the average-hop bound: about a second; beyond, the cuts have to do


@dataclass(frozen=True, eq=False)
class Limit:
    """A bound per byte. `part` int64[nodes] tells the sides apart: what counts as crossing goes from one part to another."""

    per_byte: float
    part: Longs
    side: Ids  #: the nodes that the label speaks of, empty where that is all
    crossing: Ids  #: the links that bind
    label: str
    exact: bool = False


def limit(fabric: Fabric, collective: Collective, endpoints: Ints) -> Limit:
    """The largest bound that we know for the operation, for ranks on connected `endpoints` (two or more)."""
    exact = bool((fabric.capacity[::2] == fabric.capacity[1::2]).all())  # trees can be packed where both ways are alike
    root = int(endpoints[collective.root])
    match collective.op:
        case Op.ALL_GATHER | Op.REDUCE_SCATTER:
            return _gather(fabric, endpoints, collective.op is Op.ALL_GATHER, exact)
        case Op.BROADCAST | Op.REDUCE:
            into = collective.op is Op.BROADCAST
            return _two_sides(fabric, endpoints, split_cut(fabric, endpoints, root, into=into), 1.0, into, exact)
        case Op.ALL_REDUCE:
            return _all_reduce(fabric, endpoints, exact)
        case Op.ALL_TO_ALL:
            return _all_to_all(fabric, endpoints)


def _gather(fabric: Fabric, endpoints: Ints, into: bool, exact: bool) -> Limit:
    inside = gather_cut(fabric, endpoints, into=into)
    outside = len(endpoints) - np.count_nonzero(inside[endpoints])
    return _two_sides(fabric, endpoints, inside, outside / len(endpoints), into, exact, _alike(fabric, endpoints, inside))


def _alike(fabric: Fabric, endpoints: Ints, inside: Mask) -> int:
    """How many other parts of a family have as many ranks and as much capacity as this set, where it is a part."""
    for family in families(fabric, endpoints):
        i = int(family.part[np.argmax(inside)])
        if i >= 0 and np.array_equal(family.part == i, inside):
            same = (family.ranks == family.ranks[i]) & (family.out == family.out[i]) & (family.into == family.into[i])
            return int(np.count_nonzero(same)) - 1
    return 0


def _all_reduce(fabric: Fabric, endpoints: Ints, exact: bool) -> Limit:
    """M over the narrowest cut either way; 2 (g-1) M over what leaves the parts of a family. Two gathers can always be had."""
    reached = sum(_gather(fabric, endpoints, into, exact).per_byte for into in (True, False)[: 1 if exact else 2])
    reached *= 2 if exact else 1
    bounds = [_partition(fabric, family) for family in families(fabric, endpoints)]
    for into in (True, False)[: 1 if exact else 2]:
        inside = split_cut(fabric, endpoints, int(endpoints[0]), into=into)
        bounds.append(_two_sides(fabric, endpoints, inside, 1.0, into, exact))
    best = max(bounds, key=lambda b: b.per_byte)
    tight = exact and best.per_byte >= reached * (1 - 1e-12)
    return Limit(best.per_byte, best.part, best.side, best.crossing, best.label, tight)


def _partition(fabric: Fabric, family: Family) -> Limit:
    a, b = family.part[fabric.src], family.part[fabric.dst]
    out = family.out.sum() <= family.into.sum()
    crossing = np.flatnonzero((a != b) & ((a if out else b) >= 0))
    per_byte = 2 * (family.n_parts - 1) / float(min(family.out.sum(), family.into.sum()))
    return Limit(per_byte, family.part, np.empty(0, np.int32), crossing, words.of_family(family, crossing))


def _all_to_all(fabric: Fabric, endpoints: Ints) -> Limit:
    """|S| (N-|S|) / N bytes of each M have to cross a cut: those that the structure offers, the narrowest; hops on average."""
    n = len(endpoints)
    best: Limit | None = None
    for family in families(fabric, endpoints):
        need = family.ranks * (n - family.ranks) / n
        worst = need / np.minimum(family.out, family.into)
        i = int(np.argmax(worst))
        into = bool(family.into[i] <= family.out[i])
        if best is None or worst[i] > best.per_byte:
            alike = int(np.count_nonzero(worst >= worst[i] * (1 - 1e-12))) - 1
            best = _two_sides(fabric, endpoints, family.part == i, float(need[i]), into, False, alike)
        best = _wider(best, _across(fabric, endpoints, halves(fabric, endpoints, family)))
    assert best is not None  # the ranks themselves are a family
    best = _wider(best, _across(fabric, endpoints, split_cut(fabric, endpoints, int(endpoints[0]))))
    hops = _average_hops(fabric, endpoints)
    return _wider(best, hops) if hops else best


def _wider(one: Limit, other: Limit) -> Limit:
    return other if other.per_byte > one.per_byte * (1 + 1e-12) else one


def _across(fabric: Fabric, endpoints: Ints, inside: Mask) -> Limit:
    """All-to-all over one cut, whichever way is narrower."""
    held = int(np.count_nonzero(inside[endpoints]))
    need = held * (len(endpoints) - held) / len(endpoints)
    return max((_two_sides(fabric, endpoints, inside, need, into, False) for into in (True, False)), key=lambda b: b.per_byte)


def _average_hops(fabric: Fabric, endpoints: Ints) -> Limit | None:
    """Every byte takes at least the hops between its ends out of what all links carry together; likewise between switches."""
    net = contracted(fabric, whole(fabric.capacity, 2**30), endpoints, against=False)
    if len(net.sinks) * len(net.head) > _HOP_WORK:
        return None
    n = len(endpoints)
    hops = hop_sum(net)
    switch = single_homed(fabric, np.ones(fabric.n_links, np.int64))[0]
    idle = np.zeros(fabric.n_nodes, dtype=np.bool_)
    idle[: fabric.n_endpoints] = switch >= 0
    idle[endpoints] = False
    best = _spread_over(fabric, hops / n, ~idle[fabric.src] & ~idle[fabric.dst], "links")
    if (switch[endpoints] >= 0).all():  # first and last hop: to a switch
        inner = (fabric.src >= fabric.n_endpoints) & (fabric.dst >= fabric.n_endpoints)
        if inner.any():
            best = _wider(best, _spread_over(fabric, (hops - 2 * n * (n - 1)) / n, inner, "links between switches"))
    return best


def _spread_over(fabric: Fabric, need: float, used: Mask, what: str) -> Limit:
    links = np.flatnonzero(used)
    per_byte = need / float(fabric.capacity[links].sum())
    part = np.arange(fabric.n_nodes, dtype=np.int64)
    return Limit(per_byte, part, np.empty(0, np.int32), links, f"all {len(links)} {what}, by the average hops")


def _two_sides(fabric: Fabric, endpoints: Ints, inside: Mask, need: float, into: bool, exact: bool, alike: int = 0) -> Limit:
    """`need` bytes of each byte of the collective, into (or out of) the set `inside`; `alike` other sets bind as much."""
    a, b = inside[fabric.src], inside[fabric.dst]
    crossing = np.flatnonzero(b & ~a if into else a & ~b)
    per_byte = need / float(fabric.capacity[crossing].sum())
    side, part = np.flatnonzero(inside), inside.astype(np.int64)
    if len(side) == 1:
        width = endpoint_width(fabric, endpoints, fabric.capacity, into=into)
        narrowest = endpoints[width <= width.min() * (1 + 1e-12)]
        ours = np.isin(fabric.dst if into else fabric.src, narrowest)
        crossing = np.flatnonzero(ours)
        return Limit(per_byte, part, narrowest, crossing, words.of_ranks(fabric, endpoints, narrowest, crossing), exact)
    label = words.of_set(fabric, endpoints, inside, crossing) + (f" and {alike} alike" if alike else "")
    return Limit(per_byte, part, side.astype(np.int32), crossing, label, exact)
