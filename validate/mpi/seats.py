"""Which MPI rank sits on which endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from collectives.hosts import host_name
from topologies.errors import InputError
from topologies.fabric import Fabric
from validate.request import Row


class Seats(NamedTuple):
    """For each row, the MPI rank of each of its ranks; and how that was found, for the reader."""

    of_row: list[list[int]]
    how: str


def seats(rows: Sequence[Row], machines: Sequence[str], hosts: str) -> Seats:
    """Seat the ranks of all rows. `machines[w]` is the name of the machine that MPI rank w runs on; `hosts`: "auto" or "order".

    Auto: where the machines are called like the hosts of the fabric that the rows use, each endpoint gets a rank of its own host,
    in order. Else rank w sits on the w-th endpoint that the rows use. Raises InputError where there are more or fewer ranks than
    such endpoints.
    """
    used = np.unique(np.concatenate([row.placement.endpoint for row in rows])).tolist()
    if len(machines) != len(used):
        raise InputError(f"--on mpi: {len(machines)} MPI ranks for {len(used)} endpoints; start it with mpiexec -n {len(used)}")
    fabric = rows[0].job.fabric
    by_name = _by_name(fabric, used, machines) if hosts == "auto" else None
    rank_of = by_name or {endpoint: rank for rank, endpoint in enumerate(used)}
    if by_name:
        how = "each rank sits where the fabric has a host of its machine's name"
    else:
        why = "hosts=order" if hosts == "order" else f"the fabric knows no host {_short(machines[0])!r}"
        how = f"MPI rank i sits on the i-th endpoint used, wherever its machine is ({why})"
    return Seats([[rank_of[e] for e in row.placement.endpoint.tolist()] for row in rows], how)


def _by_name(fabric: Fabric, used: Sequence[int], machines: Sequence[str]) -> dict[int, int] | None:
    """The rank of each endpoint where every machine is a host with as many endpoints in use as it has ranks."""
    ranks: dict[str, list[int]] = {}
    for rank, machine in enumerate(machines):
        ranks.setdefault(_short(machine), []).append(rank)
    endpoints: dict[str, list[int]] = {}
    for endpoint in used:
        endpoints.setdefault(_short(host_name(fabric.label_of(endpoint))), []).append(endpoint)
    if {name: len(found) for name, found in ranks.items()} != {name: len(found) for name, found in endpoints.items()}:
        return None
    return {e: rank for name, found in endpoints.items() for e, rank in zip(found, ranks[name], strict=True)}


def _short(name: str) -> str:
    """A machine's name without its domain."""
    return name.partition(".")[0].lower()
