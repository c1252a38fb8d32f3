"""Two levels: the fast links of a server first, the network between servers with what is left."""

from inspect import signature
from math import lcm
from typing import Annotated

import numpy as np

from collectives import ALGORITHMS
from collectives.algorithm import check_divides, check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import renumbered, side_by_side
from collectives.schedule import Schedule, one_channel
from topologies.errors import InputError
from topologies.params import Count
from topologies.registry import RowOf

#: The algorithm of one level: one that has no parameters which must be given.
Level = Annotated[str, RowOf(ALGORITHMS)]


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def hierarchical(
    collective: Collective, *, server_size: Count = 1, inter: Level = "halving-doubling", local: Level = "ring"
) -> Schedule:
    """Reduce-scatter in each server, `inter` among the ranks of equal slot (all slots at once), all-gather in each server.

    With S = server_size and L = p/S servers: all-reduce: steps 2 (S-1) by local ring, or 2 by `local: direct`, plus those of
    `inter` over L ranks; bytes sent per rank 2 M (S-1)/S plus those of `inter` for M/S. reduce-scatter and all-gather are the
    halves that their names say. p a multiple of S; L must suit `inter`, any algorithm of one channel.
    (Horovod's hierarchical all-reduce.)
    """
    check_op(hierarchical, collective)
    check_divides(hierarchical, collective, server_size=server_size)
    size, op = server_size, collective.op
    rank = np.arange(collective.ranks, dtype=np.int32).reshape(-1, size)
    between = _part("hierarchical: inter", inter, op, len(rank), collective.bytes / size)
    n = between.n_chunks
    inter_rounds = side_by_side(between, rank.T, np.arange(size) * n)
    rounds = []
    if op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        rounds += side_by_side(_part("hierarchical: local", local, Op.REDUCE_SCATTER, size, collective.bytes), rank, 0, n)
    rounds += inter_rounds
    if op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds += side_by_side(_part("hierarchical: local", local, Op.ALL_GATHER, size, collective.bytes), rank, 0, n)
    if op is not Op.ALL_REDUCE and size > 1:
        # slot s of server l owns the chunks (s, l, ·) here, and (l, s, ·) in the numbering of the operation
        number = np.arange(size * n).reshape(len(rank), size, -1).transpose(1, 0, 2).ravel()
        rounds = renumbered(collective, rounds, number, "hierarchical")
    return one_channel(collective, rounds, size * n, "hierarchical")


@performs(Op.ALL_REDUCE)
def reduce_ring_broadcast(collective: Collective, *, server_size: Count = 1, local: Level = "binomial-tree") -> Schedule:
    """Reduce to the first rank of each server, ring all-reduce among those, broadcast in each server (Jia et al. 2018).

    With S = server_size and L = p/S servers, `local` a binomial tree: steps 2 (L-1) + 2 ceil(log2 S); bytes sent per rank at most
    2 M (L-1)/L + M ceil(log2 S), by the first rank of each server. p a multiple of S. `local` is any algorithm of one channel
    that reduces and broadcasts.
    """
    check_op(reduce_ring_broadcast, collective)
    check_divides(reduce_ring_broadcast, collective, server_size=server_size)
    rank = np.arange(collective.ranks, dtype=np.int32).reshape(-1, server_size)
    what = "reduce-ring-broadcast: local"
    reduce, broadcast = (_part(what, local, op, server_size, collective.bytes) for op in (Op.REDUCE, Op.BROADCAST))
    ring = _part(what, "ring", Op.ALL_REDUCE, len(rank), collective.bytes)
    n = lcm(reduce.n_chunks, broadcast.n_chunks, ring.n_chunks)
    rounds = [
        *side_by_side(reduce, rank, 0, n // reduce.n_chunks),
        *side_by_side(ring, rank[:, 0], 0, n // ring.n_chunks),
        *side_by_side(broadcast, rank, 0, n // broadcast.n_chunks),
    ]
    return one_channel(collective, rounds, n, "reduce-ring-broadcast")


def _part(what: str, kind: str, op: Op, ranks: int, nbytes: float) -> Schedule:
    """The schedule of one level, by the kind of its algorithm. Raises InputError that says at which level."""
    collective = Collective(op, ranks, nbytes)
    try:
        algorithm = ALGORITHMS.load(kind)
        if any(p.default is p.empty for p in list(signature(algorithm).parameters.values())[1:]):
            raise InputError(f"{kind}: has parameters that must be given; use one without, like ring or halving-doubling")
        schedule: Schedule = algorithm(collective)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    if len(schedule.channels) != 1:
        raise InputError(f"{what}: {kind} has {len(schedule.channels)} channels; use an algorithm of one")
    return schedule
