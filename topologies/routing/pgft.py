"""Closed-form routes on PGFTs: up by a rule, down the only way. The rules: d-mod-k, s-mod-k, a hash at each hop.

D-mod-k (Zahavi 2010; SimGrid's FatTreeZone): at level l towards host d take up port
floor(d / prod(w_1..w_l)) mod (w_{l+1} p_{l+1}), port q being parent q mod w over parallel cable q div w. Downwards the tree
is fixed and the parallel cable follows the same digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel
from topologies.paths import Paths
from topologies.pgft import Pgft

D_MOD_K, S_MOD_K, HASH = 0, 1, 2


@dataclass(frozen=True)
class PgftRouter:
    """Single-path routes on an intact PGFT."""

    fabric: Fabric
    rule: int
    seed: int = 0
    polarised: bool = False

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: Pgft = self.fabric.shape
        params = parameters(shape)
        offsets = path_offsets(src, dst, params, shape.fill)
        links = np.empty(offsets[-1], dtype=np.int32)
        first_node = np.array(shape.first_node, dtype=np.int64)
        _fill(src, dst, key, params, first_node, shape.fill, self.rule, self.seed, self.polarised, offsets, links)
        return Paths.single(self.fabric, offsets, links)


def parameters(shape: Pgft) -> NDArray[np.int64]:
    """What the kernels read of a shape, level by level: rows m, w, p, below, planes, first_cable."""
    return np.array([shape.m, shape.w, shape.p, shape.below[:-1], shape.planes[:-1], shape.first_cable[:-1]], dtype=np.int64)


@allocating_kernel
def mix(x: Any) -> np.uint64:
    """splitmix64's finaliser: a 64-bit hash whose every output bit depends on every input bit (Steele et al. 2014)."""
    h: np.uint64 = np.uint64(x)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@allocating_kernel
def flow_header(src: Any, dst: Any, key: Any, seed: Any) -> np.uint64:
    """The fields that switches hash, boiled down to 64 bits once for each flow."""
    h: np.uint64 = mix(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
    h = mix(h ^ (np.uint64(src) << np.uint64(32) | np.uint64(dst)))
    return h ^ (np.uint64(key) << np.uint64(32))


@allocating_kernel
def at_switch(header: np.uint64, node: Any, n: Any, polarised: bool) -> np.int64:
    """Which of n equal next hops the switch `node` hashes a flow to; polarised: every switch computes the same hash."""
    salt = np.uint64(0 if polarised else 1 + node)
    return np.int64(mix(header ^ salt * np.uint64(0xD1342543DE82EF95)) % np.uint64(n))


@allocating_kernel
def path_offsets(src: Ints, dst: Ints, params: NDArray[np.int64], fill: int) -> NDArray[np.int64]:
    """Row offsets of the paths: two links for each level up to the nearest common one."""
    below, slots = params[3], params[0, 0]
    offsets = np.zeros(len(src) + 1, dtype=np.int64)
    for i in range(len(src)):
        s = src[i] // fill * slots + src[i] % fill
        d = dst[i] // fill * slots + dst[i] % fill
        level = 0
        while level < len(below) and s // below[level] != d // below[level]:
            level += 1
        offsets[i + 1] = offsets[i] + 2 * level
    return offsets


@allocating_kernel
def _fill(
    src: Ints,
    dst: Ints,
    key: Ints,
    params: NDArray[np.int64],
    first_node: NDArray[np.int64],
    fill: int,
    rule: int,
    seed: int,
    polarised: bool,
    offsets: NDArray[np.int64],
    links: Ints,
) -> None:
    """Write the links of each path: upwards from the source into the front of the row, downwards into its back."""
    m, w, p, below, planes, first_cable = params
    for i in range(len(src)):
        s = src[i] // fill * m[0] + src[i] % fill
        d = dst[i] // fill * m[0] + dst[i] % fill
        top = (offsets[i + 1] - offsets[i]) // 2
        header = flow_header(src[i], dst[i], key[i], seed) if rule == HASH else np.uint64(0)
        y = 0  # which of the planes of its subtree the current node is; digits are chosen on the way up
        for level in range(top):
            width = w[level] * p[level]
            up = src[i] if level == 0 else s // below[level] * planes[level] + y
            if width == 1:
                q = np.int64(0)
            elif rule == D_MOD_K:
                q = d // planes[level] % width
            elif rule == S_MOD_K:
                q = s // planes[level] % width
            else:
                q = at_switch(header, first_node[level] + up, width, polarised)
            links[offsets[i] + level] = 2 * (first_cable[level] + up * width + q)
            # Down again in the same plane. The parallel cable is the digit of d, or the upper switch's own hash.
            parent = q % w[level]
            if rule == HASH and p[level] > 1:
                x = 0 if level + 1 == len(below) else d // below[level + 1]
                upper = first_node[level + 1] + (x * w[level] + parent) * planes[level] + y
                q = parent + w[level] * at_switch(header, upper, p[level], polarised)
            down = dst[i] if level == 0 else d // below[level] * planes[level] + y
            links[offsets[i + 1] - 1 - level] = 2 * (first_cable[level] + down * width + q) + 1
            y += parent * planes[level]
