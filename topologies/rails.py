"""Rails: NIC r of every server on the leaves of rail r. Rail-optimised joins the rails by spines, rail-only does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.params import Bandwidth, Count, Duration, check, check_size


@dataclass(frozen=True)
class Rails:
    """The shape, and its arithmetic. Arguments may be arrays.

    Endpoint server·rails + r is NIC r of a server. `servers_per_leaf` consecutive servers make a unit (the last may be
    smaller); leaf u·rails + r takes NIC r of every server of unit u. Nodes: endpoints, leaves, spines. Cables: that of
    endpoint e is cable e; then the uplinks, see `uplink`. Link 2c of every cable runs up.
    """

    servers: int
    rails: int
    servers_per_leaf: int
    spines: int  #: in all if joined, else of each rail; 0 where a rail is one switch
    cables: int  #: parallel cables from a leaf to each of its spines
    joined: bool  #: True: every spine reaches every leaf; False: rails are separate networks

    @property
    def n_endpoints(self) -> int:
        return self.servers * self.rails

    @property
    def units(self) -> int:
        return -(-self.servers // self.servers_per_leaf)

    @property
    def n_leaves(self) -> int:
        return self.units * self.rails

    @property
    def n_spines(self) -> int:
        return self.spines if self.joined else self.spines * self.rails

    @property
    def n_cables(self) -> int:
        return self.n_endpoints + self.n_leaves * self.spines * self.cables

    def rail(self, endpoint: Any) -> Any:
        return endpoint % self.rails

    def leaf(self, endpoint: Any) -> Any:
        """The leaf (0..n_leaves-1) that an endpoint is on."""
        return endpoint // self.rails // self.servers_per_leaf * self.rails + endpoint % self.rails

    def uplink(self, leaf: Any, spine: Any, parallel: Any = 0) -> Any:
        """Cable from a leaf to the spine'th (0..spines-1) of the spines it is joined to."""
        return self.n_endpoints + (leaf * self.cables + parallel) * self.spines + spine

    def spine(self, leaf: Any, spine: Any) -> Any:
        """Number among all spines (0..n_spines-1) of the spine'th that a leaf is joined to."""
        return spine if self.joined else leaf % self.rails * self.spines + spine


def rail_optimised(
    *,
    servers: Count,
    rails: Count = 8,
    spines: Count,
    servers_per_leaf: Count | None = None,
    cables: Count = 1,
    link: Bandwidth = 50e9,
    uplink: Bandwidth | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """Rail-optimised leaf-spine: NIC r of each server of a unit on the unit's leaf r, all leaves joined by all spines.

    hosts servers·rails (NICs) · switches U·rails + spines with U = ⌈servers / servers_per_leaf⌉ ·
    cables rails·(servers + U·spines·cables) · diameter 4

    NICs of equal number in a unit are one switch apart; others meet at a spine. `servers_per_leaf` is the size of a unit
    (all servers in one if left out). `uplink` is the speed of the cables between leaf and spine (as `link` if left out).
    Put GPUs around the NICs with a server of `rails` NICs. Source: the scalable units of NVIDIA's DGX SuperPOD reference
    architecture (32 servers, 8 rails).

    >>> rail_optimised(servers=64, rails=8, servers_per_leaf=32, spines=16, cables=2)
    <Fabric rail-optimised(64 servers x 8 rails, 16 spines): 512 endpoints, 32 switches, 1024 cables>
    """
    check(rail_optimised, locals())
    shape = Rails(servers, rails, min(servers, servers_per_leaf or servers), spines, cables, joined=True)
    name = f"rail-optimised({servers} servers x {rails} rails, {spines} spines)"
    return _rails_fabric(name, shape, link, uplink or link, latency)


def rail_only(
    *,
    servers: Count,
    rails: Count = 8,
    servers_per_leaf: Count | None = None,
    spines: Count | None = None,
    cables: Count = 1,
    link: Bandwidth = 50e9,
    uplink: Bandwidth | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """Rail-only: each rail is a network of its own; what must change rails does so inside a server.

    One switch per rail (`servers_per_leaf` left out): hosts servers·rails · switches rails · cables servers·rails · diameter 2.
    Else a leaf-spine per rail, with `spines` of its own: switches rails·(U + spines) with U = ⌈servers / servers_per_leaf⌉ ·
    cables rails·(servers + U·spines·cables) · diameter 4

    NICs of different number cannot reach each other here: the fabric needs a server of `rails` NICs around it, whose GPUs
    pass messages to the GPU on the right rail. Source: Wang et al., "Rail-only", arXiv 2307.12169.

    >>> rail_only(servers=32, rails=8)
    <Fabric rail-only(32 servers x 8 rails): 256 endpoints, 8 switches, 256 cables>
    """
    check(rail_only, locals())
    one_switch = servers_per_leaf is None or servers_per_leaf >= servers
    if one_switch and spines is not None:
        raise InputError(f"rail-only: spines={spines}: one leaf holds all {servers} servers of a rail; leave spines out")
    if not one_switch and spines is None:
        raise InputError(f"rail-only: servers_per_leaf={servers_per_leaf}: {servers} servers need several leaves; give spines")
    shape = Rails(servers, rails, min(servers, servers_per_leaf or servers), spines or 0, cables, joined=False)
    per_rail = f", {spines} spines each" if spines else ""
    return _rails_fabric(f"rail-only({servers} servers x {rails} rails{per_rail})", shape, link, uplink or link, latency)


def _rails_fabric(name: str, shape: Rails, link: float, uplink: float, latency: float) -> Fabric:
    check_size(name, shape.n_cables)
    n, rails, each = shape.n_endpoints, shape.rails, shape.spines
    endpoints, leaves, spines = np.arange(n), np.arange(shape.n_leaves), np.arange(shape.n_spines)
    low = np.repeat(leaves, each * shape.cables)
    high = shape.spine(low, np.tile(np.arange(each), len(leaves) * shape.cables))
    first_spine = n + len(leaves)

    def label(v: int) -> str:
        if v < n:
            return f"server{v // rails}.nic{v % rails}"
        if v < first_spine:
            return f"rail{(v - n) % rails}.leaf{(v - n) // rails}"
        s = v - first_spine
        return f"spine{s}" if shape.joined else f"rail{s // each}.spine{s % each}"

    return Fabric.build(
        name,
        n,
        (np.concatenate([endpoints, n + low]), np.concatenate([n + shape.leaf(endpoints), first_spine + high])),
        np.repeat([link, uplink], [n, len(low)]),
        latency,
        np.repeat([0, 1, 2], [n, len(leaves), len(spines)]),
        group=np.concatenate([endpoints % rails, leaves % rails, spines * 0 - 1 if shape.joined else spines // max(each, 1)]),
        label_of=label,
        tier_names=("nic", "leaf", "spine"),
        shape=shape,
        default_router="d-mod-k",
        server_size=rails,
    )
