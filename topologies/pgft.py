"""Parallel-ports generalised fat-trees: one builder behind `fat-tree`, `leaf-spine` and `clos`.

PGFT(h; m_1..m_h; w_1..w_h; p_1..p_h) (Zahavi 2010): a level-l node has `m_l` children and a level-(l-1) node has `w_l` parents,
with `p_l` parallel cables to each. All positions are arithmetic, so neither building nor routing ever searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.fabric import Fabric, numbered
from topologies.params import check_size


@dataclass(frozen=True)
class Pgft:
    """The shape. Levels 0 (hosts) to h; level-l node number = subtree * prod(w_1..w_l) + tree, as below.

    A level-l node is (x, y): x counts the subtrees of height l (there are prod(m_{l+1}..m_h)), y the switches that share one
    (prod(w_1..w_l)). Its parent number j is (x // m_{l+1}, y + j * prod(w_1..w_l)).
    """

    m: tuple[int, ...]  #: children of a node, level 1 first
    w: tuple[int, ...]  #: parents of a node one level down
    p: tuple[int, ...]  #: parallel cables to each parent
    fill: int  #: hosts present on each leaf; the leaf has m[0] slots

    @property
    def height(self) -> int:
        return len(self.m)

    @cached_property
    def below(self) -> tuple[int, ...]:
        """Host slots under a level-l node: prod(m_1..m_l), for l = 0..h."""
        return tuple(prod(self.m[:level]) for level in range(self.height + 1))

    @cached_property
    def planes(self) -> tuple[int, ...]:
        """Nodes of level l that share a subtree: prod(w_1..w_l), for l = 0..h."""
        return tuple(prod(self.w[:level]) for level in range(self.height + 1))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Nodes at each level, all host slots counted at level 0."""
        return tuple(self.below[-1] // self.below[level] * self.planes[level] for level in range(self.height + 1))

    @property
    def n_hosts(self) -> int:
        return self.counts[0] // self.m[0] * self.fill

    def slot(self, endpoint: Any) -> Any:
        """Host slot of an endpoint (the digit string that d-mod-k reads); the two differ where leaves are partly filled."""
        return endpoint // self.fill * self.m[0] + endpoint % self.fill

    @cached_property
    def first_node(self) -> tuple[int, ...]:
        """Node number of the first node of each level."""
        starts = [0, self.n_hosts]
        for level in range(1, self.height):
            starts.append(starts[-1] + self.counts[level])
        return tuple(starts)

    @cached_property
    def first_cable(self) -> tuple[int, ...]:
        """Cable number of the first cable between level l and level l+1, for l = 0..h-1; then the number of cables."""
        starts = [0]
        for level in range(self.height):
            lower = self.n_hosts if level == 0 else self.counts[level]
            starts.append(starts[-1] + lower * self.w[level] * self.p[level])
        return tuple(starts)

    def cable_ends(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(lower node, upper node) of each cable: lower node by lower node, parallel index running slower than the parent."""
        ends = [self._level_ends(level) for level in range(self.height)]
        low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
        return low, high

    def _level_ends(self, level: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        lower = np.arange(self.n_hosts if level == 0 else self.counts[level], dtype=np.int32)
        planes, width = self.planes[level], self.w[level] * self.p[level]
        position = self.slot(lower) if level == 0 else lower
        parent_x = position // planes // self.m[level]
        parents = parent_x[:, None] * (planes * self.w[level]) + (position % planes)[:, None] + np.arange(self.w[level]) * planes
        upper = np.tile(parents, self.p[level]) + self.first_node[level + 1]
        return np.repeat(lower + self.first_node[level], width), upper.astype(np.int32).ravel()


def pgft_fabric(
    name: str,
    shape: Pgft,
    *,
    capacity: tuple[float, ...],
    latency: float,
    tier_names: tuple[str, ...],
) -> Fabric:
    """The fabric of a shape; `capacity[l]` in bytes/s of the cables between level l and l+1."""
    for letter, values in (("children", shape.m), ("parents", shape.w), ("parallel cables", shape.p)):
        if min(values) < 1:
            raise InputError(f"{name}: {letter} {list(values)}: every level needs at least 1")
    check_size(name, shape.first_cable[-1])
    per_cable = np.repeat(capacity, np.diff(shape.first_cable))
    levels = [shape.n_hosts, *shape.counts[1:]]
    tier = np.repeat(np.arange(len(levels)), levels)
    # group: the tallest subtree below the root level that a node sits in (pod of a three-tier tree, leaf of a two-tier one)
    top = shape.height - 1
    group = [(shape.slot(np.arange(shape.n_hosts)) // shape.below[top])]
    for level in range(1, shape.height + 1):
        x = np.arange(shape.counts[level]) // shape.planes[level]
        group.append(x // (shape.below[top] // shape.below[level]) if level <= top else np.full(shape.counts[level], -1))
    return Fabric.build(
        name,
        shape.n_hosts,
        shape.cable_ends(),
        per_cable,
        latency,
        tier,
        group=np.concatenate(group),
        label_of=numbered(*zip(("h", *tier_names[1:]), levels, strict=True)),
        tier_names=tier_names,
        shape=shape,
        default_router="d-mod-k",
    )
