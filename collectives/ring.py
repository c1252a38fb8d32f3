"""Ring: neighbours only, every link evenly loaded, the optimum of bandwidth and the maximum of latency."""

import numpy as np

from collectives.collective import Collective, Op
from collectives.schedule import Round, Schedule, one_channel


def ring(collective: Collective) -> Schedule:
    """Ring all-reduce, reduce-scatter or all-gather (Patarasuk & Yuan 2009).

    all-reduce: steps 2(p-1), bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. Any p.
    """
    p = collective.ranks
    rank = np.arange(p, dtype=np.int32)
    right = (rank + 1) % p
    rounds = []
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        # chunk c starts at rank c+1 and, after p-1 hops, is complete at its owner, rank c
        rounds.append(Round(rank, right, (rank - 1) % p, 1, True, repeat=p - 1, shift=-1))
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds.append(Round(rank, right, rank, 1, False, repeat=p - 1, shift=-1))
    return one_channel(collective, rounds, p, "ring")
