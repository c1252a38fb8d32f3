"""Cables pulled by name or by draw; what that cuts off."""

import numpy as np
import pytest

from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.fat_tree import fat_tree
from topologies.faults import apply_faults, check_connected
from topologies.rails import rail_only, rail_optimised
from topologies.routing import router
from topologies.server import with_servers
from topologies.torus import torus

DOUBLE = leaf_spine(leaves=3, hosts_per_leaf=4, spines=2, cables=2)


def removed(fabric, faults):
    """Labels of the cables that are gone. Those of two parallel cables lose their number when one is left."""
    left = apply_faults(fabric, faults)
    kept = set(left.cable_was.tolist())
    assert left.n_cables == len(kept)
    return {fabric.cable_label(c) for c in range(fabric.n_cables) if c not in kept}


def test_by_name():
    assert removed(DOUBLE, ["leaf0-spine1"]) == {"leaf0-spine1#0", "leaf0-spine1#1"}
    assert removed(DOUBLE, ["spine1-leaf0#1", "leaf2-spine0#0"]) == {"leaf0-spine1#1", "leaf2-spine0#0"}
    assert apply_faults(DOUBLE, []) is DOUBLE


def test_draws_are_seeded_and_spare_the_hosts():
    one, again, other = (removed(DOUBLE, [{"count": 4, "seed": seed}]) for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == 4
    assert all(name.startswith("leaf") for name in one)


def test_a_second_draw_takes_what_the_first_left():
    faults = ["leaf0-spine0#0", {"count": 3, "seed": 5}, {"count": 3, "seed": 5}]
    assert len(removed(DOUBLE, faults)) == 7


def test_draws_between_tiers():
    tree = fat_tree(k=4)
    assert all(name.startswith("agg") for name in removed(tree, [{"count": 5, "between": "agg-core"}]))
    assert all(name.startswith("leaf") for name in removed(tree, [{"count": 2, "between": "agg-leaf"}]))


def test_a_network_without_switches_loses_cables_between_endpoints():
    assert len(removed(torus(dims=[4, 4]), [{"count": 3}])) == 3


@pytest.mark.parametrize("nvlink", [450e9, None])
def test_routes_through_servers_avoid_pulled_cables(nvlink):
    whole = with_servers(DOUBLE, gpus=2, nvlink=nvlink)
    faults = ["leaf0-spine1", {"count": 1, "seed": 3}]
    left = apply_faults(whole, faults)
    assert left.shape.network.n_cables == DOUBLE.n_cables - 3
    ends = set(zip(left.src.tolist(), left.dst.tolist(), strict=True))
    assert (whole.node_ids["leaf0"], whole.node_ids["spine1"]) not in ends
    src, dst = np.divmod(np.arange(left.n_endpoints**2, dtype=np.int32), np.int32(left.n_endpoints))
    src, dst = src[src != dst], dst[src != dst]
    for kind in ("d-mod-k", "ecmp"):
        paths = router(left, kind).paths(src, dst, np.zeros(len(src), dtype=np.int32))
        first, last = paths.links[paths.offsets[:-1]], paths.links[paths.offsets[1:] - 1]
        assert (left.src[first] == src).all()
        assert (left.dst[last] == dst).all()
        within = np.ones(len(paths.links) - 1, dtype=bool)
        within[paths.offsets[1:-1] - 1] = False
        assert (left.dst[paths.links[:-1]] == left.src[paths.links[1:]])[within].all()


def test_faults_before_or_after_the_servers_are_the_same():
    faults = ["leaf0-spine1", {"count": 2, "seed": 3}]
    after = apply_faults(with_servers(DOUBLE, gpus=2), faults)
    before = with_servers(apply_faults(DOUBLE, faults), gpus=2)
    assert (after.src == before.src).all()
    assert (after.dst == before.dst).all()
    assert (after.shape.network.src == before.shape.network.src).all()


@pytest.mark.parametrize(
    ("fabric", "faults", "says"),
    [
        (DOUBLE, ["leaf0-spine0", "leaf0-spine1"], r"less 4 cables: h0, h1, h2, h3 \(on leaf0\) are cut off"),
        (DOUBLE, ["h5-leaf1"], "h5 is cut off"),
        (with_servers(DOUBLE, gpus=2), ["leaf0-spine0", "leaf0-spine1"], r"server0.nic0, .*nic1 \(on leaf0\) are cut off"),
        (rail_only(servers=4, rails=2), ["server3.nic1-rail1.leaf0"], "server3.nic1 is cut off"),
        (with_servers(rail_only(servers=4, rails=2), gpus=2), ["server3.nic1-rail1.leaf0"], "server3.nic1 is cut off"),
        (DOUBLE, ["leaf0-spine9"], "no node 'spine9', did you mean"),
        (DOUBLE, ["leaf0-leaf1"], "no such cable"),
        (DOUBLE, [7], "fault 7: give a cable"),
        (DOUBLE, [{"count": 13}], "count=13: .* has 12 cables between its switches left"),
        (DOUBLE, [{"count": 0}], "count=0: must be at least 1"),
        (DOUBLE, [{"seed": 1}], "give count"),
        (DOUBLE, [{"count": 1, "sed": 1}], "unknown key 'sed', did you mean 'seed'"),
        (DOUBLE, [{"count": 1, "between": "leaf-spin"}], "between='leaf-spin': no such tiers, did you mean 'leaf-spine'"),
        (with_servers(DOUBLE, gpus=2), ["server0.gpu0-server0.nvswitch"], "inside a server"),
    ],
)
def test_faults_that_make_no_sense_are_refused_in_one_line(fabric, faults, says):
    with pytest.raises(InputError, match=says) as caught:
        apply_faults(fabric, faults)
    assert "\n" not in str(caught.value)


def test_cables_inside_servers_cannot_be_pulled_behind_the_routers_back():
    fabric = with_servers(DOUBLE, gpus=2)
    with pytest.raises(InputError, match="not those inside servers"):
        fabric.without([fabric.n_cables - 1])


@pytest.mark.parametrize("fabric", [DOUBLE, rail_only(servers=3, rails=2), rail_optimised(servers=3, spines=1)], ids=repr)
def test_whole_fabrics_are_connected(fabric):
    check_connected(fabric)
