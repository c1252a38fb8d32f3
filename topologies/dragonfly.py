"""The dragonfly: groups of routers, fully meshed inside, every two groups joined by global cables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.params import Bandwidth, Count, Duration, check, check_size


@dataclass(frozen=True)
class Dragonfly:
    """The shape, and its arithmetic. Arguments may be arrays.

    Router r of group G is router G·a + r and node n_hosts + G·a + r; host e sits on router e // p, its cable is cable e.
    Global cables are arranged consecutively ("absolute" in Camarero et al. 2014): port c·(g-1) + j of a group, on its
    router port // h, leads to the j-th of the other groups in ascending order, as the c-th cable between the two.
    """

    g: int  #: groups
    a: int  #: routers per group
    p: int  #: hosts per router
    h: int  #: global ports per router

    @property
    def n_hosts(self) -> int:
        return self.g * self.a * self.p

    @property
    def trunks(self) -> int:
        """Global cables between every two groups."""
        return self.a * self.h // (self.g - 1) if self.g > 1 else 0

    @property
    def first_local(self) -> int:
        """First cable between routers of one group; those of the hosts come before."""
        return self.n_hosts

    @property
    def first_global(self) -> int:
        return self.first_local + self.g * pairs(self.a)

    @property
    def n_cables(self) -> int:
        return self.first_global + self.trunks * pairs(self.g)

    def local_cable(self, group: Any, r: Any, s: Any) -> Any:
        """Cable between routers r ≠ s (0..a-1) of a group; its link 2c runs from the lower to the higher number."""
        return self.first_local + group * pairs(self.a) + pair(np.minimum(r, s), np.maximum(r, s), self.a)

    def global_cable(self, group: Any, other: Any, c: Any = 0) -> Any:
        """The c-th cable between two groups; its link 2c runs from the lower to the higher number."""
        return self.first_global + pair(np.minimum(group, other), np.maximum(group, other), self.g) * self.trunks + c

    def gateway(self, group: Any, other: Any, c: Any = 0) -> Any:
        """The router (0..a-1) of `group` that the c-th cable to the `other` group is plugged into."""
        return (c * (self.g - 1) + other - (other > group)) // self.h


def pairs(n: int) -> int:
    return n * (n - 1) // 2


def pair(low: Any, high: Any, n: int) -> Any:
    """Number of the pair low < high among all pairs of n, ordered by low, then high.

    >>> [pair(i, j, 4) for i in range(4) for j in range(i + 1, 4)]
    [0, 1, 2, 3, 4, 5]
    """
    return low * (2 * n - low - 1) // 2 + high - low - 1


def dragonfly(
    *,
    routers_per_group: Count,
    hosts_per_router: Count,
    global_links: Count,
    groups: Count | None = None,
    link: Bandwidth = 50e9,
    local_link: Bandwidth | None = None,
    global_link: Bandwidth | None = None,
    latency: Duration = 500e-9,
    global_latency: Duration | None = None,
) -> Fabric:
    """Canonical dragonfly: g groups of a routers, all meshed; p hosts and h global ports per router.

    hosts g·a·p · switches g·a · cables g·a·p + g·a(a-1)/2 + T·g(g-1)/2 with T = ⌊a·h/(g-1)⌋ · ports at most p + a-1 + h ·
    diameter at most 5

    `groups` may be 1 to a·h + 1, and is a·h + 1 if left out: one global cable between every two groups. With fewer groups
    there are T cables between every two, and the a·h mod (g-1) ports of a group that are left over stay empty.
    `local_link` and `global_link` are the speeds between routers (as `link` if left out); `global_latency` that of the
    long cables. Source: Kim, Dally, Scott, Abts, "Technology-Driven, Highly-Scalable Dragonfly Topology", ISCA 2008;
    balanced for a = 2p = 2h.

    >>> dragonfly(routers_per_group=4, hosts_per_router=2, global_links=2)
    <Fabric dragonfly(g=9, a=4, p=2, h=2): 72 endpoints, 36 switches, 162 cables>
    """
    check(dragonfly, locals())
    most = routers_per_group * global_links + 1
    shape = Dragonfly(most if groups is None else groups, routers_per_group, hosts_per_router, global_links)
    g, a, p, h = shape.g, shape.a, shape.p, shape.h
    name = f"dragonfly(g={g}, a={a}, p={p}, h={h})"
    if g > most:
        raise InputError(f"dragonfly: groups={g}: {a} routers with {h} global links each reach at most {most} groups")
    check_size(name, shape.n_cables)
    routers, n = g * a, shape.n_hosts
    low, high = _ends(shape)
    return Fabric.build(
        name,
        n,
        (np.concatenate([np.arange(n), n + low]), np.concatenate([n + np.arange(n) // p, n + high])),
        _per_cable(shape, link, local_link or link, global_link or link),
        _per_cable(shape, latency, latency, latency if global_latency is None else global_latency),
        np.repeat([0, 1], [n, routers]),
        group=np.concatenate([np.arange(n) // (a * p), np.arange(routers) // a]),
        label_of=lambda v: f"h{v}" if v < n else f"g{(v - n) // a}r{(v - n) % a}",
        tier_names=("host", "router"),
        shape=shape,
        default_router="minimal",
        faulted_router="min-hop",
    )


def _per_cable(shape: Dragonfly, host: float, local: float, far: float) -> Any:
    counts = np.diff([0, shape.first_local, shape.first_global, shape.n_cables])
    return np.repeat(np.array([host, local, far]), counts)


def _ends(shape: Dragonfly) -> tuple[Any, Any]:
    """Routers (lower, higher number) at the ends of each cable between routers, in the order of the cable numbers."""
    r, s = np.triu_indices(shape.a, k=1)
    group = np.repeat(np.arange(shape.g), len(r)) * shape.a
    one, two = (np.repeat(side, shape.trunks) for side in np.triu_indices(shape.g, k=1))
    c = np.tile(np.arange(shape.trunks), pairs(shape.g))
    low = [group + np.tile(r, shape.g), one * shape.a + shape.gateway(one, two, c)]
    high = [group + np.tile(s, shape.g), two * shape.a + shape.gateway(two, one, c)]
    return np.concatenate(low), np.concatenate(high)
