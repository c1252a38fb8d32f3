"""HDRM: the rank map under which halving-doubling never meets itself on a BiGraph."""

from __future__ import annotations

import numpy as np

from collectives.placement import Placement, room
from topologies.bigraph import BiGraph
from topologies.errors import InputError
from topologies.fabric import Fabric, Ints, frozen
from topologies.server import ServerShape


def hdrm(fabric: Fabric, ranks: int, free: Ints | None = None) -> Placement:
    """Ranks of even parity on upper switches, of odd parity on lower ones, the upper list turned by one from slot to slot.

    On BiGraph(m, n, t) with p = m·n ranks, n and m powers of two, rank r = j·n + 2i + b (slot j, 0 ≤ i < n/2, b a bit) sits in
    slot j of upper switch (i + j) mod n/2 if r has an even number of ones, else of lower switch i.

    Every exchange r ↔ r xor 2^k changes the parity, so it takes the direct cables between an upper switch a and a lower switch b;
    b gives i, a and i give j modulo n/2, so at most ⌈m / (n/2)⌉ pairs meet there: one per cable where m ≤ t·n/2.
    Fewer ranks, or switches and slots that are no powers of two, use the BiGraph(p/n', n', t) inside, n' the largest power of two
    ≤ n and p. Works for GPUs with a NIC each on a BiGraph. Beside other jobs: the first switches of each part with
    enough free hosts, the free hosts of a switch as its slots; which switches and hosts these are changes no count above.

    Source: Dong et al., "EFLOPS", HPCA 2020, in the form of its public re-implementations.
    Raises InputError on other fabrics, for rank counts that are no power of two, and where more than one pair would meet.

    >>> from topologies.bigraph import bigraph
    >>> hdrm(bigraph(m=2, n=4), 8).endpoint.tolist()
    [0, 4, 6, 2, 5, 3, 1, 7]
    """
    shape = _shape(fabric)
    endpoints = room(fabric, ranks, free)
    if ranks < 1 or ranks & (ranks - 1):
        raise InputError(
            f"hdrm: {ranks} ranks: needs a power of two; on {fabric.name} up to {1 << shape.n_hosts.bit_length() - 1}"
        )
    n = 1 << min(ranks, shape.n).bit_length() - 1
    half, slots = max(n // 2, 1), max(ranks // n, 1)
    if slots > shape.m:
        raise InputError(
            f"hdrm: {ranks} ranks: need {slots} hosts on each of {n} switches, {fabric.name} has {shape.m}; use fewer"
        )
    if slots > shape.t * half:
        needed = -(-slots // half)
        raise InputError(
            f"hdrm: {ranks} ranks on {fabric.name}: {slots} hosts per switch are more than t·n/2 = {shape.t * half}; "
            f"needs t={needed} cables"
        )
    rank = np.arange(ranks)
    j, i = rank // n, rank % n // 2
    upper = np.bitwise_count(rank) % 2 == 0
    host = _slots(shape, endpoints, half, slots)
    return Placement(host[np.where(upper, (i + j) % half, half + i), j], "hdrm")


def _slots(shape: BiGraph, endpoints: Ints, half: int, slots: int) -> Ints:
    """The first `slots` of these endpoints on each of `half` upper and `half` lower switches: int32[2·half, slots]."""
    per_switch = np.bincount(shape.switch(endpoints), minlength=shape.n)
    usable = np.flatnonzero(per_switch >= slots)
    upper, lower = usable[usable < shape.half], usable[usable >= shape.half]
    if len(upper) < half or len(lower) < half:
        raise InputError(
            f"hdrm: {2 * half * slots} ranks: need {slots} free hosts on {half} upper and {half} lower switches; "
            f"{len(upper)} and {len(lower)} have them"
        )
    first = np.cumsum(per_switch) - per_switch
    chosen = np.r_[upper[:half], lower[:half]]
    return frozen(endpoints[first[chosen][:, None] + np.arange(slots)], np.int32)


def _shape(fabric: Fabric) -> BiGraph:
    shape = fabric.shape
    if isinstance(shape, ServerShape):
        if shape.gpus != shape.nics:
            raise InputError(f"hdrm: {fabric.name}: needs one NIC per GPU, as in EFLOPS")
        shape = shape.network.shape
    if not isinstance(shape, BiGraph):
        raise InputError(f"hdrm: {fabric.name} is no bigraph; choose fabric kind bigraph or another placement")
    return shape
