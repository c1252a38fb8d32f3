"""A fabric's switches as Slurm's plugin topology/tree reads them (topology.conf(5), topology.yaml(5)).

Slurm knows trees: a node below one switch, a switch below one other. Fabrics have several of each above, so an entry here stands
for all switches that reach the same machines.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, NodeKind
from topologies.server import ServerShape
from validate.jobs.hostlist import fold

Leaves = tuple[int, ...]  #: the switches by which a machine reaches the network


@dataclass(frozen=True)
class Switch:
    """One entry: a name, what is directly below it, and for leaves the switches of the fabric that it stands for."""

    name: str
    below: tuple[str, ...]
    stands_for: tuple[str, ...] = ()

    @property
    def is_leaf(self) -> bool:
        return bool(self.stands_for)


def tree(fabric: Fabric, machines: Sequence[str]) -> tuple[Switch, ...]:
    """The entries, leaves first. `machines[e]` is the machine of endpoint e, "" for one that has no name.

    Machines with the same leaf switches are one entry; above it, what is joined inside a group (a pod, a dragonfly group), then
    by switches up to tier 2, 3, … A level that joins nothing is left out. Empty where machines are cabled to one another and
    not to switches (a torus): there is no tree.

    >>> from topologies.clos import leaf_spine
    >>> fabric = leaf_spine(leaves=2, hosts_per_leaf=4, spines=2)
    >>> print(topology_conf(tree(fabric, [fabric.label_of(e) for e in range(8)])), end="")
    SwitchName=leaf0 Nodes=h[0-3]
    SwitchName=leaf1 Nodes=h[4-7]
    SwitchName=level2-0 Switches=leaf[0-1]
    """
    shape, network, ports = fabric.shape, fabric, np.arange(fabric.n_endpoints)
    if isinstance(shape, ServerShape):
        network, ports = shape.network, shape.nic_of(ports)
    below = _below(network, ports, machines)
    if () in below:
        return ()
    found = level = _leaf_entries(network, below)
    under = np.arange(len(level))  # the entry of `level` that each leaf entry is under
    depth = 1
    for part in _joined(network, list(below)):
        if part.max() + 1 < len(level):
            depth += 1
            level = [_over(level, np.unique(under[part == p]), f"level{depth}-{p}") for p in range(int(part.max()) + 1)]
            found += [switch for switch in level if switch not in found]
            under = part
    return tuple(found)


def topology_conf(switches: Sequence[Switch]) -> str:
    """The entries as topology.conf, for `TopologyPlugin=topology/tree`."""
    return "".join(f"{line}\n" for switch in switches for line in _conf_lines(switch))


def _conf_lines(switch: Switch) -> Iterator[str]:
    if len(switch.stands_for) > 1:
        yield f"# {switch.name}: {', '.join(' '.join(label.split()) for label in switch.stands_for)}"
    yield f"SwitchName={switch.name} {'Nodes' if switch.is_leaf else 'Switches'}={fold(switch.below)}"


def topology_yaml(switches: Sequence[Switch]) -> str:
    """The entries as topology.yaml, which Slurm from 25.05 on reads in place of topology.conf."""
    from ruamel.yaml import YAML

    entries = [{"switch": s.name, "nodes" if s.is_leaf else "children": fold(s.below)} for s in switches]
    yaml = YAML()
    yaml.explicit_start = True
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump([{"topology": "fabric", "cluster_default": True, "tree": {"switches": entries}}], stream)
    return stream.getvalue()


def _below(network: Fabric, ports: NDArray[Any], machines: Sequence[str]) -> dict[Leaves, list[str]]:
    """The machines below each set of leaf switches."""
    leaves: dict[str, set[int]] = {}
    offsets, links = network.out_links
    for port, machine in zip(ports.tolist(), machines, strict=True):
        if machine:
            peers = network.dst[links[offsets[port] : offsets[port + 1]]]
            leaves.setdefault(machine, set()).update(peers[network.kind[peers] == NodeKind.SWITCH].tolist())
    below: dict[Leaves, list[str]] = {}
    for machine, own in leaves.items():
        below.setdefault(tuple(sorted(own)), []).append(machine)
    return below


def _leaf_entries(network: Fabric, below: dict[Leaves, list[str]]) -> list[Switch]:
    """Entries with names that Slurm takes: the leaf's own, or the first of several and how many more."""
    taken: set[str] = set()
    entries = []
    for leaves, machines in below.items():
        labels = tuple(network.label_of(leaf) for leaf in leaves)
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", labels[0] if len(labels) == 1 else f"{labels[0]}-and-{len(labels) - 1}-more")
        name = next(name for n in range(len(taken) + 1) if (name := f"{plain}-{n}" if n else plain) not in taken)
        taken.add(name)
        entries.append(Switch(name, tuple(machines), labels))
    return entries


def _over(level: Sequence[Switch], below: NDArray[Any], name: str) -> Switch:
    """The entry over some of a level, which a single one needs not."""
    return level[int(below[0])] if len(below) == 1 else Switch(name, tuple(level[int(i)].name for i in below))


def _joined(network: Fabric, units: Sequence[Leaves]) -> Iterator[NDArray[Any]]:
    """What each unit belongs to, numbered from 0, coarser and coarser: joined inside its group, then by tiers up to 2, 3, …"""
    low, high = network.src[::2], network.dst[::2]
    switch = network.kind == NodeKind.SWITCH
    between = switch[low] & switch[high]
    same = between & (network.group[low] == network.group[high]) & (network.group[low] >= 0)
    yield _components(network, units, same)
    for tier in range(1, int(network.tier.max()) + 1):
        yield _components(network, units, between & (network.tier[low] <= tier) & (network.tier[high] <= tier))


def _components(network: Fabric, units: Sequence[Leaves], cables: NDArray[np.bool_]) -> NDArray[Any]:
    """The connected component of each unit over these cables; the leaves of a unit are joined by its machines."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    own = [(unit[0], leaf) for unit in units for leaf in unit]
    a = np.concatenate([network.src[::2][cables], [first for first, _ in own]])
    b = np.concatenate([network.dst[::2][cables], [leaf for _, leaf in own]])
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(network.n_nodes, network.n_nodes))
    label = connected_components(graph, directed=False)[1][[unit[0] for unit in units]]
    first = {value: n for n, value in enumerate(dict.fromkeys(label.tolist()))}
    return np.array([first[value] for value in label.tolist()])
