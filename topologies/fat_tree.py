"""The k-ary three-tier fat-tree."""

from typing import Annotated

from annotated_types import Ge, MultipleOf

from topologies.fabric import Fabric
from topologies.params import Bandwidth, Duration, check
from topologies.pgft import Pgft, pgft_fabric


def fat_tree(
    *,
    k: Annotated[int, Ge(2), MultipleOf(2)],
    link: Bandwidth = 50e9,
    latency: Duration = 500e-9,
) -> Fabric:
    """Three-tier k-ary fat-tree of k-port switches with full bisection (Al-Fares 2008); PGFT(3; k/2,k/2,k; 1,k/2,k/2; 1,1,1).

    hosts k³/4 · switches 5k²/4 · cables 3k³/4 · diameter 6 · bisection k³/8 links

    >>> fat_tree(k=4)
    <Fabric fat-tree(k=4): 16 endpoints, 20 switches, 48 cables>
    """
    check(fat_tree, locals())
    shape = Pgft(m=(k // 2, k // 2, k), w=(1, k // 2, k // 2), p=(1, 1, 1), fill=k // 2)
    return pgft_fabric(
        f"fat-tree(k={k})", shape, capacity=(link,) * 3, latency=latency, tier_names=("host", "leaf", "agg", "core")
    )
