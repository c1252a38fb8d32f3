"""Bounds the slow way: every subset of the nodes, exact fractions. For fabrics of a dozen nodes."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import strategies as st

from topologies.fabric import Fabric


def subsets(n_nodes: int) -> Iterator[frozenset[int]]:
    for size in range(1, n_nodes):
        yield from map(frozenset, combinations(range(n_nodes), size))


def leaving(fabric: Fabric, nodes: frozenset[int]) -> Fraction:
    ends = zip(fabric.src.tolist(), fabric.dst.tolist(), fabric.capacity.tolist(), strict=True)
    return sum((Fraction(c) for a, b, c in ends if a in nodes and b not in nodes), Fraction(0))


def cuts(fabric: Fabric, ranks: list[int]) -> list[tuple[int, bool, Fraction, Fraction]]:
    """(ranks inside, whether rank 0 is, capacity out, capacity in) of every set with some but not all ranks inside."""
    everything = frozenset(range(fabric.n_nodes))
    found = []
    for nodes in subsets(fabric.n_nodes):
        held = sum(r in nodes for r in ranks)
        if 0 < held < len(ranks):
            found.append((held, ranks[0] in nodes, leaving(fabric, nodes), leaving(fabric, everything - nodes)))
    return found


@st.composite
def fabrics(draw: st.DrawFn, max_endpoints: int = 6, max_switches: int = 4) -> Fabric:
    """Connected fabrics of any form: a random tree, more cables (some parallel), small whole capacities, any latencies."""
    endpoints = draw(st.integers(2, max_endpoints))
    switches = draw(st.integers(0, max_switches))
    n = endpoints + switches
    order = draw(st.permutations(range(n)))
    cables = [(order[draw(st.integers(0, i - 1))], order[i]) for i in range(1, n)]
    node = st.integers(0, n - 1)
    cables += draw(st.lists(st.tuples(node, node).filter(lambda c: c[0] != c[1]), max_size=n))
    each = {"min_size": len(cables), "max_size": len(cables)}
    return Fabric.build(
        "random",
        endpoints,
        tuple(zip(*cables, strict=True)),
        draw(st.lists(st.integers(1, 4), **each)),
        draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), **each)),
        np.repeat([0, 1], [endpoints, switches]),
    )


@st.composite
def jobs(draw: st.DrawFn, **sizes: int) -> tuple[Fabric, list[int]]:
    """A fabric and the endpoints of two or more ranks on it."""
    fabric = draw(fabrics(**sizes))
    order = draw(st.permutations(range(fabric.n_endpoints)))
    return fabric, order[: draw(st.integers(2, fabric.n_endpoints))]
