"""Which machine each process of a job runs on: hosts of the fabric, by their own names or by those that a host file gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from collectives.hosts import Named, host_name, read_host_file
from collectives.placement import Placement
from netsim.scenario.kinds import kind_of
from topologies import TOPOLOGIES
from topologies.errors import InputError
from topologies.fabric import Fabric
from validate.request import Row

_MACHINE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, eq=False)
class Seats:
    """Process i of the job stands for the i-th of the endpoints that its rows use, ascending.

    A rank map does not change that: the replay applies it, whoever started the processes.
    """

    endpoints: tuple[int, ...]  #: used by any row, ascending
    machines: tuple[str, ...]  #: of each process: the host that its endpoint belongs to
    named: bool  #: whether these are names of machines, and not those that netsim gave the hosts of a fabric that it made up
    of_fabric: tuple[str, ...]  #: machine of every endpoint of the fabric that has one

    @cached_property
    def hosts(self) -> dict[str, int]:
        """Every machine in the order of its first process, with the number of its processes."""
        found: dict[str, int] = {}
        for machine in self.machines:
            found[machine] = found.get(machine, 0) + 1
        return found

    def ranks(self, placement: Placement) -> tuple[str, ...]:
        """The machine of each rank."""
        at = dict(zip(self.endpoints, self.machines, strict=True))
        return tuple(at[int(e)] for e in placement.endpoint)


def seats(rows: Sequence[Row], hostfile: str | None = None, ranks_per_node: int | None = None) -> Seats:
    """The machines of the rows' endpoints.

    A host is what `collectives.hosts.host_name` says of an endpoint's label, or with `ranks_per_node` so many consecutive
    endpoints. The n-th name in `hostfile` stands for the n-th host of the fabric, or, where it has as many names as the job uses
    hosts, for the n-th of these.

    Raises InputError where rows disagree on their hosts (a cluster is one fabric), for a host file with too few or too many
    names, and for names that are none of machines.
    """
    used = sorted({int(e) for row in rows for e in np.unique(row.placement.endpoint)})
    fabric = max((row.job.fabric for row in rows), key=lambda fabric: fabric.n_endpoints)
    labels = _hosts(fabric, ranks_per_node)
    for row in rows:
        _check_same(row, _hosts(row.job.fabric, ranks_per_node), labels)
    real = [row for row in rows if _is_real(row)]
    names = _names(read_host_file(hostfile), labels, used, hostfile) if hostfile else {label: label for label in labels}
    named = bool(hostfile) or bool(real)
    for machine in names.values() if named else ():
        if not _MACHINE.fullmatch(machine):
            raise InputError(
                f"host {machine!r}: no name of a machine (letters, digits, `.`, `_`, `-`); give others by hostfile=FILE"
            )
    machines = tuple(names[labels[e]] for e in used)
    return Seats(tuple(used), machines, named, tuple(names.get(label, "") for label in labels))


def _hosts(fabric: Fabric, ranks_per_node: int | None) -> list[str]:
    """The host of each endpoint."""
    of = [host_name(fabric.label_of(e)) for e in range(fabric.n_endpoints)]
    return of if ranks_per_node is None else [of[e - e % ranks_per_node] for e in range(len(of))]


def _check_same(row: Row, own: Sequence[str], labels: Sequence[str]) -> None:
    for e in map(int, np.sort(row.placement.endpoint)):
        if own[e] != labels[e]:
            raise InputError(
                f"{row.name}: endpoint {e} is on host {own[e]!r}, in another case on {labels[e]!r}; a cluster is one fabric: "
                "give each a scenario and a job of its own"
            )


def _is_real(row: Row) -> bool:
    """Whether the fabric was read from a file, and so its hosts have the names that they really have."""
    fabric = row.job.case.fabric
    return bool(kind_of(TOPOLOGIES, fabric.kind).files & set(fabric.parameters))


def _names(listed: Sequence[Named], labels: Sequence[str], used: Sequence[int], file: str) -> dict[str, str]:
    """The machine that stands for each host of the fabric."""
    every = list(dict.fromkeys(labels))
    needed = dict.fromkeys(labels[e] for e in used)
    hosts = every if len(listed) == len(every) else list(needed)
    if len(listed) != len(hosts):
        whole = f", or all {len(every)} of the fabric" if len(every) > len(hosts) else ""
        raise InputError(f"{file}: {len(listed)} hosts; name the {len(hosts)} that the job uses{whole}, in the fabric's order")
    twice = next((host for n, host in enumerate(listed) if host.name in {h.name for h in listed[:n]}), None)
    if twice:
        raise InputError(f"{twice.where}: host {twice.name!r} is named twice")
    count = {label: sum(labels[e] == label for e in used) for label in needed}
    for label, host in zip(hosts, listed, strict=True):
        if host.slots is not None and host.slots < count.get(label, 0):
            raise InputError(
                f"{host.where}: host {host.name!r} has {host.slots} slots, not the {count[label]} that the job needs"
            )
    return {label: host.name for label, host in zip(hosts, listed, strict=True)}
