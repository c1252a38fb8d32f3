"""Dimension-order routing on tori and meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.fabric import Fabric, Ints
from topologies.paths import Paths, Router
from topologies.torus import Torus


def dimension_order(fabric: Fabric) -> Router:
    """Dimension 0 first, then 1, …: in each the shorter way round, in a torus; hops Σ_d min(δ_d, dims[d] - δ_d).

    Where both ways are equal, half around an even ring, messages go up from even coordinates and down from odd ones, which loads
    both directions alike. Source: Dally and Towles 2004, section 8.4.
    Raises InputError for other fabrics, and where cables are missing.
    """
    if not isinstance(fabric.shape, Torus):
        raise InputError(f"{fabric.name}: dimension-order routing needs a torus, mesh or ring; min-hop routes anything")
    if not fabric.intact:
        raise InputError(f"{fabric.name}: dimension-order cannot go around missing cables; route by min-hop or up-down")
    return DimensionOrder(fabric)


@dataclass(frozen=True)
class DimensionOrder:
    """Closed-form routes on an intact torus or mesh."""

    fabric: Fabric

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: Torus = self.fabric.shape
        steps = np.array([_steps(shape, src, dst, d) for d in range(len(shape.dims))], dtype=np.int64)
        until = np.cumsum(np.abs(steps), axis=0)  # links behind each flow once a dimension is done
        offsets = np.concatenate(([0], np.cumsum(until[-1])))
        links = np.empty(offsets[-1], dtype=np.int32)
        node = src.astype(np.int64)
        for d, by in enumerate(steps):
            hops = np.abs(by)
            nth = np.arange(hops.sum()) - np.repeat(np.cumsum(hops) - hops, hops)
            up = np.repeat(by > 0, hops)
            below = shape.step(np.repeat(node, hops), d, np.where(up, nth, -1 - nth))  # the lower end of the cable of each hop
            links[np.repeat(offsets[:-1] + until[d] - hops, hops) + nth] = 2 * shape.cable(below, d) + ~up
            node = shape.step(node, d, by)
        return Paths.single(self.fabric, offsets, links)


def _steps(shape: Torus, src: Ints, dst: Ints, d: int) -> NDArray[np.int64]:
    """Signed hops in dimension d, positive upwards."""
    size, x = shape.dims[d], shape.coordinate(src, d)
    ahead: NDArray[np.int64] = shape.coordinate(dst, d) - x
    if shape.span[d] < size:
        return ahead
    ahead = ahead % size
    up = (2 * ahead < size) | ((2 * ahead == size) & (x % 2 == 0))
    return np.where(up, ahead, ahead - size)
