"""Contention of digit routing on the patterns that its papers prove, and its plain form against its closed one."""

import numpy as np
import pytest
from route_oracles import all_pairs, loads

from topologies.bigraph import bigraph
from topologies.clos import clos, leaf_spine
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.ring import ring
from topologies.routing import router
from topologies.routing.bigraph import BiGraphRouter
from topologies.routing.graph import GraphRouter
from topologies.routing.levels import digits, layered, up_down_height
from topologies.routing.pgft import D_MOD_K, HASH, S_MOD_K, PgftRouter
from topologies.routing.spray import GraphSpray, PgftSpray


def max_load(fabric: Fabric, kind: str, src: np.ndarray, dst: np.ndarray) -> int:
    src, dst = src.astype(np.int32), dst.astype(np.int32)
    return int(loads(fabric, router(fabric, kind).paths(src, dst, np.zeros_like(src))).max())


@pytest.mark.parametrize("kind", ["d-mod-k", "s-mod-k", "min-hop"])
@pytest.mark.parametrize("k", [4, 8])
def test_no_shift_collides_on_a_full_fat_tree(k: int, kind: str) -> None:
    """Zahavi 2010."""
    fabric = fat_tree(k=k)
    src = np.arange(fabric.n_endpoints)
    assert {max_load(fabric, kind, src, (src + s) % len(src)) for s in range(1, len(src))} == {1}


@pytest.mark.parametrize(("leaf", "ranks", "worst"), [(8, 64, 1), (16, 256, 1), (18, 256, 2), (20, 256, 2), (24, 256, 2)])
def test_halving_doubling_in_natural_order(leaf: int, ranks: int, worst: int) -> None:
    """One flow per link on leaves of a power of two, two on others: xor partners are no fixed distance apart."""
    fabric = leaf_spine(leaves=leaf if worst == 1 else 16, hosts_per_leaf=leaf, spines=leaf)
    rank = np.arange(ranks)
    assert max(max_load(fabric, "d-mod-k", rank, rank ^ 1 << step) for step in range(ranks.bit_length() - 1)) == worst


TREES = {
    "fat-tree": fat_tree(k=4),
    "parallel": clos(children=[4, 3], parents=[1, 2], cables=[1, 3]),
    "dual-homed": clos(children=[2, 2, 2], parents=[2, 2, 2], cables=[1, 2, 1]),
    "part-filled": leaf_spine(leaves=3, hosts_per_leaf=6, spines=3, cables=2, fill=4),
}


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("polarised", [False, True])
def test_closed_forms_equal_the_search(name: str, polarised: bool) -> None:
    fabric, flows = TREES[name], all_pairs(TREES[name].n_endpoints)
    for rule in (D_MOD_K, S_MOD_K, HASH):
        closed = PgftRouter(fabric, rule, 3, polarised).paths(*flows)
        for height in (None, up_down_height(fabric)):
            np.testing.assert_array_equal(closed.links, GraphRouter(fabric, rule, height, 3, polarised).paths(*flows).links)


@pytest.mark.parametrize(("m", "n", "t"), [(3, 6, 2), (4, 8, 1), (2, 2, 3), (5, 4, 3)])
@pytest.mark.parametrize("polarised", [False, True])
def test_closed_forms_on_bigraphs_equal_the_search(m: int, n: int, t: int, polarised: bool) -> None:
    fabric = bigraph(m=m, n=n, t=t)
    flows = all_pairs(m * n)
    for rule in (D_MOD_K, S_MOD_K, HASH):
        closed = BiGraphRouter(fabric, rule, 3, polarised).paths(*flows)
        np.testing.assert_array_equal(closed.links, GraphRouter(fabric, rule, None, 3, polarised).paths(*flows).links)


