"""Recursive doubling: the whole vector to a partner twice as far each step; the fewest steps, for small sizes."""

import numpy as np

from collectives.algorithm import check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import folded
from collectives.halving_doubling import halving_doubling, log2_ranks
from collectives.schedule import Round, Schedule, one_channel


@performs(Op.ALL_REDUCE, Op.ALL_GATHER)
def recursive_doubling(collective: Collective) -> Schedule:
    """Recursive doubling: the whole vector to a partner twice as far in each step (Thakur, Rabenseifner & Gropp 2005).

    all-reduce, any p: with p' = 2^floor(log2 p), steps log2 p', plus 2 where p > p' (the others fold onto a neighbour); bytes
    sent per rank M log2 p', plus M for who has another folded onto it. all-gather, p a power of two: steps log2 p, bytes sent per
    rank M (p-1)/p.
    """
    check_op(recursive_doubling, collective)
    if collective.op is Op.ALL_GATHER:
        log2_ranks(collective, "recursive-doubling")  # bruck does any count
        doubling = halving_doubling(collective)
        return Schedule(collective, doubling.channels, "recursive-doubling")
    steps = collective.ranks.bit_length() - 1
    rank = np.arange(1 << steps, dtype=np.int32)
    core = Collective(Op.ALL_REDUCE, len(rank), collective.bytes)
    doubling = one_channel(core, [Round(rank, rank ^ (1 << step), 0, 1, True) for step in range(steps)], 1)
    return one_channel(collective, folded(doubling, collective.ranks), 1, "recursive-doubling")
