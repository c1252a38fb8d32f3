"""Rabenseifner's all-reduce: halving-doubling for any number of ranks."""

from collectives.algorithm import check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import folded
from collectives.halving_doubling import halving_doubling
from collectives.schedule import Schedule, one_channel


@performs(Op.ALL_REDUCE)
def rabenseifner(collective: Collective) -> Schedule:
    """Rabenseifner's all-reduce, any p (Thakur, Rabenseifner & Gropp 2005).

    With p' = 2^floor(log2 p): steps 2 log2 p', plus 2 where p > p'; bytes sent per rank 2 M (p'-1)/p', plus M for who has another
    folded onto it. The first p-p' even ranks give their vectors to their right neighbours and get the sum back at the end.
    """
    check_op(rabenseifner, collective)
    power = 1 << (collective.ranks.bit_length() - 1)
    core = halving_doubling(Collective(Op.ALL_REDUCE, power, collective.bytes))
    return one_channel(collective, folded(core, collective.ranks), power, "rabenseifner")
