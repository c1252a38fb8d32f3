"""Single paths on any graph: at every hop one of the next hops, by a digit of the destination or source, or by a hash."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Ints
from topologies.jit import allocating_kernel
from topologies.paths import Paths
from topologies.routing.candidates import Candidates, Wires, length, next_hops, unroutable
from topologies.routing.levels import Digits, digits
from topologies.routing.pgft import HASH, S_MOD_K, at_switch, flow_header

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class GraphRouter:
    """One path per flow over any fabric. `rule` as in topologies.routing.pgft, whose closed forms this equals on intact trees.

    A node with n next hops, links in ascending order, takes number (x // divisor) mod n, x being the destination's (source's)
    number: see topologies.routing.levels. With HASH the n-th is the switch's hash of the flow.
    """

    fabric: Fabric
    rule: int
    height: Ints | None = None
    seed: int = 0
    polarised: bool = False

    @cached_property
    def candidates(self) -> Candidates:
        return Candidates(self.fabric, self.height)

    @cached_property
    def digits(self) -> Digits:
        return digits(self.fabric)

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        wires = self.candidates.wires
        x = self.digits.number[src if self.rule == S_MOD_K else dst]
        lengths = np.empty(len(src), dtype=np.int64)
        order, parts = [], []
        for flows, hops, row in self.candidates.batches(dst):
            s, d = src[flows], dst[flows]
            offsets = _offsets(s, d, hops, row, wires)
            links = np.empty(offsets[-1], dtype=np.int32)
            lengths[flows] = np.diff(offsets)
            choice = (self.rule, self.seed, self.polarised)
            _walk(s, d, key[flows], x[flows], hops, row, wires, self.digits[1:], choice, offsets, links)
            order.append(flows)
            parts.append(links)
        if (lengths == 0).any():
            lost = lengths == 0
            hint = " by going up and then down; min-hop takes any way" if self.height is not None else ""
            raise unroutable(self.fabric, src[lost], dst[lost], hint)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        return Paths.single(self.fabric, offsets, in_order(order, parts, offsets))


def in_order(order: list[NDArray[np.int64]], parts: list[NDArray[T]], offsets: NDArray[np.int64]) -> NDArray[T]:
    """Rows that came in batches, put back in the order of the flows; `offsets` are those of the whole."""
    if len(parts) == 1:
        return parts[0]
    flows = np.concatenate(order)
    sizes = np.diff(offsets)[flows]
    came = np.concatenate(parts)
    out = np.empty_like(came)
    within = np.arange(len(came)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    out[np.repeat(offsets[flows], sizes) + within] = came
    return out


@allocating_kernel
def _offsets(src: Ints, dst: Ints, hops: Ints, row: NDArray[np.int64], wires: Wires) -> NDArray[np.int64]:
    """Row offsets of the paths; empty rows for flows that have none."""
    offsets = np.zeros(len(src) + 1, dtype=np.int64)
    for i in range(len(src)):
        offsets[i + 1] = offsets[i] + max(0, length(src[i], dst[i], hops[row[i]], wires))
    return offsets


@allocating_kernel
def _walk(
    src: Ints,
    dst: Ints,
    key: Ints,
    x: NDArray[np.int64],
    hops: Ints,
    row: NDArray[np.int64],
    wires: Wires,
    digit: tuple[Ints, Ints],
    choice: tuple[int, int, bool],
    offsets: NDArray[np.int64],
    links: Ints,
) -> None:
    """Write the links of each path, hop by hop."""
    rule, seed, polarised = choice
    divisor, neighbours = digit
    out = np.empty(len(wires.to), dtype=np.int32)
    for i in range(len(src)):
        v = src[i]
        header = flow_header(src[i], dst[i], key[i], seed)
        for at in range(offsets[i], offsets[i + 1]):
            n = next_hops(v, dst[i], offsets[i + 1] - at, hops[row[i]], wires, out)
            k = np.int64(0)
            if n > 1 and rule == HASH:
                k = at_switch(header, v, n, polarised)
            elif n > 1:
                digits_left = x[i] // divisor[v]
                if neighbours[v] > 1 and _one_bundle(out[:n], wires.to):
                    digits_left //= neighbours[v]
                k = digits_left % n
            links[at] = wires.link[out[k]]
            v = wires.to[out[k]]


@allocating_kernel
def _one_bundle(places: Ints, to: Ints) -> bool:
    """Whether these links all go to one node."""
    for place in places:  # noqa: SIM110 - numba compiles the loop, not the generator
        if to[place] != to[places[0]]:
            return False
    return True
