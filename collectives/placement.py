"""From where: which endpoint each rank sits on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from topologies.errors import InputError
from topologies.fabric import Fabric, Ints, frozen
from topologies.params import Seed


@dataclass(frozen=True, eq=False, init=False)
class Placement:
    """`endpoint[r]` is the endpoint of rank r: int32[ranks], no endpoint twice."""

    endpoint: Ints
    kind: str

    def __init__(self, endpoint: ArrayLike, kind: str = "explicit") -> None:
        endpoint = frozen(endpoint, np.int32)
        if len(endpoint) and len(np.unique(endpoint)) < len(endpoint):
            seen, counts = np.unique(endpoint, return_counts=True)
            twice = int(seen[counts > 1][0])
            ranks = np.flatnonzero(endpoint == twice)[:2]
            raise InputError(f"placement: endpoint {twice} is given to ranks {ranks[0]} and {ranks[1]}; one rank per endpoint")
        object.__setattr__(self, "endpoint", endpoint)
        object.__setattr__(self, "kind", kind)

    @property
    def ranks(self) -> int:
        return len(self.endpoint)


def check_room(fabric: Fabric, ranks: int) -> None:
    """Raises InputError where the job is larger than the fabric."""
    if ranks > fabric.n_endpoints:
        raise InputError(f"ranks: {ranks} do not fit on the {fabric.n_endpoints} endpoints of {fabric.name}")


def identity(fabric: Fabric, ranks: int) -> Placement:
    """Rank r on endpoint r: the natural order."""
    check_room(fabric, ranks)
    return Placement(np.arange(ranks), "identity")


def random(fabric: Fabric, ranks: int, *, seed: Seed = 0) -> Placement:
    """Ranks on endpoints drawn without replacement: the first `ranks` of numpy's default_rng(seed).permutation(endpoints)."""
    check_room(fabric, ranks)
    return Placement(np.random.default_rng(seed).permutation(fabric.n_endpoints)[:ranks], "random")
