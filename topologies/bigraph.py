"""BiGraph: two groups of switches, every switch of one directly connected to every switch of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, MultipleOf

from topologies.fabric import Fabric, numbered
from topologies.params import Bandwidth, Count, Duration, check, check_size


@dataclass(frozen=True)
class BiGraph:
    """The shape, and its arithmetic. Arguments may be arrays.

    Switch i sits in the upper part for i < n/2, in the lower part otherwise; host e is slot e % m of switch e // m.
    Nodes: hosts `0..m·n-1`, then the switches in order.
    """

    m: int  #: hosts per switch
    n: int  #: switches, half of them upper, half lower
    t: int = 1  #: parallel cables between each upper and each lower switch

    @property
    def half(self) -> int:
        return self.n // 2

    @property
    def n_hosts(self) -> int:
        return self.m * self.n

    @property
    def n_cables(self) -> int:
        return self.n_hosts + self.t * self.half**2

    def switch(self, host: Any) -> Any:
        """Switch that a host is on, 0..n-1."""
        return host // self.m

    def host(self, switch: Any, slot: Any) -> Any:
        """The host in a slot of a switch."""
        return switch * self.m + slot

    def trunk(self, upper: Any, lower: Any, parallel: Any = 0) -> Any:
        """Cable between upper switch 0..n/2-1 and lower switch 0..n/2-1; its link 2c runs down, from upper to lower.

        The cable of host e is cable e, its link 2e runs from the host.
        """
        return self.n_hosts + (upper * self.half + lower) * self.t + parallel


def bigraph(
    *,
    m: Count,
    n: Annotated[int, Ge(2), MultipleOf(2)],
    t: Count = 1,
    link: Bandwidth = 50e9,
    trunk: Bandwidth | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """BiGraph(m, n) of EFLOPS: n switches in two equal parts, complete bipartite between them, m hosts on each switch.

    hosts m·n · switches n · cables m·n + t·(n/2)² · ports m + t·n/2 · diameter 4 (3 if n = 2) ·
    cut between the parts min(m·n/2 · link, t·(n/2)² · trunk)

    `trunk` is the speed of the cables between switches (as `link` if left out). Hosts in different parts are two switches
    apart on one direct cable, hosts in one part three. Source: Dong et al., "EFLOPS", HPCA 2020 (two parts, directly
    connected); m hosts per switch and t parallel cables as in its public re-implementations.

    >>> bigraph(m=4, n=8)
    <Fabric bigraph(m=4, n=8): 32 endpoints, 8 switches, 48 cables>
    """
    check(bigraph, locals())
    shape = BiGraph(m, n, t)
    name = f"bigraph(m={m}, n={n}{f', t={t}' if t > 1 else ''})"
    check_size(name, shape.n_cables)
    hosts, half = np.arange(shape.n_hosts), shape.half
    switch = shape.n_hosts + np.arange(n)
    up, down = np.repeat(switch[:half], half * t), np.tile(np.repeat(switch[half:], t), half)
    part = np.arange(n) // half
    return Fabric.build(
        name,
        shape.n_hosts,
        (np.concatenate([hosts, up]), np.concatenate([switch[shape.switch(hosts)], down])),
        np.repeat([link, trunk or link], [shape.n_hosts, len(up)]),
        latency,
        np.repeat([0, 1], [shape.n_hosts, n]),
        group=np.concatenate([part[shape.switch(hosts)], part]),
        label_of=numbered(("h", shape.n_hosts), ("U", half), ("D", half)),
        tier_names=("host", "switch"),
        shape=shape,
    )
