"""Everyone with everyone: all at once, pair by pair, or in log2 p steps; all-to-all, and what else is done that way."""

import numpy as np
from numpy.typing import NDArray

from collectives.algorithm import check_op, check_rows, performs
from collectives.collective import Collective, Op
from collectives.compose import mirrored
from collectives.schedule import Round, Schedule, one_channel
from topologies.errors import InputError
from topologies.fabric import Ints


@performs(Op.ALL_TO_ALL, Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER, Op.BROADCAST, Op.REDUCE)
def direct(collective: Collective, *, one_shot: bool = False) -> Schedule:
    """Every message straight to where it is wanted, all in one round. Any p.

    all-to-all, reduce-scatter, all-gather: steps 1, bytes sent per rank M (p-1)/p. all-reduce: reduce-scatter, then all-gather:
    steps 2, bytes sent per rank 2 M (p-1)/p; with `one_shot` everyone sends everyone its vector: steps 1, bytes M (p-1).
    broadcast: steps 1, bytes sent by the root M (p-1); reduce: steps 1, M per rank, all into the root.
    """
    check_op(direct, collective)
    op, p = collective.op, collective.ranks
    if one_shot and op is not Op.ALL_REDUCE:
        raise InputError(f"direct: one_shot: only for all-reduce; leave it out for {op.value}")
    other = (collective.root + np.arange(1, p, dtype=np.int32)) % p
    if op is Op.BROADCAST:
        return one_channel(collective, [Round(np.full_like(other, collective.root), other, 0, 1, False)], 1, "direct")
    if op is Op.REDUCE:
        return one_channel(collective, [Round(other, np.full_like(other, collective.root), 0, 1, True)], 1, "direct")
    check_rows("direct", collective, p * (p - 1))
    rank = np.arange(p, dtype=np.int32)
    src = np.tile(rank, p - 1)
    dst = (src + np.repeat(rank[1:], p)) % p
    if one_shot:
        return one_channel(collective, [Round(src, dst, 0, 1, True)], 1, "direct")
    parts = (Op.REDUCE_SCATTER, Op.ALL_GATHER) if op is Op.ALL_REDUCE else (op,)
    rounds = [_blocks(part, p, src, dst) for part in parts]
    return one_channel(collective, rounds, _n_blocks(collective), "direct")


@performs(Op.ALL_TO_ALL, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def pairwise_xor(collective: Collective) -> Schedule:
    """Pairwise exchange: in step k rank r meets r XOR k (p a power of two), or sends to r+k while r-k sends to it (any other p).

    all-to-all, reduce-scatter, all-gather: steps p-1, bytes sent per rank M (p-1)/p.
    """
    check_op(pairwise_xor, collective)
    p = collective.ranks
    check_rows("pairwise-xor", collective, p * (p - 1))
    rank = np.arange(p, dtype=np.int32)
    xor = p & (p - 1) == 0
    rounds = [_blocks(collective.op, p, rank, rank ^ k if xor else (rank + k) % p) for k in range(1, p)]
    return one_channel(collective, rounds, _n_blocks(collective), "pairwise-xor")


@performs(Op.ALL_TO_ALL, Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def bruck(collective: Collective) -> Schedule:
    """Bruck et al. 1997: everything in ceil(log2 p) steps, whatever p; what goes the same way travels together.

    With d = ceil(log2 p): all-to-all: steps d, bytes sent per rank M/p times the one-bits of 0 .. p-1 together (M/2 log2 p for
    powers of two): a block whose way is δ ranks long moves by 2^k in step k for every bit k of δ. all-gather: steps d, bytes
    M (p-1)/p: in step k rank r gives r-2^k what it has. reduce-scatter: the all-gather backwards; all-reduce: both (Träff 2024).
    """
    check_op(bruck, collective)
    op, p = collective.op, collective.ranks
    steps = (p - 1).bit_length()
    if op is Op.ALL_TO_ALL:
        check_rows("bruck", collective, p * p // 2 * steps)
        rounds = [_forwarded(p, k) for k in range(steps)]
        return one_channel(collective, rounds, _n_blocks(collective), "bruck")
    rank = np.arange(p, dtype=np.int32)
    gather = [Round(rank, (rank - (1 << k)) % p, rank, min(1 << k, p - (1 << k)), False) for k in range(steps)]
    rounds = [] if op is Op.ALL_GATHER else mirrored(gather)
    rounds += [] if op is Op.REDUCE_SCATTER else gather
    return one_channel(collective, rounds, p, "bruck")


def _forwarded(p: int, k: int) -> Round:
    """Step k: every rank sends on the blocks (s, s+δ) that it has, those with bit k in δ."""
    way = np.arange(p, dtype=np.int64)
    way = way[way >> k & 1 == 1]
    rank = np.arange(p, dtype=np.int64)[:, None]
    origin = (rank - way % (1 << k)) % p
    chunk = origin * p + (origin + way) % p
    return Round(np.repeat(rank, len(way)), np.repeat((rank + (1 << k)) % p, len(way)), chunk.ravel(), 1, False)


def _blocks(op: Op, p: int, src: Ints, dst: Ints) -> Round:
    """A round in which every src sends dst the block that is meant for it (all-gather: its own block)."""
    chunk: NDArray[np.integer] = {
        Op.ALL_TO_ALL: src.astype(np.int64) * p + dst,
        Op.REDUCE_SCATTER: dst,
        Op.ALL_GATHER: src,
    }[op]
    return Round(src, dst, chunk, 1, op is Op.REDUCE_SCATTER)


def _n_blocks(collective: Collective) -> int:
    return collective.ranks ** (2 if collective.op is Op.ALL_TO_ALL else 1)
