"""How far ranks are apart: what no schedule can be faster than, however little it sends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netsim.bounds.contracted import Contracted, Longs
from topologies.errors import Unroutable
from topologies.fabric import Fabric, Floats, Ints
from topologies.jit import allocating_kernel, kernel


def farthest(fabric: Fabric, endpoints: Ints, rank: int = 0, sweeps: int = 4) -> tuple[int, int, float]:
    """Two ranks far apart and the latency of the shortest way between them: from `rank` to the farthest, from there again, …

    The farthest two on trees, tori and all fabrics in which every endpoint is like every other; elsewhere a pair nearly as far.
    Raises Unroutable where two ranks are not connected.
    """
    here, there, best = rank, rank, -1.0
    for _ in range(sweeps):
        away = _spread(fabric, endpoints[[here]], np.zeros(1, dtype=np.int64))[0][endpoints]
        far = int(np.argmax(away))
        if np.isinf(away[far]):
            ends = [f"rank {r} ({fabric.label_of(int(endpoints[r]))})" for r in (here, far)]
            raise Unroutable(f"{fabric.name}: no way between {ends[0]} and {ends[1]}; ranks must sit on connected endpoints")
        if away[far] <= best:
            break
        here, there, best = far, here, float(away[far])
    return there, here, best


def nearest(fabric: Fabric, endpoints: Ints, part: Longs) -> float:
    """The least latency between ranks of different parts; `part` int64[ranks]."""
    distance, owner = _spread(fabric, endpoints, part)
    between = (owner[fabric.src] != owner[fabric.dst]) & (owner[fabric.src] >= 0) & (owner[fabric.dst] >= 0)
    across = distance[fabric.src] + _either_way(fabric) + distance[fabric.dst]
    return float(across[between].min())


def hop_sum(net: Contracted) -> int:
    """Σ of the hops between all ordered pairs of ranks."""
    return int(_hop_sum(net.offsets, net.head, net.ranks, net.sinks))


def _either_way(fabric: Fabric) -> Floats:
    """Latency of a link or of its way back, whichever is less."""
    least: Floats = np.minimum(fabric.latency, fabric.latency[np.arange(fabric.n_links) ^ 1])
    return least


def _spread(fabric: Fabric, sources: Ints, label: Longs) -> tuple[Floats, Longs]:
    """Latency from the nearest source to each node (inf where none leads), and that source's label (-1)."""
    distance = np.full(fabric.n_nodes, np.inf)
    owner = np.full(fabric.n_nodes, -1, dtype=np.int64)
    distance[sources] = 0.0
    owner[sources] = label
    offsets, order = fabric.out_links
    queue, waiting = np.empty(fabric.n_nodes, dtype=np.int64), np.zeros(fabric.n_nodes, dtype=np.bool_)
    queue[: len(sources)] = sources
    waiting[sources] = True
    _relax(offsets, order, fabric.dst, _either_way(fabric), queue, waiting, len(sources), distance, owner)
    return distance, owner


@kernel
def _relax(
    offsets: Longs,
    order: Ints,
    dst: Ints,
    weight: Floats,
    queue: Longs,
    waiting: NDArray[np.bool_],
    count: int,
    distance: Floats,
    owner: Longs,
) -> None:
    """Label-correcting shortest paths with a first-in-first-out queue: breadth-first search where all latencies are equal.

    `queue` int64[nodes]: first the `count` sources, for which `waiting` is true.
    """
    n, first = len(distance), 0
    while count:
        u = queue[first]
        first, count, waiting[u] = (first + 1) % n, count - 1, False
        for i in range(offsets[u], offsets[u + 1]):
            v, there = dst[order[i]], distance[u] + weight[order[i]]
            if there < distance[v]:
                distance[v], owner[v] = there, owner[u]
                if not waiting[v]:
                    queue[(first + count) % n] = v
                    count, waiting[v] = count + 1, True


@allocating_kernel
def _hop_sum(offsets: Longs, head: Longs, ranks: NDArray[np.int64], sinks: Longs) -> int:
    total = 0
    hops, queue = np.empty(len(ranks), dtype=np.int64), np.empty(len(ranks), dtype=np.int64)
    for start in sinks:
        hops[:] = -1
        hops[start], queue[0], first, n = 0, start, 0, 1
        total += 2 * ranks[start] * (ranks[start] - 1)  # by the switch that they share
        while first < n:
            u = queue[first]
            first += 1
            total += ranks[start] * ranks[u] * hops[u]
            for a in range(offsets[u], offsets[u + 1]):
                v = head[a]
                if hops[v] < 0:
                    hops[v], queue[n] = hops[u] + 1, v
                    n += 1
    return total
