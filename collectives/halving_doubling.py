"""Halving-doubling: recursive halving, then recursive doubling; the all-reduce that HDRM maps onto a BiGraph."""

from collections.abc import Sequence

import numpy as np

from collectives.algorithm import check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import renumbered
from collectives.schedule import Round, Schedule, one_channel
from topologies.errors import InputError
from topologies.fabric import Ints


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def halving_doubling(collective: Collective, *, nearest_first: bool = False) -> Schedule:
    """Halving-doubling all-reduce, reduce-scatter or all-gather for p = 2^d (Thakur, Rabenseifner & Gropp 2005).

    all-reduce: steps 2 log2 p, bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. p a power of two.
    Reduce-scatter partners at distance p/2, p/4 .. 1 exchanging M/2, M/4 .. M/p; all-gather the same backwards. `nearest_first`
    turns the distances around (1 .. p/2, vector halving and distance doubling), which keeps the big messages near: right for
    tapered trees.

    >>> halving_doubling(Collective(Op.ALL_REDUCE, ranks=8, bytes=8.0)).n_steps
    6
    """
    check_op(halving_doubling, collective)
    steps = log2_ranks(collective, "halving-doubling")
    rank = np.arange(collective.ranks, dtype=np.int32)
    distances = [1 << step if nearest_first else collective.ranks >> (step + 1) for step in range(steps)]
    position = _bit_reversed(rank, steps) if nearest_first else rank
    return exchanges(collective, [rank ^ distance for distance in distances], position, "halving-doubling")


def log2_ranks(collective: Collective, algorithm: str) -> int:
    """log2 p. Raises InputError where p is no power of two."""
    p = collective.ranks
    if p & (p - 1):
        any_count = "rabenseifner" if collective.op is Op.ALL_REDUCE else "bruck"
        raise InputError(f"{algorithm}: {p} ranks: needs a power of two; use {any_count} or ring for any count")
    return p.bit_length() - 1


def exchanges(collective: Collective, peers: Sequence[Ints], position: Ints, algorithm: str) -> Schedule:
    """Halving, doubling or both for p = 2^d, by any pairing that reaches everyone: `peers[s][r]` is rank r's partner in step s.

    `position[r]` is where rank r's own piece lies in the vector, such that ranks that still depend on one another after step s
    lie side by side in an aligned block of p/2^(s+1).
    """
    p = collective.ranks
    rank = np.arange(p, dtype=np.int32)
    halving = []
    for step, peer in enumerate(peers):
        size = p >> (step + 1)  # the half of what the sender still holds that its peer will own
        halving.append(Round(rank, peer, position[peer] // size * size, size, True))
    # the way back: every rank sends its partner of that step all that it has, which is what it received on the way there
    doubling = [Round(r.src, r.dst, r.chunk[r.dst], r.n_chunks[0], False) for r in reversed(halving)]
    rounds = []
    if collective.op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        rounds += halving
    if collective.op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds += doubling
    if collective.op is not Op.ALL_REDUCE and not np.array_equal(position, rank):
        rounds = renumbered(collective, rounds, np.argsort(position), algorithm)
    return one_channel(collective, rounds, p, algorithm)


def _bit_reversed(x: Ints, bits: int) -> Ints:
    out = np.zeros_like(x)
    for bit in range(bits):
        out |= (x >> bit & 1) << (bits - 1 - bit)
    return out
