"""A real InfiniBand fabric, from the text that `ibnetdiscover` writes and the forwarding tables that `dump_fts` writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.fabric import Fabric, frozen
from topologies.formats.ibhosts import NEVER, HostPort, choose, host_port, natural, usual
from topologies.formats.ibshape import IbShape
from topologies.formats.ibtext import LANE_GBITS, WIDTHS, Node, Port, cables, read_dump
from topologies.params import Bandwidth, Duration, check


def ibnetdiscover(
    *,
    file: str | Path,
    tables: str | Path | None = None,
    hosts: str | list[str] | None = None,
    link: Bandwidth | None = None,
    latency: Duration = 500e-9,
) -> Fabric:
    """The fabric in an `ibnetdiscover` dump, every switch and cable of it, with the ports of the job's hosts as endpoints.

    `hosts`: Slurm hostlists that may hold `*` and `?`, as `"a0[6-8]-p1-dgx-*"`; without it all hosts that have a name and as many
    ports as most. Endpoints go by host name in natural order, then by adapter; they are called `host/adapter`.
    `tables`: the output of `dump_fts`; routes are then those of the switches. `link`: one speed for all cables in place of the
    dump's. `latency`: of each cable with its switch; a dump does not say.

    A switch's tier is its distance to the nearest host; `group` numbers the switches of tier 1. `server_size` is the number of
    ports per host where all hosts have the same. `notes` say what was left out and why.

    Raises InputError `file:line: what, what to do`, for dumps cut short too.
    """
    check(ibnetdiscover, locals())
    nodes = read_dump(file)
    ports = [host_port(node, port) for node in nodes.values() if node.id[0] != "S" for port in node.ports.values()]
    chosen, notes = choose(ports, hosts, file)
    switches, tier = _tiers(nodes, _leaves(nodes, ports, chosen))
    number = {node.id: len(chosen) + i for i, node in enumerate(switches)}
    endpoint = {(p.node.id, p.port.number): i for i, p in enumerate(chosen)}
    ends, port_numbers, speeds = _cable_arrays(nodes, number, endpoint, tier, file, link)
    leaf = np.array([number[p.port.peer] for p in chosen]) - len(chosen)
    group = np.where(tier == 1, np.cumsum(tier == 1) - 1, -1)
    size, size_notes = _server_size(chosen)
    labels = (*_distinct([(p.label, p.node.id) for p in chosen]), *switch_names(switches))
    shape = IbShape(
        guid=frozen([p.port.guid for p in chosen] + [s.guid for s in switches], np.uint64),
        lid=frozen([p.port.lid or 0 for p in chosen], np.int32),
        host=tuple(p.host for p in chosen),
        port=frozen(port_numbers, np.int32),
    )
    fabric = Fabric.build(
        f"ibnetdiscover({Path(file).name})",
        len(chosen),
        (ends[:, 0], ends[:, 1]),
        speeds,
        latency,
        np.r_[np.zeros(len(chosen)), tier],
        group=np.r_[group[leaf], group],
        label_of=labels.__getitem__,
        tier_names=("host", "switch") if tier.max() == 1 else ("host", "leaf", "spine", "core"),
        shape=shape,
        server_size=size,
        notes=(_summary(len(chosen), switches, nodes), *size_notes, *notes),
    )
    if tables is None:
        return fabric
    from topologies.formats.lft import attach

    return attach(fabric, tables)


def _leaves(nodes: dict[str, Node], ports: Sequence[HostPort], chosen: Sequence[HostPort]) -> set[str]:
    """The switches of tier 1: those of the usual and the chosen hosts, and those of other hosts unless next to one of the first.

    So the tiers do not hang on which hosts the job has, and storage or a gateway at a spine does not make it a leaf.
    """
    leaves = {p.port.peer for p in (*usual(ports), *chosen)}
    beside = {port.peer for leaf in leaves for port in nodes[leaf].ports.values()}
    return leaves | ({p.port.peer for p in ports if p.sort not in NEVER} - beside)


def _tiers(nodes: dict[str, Node], leaves: set[str]) -> tuple[list[Node], NDArray[np.int64]]:
    """Switches by tier and name, and their tiers: breadth first from the leaves."""
    tier: dict[str, int] = {}
    front, level = sorted(leaves), 1
    while front:
        tier.update(dict.fromkeys(front, level))
        beyond = {port.peer for s in front for port in nodes[s].ports.values() if port.peer[0] == "S"}
        front, level = sorted(beyond - tier.keys()), level + 1
    switches = [node for node in nodes.values() if node.id in tier]  # the others cannot be reached from any host
    switches.sort(key=lambda s: (tier[s.id], natural(_short_name(s)), natural(s.name), s.guid))
    return switches, np.array([tier[s.id] for s in switches])


def _cable_arrays(
    nodes: dict[str, Node],
    number: dict[str, int],
    endpoint: dict[tuple[str, int], int],
    tier: NDArray[np.int64],
    file: str | Path,
    link: float | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[float]]:
    """Ends int64[cables, 2] (lower tier first), port numbers int64[links], speeds in bytes/s; cables in order of their ends."""
    n = len(endpoint)
    rows = []
    for node, port, end in cables(nodes):
        a = number.get(node.id, endpoint.get((node.id, port.number)))
        b = number.get(port.peer, endpoint.get((port.peer, port.peer_port)))
        if a is None or b is None:
            continue
        speed = link or min(_speed(port, file), _speed(end, file))  # the ends agree, but for what an old tool does not know
        up = (_level(a, n, tier), a, port.number), (_level(b, n, tier), b, end.number)
        rows.append((*(x for side in sorted(up) for x in side[1:]), speed))
    rows.sort()
    ends = np.array([(row[0], row[2]) for row in rows], dtype=np.int64).reshape(-1, 2)
    ports = np.array([(row[1], row[3]) for row in rows], dtype=np.int64).ravel()
    return ends, ports, [row[4] for row in rows]


def _level(node: int, n: int, tier: NDArray[np.int64]) -> int:
    return 0 if node < n else int(tier[node - n])


def _speed(port: Port, file: str | Path) -> float:
    """Data rate in bytes/s of one direction."""
    if port.width not in WIDTHS or port.speed not in LANE_GBITS:
        raise InputError(
            f"{file}:{port.line}: link speed {port.width + port.speed!r} is not known (widths {', '.join(WIDTHS)}; speeds "
            f"{', '.join(LANE_GBITS)}); say the speed of all cables with `link`"
        )
    return WIDTHS[port.width] * LANE_GBITS[port.speed] * 1e9 / 8


def _short_name(switch: Node) -> str:
    """`A09-P1-IBLEAF-04-04` out of `MF0;A09-P1-IBLEAF-04-04:MQM9701/U1`, the form that managed Mellanox switches use."""
    found = re.fullmatch(r"[^;]*;([^:]+):.*", switch.name)
    return " ".join((found[1] if found else switch.name).split()) or switch.id


def switch_names(switches: Sequence[Node]) -> list[str]:
    """Short names; where several share one (the chips of a modular switch), with the `L1/U1` that tells them apart; or a guid."""
    short = [_short_name(s) for s in switches]
    count = Counter(short)
    chip = [re.fullmatch(r"[^;]*;[^:]+:[^/]*/(.+)", s.name) for s in switches]
    return _distinct(
        [(f"{name}/{c[1]}" if c and count[name] > 1 else name, s.id) for name, c, s in zip(short, chip, switches, strict=True)]
    )


def _distinct(named: Sequence[tuple[str, str]]) -> list[str]:
    """Each label once: those that occur several times get the guid behind them."""
    count = Counter(label for label, _ in named)
    return [label if count[label] == 1 else f"{label}({node_id[2:]})" for label, node_id in named]


def _server_size(chosen: Sequence[HostPort]) -> tuple[int, list[str]]:
    sizes = set(Counter(p.host for p in chosen).values())
    if len(sizes) == 1:
        return sizes.pop(), []
    return 1, [f"hosts have {', '.join(map(str, sorted(sizes)))} ports: no common server size, each port counts as a server"]


def _summary(n_endpoints: int, switches: Sequence[Node], nodes: dict[str, Node]) -> str:
    n_cables = sum(len(node.ports) for node in nodes.values()) // 2
    return f"read {len(switches)} switches and {n_cables} cables; {n_endpoints} host ports are endpoints"
