"""Trees: few steps for small sizes; pipelined, also the full bandwidth for large ones."""

import numpy as np

from collectives.algorithm import check_count, check_op, performs
from collectives.collective import Collective, Op
from collectives.compose import mirrored
from collectives.pipelined import pipelined, up_and_down
from collectives.schedule import Round, Schedule, one_channel
from topologies.fabric import Ints
from topologies.params import Count


@performs(Op.ALL_REDUCE, Op.BROADCAST, Op.REDUCE)
def binomial_tree(collective: Collective, *, chunks: Count = 1) -> Schedule:
    """Binomial tree; all-reduce is reduce to the root, then broadcast. Any p; `chunks` pieces follow one another.

    With d = ceil(log2 p): broadcast, reduce: steps d-1+chunks; all-reduce: 2d-1+chunks. Bytes sent per rank: the root of a
    broadcast or all-reduce d M, everyone in a reduce M. Counting ranks from the root, v hears from v with its lowest one-bit
    cleared: the farthest first, near ones last.
    """
    check_op(binomial_tree, collective)
    check_count(binomial_tree, chunks=chunks)
    p = collective.ranks
    child = np.arange(1, p, dtype=np.int32)
    start = (p - 1).bit_length() - 1 - _log2(child & -child)
    parent = child & (child - 1)
    rounds = _along(collective.op, (collective.root + parent) % p, (collective.root + child) % p, start, chunks, 0)
    return one_channel(collective, rounds, chunks, "binomial-tree")


@performs(Op.ALL_REDUCE, Op.BROADCAST, Op.REDUCE)
def double_binary_tree(collective: Collective, *, chunks: Count = 1) -> Schedule:
    """Two binary trees with half of the data each, every rank a leaf of at least one (Sanders, Speck & Träff 2009). Any p.

    broadcast, reduce: steps D+chunks with D = floor(log2(p-1)); bytes sent per rank at most M. all-reduce: steps 2D-1+chunks with
    D = floor(log2 p); bytes sent per rank at most 2 M. (No steps for one rank.) `chunks` is the number of pieces per tree that
    follow one another. The root of a broadcast or reduce stands above both trees; an all-reduce has the two roots it finds.
    """
    check_op(double_binary_tree, collective)
    check_count(double_binary_tree, chunks=chunks)
    p, root = collective.ranks, collective.root
    rank = np.arange(p, dtype=np.int32)
    if collective.op is not Op.ALL_REDUCE:
        rank = ((rank + root + 1) % p)[:-1]  # the trees are over the others
    n = len(rank)
    label = np.arange(1, n + 1, dtype=np.int32)
    trees = []
    # the second tree must have its leaves, the odd labels, where the first has its inner nodes: mirrored, or shifted by one
    for twin in (label, n + 1 - label if n % 2 == 0 else (label - 2) % n + 1):
        who = np.full(n + 1, root, dtype=np.int32)
        who[twin] = rank
        parent, depth = _in_order_tree(n)
        edge = label if collective.op is not Op.ALL_REDUCE else label[parent > 0]
        trees.append((who[parent[edge - 1]], who[edge], depth[edge - 1] - (collective.op is Op.ALL_REDUCE)))
    parent, child, start = (np.concatenate(part) for part in zip(*trees, strict=True))
    first = np.repeat(np.array([0, chunks], dtype=np.int32), len(parent) // 2)
    return one_channel(collective, _along(collective.op, parent, child, start, chunks, first), 2 * chunks, "double-binary-tree")


def _along(op: Op, parent: Ints, child: Ints, start: Ints, chunks: int, first_chunk: Ints | int) -> list[Round]:
    if not len(parent):
        return []
    if op is Op.ALL_REDUCE:
        return up_and_down(parent, child, start, chunks, first_chunk)
    down = pipelined(parent, child, start, False, chunks, first_chunk)
    return down if op is Op.BROADCAST else mirrored(down)


def _in_order_tree(n: int) -> tuple[Ints, Ints]:
    """The binary tree that visits 1 .. n in order with all odd labels as leaves: parent (0 for the top) and depth of each label.

    A label's height is its number of trailing zeros; a parent beyond n is stepped over.

    >>> [a.tolist() for a in _in_order_tree(6)]
    [[2, 4, 2, 0, 6, 4], [2, 1, 2, 0, 2, 1]]
    """
    label = np.arange(1, n + 1, dtype=np.int32)
    low = label & -label
    above = (label ^ low) | (low << 1)
    parent = np.where(above <= n, above, label ^ low).astype(np.int32)
    depth = np.zeros(n, dtype=np.int32)
    at = parent
    while at.any():
        depth += at > 0
        at = np.where(at > 0, parent[at - 1], 0)
    return parent, depth


def _log2(powers: Ints) -> Ints:
    """log2 of powers of two, exactly."""
    return (np.frexp(powers.astype(np.float64))[1] - 1).astype(np.int32)
