"""Servers around networks: what is built, and the way through."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topologies.bigraph import bigraph
from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.fabric import NodeKind
from topologies.rails import rail_only, rail_optimised
from topologies.ring import ring
from topologies.routing import router
from topologies.server import with_servers
from topologies.torus import torus

NETWORKS = {
    "leaf-spine": leaf_spine(leaves=3, hosts_per_leaf=4, spines=2, cables=2),
    "bigraph": bigraph(m=3, n=4),
    "torus": torus(dims=[4, 3]),
    "rails": rail_optimised(servers=3, rails=4, servers_per_leaf=2, spines=2),
    "rail-only": rail_only(servers=3, rails=4),
}


def all_pairs(fabric):
    src, dst = np.divmod(np.arange(fabric.n_endpoints**2, dtype=np.int32), np.int32(fabric.n_endpoints))
    return src[src != dst], dst[src != dst]


def routed(fabric, kind=None, **parameters):
    src, dst = all_pairs(fabric)
    return src, dst, router(fabric, kind, **parameters).paths(src, dst, np.zeros(len(src), dtype=np.int32)).unbundled()


def kinds(fabric, links):
    return "".join(NodeKind(fabric.kind[v]).name[0] for v in [fabric.src[links[0]], *fabric.dst[links]])


def assert_contiguous(fabric, src, dst, paths):
    flow = np.arange(paths.n_rows) if paths.flow is None else paths.flow
    for i in range(paths.n_rows):
        links = paths.row(i)
        assert fabric.src[links[0]] == src[flow[i]]
        assert fabric.dst[links[-1]] == dst[flow[i]]
        assert all(fabric.dst[a] == fabric.src[b] for a, b in pairwise(links))
        assert paths.latency[i] == pytest.approx(fabric.latency[links].sum(), rel=1e-12)


@given(
    st.sampled_from(sorted(NETWORKS)),
    st.integers(1, 3),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([None, 450e9]),
    st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_any_server_composes_with_any_network(name, per_nic, nics, nvlink, pxn):
    network = NETWORKS[name]
    nics = network.server_size if network.server_size > 1 else nics
    gpus = per_nic * nics + (per_nic > 1)
    fabric = with_servers(network, gpus=gpus, nics=nics, nvlink=nvlink, pxn=pxn)
    servers = network.n_endpoints // nics
    assert (fabric.n_endpoints, fabric.server_size) == (servers * gpus, gpus)
    assert fabric.n_cables == network.n_cables + servers * (2 * gpus + nics if nvlink else gpus + 2 * nics)
    assert len(fabric.node_ids) == fabric.n_nodes
    inside = 2 * network.n_cables
    assert (fabric.capacity[:inside] == network.capacity).all()
    for tier in (1, 2, 3):
        assert len(set(fabric.kind[fabric.tier == tier].tolist())) == 1, fabric.tier_name(tier)
    src, dst, paths = routed(fabric)
    assert_contiguous(fabric, src, dst, paths)
    crosses = np.zeros(paths.n_rows, dtype=bool)
    crosses[paths.row_of_link()[paths.links < inside]] = True
    assert (crosses == (src // gpus != dst // gpus)).all(), "the network is for other servers, and only for them"


def test_the_rows_of_the_heat_map():
    fabric = with_servers(NETWORKS["leaf-spine"], gpus=4, nics=2)
    classes = {fabric.link_class(2 * c) for c in range(fabric.n_cables)}
    assert classes == {"gpu→nvswitch", "gpu→pcie", "pcie→nic", "nic→leaf", "leaf→spine"}
    bare = with_servers(NETWORKS["leaf-spine"], gpus=4, nics=2, nvlink=None)
    assert {bare.link_class(2 * c) for c in range(bare.n_cables)} == {
        "gpu→pcie",
        "pcie→bridge",
        "pcie→nic",
        "nic→leaf",
        "leaf→spine",
    }


@pytest.mark.parametrize(
    ("nvlink", "near", "far", "out"),
    [(450e9, "ENE", "ENE", "EPNSNPE"), (None, "EPE", "EPPPE", "EPNSNPE")],
)
def test_ways_inside_and_between_servers(nvlink, near, far, out):
    fabric = with_servers(leaf_spine(leaves=1, hosts_per_leaf=4, spines=1), gpus=4, nics=2, nvlink=nvlink)
    src = np.zeros(3, dtype=np.int32)
    paths = router(fabric).paths(src, np.array([1, 3, 4], dtype=np.int32), src)
    assert [kinds(fabric, paths.row(i)) for i in range(3)] == [near, far, out]


def test_gpus_share_nics_as_documented():
    fabric = with_servers(leaf_spine(leaves=1, hosts_per_leaf=4, spines=1), gpus=3, nics=2)
    src = np.arange(6, dtype=np.int32)
    paths = router(fabric).paths(src, (src + 3) % 6, src)
    first_nic = [fabric.label_of(int(fabric.dst[paths.row(i)[1]])) for i in range(6)]
    assert first_nic == [f"server{s}.nic{i}" for s in (0, 1) for i in (0, 0, 1)]
    assert fabric.shape.gpu_at(np.arange(4)).tolist() == [0, 2, 3, 5]


def test_pcie_is_no_bottleneck_unless_it_is_said_to_be():
    network = ring(n=4)  # two cables at each endpoint
    assert with_servers(network, gpus=1).capacity[2 * network.n_cables] == 2 * 50e9
    assert with_servers(network, gpus=1, pcie=16e9).capacity[2 * network.n_cables] == 16e9


def test_pxn_changes_rails_before_the_network_and_only_then():
    network = NETWORKS["rails"]
    plain, pxn = (with_servers(network, gpus=4, pxn=on) for on in (False, True))
    src, dst, paths = routed(pxn)
    apart = np.flatnonzero((src // 4 != dst // 4) & (src // 8 == dst // 8))  # other server, same unit
    for i in apart:
        wired = paths.row(i)[paths.row(i) < 2 * network.n_cables]
        assert len(wired) == 2, "up to the leaf of the rail, and down"
        assert kinds(pxn, paths.row(i)).startswith("EPN" if src[i] % 4 == dst[i] % 4 else "ENEPN")
    usual = routed(plain)[2]
    same = np.flatnonzero((src // 4 != dst // 4) & (src % 4 == dst % 4))
    assert all((usual.row(i) == paths.row(i)).all() for i in same)
    assert max(len(usual.row(i)) for i in apart) == 8


@pytest.mark.parametrize(("kind", "parameters"), [("ecmp", {"queue_pairs": 3}), ("spray", {})])
def test_sub_flows_and_sprayed_shares_of_the_network_stay(kind, parameters):
    network = NETWORKS["leaf-spine"]
    fabric = with_servers(network, gpus=2)
    src, dst, paths = routed(fabric, kind, **parameters)
    assert_sums(fabric, src, dst, paths)
    remote = src // 2 != dst // 2
    inner = (
        router(network, kind, **parameters).paths(src[remote], dst[remote], np.zeros(remote.sum(), dtype=np.int32)).unbundled()
    )
    wired = paths.links < 2 * network.n_cables
    assert (paths.links[wired] == inner.links).all()
    if kind == "ecmp":
        assert (np.bincount(paths.flow) == np.where(remote, 3, 1)).all()
        assert np.bincount(paths.flow, paths.share) == pytest.approx(np.ones(len(src)))
        assert_contiguous(fabric, src, dst, paths)
    else:
        assert (paths.use[wired] == inner.use).all()
        assert (paths.use[~wired] == 1).all()
        assert paths.use.min() < 1


def assert_sums(fabric, src, dst, paths):
    """All bytes of a flow leave its source, arrive at its destination, and are kept at every node between."""
    rows = paths.row_of_link()
    flow = rows if paths.flow is None else paths.flow[rows]
    amount = (1 if paths.use is None else paths.use) * (1 if paths.share is None else paths.share[rows]) * np.ones(len(flow))
    net = np.zeros((len(src), fabric.n_nodes))
    np.add.at(net, (flow, fabric.dst[paths.links]), amount)
    np.add.at(net, (flow, fabric.src[paths.links]), -amount)
    expected = np.zeros_like(net)
    expected[np.arange(len(src)), dst], expected[np.arange(len(src)), src] = 1, -1
    assert np.abs(net - expected).max() < 1e-12


@pytest.mark.parametrize(
    ("network", "server", "says"),
    [
        ("leaf-spine", {"gpus": 8}, "nics=8: the 12 endpoints .* network of 16"),
        ("leaf-spine", {"gpus": 2, "nics": 4}, "nics=4: more than its 2 GPUs"),
        ("rails", {"gpus": 8}, "nics=8: .* has 4 NICs in every server"),
        ("leaf-spine", {"gpus": 0}, "gpus=0: must be at least 1"),
        ("leaf-spine", {"gpus": 4, "nvlink": -1.0}, "nvlink=-1.0: must be more than 0"),
    ],
)
def test_servers_that_do_not_fit_are_refused(network, server, says):
    with pytest.raises(InputError, match=says) as caught:
        with_servers(NETWORKS[network], **server)
    assert "\n" not in str(caught.value)


def test_servers_are_put_around_a_network_once():
    with pytest.raises(InputError, match="has servers already"):
        with_servers(with_servers(NETWORKS["leaf-spine"], gpus=4), gpus=4)


def test_names_read_from_a_cluster_stay():
    network = NETWORKS["leaf-spine"]
    named = with_servers(type(network)(**{**vars_of(network), "label_of": lambda v: f"gpu-{v}/mlx5_0"}), gpus=4)
    assert named.label_of(named.n_endpoints + 5) == "gpu-5/mlx5_0"
    assert with_servers(network, gpus=4).label_of(named.n_endpoints + 5) == "server1.nic1"


def vars_of(fabric):
    return {name: getattr(fabric, name) for name in type(fabric).__dataclass_fields__}
