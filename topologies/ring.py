"""The ring: a torus of one dimension."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from topologies.fabric import Fabric
from topologies.params import Bandwidth, Duration, check
from topologies.torus import Torus, torus_fabric


def ring(*, n: Annotated[int, Ge(2)], link: Bandwidth = 50e9, latency: Duration = 500e-9) -> Fabric:
    """Ring of n endpoints, each joined to the one before and the one after; messages pass through those between.

    hosts n · switches 0 · cables n (1 for n = 2) · ports 2 · diameter ⌊n/2⌋ · bisection 2 links (1 for n = 2)

    >>> ring(n=8)
    <Fabric ring(n=8): 8 endpoints, 0 switches, 8 cables>
    """
    check(ring, locals())
    return torus_fabric(f"ring(n={n})", Torus((n,), wrap=True), link, latency)
