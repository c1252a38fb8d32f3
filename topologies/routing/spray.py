"""Even spray: every switch deals its packets out over all shortest next hops alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Floats, Ints, frozen
from topologies.jit import allocating_kernel
from topologies.paths import Paths, Router
from topologies.pgft import Pgft
from topologies.routing.candidates import Candidates, Wires, length, next_hops, unroutable
from topologies.routing.graph import in_order
from topologies.routing.pgft import parameters, path_offsets


def spray(fabric: Fabric) -> Router:
    """Even split over all shortest paths: one row per flow, whose `use` says which fraction of its bytes crosses each link.

    A node that gets a fraction x and has n next hops sends x/n over each, as switches do that spray packet by packet.
    """
    return PgftSpray(fabric) if isinstance(fabric.shape, Pgft) and fabric.intact else GraphSpray(fabric)


@dataclass(frozen=True)
class PgftSpray:
    """Spray on an intact PGFT: on level l of the way up or down prod(w_1..w_l) w_{l+1} p_{l+1} cables carry equal parts.

    Whatever leaves a subtree upwards, or enters it, spreads over all its cables alike, so one entry stands for them.
    """

    fabric: Fabric

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: Pgft = self.fabric.shape
        params = parameters(shape)
        offsets = path_offsets(src, dst, params, shape.fill)
        links, width = _bundles(src, dst, params, shape.fill, offsets)
        return replace(
            Paths.single(self.fabric, offsets, links), use=frozen(1.0 / width, np.float64), width=frozen(width, np.int32)
        )


@dataclass(frozen=True, eq=False)
class GraphSpray:
    """Spray on any graph: fractions are handed on from the source towards the destination, nearer and nearer."""

    fabric: Fabric

    @cached_property
    def candidates(self) -> Candidates:
        return Candidates(self.fabric)

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        sizes, latency = np.empty(len(src), dtype=np.int64), np.empty(len(src))
        order: list[NDArray[np.int64]] = []
        links: list[Ints] = []
        use: list[Floats] = []
        for flows, hops, row in self.candidates.batches(dst):
            wires = self.candidates.wires
            offsets, *part, latency[flows] = _propagate(src[flows], dst[flows], hops, row, wires, self.fabric.latency)
            sizes[flows] = np.diff(offsets)
            order.append(flows)
            links.append(part[0])
            use.append(part[1])
        if (sizes == 0).any():
            raise unroutable(self.fabric, src[sizes == 0], dst[sizes == 0])
        offsets = np.concatenate(([0], np.cumsum(sizes)))
        return _sprayed(offsets, in_order(order, links, offsets), in_order(order, use, offsets), latency)


def _sprayed(offsets: Any, links: Any, use: Any, latency: Any) -> Paths:
    return Paths(frozen(offsets, np.int64), frozen(links, np.int32), frozen(latency, np.float64), use=frozen(use, np.float64))


@allocating_kernel
def _bundles(src: Ints, dst: Ints, params: NDArray[np.int64], fill: int, offsets: NDArray[np.int64]) -> tuple[Any, Any]:
    """First link and width of the bundles of each row: upwards into the front of the row, downwards into its back."""
    m, w, p, below, planes, first_cable = params
    links, width = np.empty(offsets[-1], dtype=np.int32), np.empty(offsets[-1], dtype=np.int32)
    for i in range(len(src)):
        s, d = src[i] // fill * m[0] + src[i] % fill, dst[i] // fill * m[0] + dst[i] % fill
        for level in range((offsets[i + 1] - offsets[i]) // 2):
            cables = planes[level] * w[level] * p[level]  # all cables of the planes of one subtree are adjacent
            up = src[i] if level == 0 else s // below[level]
            down = dst[i] if level == 0 else d // below[level]
            front, back = offsets[i] + level, offsets[i + 1] - 1 - level
            links[front], width[front] = 2 * (first_cable[level] + up * cables), cables
            links[back], width[back] = 2 * (first_cable[level] + down * cables) + 1, cables
    return links, width


@allocating_kernel
def _propagate(
    src: Ints, dst: Ints, hops: Ints, row: NDArray[np.int64], wires: Wires, latency: Floats
) -> tuple[Any, Any, Any, Any]:
    """Offsets, links, use, latency of the sprayed rows on any graph, links in order of their distance from the source."""
    n, nodes = len(src), len(wires.height)
    offsets, late = np.zeros(n + 1, dtype=np.int64), np.zeros(n)
    links, use = np.empty(16 * n + 16, dtype=np.int32), np.empty(16 * n + 16)
    part, reached = np.zeros(nodes), np.zeros(nodes)  # of the row in hand: fraction, and latency of the slowest way, at each node
    queue, out = np.empty(nodes, dtype=np.int32), np.empty(len(wires.to), dtype=np.int32)
    at = 0
    for i in range(n):
        hop = hops[row[i]]
        left = length(src[i], dst[i], hop, wires)
        head, tail, last = 0, 1, 1
        queue[0], part[src[i]], reached[src[i]] = src[i], 1.0, 0.0
        while left > 0 and head < tail:
            v = queue[head]
            head += 1
            count = next_hops(v, dst[i], left, hop, wires, out)
            while at + count > len(links):
                links, use = np.append(links, np.empty_like(links)), np.append(use, np.empty_like(use))
            for place in out[:count]:
                u = wires.to[place]
                links[at], use[at] = wires.link[place], part[v] / count
                if part[u] == 0.0:
                    queue[tail], reached[u] = u, 0.0
                    tail += 1
                part[u] += use[at]
                reached[u] = max(reached[u], reached[v] + latency[links[at]])
                at += 1
            part[v] = 0.0
            if head == last:  # all nodes that are this far away are done
                left -= 1
                last = tail
        part[queue[:tail]] = 0.0
        late[i] = reached[dst[i]]
        offsets[i + 1] = at
    return offsets, links[:at], use[:at], late
