"""Rings: neighbours only, every link evenly loaded, the optimum of bandwidth and the maximum of latency."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from collectives.algorithm import check_count, check_divides, check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import mirrored, renumbered, side_by_side
from collectives.pipelined import pipelined
from collectives.schedule import Channel, Round, Schedule, one_channel
from topologies.errors import InputError
from topologies.fabric import Ints
from topologies.params import Count


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER, Op.BROADCAST, Op.REDUCE)
def ring(collective: Collective, *, chunks: Count = 1) -> Schedule:
    """Ring all-reduce, reduce-scatter, all-gather (Patarasuk & Yuan 2009); broadcast and reduce as a chain, pipelined.

    all-reduce: steps 2(p-1), bytes sent per rank 2 M (p-1)/p. reduce-scatter, all-gather: half of both. Any p.
    broadcast, reduce: steps p-2+chunks, bytes sent per rank M; `chunks` is the number of pieces that follow one another along
    the chain from the root (to it), and must stay 1 for the other operations.

    >>> schedule = ring(Collective(Op.ALL_REDUCE, ranks=65_536, bytes=1e9))
    >>> schedule.n_steps, len(schedule.channels[0].rounds)
    (131070, 2)
    """
    check_op(ring, collective)
    check_count(ring, chunks=chunks)
    p = collective.ranks
    rank = np.arange(p, dtype=np.int32)
    if collective.op in (Op.BROADCAST, Op.REDUCE):
        chain = (collective.root + rank) % p
        rounds = pipelined(chain[:-1], chain[1:], rank[:-1], False, chunks)
        return one_channel(collective, mirrored(rounds) if collective.op is Op.REDUCE else rounds, chunks, "ring")
    if chunks != 1:
        raise InputError(
            f"ring: chunks {chunks}: only broadcast and reduce are pipelined; leave it out for {collective.op.value}"
        )
    right = (rank + 1) % p
    rounds = []
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        # chunk c starts at rank c+1 and, after p-1 hops, is complete at its owner, rank c
        rounds.append(Round(rank, right, (rank - 1) % p, 1, True, repeat=p - 1, shift=-1))
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds.append(Round(rank, right, rank, 1, False, repeat=p - 1, shift=-1))
    return one_channel(collective, rounds, p, "ring")


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def bidirectional_ring(collective: Collective) -> Schedule:
    """Two rings in the same rounds, half of the data each: even chunks go right, odd chunks left.

    all-reduce: steps 2(p-1), bytes sent per rank 2 M (p-1)/p, half of them each way. reduce-scatter, all-gather: half of both.
    Any p. Twice as fast as `ring` where both neighbours have links of their own (a torus, NVLink without a switch).
    """
    check_op(bidirectional_ring, collective)
    p = collective.ranks
    rank = np.arange(p, dtype=np.int32)
    src = np.concatenate([rank, rank])
    dst = np.concatenate([(rank + 1) % p, (rank - 1) % p])
    way = np.repeat(np.array([1, -1], dtype=np.int32), p)
    odd = np.repeat(np.array([0, 1], dtype=np.int32), p)
    rounds = []
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER):
        rounds.append(Round(src, dst, 2 * ((src - way) % p) + odd, 1, True, repeat=p - 1, shift=-2 * way))
    if p > 1 and collective.op in (Op.ALL_REDUCE, Op.ALL_GATHER):
        rounds.append(Round(src, dst, 2 * src + odd, 1, False, repeat=p - 1, shift=-2 * way))
    return one_channel(collective, rounds, 2 * p, "bidirectional-ring")


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def multi_ring(collective: Collective, *, channels: Annotated[int, Ge(1), Le(1024)] = 2, server_size: Count = 1) -> Schedule:
    """Several rings side by side, one per channel, each with an equal part of the data and an order of its own.

    all-reduce: steps 2(p-1), bytes sent per rank 2 M (p-1)/p over all channels. reduce-scatter, all-gather: half of both. p a
    multiple of `server_size`. Every ring goes server by server. Ring c enters even servers at slot c and leaves them at slot
    c-1 (modulo server_size), odd servers the other way round: a hop between servers stays on one rail, and `server_size` rings
    use every NIC once in each direction. (An odd number of servers leaves the hop that closes the ring to cross the rails.)
    """
    check_op(multi_ring, collective)
    check_count(multi_ring, channels=channels)
    check_divides(multi_ring, collective, server_size=server_size)
    p = collective.ranks
    basic = ring(collective)
    parts = []
    for channel in range(channels):
        order = _server_by_server(p, server_size, channel)
        rounds = side_by_side(basic, order)
        if collective.op is not Op.ALL_REDUCE and server_size > 1:
            rounds = renumbered(collective, rounds, order, "multi-ring")
        parts.append(Channel(tuple(rounds), p))
    return Schedule(collective, tuple(parts), "multi-ring")


def _server_by_server(ranks: int, server_size: int, entry: int) -> Ints:
    """The ranks in the order of ring `entry`: through even servers from slot `entry` upwards, through odd ones downwards."""
    slots = ((np.arange(server_size) + entry) % server_size)[None, :]
    server = np.arange(ranks // server_size)[:, None]
    return (server * server_size + np.where(server % 2, slots[:, ::-1], slots)).ravel().astype(np.int32)
