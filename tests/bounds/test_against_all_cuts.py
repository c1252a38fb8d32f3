"""The flow-based bounds equal the maximum over every cut there is, on fabrics of any form; networkx and an LP agree."""

from dataclasses import replace
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from all_cuts import cuts, jobs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from collectives.collective import Collective, Op
from collectives.placement import Placement
from netsim.bounds import Bound, lower_bound
from topologies.fabric import Fabric, frozen

few = settings(max_examples=60, deadline=None)


def bound(fabric: Fabric, ranks: list[int], op: Op, **more: float) -> Bound:
    return lower_bound(fabric, Collective(op, len(ranks), 1.0), Placement(ranks), **more)


def narrowed(fabric: Fabric, factors: list[int]) -> Fabric:
    """The fabric with different capacities in the two directions of its cables."""
    scale = np.resize(factors, fabric.n_links)
    return replace(fabric, capacity=frozen(fabric.capacity * scale, np.float64))


@few
@given(jobs(), st.lists(st.integers(1, 3), min_size=1, max_size=7))
def test_gathers_and_trees_take_the_tightest_cut_of_all(job: tuple[Fabric, list[int]], factors: list[int]) -> None:
    fabric, ranks = narrowed(job[0], factors), job[1]
    n, every = len(ranks), cuts(fabric, ranks)
    expected = {
        Op.ALL_GATHER: max(Fraction(held, n) / out for held, _, out, _ in every),
        Op.REDUCE_SCATTER: max(Fraction(held, n) / into for held, _, _, into in every),
        Op.BROADCAST: max(1 / out for _, root_inside, out, _ in every if root_inside),
        Op.REDUCE: max(1 / into for _, root_inside, _, into in every if root_inside),
    }
    for op, value in expected.items():
        assert bound(fabric, ranks, op).per_byte == pytest.approx(float(value), rel=1e-12), op
    split = max(1 / min(out, into) for _, _, out, into in every)
    assert bound(fabric, ranks, Op.ALL_REDUCE).per_byte >= float(split) * (1 - 1e-12)


@few
@given(jobs())
def test_all_reduce_is_no_more_than_two_gathers_and_exact_when_equal(job: tuple[Fabric, list[int]]) -> None:
    fabric, ranks = job
    found, gather = bound(fabric, ranks, Op.ALL_REDUCE), bound(fabric, ranks, Op.ALL_GATHER)
    assert gather.per_byte == pytest.approx(bound(fabric, ranks, Op.REDUCE_SCATTER).per_byte, rel=1e-12)
    assert found.per_byte <= 2 * gather.per_byte * (1 + 1e-12)
    assert found.exact == (found.per_byte >= 2 * gather.per_byte * (1 - 1e-12))


@few
@given(jobs())
def test_the_links_named_are_a_cut_that_gives_the_bound(job: tuple[Fabric, list[int]]) -> None:
    fabric, ranks = job
    for op in (Op.BROADCAST, Op.REDUCE):
        found = bound(fabric, ranks, op)
        graph = nx.MultiDiGraph()
        graph.add_nodes_from(range(fabric.n_nodes))
        graph.add_edges_from((fabric.src[e], fabric.dst[e]) for e in range(fabric.n_links) if e not in set(found.cut.tolist()))
        ways = nx.descendants(graph if op is Op.BROADCAST else graph.reverse(), ranks[0])
        assert not set(ranks) <= ways | {ranks[0]}, "taking out the cut must part some rank from the root"


@few
@given(jobs())
def test_broadcast_is_edmonds_bound_by_networkx(job: tuple[Fabric, list[int]]) -> None:
    fabric, ranks = job
    graph = nx.DiGraph()
    for a, b, c in zip(fabric.src, fabric.dst, fabric.capacity, strict=True):
        graph.add_edge(int(a), int(b), capacity=graph.get_edge_data(int(a), int(b), {"capacity": 0.0})["capacity"] + c)
    least = min(nx.maximum_flow_value(graph, ranks[0], v) for v in ranks[1:])
    assert bound(fabric, ranks, Op.BROADCAST).per_byte == pytest.approx(1 / least, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(jobs(max_endpoints=5, max_switches=2))
def test_all_to_all_is_no_more_than_what_fractional_routing_reaches(job: tuple[Fabric, list[int]]) -> None:
    fabric, ranks = job
    assert bound(fabric, ranks, Op.ALL_TO_ALL).per_byte <= concurrent_flow_seconds(fabric, ranks) * (1 + 1e-9)


def concurrent_flow_seconds(fabric: Fabric, ranks: list[int]) -> float:
    """Least seconds in which 1/N byte can flow between all pairs of ranks: maximum concurrent flow, by source, as an LP."""
    links, n = fabric.n_links, len(ranks)
    balance, amount = [], []
    for i, source in enumerate(ranks):
        for v in range(fabric.n_nodes):
            row = np.zeros(n * links + 1)
            row[i * links : (i + 1) * links] = (fabric.dst == v).astype(float) - (fabric.src == v)
            balance.append(row)
            amount.append(-(n - 1) / n if v == source else (1 / n if v in ranks else 0.0))
    room = np.hstack([np.tile(np.eye(links), n), -fabric.capacity[:, None]])
    cost = np.r_[np.zeros(n * links), 1.0]
    return float(linprog(cost, A_ub=room, b_ub=np.zeros(links), A_eq=np.array(balance), b_eq=amount).fun)


@few
@given(jobs(), st.floats(0, 3))
def test_latency_is_that_of_the_way_between_ranks_far_apart(job: tuple[Fabric, list[int]], overhead: float) -> None:
    fabric, ranks = job
    graph = nx.Graph()
    for a, b, t in zip(fabric.src, fabric.dst, fabric.latency, strict=True):
        graph.add_edge(int(a), int(b), weight=min(t, graph.get_edge_data(int(a), int(b), {"weight": np.inf})["weight"]))
    away = dict(nx.all_pairs_dijkstra_path_length(graph))
    pairs = [(u, v) for u in ranks for v in ranks if u != v]
    for op in Op:
        found = bound(fabric, ranks, op, overhead=overhead)
        from_root = op in (Op.BROADCAST, Op.REDUCE)
        eccentricity = max(away[u][v] for u, v in pairs if not from_root or u == ranks[0])
        assert found.latency_time <= eccentricity + overhead + 1e-12
        if from_root or nx.is_tree(graph):
            assert found.latency_time == pytest.approx(eccentricity + overhead)
        assert min(away[u][v] for u, v in pairs) + overhead <= found.start + 1e-12
        if from_root:
            assert found.start <= found.latency_time + 1e-12
