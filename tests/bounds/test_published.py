"""Constants of ForestColl's algorithm, the statements of docs/bounds.md, and the words for what binds."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from collectives.collective import Collective, Op
from collectives.placement import Placement, identity, random
from netsim.bounds import Bound, lower_bound
from netsim.bounds.contracted import contracted, whole
from topologies.bigraph import bigraph
from topologies.clos import leaf_spine
from topologies.errors import Unroutable
from topologies.fabric import Fabric, frozen
from topologies.fat_tree import fat_tree
from topologies.formats.ibnetdiscover import ibnetdiscover
from topologies.server import with_servers
from topologies.torus import torus

CLUSTER = Path(__file__).parents[2] / "examples" / "fabrics" / "ndr_cluster.ibnetdiscover"


def bound(fabric: Fabric, op: Op, nbytes: float = 1.0, **more: float) -> Bound:
    return lower_bound(fabric, Collective(op, fabric.n_endpoints, nbytes), identity(fabric, fabric.n_endpoints), **more)


def dgx(boxes: int) -> Fabric:
    """Boxes of 8 GPUs, each with 9 units to its NVSwitch and 1 to the switch of its rail."""
    gpu = np.arange(8 * boxes)
    hubs = 8 * boxes + gpu // 8, 9 * boxes + gpu % 8
    tier = np.repeat([0, 1, 2], [8 * boxes, boxes, 8])
    return Fabric.build("dgx", 8 * boxes, (np.r_[gpu, gpu], np.r_[hubs]), np.repeat([9.0, 1.0], 8 * boxes), 0.0, tier)


@pytest.mark.parametrize(
    ("fabric", "u", "k"),
    [
        (torus(dims=[4, 4], link=1.0), 15, 4),
        (torus(dims=[8, 8], link=1.0), 63, 4),
        (dgx(2), 3, 2),
        (dgx(4), 31, 10),
    ],
)
def test_all_gather_optimum_as_published(fabric: Fabric, u: int, k: int) -> None:
    found = bound(fabric, Op.ALL_GATHER)
    assert Fraction(found.per_byte * fabric.n_endpoints).limit_denominator(1000) == Fraction(u, k)
    assert found.exact


@pytest.mark.parametrize("taper", [1, 2, 4, 8])
def test_all_reduce_does_not_need_full_bisection(taper: int) -> None:
    """64 hosts at 1:1, 2:1 … 8:1: the same 2 · 63/64 · M/B; all-to-all pays for the taper."""
    fabric = leaf_spine(leaves=8, hosts_per_leaf=8, spines=8 // taper, link=1.0)
    assert bound(fabric, Op.ALL_REDUCE).per_byte == pytest.approx(2 * 63 / 64, rel=1e-12)
    assert bound(fabric, Op.ALL_REDUCE).cut_label == "NIC of every rank"
    assert bound(fabric, Op.ALL_TO_ALL).per_byte == pytest.approx(max(63 / 64, 8 * 56 / 64 * taper / 8), rel=1e-12)


@pytest.mark.parametrize("uplink", [0.5, 0.88, 0.89, 1.0])
def test_leaves_bind_below_one_host_link_of_uplink(uplink: float) -> None:
    """N=64, m=8: where u < (N-m)/(N-1) B = 56/63 B, the leaves set 2 (g-1)/g M/u; the two meet exactly there."""
    found = bound(leaf_spine(leaves=8, hosts_per_leaf=8, spines=1, link=1.0, uplink=uplink), Op.ALL_REDUCE)
    assert found.per_byte == pytest.approx(max(2 * 63 / 64, 2 * 7 / 8 / uplink), rel=1e-12)
    assert found.cut_label == ("8 links around all 8 leaves" if uplink < 56 / 63 else "NIC of every rank")
    assert found.exact


def test_mean_hops_between_switches_bind_all_to_all_on_a_bigraph() -> None:
    """N=32, n=8: 16 hosts one trunk away, 12 two, over 32 directed trunks: (16 + 2·12)/32."""
    found = bound(bigraph(m=4, n=8, link=1.0), Op.ALL_TO_ALL)
    assert found.per_byte == pytest.approx(1.25, rel=1e-12)
    assert found.cut_label == "all 32 links between switches, by the average hops"


def test_nvlink_makes_the_network_the_limit() -> None:
    fabric = with_servers(leaf_spine(leaves=8, hosts_per_leaf=8, spines=8, link=1.0), gpus=8, nvlink=18.0)
    assert bound(fabric, Op.ALL_REDUCE).per_byte == pytest.approx(2 * 7 / 8 / 8, rel=1e-12)
    assert bound(fabric, Op.ALL_REDUCE).cut_label == "64 links around all 8 servers"
    assert bound(fabric, Op.ALL_GATHER).cut_label == "network links of server0 (8) and 7 alike"


def test_a_slow_host_and_a_thin_leaf_are_named() -> None:
    fabric = leaf_spine(leaves=4, hosts_per_leaf=4, spines=4, link=2.0)
    slow = replace(fabric, capacity=frozen(np.where(np.arange(fabric.n_links) // 2 == 5, 1.0, 2.0), np.float64))
    assert bound(slow, Op.ALL_REDUCE).label == "NIC of h5"
    assert bound(slow, Op.ALL_REDUCE).per_byte == 1.0
    thin = fabric.without([c for name in ("leaf2-spine0", "leaf2-spine1", "leaf2-spine3") for c in fabric.cables_named(name)])
    found = bound(thin, Op.ALL_TO_ALL)
    assert found.cut_label == "uplinks of leaf2 (1 of 4)"
    assert [thin.cable_label(e // 2) for e in found.cut] == ["leaf2-spine2"]
    assert sorted(thin.label_of(int(v)) for v in found.side) == ["h10", "h11", "h8", "h9", "leaf2"]
    assert found.per_byte == 4 * 12 / 16 / 2


def test_scaling_laws() -> None:
    for fabric in (fat_tree(k=4, latency=0.0), torus(dims=[4, 2, 3], latency=0.0), dgx(2)):
        double = replace(fabric, capacity=frozen(2 * fabric.capacity, np.float64))
        for op in Op:
            once = bound(fabric, op, 1e6)
            assert bound(double, op, 1e6).time == pytest.approx(once.time / 2, rel=1e-12)
            assert bound(fabric, op, 3e6).time == pytest.approx(3 * once.time, rel=1e-12)
            assert once.resized(3e6).time == pytest.approx(3 * once.time, rel=1e-12)


def test_where_ranks_sit_on_like_endpoints_does_not_matter() -> None:
    fabric = fat_tree(k=4)
    for op in Op:
        job = Collective(op, 16, 1e6)
        assert lower_bound(fabric, job, random(fabric, 16, seed=3)).time == pytest.approx(bound(fabric, op, 1e6).time, rel=1e-12)


def test_latency_and_size_trade_places() -> None:
    fabric = fat_tree(k=4, link=1e9, latency=1e-6)
    small, large = (bound(fabric, Op.ALL_REDUCE, size, overhead=5e-7) for size in (8.0, 1e9))
    assert small.time == small.latency_time == pytest.approx(6.5e-6)
    assert small.label == "latency between h0 and h4"
    assert large.time == pytest.approx(2.5e-6 + 1.875)  # two links and one overhead before a byte can leave any NIC
    assert large.label == "NIC of every rank"


def test_one_rank_has_nothing_to_send() -> None:
    fabric = fat_tree(k=4)
    assert lower_bound(fabric, Collective(Op.ALL_REDUCE, 1, 1e9), Placement([3])).time == 0.0


def test_ranks_that_are_cut_off_are_named() -> None:
    fabric = fat_tree(k=4)
    with pytest.raises(Unroutable, match=r"no way between rank 0 \(h0\) and rank 5 \(h5\)"):
        bound(fabric.without(fabric.cables_named("h5-leaf2")), Op.ALL_GATHER)


def test_idle_hosts_change_nothing_and_leaves_become_one_sink_each() -> None:
    """What 8,192 hosts cost: one short flow for each of 512 leaves, on 1,792 nodes."""
    fabric = fat_tree(k=32)
    capacity = whole(fabric.capacity, 2**40)
    net = contracted(fabric, capacity, identity(fabric, 8192).endpoint, against=True)
    assert (len(net.sinks), len(net.ranks), int(net.capacity.max())) == (512, 512 + 1280, 16)
    half = contracted(fabric, capacity, np.arange(0, 8192, 2, dtype=np.int32), against=True)
    assert (len(half.sinks), len(half.ranks), int(half.capacity.max())) == (512, 512 + 1280, 8)


def test_a_real_cluster_names_the_leaf_that_binds() -> None:
    fabric = ibnetdiscover(file=str(CLUSTER))
    n = fabric.n_endpoints
    uplinks = {v: np.count_nonzero((fabric.src == v) & (fabric.dst >= n)) for v in set(fabric.leaf_of.tolist())}
    seconds = {v: (m := np.count_nonzero(fabric.leaf_of == v)) * (n - m) / n / (up * 50e9) for v, up in uplinks.items()}
    worst = max(seconds, key=lambda v: seconds[v])
    found = bound(fabric, Op.ALL_TO_ALL)
    assert found.cut_label == f"uplinks of leaf {fabric.label_of(worst)} ({uplinks[worst]} of 18)"
    assert found.per_byte == pytest.approx(seconds[worst], rel=1e-12)
    assert len(found.cut) == uplinks[worst]
    assert ((fabric.src[found.cut] == worst) | (fabric.dst[found.cut] == worst)).all()
    assert bound(fabric, Op.ALL_GATHER).per_byte == pytest.approx((n - 1) / n / 50e9, rel=1e-12)  # here 15 uplinks are plenty
