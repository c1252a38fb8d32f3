"""What every algorithm promises: steps, and bytes that the busiest rank sends as a multiple of M. The docstrings say the same."""

from collections.abc import Callable, Iterator
from math import ceil, floor, log2
from typing import Any

from collectives.collective import Op

AR, RS, AG, BC, RD, A2A = (
    Op.ALL_REDUCE,
    Op.REDUCE_SCATTER,
    Op.ALL_GATHER,
    Op.BROADCAST,
    Op.REDUCE,
    Op.ALL_TO_ALL,
)

Promise = tuple[int, float]


def twice(op: Op) -> int:
    """All-reduce is reduce-scatter and all-gather: twice the steps, twice the bytes."""
    return 2 if op is AR else 1


def ring(op: Op, p: int, chunks: int = 1) -> Promise:
    if op in (BC, RD):
        return (p - 2 + chunks, 1) if p > 1 else (0, 0)
    return twice(op) * (p - 1), twice(op) * (p - 1) / p


def rings(op: Op, p: int, channels: int = 2, server_size: int = 1) -> Promise:
    return ring(op, p)


def halving_doubling(op: Op, p: int, nearest_first: bool = False) -> Promise:
    return twice(op) * round(log2(p)), twice(op) * (p - 1) / p


def recursive_doubling(op: Op, p: int) -> Promise:
    if op is AG:
        return halving_doubling(op, p)
    d, fold = floor(log2(p)), p > 2 ** floor(log2(p))
    return d + 2 * fold, d + fold


def rabenseifner(op: Op, p: int) -> Promise:
    power = 2 ** floor(log2(p))
    steps, sent = halving_doubling(op, power)
    return steps + 2 * (p > power), sent + (p > power)


def binomial_tree(op: Op, p: int, chunks: int = 1) -> Promise:
    d = ceil(log2(p))
    if p == 1:
        return 0, 0
    return twice(op) * d - 1 + chunks, 1 if op is RD else d


def double_binary_tree(op: Op, p: int, chunks: int = 1) -> Promise:
    if p == 1:
        return 0, 0
    if op is AR:
        return 2 * floor(log2(p)) - 1 + chunks, {2: 1, 3: 1.5}.get(p, 2)
    return floor(log2(p - 1)) + chunks, 1


def hierarchical(op: Op, p: int, server_size: int, inter: str = "halving-doubling", local: str = "ring") -> Promise:
    steps, sent = PROMISES[inter](op, p // server_size)
    local_steps = {"ring": server_size - 1, "direct": int(server_size > 1), "bruck": ceil(log2(server_size))}[local]
    return twice(op) * local_steps + steps, twice(op) * (server_size - 1) / server_size + sent / server_size


def reduce_ring_broadcast(op: Op, p: int, server_size: int, local: str = "binomial-tree") -> Promise:
    parts = PROMISES["ring"](AR, p // server_size), PROMISES[local](RD, server_size), PROMISES[local](BC, server_size)
    first = parts[0][1] + parts[2][1]  # the root of both local parts: it sends nothing while it reduces
    passes_on = local != "direct" and server_size > 2  # then a rank inside the tree sends M up and at least M down
    return sum(steps for steps, _ in parts), max(first, parts[1][1] + passes_on)


def torus_2d(op: Op, p: int, x: int, y: int) -> Promise:
    return twice(op) * (x - 1 + y - 1), twice(op) * (p - 1) / p


def blueconnect(op: Op, p: int, factors: list[int]) -> Promise:
    return twice(op) * sum(f - 1 for f in factors), twice(op) * (p - 1) / p


def parameter_server(op: Op, p: int, servers: int | None = None) -> Promise:
    s = servers or p
    return (2, (s - 1 + p - 1) / s) if p > 1 else (0, 0)


def direct(op: Op, p: int, one_shot: bool = False) -> Promise:
    if p == 1:
        return 0, 0
    if one_shot or op is BC:
        return 1, p - 1
    return (1, 1) if op is RD else (twice(op), twice(op) * (p - 1) / p)


def pairwise_xor(op: Op, p: int) -> Promise:
    return p - 1, (p - 1) / p


def bruck(op: Op, p: int) -> Promise:
    if op is A2A:
        return ceil(log2(p)), sum(way.bit_count() for way in range(p)) / p
    return twice(op) * ceil(log2(p)), twice(op) * (p - 1) / p


PROMISES: dict[str, Callable[..., Promise]] = {
    "ring": ring,
    "bidirectional-ring": ring,
    "multi-ring": rings,
    "halving-doubling": halving_doubling,
    "recursive-doubling": recursive_doubling,
    "rabenseifner": rabenseifner,
    "swing": halving_doubling,
    "binomial-tree": binomial_tree,
    "double-binary-tree": double_binary_tree,
    "hierarchical": hierarchical,
    "reduce-ring-broadcast": reduce_ring_broadcast,
    "torus-2d": torus_2d,
    "blueconnect": blueconnect,
    "parameter-server": parameter_server,
    "direct": direct,
    "pairwise-xor": pairwise_xor,
    "bruck": bruck,
}


def claimed(kind: str, op: Op, p: int) -> bool:
    """Whether the algorithm says that it does this operation for p ranks."""
    only_powers = kind in ("halving-doubling", "swing") or (kind == "recursive-doubling" and op is AG)
    return not only_powers or p & (p - 1) == 0


def settings(kind: str, op: Op, p: int) -> Iterator[dict[str, Any]]:
    """Parameter sets worth trying: every way to divide p, every kind of level, short and long pipelines."""
    sizes = [s for s in range(1, p + 1) if p % s == 0][slice(None) if p < 20 else slice(1, 4)]
    if kind in ("binomial-tree", "double-binary-tree") or (kind == "ring" and op in (BC, RD)):
        yield from ({"chunks": chunks} for chunks in (1, 2, 7, 40))
    elif kind == "multi-ring":
        yield from ({"channels": channels, "server_size": s} for s in sizes for channels in (1, 3))
    elif kind == "halving-doubling":
        yield from ({"nearest_first": near} for near in (False, True))
    elif kind == "hierarchical":
        for s in sizes:
            inters = {"ring", "bruck", "bidirectional-ring"} | ({"rabenseifner", "double-binary-tree"} if op is AR else set())
            inters |= {"halving-doubling", "swing"} if (p // s).bit_count() == 1 else set()
            yield from ({"server_size": s, "inter": inter} for inter in sorted(inters))
            yield from ({"server_size": s, "inter": "ring", "local": local} for local in ("direct", "bruck"))
    elif kind == "reduce-ring-broadcast":
        yield from ({"server_size": s, "local": local} for s in sizes for local in ("binomial-tree", "ring", "direct"))
    elif kind == "torus-2d":
        yield from ({"x": s, "y": p // s} for s in sizes)
    elif kind == "blueconnect":
        yield from ({"factors": [s, p // s]} for s in sizes)
        yield from ({"factors": [s, t, p // s // t]} for s in sizes[1:3] for t in sizes[1:3] if p % (s * t) == 0)
    elif kind == "parameter-server":
        yield from ({"servers": servers} for servers in (None, *range(1, p + 1, 3)))
    elif kind == "direct" and op is AR:
        yield from ({"one_shot": one_shot} for one_shot in (False, True) if p > 1)
    else:
        yield {}
