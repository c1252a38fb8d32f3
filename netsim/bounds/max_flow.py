"""Dinic's maximum flow from one node to whichever drains are nearest, touching only the part of the network that it needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.jit import allocating_kernel

Longs = NDArray[np.int64]


@allocating_kernel
def first_short(
    offsets: Longs,
    head: Longs,
    back: Longs,
    capacity: Longs,
    drain: Longs,
    endless: NDArray[np.bool_],
    sinks: Longs,
    first: int,
    times: int,
    need: int,
    room: Longs,
    work: Longs,
) -> tuple[int, int, Longs]:
    """The first of `sinks[first:]` from which less than `need` flows to drains: (its index, that flow, the nodes it reaches).

    Arcs are a CSR (`offsets[node]`, `head`), `back[a]` is the arc the other way round; an arc carries `capacity[a] * times`
    (`room`, the residual, holds that on entry and on return), node u swallows `drain[u]`, or anything where `endless[u]`. A sink
    that passes becomes endless, so that those after it find their drain next door: sets that hold it are already known to be wide
    enough. `work` is what `scratch` returns. Returns index len(sinks) when all pass.

    The nodes reached when the flow falls short are the smallest set whose border is that narrow (max-flow min-cut).
    """
    for index in range(first, len(sinks)):
        flow, reached = _flow(offsets, head, back, capacity, drain, endless, sinks[index], times, need, room, work)
        if flow < need:
            return index, flow, reached
        endless[sinks[index]] = True
    return len(sinks), need, np.empty(0, dtype=np.int64)


@allocating_kernel
def _flow(
    offsets: Longs,
    head: Longs,
    back: Longs,
    capacity: Longs,
    drain: Longs,
    endless: NDArray[np.bool_],
    start: int,
    times: int,
    need: int,
    room: Longs,
    work: Longs,
) -> tuple[int, Longs]:
    """The flow out of `start`, up to `need`, and, where it falls short, the nodes within reach of `start`."""
    level, current, drained, passed, queue = work
    flow, n_seen = 0, 0
    seen = np.empty(64, dtype=np.int64)  # every node ever reached: where flow must be taken back in the end
    while True:
        depth, n_reached = _levels(offsets, head, drain, endless, start, room, level, current, drained, queue)
        if n_seen + n_reached > len(seen):
            grown = np.empty(2 * (n_seen + n_reached), dtype=np.int64)
            for i in range(n_seen):  # loops: assigning to a slice costs 1.6 s of compiling
                grown[i] = seen[i]
            seen = grown
        for i in range(n_reached):
            seen[n_seen + i] = queue[i]
        n_seen += n_reached
        if depth >= 0:
            flow += _blocking(
                offsets, head, back, drain, endless, start, depth, need - flow, room, level, current, drained, passed
            )
        reached = queue[:n_reached]
        for u in reached:
            level[u] = -1
        if depth < 0 or flow >= need:
            break
    for u in seen[:n_seen]:
        if passed[u]:
            drained[u], passed[u] = 0, 0
            for a in range(offsets[u], offsets[u + 1]):
                room[a] = capacity[a] * times
    return flow, reached.copy() if flow < need else np.empty(0, dtype=np.int64)


@allocating_kernel
def _levels(
    offsets: Longs,
    head: Longs,
    drain: Longs,
    endless: NDArray[np.bool_],
    start: int,
    room: Longs,
    level: Longs,
    current: Longs,
    drained: Longs,
    queue: Longs,
) -> tuple[int, int]:
    """Breadth-first from `start`: (distance of the nearest drain with room or -1, nodes reached, which stand in `queue`).

    The search ends with the level of that drain, or at once where the drain is endless: more levels cost more than more phases.
    """
    level[start], current[start], queue[0] = 0, offsets[start], start
    i, n = 0, 1
    depth = 0 if endless[start] or drained[start] < drain[start] else -1
    while i < n and (depth < 0 or level[queue[i]] < depth):
        u = queue[i]
        i += 1
        for a in range(offsets[u], offsets[u + 1]):
            v = head[a]
            if room[a] > 0 and level[v] < 0:
                level[v], current[v], queue[n] = level[u] + 1, offsets[v], v
                n += 1
                if endless[v]:
                    return level[v], n
                if drained[v] < drain[v]:
                    depth = level[v]
    return depth, n


@allocating_kernel
def _blocking(
    offsets: Longs,
    head: Longs,
    back: Longs,
    drain: Longs,
    endless: NDArray[np.bool_],
    start: int,
    depth: int,
    need: int,
    room: Longs,
    level: Longs,
    current: Longs,
    drained: Longs,
    passed: Longs,
) -> int:
    """Fill the paths of `depth` arcs from `start` to drains until none is left or `need` is met; returns what flowed."""
    path = np.empty(depth + 1, dtype=np.int64)  # arcs from the start to u
    u, n, flow = start, 0, 0
    while True:
        if n == depth and (endless[u] or drained[u] < drain[u]):
            push = need - flow
            if not endless[u]:
                push = min(push, drain[u] - drained[u])
            for k in range(n):
                push = min(push, room[path[k]])
            flow += push
            drained[u] += push
            passed[u] = 1
            full = n
            for k in range(n - 1, -1, -1):
                room[path[k]] -= push
                room[back[path[k]]] += push
                passed[head[back[path[k]]]] = 1
                if room[path[k]] == 0:
                    full = k
            if flow == need or n == 0:
                return flow
            if full < n:  # back to the tail of the first arc that is full
                u, n = head[back[path[full]]], full
            continue
        step = False
        while n < depth and current[u] < offsets[u + 1]:
            a = current[u]
            if room[a] > 0 and level[head[a]] == n + 1:
                path[n] = a
                n, u, step = n + 1, head[a], True
                break
            current[u] += 1
        if step:
            continue
        if n == 0:
            return flow
        n -= 1  # a dead end: never come this way again
        u = head[back[path[n]]]
        current[u] += 1


def scratch(n_nodes: int) -> Any:
    """What `first_short` wants as `work`."""
    work = np.zeros((5, n_nodes), dtype=np.int64)
    work[0] = -1  # levels: not reached
    return work
