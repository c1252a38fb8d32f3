"""Which ports of an InfiniBand fabric are the job's: hosts and their rails out of node descriptions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from topologies.errors import InputError
from topologies.formats.hostlist import expand
from topologies.formats.ibtext import Node, Port
from topologies.registry import did_you_mean

AGGREGATION, UNNAMED, MANAGEMENT, ROUTER, DIRECT = "aggregation node", "unnamed", "management", "router", "direct"
NEVER = (AGGREGATION, ROUTER, DIRECT)  #: no endpoints even when asked for

_AGGREGATION = re.compile(r"Aggregation Node$")  # the SHARP engine inside a switch answers as a host adapter
# What an adapter says of itself until the host names it (`MT4129 ConnectX7   Mellanox Technologies`), and a host without a name.
_UNNAMED = re.compile(r"MT\d+ .*|.*Mellanox Technologies|localhost(?:\.\S*)?(?: .*)?|", re.IGNORECASE)
_MANAGEMENT = re.compile(r"ufm", re.IGNORECASE)  # Unified Fabric Manager


@dataclass(frozen=True, slots=True)
class HostPort:
    """A cabled port of a host adapter. `rail` is the adapter's name on its host: `mlx5_5`, `HCA-6`, `mlx5_0:2`; may be empty."""

    host: str
    rail: str
    sort: str  #: why it can be no endpoint unless asked for by name; empty for the others
    node: Node
    port: Port

    @property
    def label(self) -> str:
        return f"{self.host}/{self.rail}" if self.rail else self.host


def natural(text: str) -> tuple[tuple[str, int], ...]:
    """Sort key that puts `n2` before `n10`.

    >>> sorted(["n10", "n2", "n1/mlx5_10", "n1/mlx5_9"], key=natural)
    ['n1/mlx5_9', 'n1/mlx5_10', 'n2', 'n10']
    """
    pieces = re.split(r"([0-9]+)", text)
    return tuple((word, int(digits)) for word, digits in zip(pieces[0::2], [*pieces[1::2], "-1"], strict=True))


def host_port(node: Node, port: Port) -> HostPort:
    """Host and rail of a port, from the description `<host> <device>` that rdma-ndd and openibd set; the unnamed go by guid."""
    if node.id.startswith("R") or port.peer[0] != "S":
        return HostPort(node.id[2:], "", ROUTER if node.id.startswith("R") else DIRECT, node, port)
    if _AGGREGATION.search(node.name):
        return HostPort(node.id[2:], "", AGGREGATION, node, port)
    if _UNNAMED.fullmatch(node.name):
        return HostPort(node.id[2:], str(port.number) if len(node.ports) > 1 else "", UNNAMED, node, port)
    host, *device = node.name.split()
    rail = " ".join(device) + (f":{port.number}" if len(node.ports) > 1 else "")
    return HostPort(host, rail, MANAGEMENT if _MANAGEMENT.search(host) else "", node, port)


def choose(ports: Sequence[HostPort], hosts: str | list[str] | None, file: object) -> tuple[list[HostPort], list[str]]:
    """The ports of the job's hosts, hosts in natural order and rails within them, and notes on what was left out.

    `hosts`: Slurm hostlists that may hold `*` and `?`; None for the usual hosts. Raises InputError for a name that no host has,
    and where nothing is left.
    """
    chosen = usual(ports) if hosts is None else _named(ports, hosts, file)
    most = Counter(p.host for p in chosen).most_common(1)[0][1] if chosen and hosts is None else 0
    if not chosen:
        what = "no host adapter with a cable to a switch" if not ports else "no adapter that carries a host name"
        raise InputError(f"{file}: {what}; name some in `hosts` (adapters without a name go by guid)")
    taken = {p.host for p in chosen}
    notes = _why([p for p in ports if p.host not in taken or p.sort in NEVER], most)
    return sorted(chosen, key=lambda p: (natural(p.host), natural(p.rail), p.node.guid)), notes


def usual(ports: Iterable[HostPort]) -> list[HostPort]:
    """The ports of the named hosts with the usual number of ports: the number whose hosts have the most ports together."""
    named = [p for p in ports if not p.sort]
    per_host = Counter(p.host for p in named)
    weight = Counter(per_host[p.host] for p in named)
    number = max(weight, key=lambda n: (weight[n], n), default=0)
    return [p for p in named if per_host[p.host] == number]


def _named(ports: Iterable[HostPort], hosts: str | list[str], file: object) -> list[HostPort]:
    known = {p.host for p in ports if p.sort not in NEVER}
    wanted: set[str] = set()
    for pattern in (name for text in ([hosts] if isinstance(hosts, str) else hosts) for name in expand(text)):
        matched = {host for host in known if fnmatchcase(host, pattern)}
        if not matched:
            hint = did_you_mean(pattern, sorted(known))
            raise InputError(f"{file}: no host {pattern!r} in it{hint if len(hint) < 100 else f' ({_hosts(known)})'}")
        wanted |= matched
    return [p for p in ports if p.host in wanted and p.sort not in NEVER]


def _why(left: Sequence[HostPort], most: int) -> list[str]:
    """One line for each reason. `most`: the usual number of ports; 0 where a person chose the hosts, which is reason enough."""
    of: dict[str, list[HostPort]] = {}
    for port in left:
        of.setdefault(port.sort, []).append(port)
    reasons: dict[str, Callable[[list[HostPort]], str]] = {
        AGGREGATION: lambda p: "of aggregation nodes, which are inside switches",
        UNNAMED: lambda p: f"of adapters without a host name ({_some({x.node.name or 'no description' for x in p})})",
        MANAGEMENT: lambda p: f"of fabric management ({_some({x.host for x in p})})",
        ROUTER: lambda p: "of routers to other subnets",
        DIRECT: lambda p: "of adapters that are cabled to another adapter",
    }
    notes = [f"left out: {_count(len(of[sort]), 'port')} {reason(of[sort])}" for sort, reason in reasons.items() if sort in of]
    per_host = Counter(p.host for p in of.get("", []))
    if per_host and not most:
        return [*notes, f"left out: {_hosts(per_host)} that `hosts` does not name"]
    for n in sorted(set(per_host.values()), reverse=True):
        odd = [h for h, count in per_host.items() if count == n]
        notes.append(f"left out: {_hosts(odd)} with {_count(n, 'port')}, not {most} as most; name them in `hosts` to have them")
    return notes


def _hosts(names: Collection[str]) -> str:
    return f"{_count(len(names), 'host')} ({_some(names)})"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _some(names: Iterable[str]) -> str:
    first = sorted(names, key=natural)
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "")
