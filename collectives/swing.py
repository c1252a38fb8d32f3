"""Swing: halving and doubling whose partners swing to either side, so that distances on a ring or torus stay short."""

import numpy as np

from collectives.algorithm import check_op, performs
from collectives.collective import Collective, Op
from collectives.halving_doubling import exchanges, log2_ranks
from collectives.schedule import Schedule
from topologies.fabric import Ints


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def swing(collective: Collective) -> Schedule:
    """Swing all-reduce, reduce-scatter or all-gather for p = 2^d on a ring (De Sensi et al., NSDI 2024).

    all-reduce: steps 2 log2 p, bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. p a power of two.
    In step s rank r meets r + ρ_s (even r) or r - ρ_s (odd r), modulo p, ρ_s = (1 - (-2)^(s+1))/3 = 1, -1, 3, -5 ..: the
    distance |ρ_s| is about 2^(s+1)/3, where halving-doubling has 2^s, and the big messages go to the nearest.
    """
    check_op(swing, collective)
    steps = log2_ranks(collective, "swing")
    rank = np.arange(collective.ranks, dtype=np.int32)
    peers = [_peer(rank, step, collective.ranks) for step in range(steps)]
    return exchanges(collective, peers, _position(rank, steps), "swing")


def _rho(step: int) -> int:
    """1, -1, 3, -5, 11 .."""
    return int((1 - (-2) ** (step + 1)) // 3)


def _peer(rank: Ints, step: int, ranks: int) -> Ints:
    peer: Ints = (rank + np.where(rank % 2, -_rho(step), _rho(step)).astype(np.int32)) % ranks
    return peer


def _position(rank: Ints, steps: int) -> Ints:
    """Where each rank's piece lies so that everything a message carries is one run.

    Who depends on whom after step s is an orbit of the later steps. Two of them in a row shift a rank by a multiple of 2^(s+2),
    so even ranks of one orbit agree modulo 2^(s+2), and an odd rank is in the orbit of the even one it meets in step s+1: bit s+1
    of the even rank splits the orbit in step s. The last step splits even from odd.
    """
    position = (rank & 1) if steps else np.zeros_like(rank)
    for step in range(steps - 1):
        even = np.where(rank % 2, _peer(rank, step + 1, len(rank)), rank)
        position |= (even >> (step + 1) & 1) << (steps - 1 - step)
    return position.astype(np.int32)