@pytest.mark.parametrize("name", TREES)
def test_closed_form_of_spray_equals_the_search(name: str) -> None:
    fabric, flows = TREES[name], all_pairs(TREES[name].n_endpoints)
    closed, searched = PgftSpray(fabric).paths(*flows).unbundled(), GraphSpray(fabric).paths(*flows)
    np.testing.assert_array_equal(closed.offsets, searched.offsets)
    np.testing.assert_allclose(closed.latency, searched.latency)
    by_link = [np.lexsort((p.links, p.row_of_link())) for p in (closed, searched)]
    np.testing.assert_array_equal(closed.links[by_link[0]], searched.links[by_link[1]])
    np.testing.assert_allclose(closed.use[by_link[0]], searched.use[by_link[1]])


def test_a_tree_from_a_dump_is_routed_like_the_one_it_was() -> None:
    """Without the shape the digits come from tiers and leaves, endpoints numbered in another order than leaf by leaf."""
    tree = fat_tree(k=4)
    order = np.arange(16).reshape(8, 2).T.ravel()  # new endpoint i is host order[i]: leaf by leaf, first hosts first
    new = np.argsort(order)
    low, high = tree.src[::2].copy(), tree.dst[::2]
    low[:16] = new[low[:16]]
    dump = Fabric.build("dump", 16, (low, high), 1.0, 0.0, tree.tier)
    assert layered(dump)
    src, dst, key = all_pairs(16)
    ours = router(dump, "d-mod-k").paths(new[src].astype(np.int32), new[dst].astype(np.int32), key)
    np.testing.assert_array_equal(ours.links, router(tree).paths(src, dst, key).links)
    assert digits(dump).number.tolist() == order.tolist()


def test_tiers_say_nothing_where_endpoints_hang_at_every_height() -> None:
    assert not layered(bigraph(m=2, n=4))
    assert not layered(ring(n=4))
    height = up_down_height(bigraph(m=2, n=4))
    assert height.tolist() == [-1] * 8 + [3, 0, 2, 1]  # U0 is the root, D0 and D1 are next to it, U1 behind them


def hdrm(m: int, n: int) -> np.ndarray:
    """Host of rank r = j n + 2 i + b: slot j of U[(i + j) mod n/2] for ranks of even parity, of D[i] for the others (EFLOPS)."""
    r = np.arange(m * n)
    j, i = r // n, r % n // 2
    odd = np.array([int(x).bit_count() & 1 for x in r])
    return np.where(odd, n // 2 + i, (i + j) % (n // 2)) * m + j


SIZES = [(2**a, 2**b) for a in range(12) for b in range(1, 13) if a + b <= 12]


@pytest.mark.parametrize("t", [1, 2, 4])
def test_hdrm_is_free_of_contention_up_to_4096_hosts(t: int) -> None:
    """At most one flow per directed link in every step wherever m <= t n/2; with t cables, where t/2 would be too few."""
    for m, n in [(m, n) for m, n in SIZES if t // 2 * n < 2 * m <= t * n]:
        fabric, host = bigraph(m=m, n=n, t=t), hdrm(m, n)
        rank = np.arange(m * n)
        for step in range((m * n).bit_length() - 1):
            assert max_load(fabric, "min-hop", host, host[rank ^ 1 << step]) == 1, (m, n, t, step)


@pytest.mark.parametrize(("m", "n"), [(16, 16), (16, 8)])
def test_hdrm_with_too_few_cables_collides_as_the_formula_says(m: int, n: int) -> None:
    fabric, host = bigraph(m=m, n=n), hdrm(m, n)
    rank = np.arange(m * n)
    worst = [max_load(fabric, "min-hop", host, host[rank ^ 1 << step]) for step in range((m * n).bit_length() - 1)]
    assert max(worst) == -(-m // (n // 2))


def test_min_hop_bounces_over_all_switches_of_the_other_part() -> None:
    """m = n/2 hosts of U0 to the m of U1: one by way of each switch of D, so none meets another."""
    fabric = bigraph(m=4, n=8)
    assert max_load(fabric, "min-hop", np.arange(4), np.arange(4, 8)) == 1
