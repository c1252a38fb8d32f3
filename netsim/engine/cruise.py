"""A repeated block that nothing disturbs, all repetitions at once: the eigenvector of its max-plus recursion.

One repetition is T'[w] = max over messages m of w of max(T[src], T[dst]) + alone[m]. After k of them T[w] is the heaviest walk
of k steps that ends at w. The heaviest message is a loop of weight λ at both its ends, so a walk that ever comes there gains most
by staying, and weighs k λ + v[w] with v[w] = max over critical s of c[s] + path(s → w), c[s] = max over u of T0[u] + path(u → s),
where paths count alone[m] - λ <= 0 a step: two shortest-path searches. A walk that never comes there weighs at most
max T0 + k λ2, λ2 the heaviest of the other messages. From the k on at which that is less than every k λ + v[w], the times are
k λ + v. (Baccelli et al., Synchronization and Linearity, 3.7; the transient bound is that of Hartmann & Arguelles 1999.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.engine.blocks import Block
from netsim.engine.heap import empty_heap, pop, put
from topologies.fabric import Floats
from topologies.jit import kernel


def cruise(block: Block, alone: Floats, first: Any, meets: Any, ready: Floats) -> tuple[Floats, Floats] | None:
    """The walkers' times before and after the last repetition; None where the transient may last longer than the block."""
    heaviest = float(alone.max())
    lighter = alone[alone < heaviest * (1 - 1e-12)]
    part = np.diff(first) > 0
    critical = np.zeros(len(ready), dtype=bool)
    of_heaviest = alone >= heaviest * (1 - 1e-12)
    critical[block.src[of_heaviest]] = critical[block.dst[of_heaviest]] = True
    steps = block.repeat - 1
    start, early = _search(block, alone - heaviest, first, meets, np.where(part, ready, -np.inf))
    value, late = _search(block, alone - heaviest, first, meets, np.where(critical, start, -np.inf))
    reached = value[part]
    if not np.isfinite(reached).all() or early + late > steps:
        return None
    if len(lighter) and ready[part].max() + steps * float(lighter.max()) > steps * heaviest + float(reached.min()):
        return None
    before, after = (np.where(part, value + k * heaviest, ready) for k in (steps, steps + 1))
    return before, after


def _search(block: Block, weight: Floats, first: Any, meets: Any, start: Floats) -> tuple[Floats, int]:
    """max over u of start[u] + the heaviest path from u, for every walker; and the most steps of such a path."""
    value, hops = start.copy(), np.zeros(len(start), dtype=np.int32)
    _spread(block.src, block.dst, weight, first, meets, value, hops, empty_heap(len(start)))
    return value, int(hops.max())


@kernel
def _spread(src: Any, dst: Any, weight: Any, first: Any, meets: Any, value: Any, hops: Any, heap: Any) -> None:
    """Dijkstra's search with weights turned around: the walker of the highest value is final, and hands on to its partners."""
    for w in range(len(value)):
        if value[w] > -np.inf:
            put(heap, w, -value[w])
    while heap.size[0] > 0:
        w = pop(heap)
        for i in range(first[w], first[w + 1]):
            m = meets[i]
            other = dst[m] if src[m] == w else src[m]
            if value[w] + weight[m] > value[other]:
                value[other] = value[w] + weight[m]
                hops[other] = hops[w] + 1
                put(heap, other, -value[other])
