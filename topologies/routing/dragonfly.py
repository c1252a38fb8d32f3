"""Minimal and Valiant routing on dragonflies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.dragonfly import Dragonfly
from topologies.errors import InputError
from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel
from topologies.params import Seed
from topologies.paths import Paths, Router
from topologies.routing.pgft import at_switch, flow_header


def minimal(fabric: Fabric) -> Router:
    """At most one local, one global, one local cable between the routers; one global cable where the groups differ.

    Of several global cables between two groups destination d uses number d mod T. Source: Kim et al., ISCA 2008, section 4.
    Raises InputError for other fabrics, and where cables are missing.
    """
    return DragonflyRouter(_checked(fabric, "minimal"))


def valiant(fabric: Fabric, *, seed: Seed = 0) -> Router:
    """By way of a third group, minimally there and minimally on: at most local, global, local, global, local cables.

    The third group is drawn evenly by a seeded hash of source, destination and flow key. Within a group, and where there are
    fewer than three, routes are minimal. Source: Valiant 1982; Kim et al., ISCA 2008, section 4.
    Raises InputError for other fabrics, and where cables are missing.
    """
    return DragonflyRouter(_checked(fabric, "valiant"), seed)


def _checked(fabric: Fabric, kind: str) -> Fabric:
    if not isinstance(fabric.shape, Dragonfly):
        raise InputError(f"{fabric.name}: {kind} routing needs a dragonfly; min-hop routes anything")
    if not fabric.intact:
        raise InputError(f"{fabric.name}: {kind} cannot go around missing cables; route by min-hop or up-down")
    return fabric


@dataclass(frozen=True)
class DragonflyRouter:
    """Closed-form routes on an intact dragonfly; Valiant with this seed, or minimal without one."""

    fabric: Fabric
    seed: int | None = None

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: Dragonfly = self.fabric.shape
        here, there = src // shape.p, dst // shape.p  # routers, counted through all groups
        first, last = here // shape.a, there // shape.a
        hops: list[NDArray[Any]] = [2 * src.astype(np.int64)]
        if self.seed is not None and shape.g > 2:
            third = _third_group(src, dst, key, first, last, shape.g, self.seed)
            here = _to_group(shape, hops, here, third, dst, first != last)
        here = _to_group(shape, hops, here, last, dst, np.ones(len(src), dtype=np.bool_))
        hops += [_local(shape, here, there), 2 * dst.astype(np.int64) + 1]
        table = np.stack(hops, axis=1)  # one row per flow, -1 where a hop falls away
        taken = table >= 0
        return Paths.single(self.fabric, np.concatenate(([0], np.cumsum(taken.sum(axis=1)))), table[taken].astype(np.int32))


def _to_group(
    shape: Dragonfly, hops: list[NDArray[Any]], here: NDArray[Any], group: NDArray[Any], dst: Ints, wanted: NDArray[np.bool_]
) -> NDArray[Any]:
    """Append the hops that bring the wanted flows from their routers into a group; returns the routers they are on then."""
    own = here // shape.a
    goes = wanted & (own != group)
    if not shape.trunks:
        return here
    c = dst % shape.trunks
    gate = own * shape.a + shape.gateway(own, group, c)
    hops.append(np.where(goes, _local(shape, here, gate), -1))
    hops.append(np.where(goes, 2 * shape.global_cable(own, group, c) + (own > group), -1))
    return np.where(goes, group * shape.a + shape.gateway(group, own, c), here)


def _local(shape: Dragonfly, here: NDArray[Any], there: NDArray[Any]) -> NDArray[Any]:
    """The link between two routers of a group; -1 where they are one."""
    r, s = here % shape.a, there % shape.a
    return np.where(here == there, -1, 2 * shape.local_cable(here // shape.a, r, s) + (r > s))


@allocating_kernel
def _third_group(src: Ints, dst: Ints, key: Ints, first: Ints, last: Ints, groups: int, seed: int) -> NDArray[np.int64]:
    """A group other than the first and the last of each flow, all of them equally likely."""
    third = np.empty(len(src), dtype=np.int64)
    for i in range(len(src)):
        low, high = min(first[i], last[i]), max(first[i], last[i])
        x = at_switch(flow_header(src[i], dst[i], key[i], seed), 0, groups - (1 if low == high else 2), True)
        x += x >= low
        third[i] = x + (high != low and x >= high)
    return third
