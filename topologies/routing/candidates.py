"""Next hops on any graph: hop counts towards the destinations that are asked for, found by search and kept.

Endpoints do not forward, unless the fabric has nothing but endpoints (torus, ring): then all do. Every other node forwards:
switches, NICs, NVSwitches, PCIe switches. Endpoints on the same switches share one search.

A link v→u leads towards d where u is one hop nearer than v. In an up/down order the count is taken over legal ways only (up, then
down, never up again) and a node that can get there by going down only does so: whoever follows next hops can then never turn
upwards after having come down, whatever table the hops were picked from, and deadlock is impossible (Schroeder et al. 1991).
Shortest paths are the special case of all nodes standing at one height.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topologies.errors import Unroutable
from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel

NO_WAY = np.int32(np.iinfo(np.int32).min)
#: Hop counts held at a time (int32): above this they are searched again by every call.
HELD = 1 << 26


class Wires(NamedTuple):
    """What the kernels read of a fabric: from which node on they forward; out-links by node, where they lead; heights."""

    base: int
    first: NDArray[np.int64]
    link: Ints
    to: Ints
    height: Ints


class Batch(NamedTuple):
    """Some flows of a call, with the hop counts that they need: `hops[row[i]]` are those towards dst[flows[i]]."""

    flows: NDArray[np.int64]
    hops: Ints
    row: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The next hops of a fabric under an order of its nodes, `height` int32[nodes]; None: all alike, which is shortest paths."""

    fabric: Fabric
    height: Ints | None = None

    @cached_property
    def wires(self) -> Wires:
        f = self.fabric
        first, link = f.out_links
        height = np.zeros(f.n_nodes, dtype=np.int32) if self.height is None else self.height
        return Wires(first_forwarding(f), first, link, f.dst[link], height)

    @cached_property
    def _falling(self) -> Ints:
        """The forwarding nodes from the highest down; none where all are alike."""
        if self.height is None:
            return np.empty(0, dtype=np.int32)
        base = self.wires.base
        return (base + np.argsort(-self.height[base:], kind="stable")).astype(np.int32)

    @cached_property
    def _groups(self) -> tuple[Ints, Ints]:
        """Endpoints that share a search: (group of each endpoint, one endpoint of each group)."""
        f, wires = self.fabric, self.wires
        if wires.base == 0:
            own = np.arange(f.n_endpoints, dtype=np.int32)
            return own, own
        group = np.empty(f.n_endpoints, dtype=np.int32)
        degree = np.diff(wires.first[: f.n_endpoints + 1])
        representatives: list[NDArray[Any]] = []
        for d in np.unique(degree):
            members = np.flatnonzero(degree == d)
            neighbours = np.sort(wires.to[wires.first[members][:, None] + np.arange(d)], axis=1)
            _, one, of = np.unique(neighbours, axis=0, return_index=True, return_inverse=True)
            group[members] = sum(map(len, representatives)) + of.ravel()
            representatives.append(members[one])
        return group, np.concatenate(representatives).astype(np.int32)

    @cached_property
    def _held(self) -> tuple[Ints, NDArray[np.bool_]] | None:
        """Hop counts of all groups, and which of them have been found; None where that would be too many to hold."""
        groups, nodes = len(self._groups[1]), self.fabric.n_nodes - self.wires.base
        if groups * nodes > HELD:
            return None
        return np.empty((groups, nodes), dtype=np.int32), np.zeros(groups, dtype=np.bool_)

    def _search(self, groups: NDArray[Any], hops: Ints) -> None:
        search(self._groups[1][groups], self.wires, self._falling, hops)

    def batches(self, dst: Ints) -> Iterator[Batch]:
        """The flows with these destinations in batches whose hop counts fit in memory, each destination searched once."""
        group = self._groups[0][dst]
        if self._held is not None:
            hops, found = self._held
            new = np.unique(group[~found[group]])
            if len(new):
                part = np.empty((len(new), hops.shape[1]), dtype=np.int32)
                self._search(new, part)
                hops[new], found[new] = part, True
            yield Batch(np.arange(len(dst)), hops, group.astype(np.int64))
            return
        wanted, row = np.unique(group, return_inverse=True)
        nodes = self.fabric.n_nodes - self.wires.base
        step = max(1, HELD // 4 // nodes)
        for start in range(0, max(1, len(wanted)), step):
            part = np.empty((min(step, len(wanted) - start), nodes), dtype=np.int32)
            self._search(wanted[start : start + step], part)
            index = np.flatnonzero((row >= start) & (row < start + step))
            yield Batch(index, part, row[index] - start)


def first_forwarding(fabric: Fabric) -> int:
    """The first node that forwards: behind the endpoints, or node 0 in a direct network."""
    return fabric.n_endpoints if fabric.n_nodes > fabric.n_endpoints else 0


def unroutable(fabric: Fabric, src: Ints, dst: Ints, hint: str = "") -> Unroutable:
    """The error for flows without a route: names three pairs and counts the rest."""
    pairs = list(dict.fromkeys(zip(src.tolist(), dst.tolist(), strict=True)))
    named = ", ".join(f"{fabric.label_of(s)}→{fabric.label_of(d)}" for s, d in pairs[:3])
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return Unroutable(f"{fabric.name}: no route {named}{more}{hint}")


@allocating_kernel
def search(representatives: Ints, wires: Wires, falling: Ints, hops: Ints) -> None:
    """Fill `hops[i, v - base]` with the hops from v to endpoint representatives[i].

    They stand as they are for nodes that reach it going down only, negated where the way goes up first; NO_WAY: there is none.
    """
    base, first, _, to, height = wires
    queue = np.empty(len(height), dtype=np.int32)
    for row in range(len(representatives)):
        hop = hops[row]
        hop[:] = NO_WAY
        head, tail = 0, 0
        r = representatives[row]
        if r >= base:
            hop[r - base] = 0
            queue[0] = r
            tail = 1
        else:
            for i in range(first[r], first[r + 1]):
                if to[i] >= base and hop[to[i] - base] == NO_WAY:
                    hop[to[i] - base] = 1
                    queue[tail] = to[i]
                    tail += 1
        while head < tail:
            v = queue[head]
            head += 1
            for i in range(first[v], first[v + 1]):
                u = to[i]
                if u >= base and hop[u - base] == NO_WAY and height[u] >= height[v]:
                    hop[u - base] = hop[v - base] + 1
                    queue[tail] = u
                    tail += 1
        for v in falling:  # all that is higher is settled when its turn comes
            if hop[v - base] != NO_WAY:
                continue
            best = 0
            for i in range(first[v], first[v + 1]):
                u = to[i]
                if u >= base and height[u] > height[v] and hop[u - base] != NO_WAY:
                    way = abs(hop[u - base]) + 1
                    if best == 0 or way < best:
                        best = way
            if best:
                hop[v - base] = -best


@allocating_kernel
def hops_at(v: Any, d: Any, hop: Ints, base: Any) -> np.int32:
    """Signed hops from v to endpoint d, as `search` found them; NO_WAY for endpoints that do not forward."""
    if v == d:
        return np.int32(0)
    return hop[v - base] if v >= base else NO_WAY


@allocating_kernel
def length(s: Any, d: Any, hop: Ints, wires: Wires) -> np.int64:
    """Links from endpoint s to endpoint d by the next hops; -1 where there is no way."""
    base, first, _, to, _ = wires
    if s >= base:
        return np.int64(-1) if hop[s - base] == NO_WAY else np.int64(abs(hop[s - base]))
    best = np.int64(-1)
    for i in range(first[s], first[s + 1]):
        h = hops_at(to[i], d, hop, base)
        if h != NO_WAY and (best < 0 or abs(h) + 1 < best):
            best = np.int64(abs(h) + 1)
    return best


@allocating_kernel
def next_hops(v: Any, d: Any, left: Any, hop: Ints, wires: Wires, out: Ints) -> np.int64:
    """Write to `out` the places in `wires.link` of the links at v that lead to d, `left` links away; returns how many."""
    base, first, _, to, height = wires
    n = np.int64(0)
    free = v < base  # a source that does not forward may leave either way
    rising = not free and hop[v - base] < 0
    for i in range(first[v], first[v + 1]):
        u = to[i]
        h = hops_at(u, d, hop, base)
        if (
            h != NO_WAY
            and abs(h) == left - 1
            and (free or (height[u] > height[v] if rising else height[u] <= height[v] and h >= 0))
        ):
            out[n] = i
            n += 1
    return n
