"""Closed-form routes on BiGraphs: straight to the other part, or bouncing off a switch of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.bigraph import BiGraph
from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel
from topologies.paths import Paths
from topologies.routing.pgft import HASH, S_MOD_K, at_switch, flow_header


@dataclass(frozen=True)
class BiGraphRouter:
    """Single shortest paths on an intact BiGraph, equal to what GraphRouter finds by search.

    Towards host x of the other part over parallel cable (x // (n/2)) mod t; of the same part over cable x mod (t n/2) of the
    source's switch, counted switch by switch, and on as before. This choice among parallel cables is what makes HDRM free of
    contention up to m = t n/2: the flows that meet on a trunk go to slots that lie multiples of n/2 apart.
    """

    fabric: Fabric
    rule: int
    seed: int = 0
    polarised: bool = False

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: BiGraph = self.fabric.shape
        a, b = shape.switch(src), shape.switch(dst)
        hops = np.where(a == b, 2, np.where((a < shape.half) == (b < shape.half), 4, 3))
        offsets = np.concatenate(([0], np.cumsum(hops)))
        links = np.empty(offsets[-1], dtype=np.int32)
        _fill(src, dst, key, (shape.m, shape.half, shape.t), (self.rule, self.seed, self.polarised), offsets, links)
        return Paths.single(self.fabric, offsets, links)


@allocating_kernel
def _trunk(a: Any, b: Any, parallel: Any, hosts: Any, half: Any, t: Any) -> Any:
    """Link from switch a to switch b of the other part, as BiGraph.trunk numbers the cables."""
    upper, lower = (a, b - half) if a < half else (b, a - half)
    return 2 * (hosts + (upper * half + lower) * t + parallel) + (a >= half)


@allocating_kernel
def _fill(
    src: Ints,
    dst: Ints,
    key: Ints,
    size: tuple[int, int, int],
    choice: tuple[int, int, bool],
    offsets: NDArray[np.int64],
    links: Ints,
) -> None:
    m, half, t = size
    rule, seed, polarised = choice
    hosts = 2 * half * m
    for i in range(len(src)):
        at, end = offsets[i], offsets[i + 1]
        here, there = src[i] // m, dst[i] // m
        links[at], links[end - 1] = 2 * src[i], 2 * dst[i] + 1
        header = flow_header(src[i], dst[i], key[i], seed)
        x = np.int64(src[i] if rule == S_MOD_K else dst[i])
        if end - at == 4:
            q = at_switch(header, hosts + here, t * half, polarised) if rule == HASH else x % (t * half)
            mid = q // t + (half if here < half else 0)
            links[at + 1] = _trunk(here, mid, q % t, hosts, half, t)
            here = mid
        if end - at >= 3:
            q = np.int64(0)
            if t > 1:
                q = at_switch(header, hosts + here, t, polarised) if rule == HASH else x // half % t
            links[end - 2] = _trunk(here, there, q, hosts, half, t)
