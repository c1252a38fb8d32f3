"""One switch with hosts around it."""

from __future__ import annotations

from topologies.fabric import Fabric
from topologies.params import Bandwidth, Count, Duration, check
from topologies.pgft import Pgft, pgft_fabric


def single_switch(*, hosts: Count, link: Bandwidth = 50e9, latency: Duration = 500e-9) -> Fabric:
    """A star: every host on one switch, the network that never is the bottleneck; PGFT(1; hosts; 1; 1).

    hosts `hosts` · switches 1 · cables `hosts` · diameter 2 · bisection ⌊hosts/2⌋ links

    >>> single_switch(hosts=8)
    <Fabric single-switch(hosts=8): 8 endpoints, 1 switches, 8 cables>
    """
    check(single_switch, locals())
    shape = Pgft(m=(hosts,), w=(1,), p=(1,), fill=hosts)
    return pgft_fabric(f"single-switch(hosts={hosts})", shape, capacity=(link,), latency=latency, tier_names=("host", "switch"))
