"""Folded Clos networks by their parameters: leaf-spine, and any parallel-ports generalised fat-tree."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Len

from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.params import Bandwidth, Count, Duration, check
from topologies.pgft import Pgft, pgft_fabric

PerLevel = Annotated[list[Count], Len(1, 8)]


def leaf_spine(
    *,
    leaves: Count,
    hosts_per_leaf: Count,
    spines: Count,
    cables: Count = 1,
    fill: Count | None = None,
    link: Bandwidth = 50e9,
    uplink: Bandwidth | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """Two-tier folded Clos, `cables` cables from each leaf to each spine: PGFT(2; hosts_per_leaf, leaves; 1, spines; 1, cables).

    hosts leaves·fill · switches leaves + spines · cables leaves·(fill + spines·cables) · diameter 4 ·
    bisection leaves/2 · min(fill·link, spines·cables·uplink) for even leaves

    A leaf has `hosts_per_leaf` slots for hosts, of which the first `fill` are taken (all if left out); d-mod-k counts slots.
    `uplink` is the speed of the cables between leaf and spine (as `link` if left out). Hosts are numbered leaf by leaf.
    Oversubscription is hosts_per_leaf·link : spines·cables·uplink. Source: Zahavi, "D-Mod-K routing providing non-blocking
    traffic for shift permutations on real life fat trees", 2010.

    >>> leaf_spine(leaves=8, hosts_per_leaf=8, spines=4, cables=2)
    <Fabric leaf-spine(8 leaves x 8 hosts, 4 spines x 2 cables): 64 endpoints, 12 switches, 128 cables>
    """
    check(leaf_spine, locals())
    shape = Pgft(m=(hosts_per_leaf, leaves), w=(1, spines), p=(1, cables), fill=_filled("leaf-spine", fill, hosts_per_leaf))
    parallel = f" x {cables} cables" if cables > 1 else ""
    return pgft_fabric(
        f"leaf-spine({leaves} leaves x {shape.fill} hosts, {spines} spines{parallel})",
        shape,
        capacity=(link, uplink or link),
        latency=latency,
        tier_names=("host", "leaf", "spine"),
    )


def clos(
    *,
    children: PerLevel,
    parents: PerLevel,
    cables: PerLevel | None = None,
    fill: Count | None = None,
    link: Bandwidth = 50e9,
    links: Annotated[list[Bandwidth], Len(1, 8)] | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """Any folded Clos: PGFT(h; children; parents; cables), one entry per level, hosts' level first.

    A switch of level l has children[l-1] children; a node of level l-1 has parents[l-1] parents with cables[l-1] cables to each.
    With m, w, p for the three lists and H = Π m: hosts H·fill/m₁ · switches of level l: Π_{i>l} m_i · Π_{i≤l} w_i ·
    cables of level l: (nodes of level l-1)·w_l·p_l · diameter 2h

    `cables` is 1 everywhere if left out; `fill` of the m₁ slots of each leaf have a host (all if left out); `links` gives the
    speed of the cables of each level where they differ from `link`. parents[0] > 1 gives every host that many leaves.
    Source: Zahavi 2010 (PGFT); `clos(children=[k/2, k/2, k], parents=[1, k/2, k/2])` is the k-ary fat-tree.

    >>> clos(children=[18, 4, 6], parents=[1, 9, 2], cables=[1, 1, 2])
    <Fabric clos(18,4,6; 1,9,2; 1,1,2): 432 endpoints, 96 switches, 864 cables>
    """
    check(clos, locals())
    cables = [1] * len(children) if cables is None else cables
    speeds = [link] * len(children) if links is None else links
    for name, values in (("parents", parents), ("cables", cables), ("links", speeds)):
        if len(values) != len(children):
            raise InputError(
                f"clos: {name}={values}: {len(values)} levels, but children has {len(children)}; give one entry per level"
            )
    shape = Pgft(m=tuple(children), w=tuple(parents), p=tuple(cables), fill=_filled("clos", fill, children[0]))
    lists = "; ".join(",".join(map(str, values)) for values in (children, parents, cables))
    return pgft_fabric(f"clos({lists})", shape, capacity=tuple(speeds), latency=latency, tier_names=_tier_names(len(children)))


def _filled(kind: str, fill: int | None, slots: int) -> int:
    if fill is not None and fill > slots:
        raise InputError(f"{kind}: fill={fill}: a leaf has {slots} slots for hosts; fill at most so many")
    return slots if fill is None else fill


def _tier_names(height: int) -> tuple[str, ...]:
    """The usual names up to three tiers; with more, the tiers between leaf and core are aggA, aggB, …

    >>> _tier_names(2), _tier_names(4)
    (('host', 'leaf', 'spine'), ('host', 'leaf', 'aggA', 'aggB', 'core'))
    """
    few = {1: ("leaf",), 2: ("leaf", "spine"), 3: ("leaf", "agg", "core")}
    return "host", *few.get(height, ("leaf", *(f"agg{chr(ord('A') + i)}" for i in range(height - 2)), "core"))
