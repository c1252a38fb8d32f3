"""What every router must do on every fabric, whole or with cables missing."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from route_oracles import all_pairs, between, some_pairs, split_by_hop, walk

from topologies.bigraph import bigraph
from topologies.clos import clos, leaf_spine
from topologies.dragonfly import dragonfly
from topologies.errors import InputError, Unroutable
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.ring import ring
from topologies.routing import candidates, router
from topologies.torus import mesh, torus


def irregular() -> Fabric:
    """Twelve switches joined at random, 3 cables each, some doubled; 20 endpoints, every fourth on two switches."""
    edges = np.array(nx.random_regular_graph(3, 12, seed=5).edges, dtype=int)
    hosts, second = np.arange(20), np.arange(0, 20, 4)
    ends = np.concatenate([np.c_[hosts, 20 + hosts % 12], np.c_[second, 20 + (second + 5) % 12], 20 + edges, 20 + edges[::4]])
    latency = 1e-7 * (1 + np.arange(len(ends)) % 3)
    return Fabric.build("irregular", 20, (ends[:, 0], ends[:, 1]), 50e9, latency, np.repeat([0, 1], [20, 12]))


WHOLE = {
    "fat-tree": fat_tree(k=4),
    "clos": clos(children=[3, 2, 2], parents=[2, 2, 2], cables=[1, 2, 1]),
    "part-filled": leaf_spine(leaves=4, hosts_per_leaf=6, spines=3, cables=2, fill=5),
    "bigraph": bigraph(m=3, n=6, t=2),
    "torus": torus(dims=[4, 3, 2]),
    "mesh": mesh(dims=[3, 4]),
    "ring": ring(n=7),
    "dragonfly": dragonfly(routers_per_group=4, hosts_per_router=1, global_links=2, groups=5),
    "irregular": irregular(),
}
FAULTED = {f"{name} less 2": f.without([f.n_cables - 1, f.n_cables - 5]) for name, f in WHOLE.items() if name != "ring"}
FABRICS = {**WHOLE, **FAULTED}
GENERAL = ["d-mod-k", "s-mod-k", "ecmp", "min-hop", "up-down"]
CASES = [(f, r) for f in FABRICS for r in GENERAL]
CASES += [(f, "dimension-order") for f in ("torus", "mesh", "ring")] + [("dragonfly", "minimal"), ("dragonfly", "valiant")]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_paths_lead_from_source_to_destination_by_the_shortest_way(name: str, kind: str) -> None:
    fabric = FABRICS[name]
    src, dst, key = some_pairs(fabric.n_endpoints, 120)
    paths = router(fabric, kind).paths(src, dst, key).unbundled()
    for i, (s, d) in enumerate(zip(src.tolist(), dst.tolist(), strict=True)):
        hops = len(walk(fabric, paths.row(i), s, d)) - 1
        assert paths.latency[i] == pytest.approx(fabric.latency[paths.row(i)].sum())
        if kind not in ("up-down", "valiant", "minimal"):  # which claim legal, spread, and one global cable
            assert hops == nx.shortest_path_length(between(fabric, s, d), s, d)


@pytest.mark.parametrize("name", FABRICS)
def test_spray_splits_evenly_at_every_hop(name: str) -> None:
    fabric = FABRICS[name]
    src, dst, key = some_pairs(fabric.n_endpoints, 40)
    paths = router(fabric, "spray").paths(src, dst, key).unbundled()
    assert paths.use is not None
    for i, (s, d) in enumerate(zip(src.tolist(), dst.tolist(), strict=True)):
        at = slice(paths.offsets[i], paths.offsets[i + 1])
        use = dict(zip(paths.links[at].tolist(), paths.use[at].tolist(), strict=True))
        assert use == pytest.approx(split_by_hop(fabric, s, d))
        surplus = np.zeros(fabric.n_nodes)
        np.add.at(surplus, fabric.src[paths.links[at]], paths.use[at])
        np.subtract.at(surplus, fabric.dst[paths.links[at]], paths.use[at])
        surplus[[s, d]] -= 1, -1
        np.testing.assert_allclose(surplus, 0, atol=1e-12)
        ways = nx.all_shortest_paths(between(fabric, s, d), s, d)
        slowest = max(sum(_slowest(fabric, a, b) for a, b in pairwise(way)) for way in ways)
        assert paths.latency[i] == pytest.approx(slowest)


def _slowest(fabric: Fabric, a: int, b: int) -> float:
    return float(fabric.latency[(fabric.src == a) & (fabric.dst == b)].max())


@pytest.mark.parametrize("name", FABRICS)
@pytest.mark.parametrize("kind", ["min-hop", "up-down", "d-mod-k"])
def test_routes_by_destination_make_one_table(name: str, kind: str) -> None:
    fabric = FABRICS[name]
    src, dst, key = all_pairs(fabric.n_endpoints)
    paths = router(fabric, kind).paths(src, dst, key).unbundled()
    entries = np.unique(np.c_[fabric.src[paths.links], dst[paths.row_of_link()], paths.links], axis=0)
    switches = entries[entries[:, 0] >= candidates.first_forwarding(fabric)]
    assert len(np.unique(switches[:, :2], axis=0)) == len(switches)  # one link for each node and destination


@pytest.mark.parametrize("name", FABRICS)
def test_up_down_cannot_deadlock(name: str) -> None:
    """Dally and Seitz 1987: no cycle among links that wait for one another."""
    fabric = FABRICS[name]
    paths = router(fabric, "up-down").paths(*all_pairs(fabric.n_endpoints))
    waits = nx.DiGraph()
    for i in range(paths.n_rows):
        nx.add_path(waits, paths.row(i).tolist())
    assert nx.is_directed_acyclic_graph(waits)


@pytest.mark.parametrize("kind", [*GENERAL, "spray"])
def test_every_single_cable_of_a_fat_tree_may_fail(kind: str) -> None:
    whole = fat_tree(k=4)
    for cable in range(whole.n_cables):
        fabric = whole.without([cable])
        src, dst, key = all_pairs(fabric.n_endpoints)
        if cable < fabric.n_endpoints:  # the only cable of that host
            with pytest.raises(Unroutable, match=rf"no route h\d+→h\d+, h\d+→h\d+, h\d+→h\d+ and {2 * 15 - 3} more"):
                router(fabric, kind).paths(src, dst, key)
            cut_off = (src == cable) | (dst == cable)
            src, dst, key = src[~cut_off], dst[~cut_off], key[~cut_off]
        paths = router(fabric, kind).paths(src, dst, key).unbundled()
        if kind != "spray":
            assert (fabric.src[paths.links[paths.offsets[:-1]]] == src).all()
            assert (fabric.dst[paths.links[paths.offsets[1:] - 1]] == dst).all()
            arrivals = np.delete(fabric.dst[paths.links], paths.offsets[1:] - 1)
            assert (arrivals == np.delete(fabric.src[paths.links], paths.offsets[:-1])).all()
            # all ways are as long as they were: a fat-tree has others of the same length
            assert (np.diff(paths.offsets) == np.diff(router(whole, kind).paths(src, dst, key).unbundled().offsets)).all()
        else:
            into = np.bincount(paths.row_of_link(), weights=paths.use * (fabric.dst[paths.links] == dst[paths.row_of_link()]))
            np.testing.assert_allclose(into, 1)


@pytest.mark.parametrize("kind", [*GENERAL, "spray"])
def test_batches_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = FABRICS["irregular less 2"]
    flows = all_pairs(fabric.n_endpoints)
    whole = router(fabric, kind).paths(*flows).unbundled()
    monkeypatch.setattr(candidates, "HELD", 100)
    parts = router(fabric, kind).paths(*flows).unbundled()
    np.testing.assert_array_equal(whole.links, parts.links)
    np.testing.assert_array_equal(whole.offsets, parts.offsets)
    np.testing.assert_array_equal(whole.latency, parts.latency)
    assert router(fabric, kind).paths(*(x[:0] for x in flows)).n_rows == 0


def test_endpoints_do_not_forward_where_there_are_switches() -> None:
    """s0 and s1 meet only in a host that is on both."""
    fabric = Fabric.build("split", 3, ([0, 1, 1, 2], [3, 3, 4, 4]), 1e9, 0.0, [0, 0, 0, 1, 1])
    paths = router(fabric).paths(*(np.array(x, dtype=np.int32) for x in ([0, 1, 2], [1, 2, 1], [0, 0, 0])))
    assert np.diff(paths.offsets).tolist() == [2, 2, 2]
    with pytest.raises(Unroutable, match=r"split: no route h0→h2$"):
        router(fabric).paths(*(np.array(x, dtype=np.int32) for x in ([0, 1], [2, 2], [0, 0])))


@pytest.mark.parametrize("kind", ["dimension-order", "minimal", "valiant"])
def test_routers_for_one_shape_say_so(kind: str) -> None:
    with pytest.raises(InputError, match="min-hop"):
        router(FABRICS["fat-tree"], kind)
    with pytest.raises(InputError, match="cannot go around missing cables; route by min-hop"):
        router(FABRICS["torus less 2" if kind == "dimension-order" else "dragonfly less 2"], kind)
