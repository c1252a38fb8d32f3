"""Halving-doubling: recursive halving, then recursive doubling; the all-reduce that HDRM maps onto a BiGraph."""

import numpy as np

from collectives.collective import Collective, Op
from collectives.schedule import Round, Schedule, one_channel
from topologies.errors import InputError
from topologies.fabric import Ints


def halving_doubling(collective: Collective, *, nearest_first: bool = False) -> Schedule:
    """Halving-doubling all-reduce, reduce-scatter or all-gather for p = 2^d (Thakur, Rabenseifner & Gropp 2005).

    all-reduce: steps 2 log2 p, bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. p a power of two.
    Reduce-scatter partners at distance p/2, p/4 .. 1 exchanging M/2, M/4 .. M/p; all-gather the same backwards. `nearest_first`
    turns the distances around (1 .. p/2, vector halving and distance doubling), which keeps the big messages near: right for
    tapered trees.
    """
    p = collective.ranks
    if p & (p - 1):
        raise InputError(f"halving-doubling: {p} ranks: needs a power of two; use rabenseifner for any count")
    steps = p.bit_length() - 1
    rank = np.arange(p, dtype=np.int32)
    owner = _bit_reversed(rank, steps) if nearest_first else rank  # owner[r]: where rank r's own piece lies in the vector
    halving = []
    for step in range(steps):
        peer = rank ^ (1 << step if nearest_first else p >> (step + 1))
        size = p >> (step + 1)  # the half of what the sender still holds that its peer will own
        halving.append(Round(rank, peer, owner[peer] // size * size, size, True))
    # the way back: every rank sends its partner of that step all that it has, which is what it received on the way there
    doubling = [Round(r.src, r.dst, r.chunk[r.dst], r.n_chunks, False) for r in reversed(halving)]
    if nearest_first and collective.op is not Op.ALL_REDUCE:
        halving, doubling = ([_scattered(r, owner) for r in rounds] for rounds in (halving, doubling))
    rounds = []
    if collective.op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        rounds += halving
    if collective.op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds += doubling
    return one_channel(collective, rounds, p, "halving-doubling")


def _bit_reversed(x: Ints, bits: int) -> Ints:
    out = np.zeros_like(x)
    for bit in range(bits):
        out |= (x >> bit & 1) << (bits - 1 - bit)
    return out


def _scattered(r: Round, owner: Ints) -> Round:
    """The round with chunk c meaning rank c's part, where it meant position c: runs fall apart into single chunks."""
    size = int(r.n_chunks[0])
    inverse = np.argsort(owner).astype(np.int32)
    chunk = inverse[(r.chunk[:, None] + np.arange(size)).ravel()]
    return Round(np.repeat(r.src, size), np.repeat(r.dst, size), chunk, 1, r.reduce[0])
