"""BlueConnect: an all-reduce factored over the levels of the network."""

from collections.abc import Sequence
from math import prod

import numpy as np

from collectives.algorithm import check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import renumbered, side_by_side
from collectives.ring import ring
from collectives.schedule import Round, Schedule, one_channel
from topologies.errors import InputError
from topologies.params import Count


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def blueconnect(collective: Collective, *, factors: Sequence[Count]) -> Schedule:
    """BlueConnect (Cho et al., MLSys 2019): ring reduce-scatters level by level, then ring all-gathers back. p = Π factors.

    all-reduce: steps 2 Σ (f-1), bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. The first factor is
    the innermost: with [8, 4, 16], groups of 8 neighbouring ranks share M, then 4 such groups M/8, then 16 of those M/32.
    """
    check_op(blueconnect, collective)
    return ring_levels(collective, factors, "blueconnect")


def ring_levels(collective: Collective, factors: Sequence[int], algorithm: str) -> Schedule:
    """Rings along every digit of the rank written in the mixed base `factors`, lowest digit first."""
    p = collective.ranks
    if prod(factors) != p or min(factors, default=1) < 1:
        product = " x ".join(map(str, factors))
        raise InputError(f"{algorithm}: {product} = {prod(factors)}, not the {p} ranks; choose factors of {p}")
    scatter: list[Round] = []
    gather: list[Round] = []
    position = np.zeros(p, dtype=np.int32)  # of the block that a rank is left with
    below = 1
    for factor in factors:
        groups = np.arange(p, dtype=np.int32).reshape(-1, factor, below).transpose(0, 2, 1).reshape(-1, factor)
        below *= factor
        block = p // below
        first = position[groups[:, 0]]
        level = [ring(Collective(op, factor, collective.bytes)) for op in (Op.REDUCE_SCATTER, Op.ALL_GATHER)]
        scatter = scatter + side_by_side(level[0], groups, first, block)
        gather = side_by_side(level[1], groups, first, block) + gather
        position[groups] += np.arange(factor, dtype=np.int32) * block
    rounds = {Op.REDUCE_SCATTER: scatter, Op.ALL_GATHER: gather}.get(collective.op, scatter + gather)
    if collective.op is not Op.ALL_REDUCE and len(factors) > 1:
        rounds = renumbered(collective, rounds, np.argsort(position), algorithm)
    return one_channel(collective, rounds, p, algorithm)
