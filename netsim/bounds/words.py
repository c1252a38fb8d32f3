"""Cuts in a person's words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collectives.hosts import host_name
from netsim.bounds.contracted import Ids
from netsim.bounds.families import Family
from topologies.fabric import Fabric, Ints, NodeKind


def of_set(fabric: Fabric, endpoints: Ints, inside: NDArray[np.bool_], crossing: Ids) -> str:
    """One line for the cut between these nodes and the others; `crossing` are its links in one direction."""
    if np.count_nonzero(inside) > fabric.n_nodes / 2:
        inside = ~inside
    held = endpoints[inside[endpoints]]
    switches = np.flatnonzero(inside & (np.arange(fabric.n_nodes) >= fabric.n_endpoints))
    if not len(switches) and len(held) == 1:
        return f"{_port(len(crossing))} of {fabric.label_of(int(held[0]))}"
    server = _server(fabric, held, switches)
    if server is not None:
        return f"network links of {server} ({len(crossing)})"
    top = switches[fabric.tier[switches] == fabric.tier[switches].max(initial=0)]
    if len(top) == 1:
        return _around_switch(fabric, int(top[0]), len(crossing))
    return f"{len(crossing)} links around {len(held)} ranks, {fabric.label_of(int(held[0]))} to {fabric.label_of(int(held[-1]))}"


def of_ranks(fabric: Fabric, endpoints: Ints, narrowest: Ints, crossing: Ids) -> str:
    """The same for the links of single ranks: `narrowest` are the endpoints that have the least, all alike."""
    port = _port(len(crossing) // max(len(narrowest), 1))
    if len(narrowest) == len(endpoints):
        return f"{port} of every rank"
    others = len(narrowest) - 1
    return f"{port} of {fabric.label_of(int(narrowest[0]))}" + (f" and {others} other{'s' * (others > 1)}" if others else "")


def of_family(family: Family, crossing: Ids) -> str:
    """The same for a whole family of cuts."""
    if family.name == "ranks":
        return f"{_port(len(crossing) // family.n_parts)} of every rank"
    return f"{len(crossing)} links around all {family.n_parts} {family.name}"


def _server(fabric: Fabric, held: Ints, switches: Ids) -> str | None:
    """The name of the one server that holds these endpoints, where none of the other nodes is a network switch."""
    servers = np.unique(held // fabric.server_size)
    if fabric.server_size < 2 or len(servers) != 1 or (fabric.kind[switches] == NodeKind.SWITCH).any():
        return None
    return host_name(fabric.label_of(int(held[0])))


def _port(links: int) -> str:
    return "NIC" if links == 1 else f"{links} links"


def _around_switch(fabric: Fabric, switch: int, crossing: int) -> str:
    label, kind = fabric.label_of(switch), fabric.tier_name(int(fabric.tier[switch]))
    name = label if label.startswith(kind) else f"{kind} {label}"
    upwards = fabric.tier[fabric.dst] > fabric.tier[fabric.src]
    up = np.bincount(fabric.src[upwards], minlength=fabric.n_nodes)
    if up[switch] != crossing:
        return f"links of {name} to others ({crossing})"
    most = int(up[(fabric.tier == fabric.tier[switch]) & (fabric.kind == fabric.kind[switch])].max())
    return f"uplinks of {name} ({crossing} of {most})"
