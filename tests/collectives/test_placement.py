"""Rank maps: where they put ranks, what they promise about contention, and what they say when they cannot."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives import PLACEMENTS
from collectives.hdrm import hdrm
from collectives.placement import Placement, explicit, identity, pow2_packed, random, round_robin
from topologies.bigraph import bigraph
from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.formats.ibnetdiscover import ibnetdiscover
from topologies.rails import rail_optimised
from topologies.routing import router
from topologies.server import with_servers
from topologies.torus import torus

FIXTURES = Path(__file__).parents[1] / "fixtures"


def step_loads(fabric: Fabric, placement: Placement) -> list[int]:
    """Flows on the fullest link in each step r ↔ r xor 2^k of a hypercube, by the fabric's default routes."""
    routes, rank = router(fabric), np.arange(placement.ranks)
    loads = []
    for k in range(placement.ranks.bit_length() - 1):
        peer = placement.endpoint[rank ^ 1 << k]
        loads.append(int(np.bincount(routes.paths(placement.endpoint, peer, np.zeros_like(peer)).links).max()))
    return loads


def powers_up_to(most: int) -> list[int]:
    return [1 << a for a in range(most.bit_length())]


@pytest.mark.parametrize("t", [1, 2, 4])
def test_hdrm_has_one_flow_per_link_in_every_step(t: int) -> None:
    """Every power-of-two (m, n) with m ≤ t·n/2, up to 4,096 hosts on up to 256 switches."""
    for n in powers_up_to(256)[1:]:
        for m in powers_up_to(min(t * n // 2, 4096 // n)):
            fabric = bigraph(m=m, n=n, t=t)
            assert set(step_loads(fabric, hdrm(fabric, m * n))) == {1}, (m, n, t)


@pytest.mark.parametrize("n", [512, 1024, 2048])
def test_hdrm_takes_every_direct_cable_once_at_most(n: int) -> None:
    """The same on the largest, by counting exchanges between switches: a million cables need no routes."""
    for m in powers_up_to(4096 // n):
        switch = hdrm(bigraph(m=m, n=n), m * n).endpoint // m
        rank = np.arange(m * n)
        for k in range((m * n).bit_length() - 1):
            peer = switch[rank ^ 1 << k]
            assert ((switch < n // 2) != (peer < n // 2)).all(), "every exchange crosses between the parts"
            assert len(np.unique(switch * n + peer)) == m * n, (m, n, k)


def test_hdrm_is_the_published_map() -> None:
    """Two ranks per slot: BiGraph(2, 4) written out from the definition."""
    fabric = bigraph(m=2, n=4)
    upper, lower = {0: (0, 0), 3: (1, 0), 5: (1, 1), 6: (0, 1)}, {1: (0, 0), 2: (1, 0), 4: (0, 1), 7: (1, 1)}
    expected = {r: 2 * s + j for r, (s, j) in upper.items()} | {r: 2 * (2 + s) + j for r, (s, j) in lower.items()}
    assert hdrm(fabric, 8).endpoint.tolist() == [expected[r] for r in range(8)]


@pytest.mark.parametrize(("m", "n", "most"), [(4, 8, 32), (6, 12, 32), (16, 8, 32), (3, 10, 16)])
def test_hdrm_of_fewer_ranks_uses_a_bigraph_inside(m: int, n: int, most: int) -> None:
    fabric = bigraph(m=m, n=n)
    for ranks in (2**a for a in range(1, most.bit_length())):
        assert set(step_loads(fabric, hdrm(fabric, ranks))) == {1}


def test_hdrm_seats_gpus_at_their_own_nics() -> None:
    fabric = with_servers(bigraph(m=4, n=8), gpus=4)
    assert np.array_equal(hdrm(fabric, 32).endpoint, hdrm(bigraph(m=4, n=8), 32).endpoint)


@pytest.mark.parametrize(
    ("fabric", "ranks", "says"),
    [
        (bigraph(m=16, n=8), 128, r"hdrm: 128 ranks .*16 hosts per switch are more than t·n/2 = 4; needs t=4 cables"),
        (bigraph(m=4, n=6), 24, r"hdrm: 24 ranks: needs a power of two; on bigraph\(m=4, n=6\) up to 16"),
        (bigraph(m=1, n=12), 12, "needs a power of two"),
        (bigraph(m=2, n=8), 32, "do not fit on the 16 endpoints"),
        (bigraph(m=5, n=6), 16 + 16, "do not fit"),
        (bigraph(m=3, n=12), 32, "need 4 hosts on each of 8 switches, bigraph.* has 3"),
        (fat_tree(k=4), 16, "is no bigraph"),
        (with_servers(bigraph(m=4, n=8), gpus=8, nics=4), 64, "one NIC per GPU"),
    ],
)
def test_hdrm_says_why_not(fabric: Fabric, ranks: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        hdrm(fabric, ranks)


def test_natural_and_random_order_on_a_bigraph() -> None:
    """The reference table: natural [0,0,2,2,4] between switches (host links make it at least 1), random 3 to 5."""
    fabric = bigraph(m=4, n=8)
    assert step_loads(fabric, identity(fabric, 32)) == [1, 1, 2, 2, 4]
    assert all(3 <= load <= 5 for seed in range(5) for load in step_loads(fabric, random(fabric, 32, seed=seed)))
    large = bigraph(m=32, n=64)
    assert max(step_loads(large, identity(large, 2048))) == 32
    drawn = [load for seed in range(3) for load in step_loads(large, random(large, 2048, seed=seed))]
    assert 6 <= np.mean(drawn) <= 8
    assert set(drawn) <= set(range(5, 10))  # the reference's 6 to 8 is what few draws show


@pytest.mark.parametrize("m", [8, 16, 18, 20, 24])
def test_odd_leaves_collide_in_natural_order_but_not_packed(m: int) -> None:
    fabric = leaf_spine(leaves=16, hosts_per_leaf=m, spines=m)
    ranks = 1 << (16 * m).bit_length() - 1
    packed = 16 * (1 << m.bit_length() - 1)
    assert max(step_loads(fabric, identity(fabric, ranks))) == (1 if m & (m - 1) == 0 else 2)
    assert max(step_loads(fabric, pow2_packed(fabric, packed))) == 1


def test_three_tiers_are_packed_by_pod_too() -> None:
    fabric = fat_tree(k=12)  # 6 hosts on a leaf, 6 leaves in a pod
    assert max(step_loads(fabric, identity(fabric, 128))) == 2
    packed = pow2_packed(fabric, 128)
    assert max(step_loads(fabric, packed)) == 1
    assert packed.endpoint[:20].tolist() == [e + 6 * leaf for leaf in range(4) for e in range(4)] + [36, 37, 38, 39]
    assert np.bincount(fabric.leaf_of[packed.endpoint])[fabric.n_endpoints :].max() == 4


def test_pow2_packed_takes_leaves_that_have_room() -> None:
    fabric = leaf_spine(leaves=4, hosts_per_leaf=6, spines=6)
    assert pow2_packed(fabric, 16).endpoint.tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21]
    with pytest.raises(InputError, match=r"17 ranks do not fit on the leaves of leaf-spine.*at most 16, 4 on each of 4 leaves"):
        pow2_packed(fabric, 17)
    servers = with_servers(fabric, gpus=3)
    assert pow2_packed(servers, 16).endpoint.tolist() == pow2_packed(fabric, 16).endpoint.tolist()


def test_round_robin_deals_to_leaves_servers_rails_and_groups() -> None:
    fabric = rail_optimised(servers=4, rails=4, servers_per_leaf=2, spines=2)
    assert round_robin(fabric, 8, over="server").endpoint.tolist() == [0, 4, 8, 12, 1, 5, 9, 13]
    assert round_robin(fabric, 6, over="rail").endpoint.tolist() == [0, 1, 2, 3, 4, 5]
    over_leaves = round_robin(fabric, 16)
    assert fabric.leaf_of[over_leaves.endpoint[:8]].tolist() == sorted(set(fabric.leaf_of.tolist()))
    assert sorted(over_leaves.endpoint) == list(range(16))
    pods = fat_tree(k=4)
    assert pods.group[round_robin(pods, 8, over="group").endpoint].tolist() == [0, 1, 2, 3] * 2
    gpus = with_servers(leaf_spine(leaves=2, hosts_per_leaf=4, spines=4), gpus=4)
    assert round_robin(gpus, 4).endpoint.tolist() == [0, 4, 1, 5]


def test_round_robin_passes_over_full_leaves() -> None:
    fabric = ibnetdiscover(file=str(FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt"))
    short = fabric.without([0])  # that host has no leaf any more
    with pytest.raises(InputError, match="is in no leaf"):
        round_robin(short, 4)
    uneven = bigraph(m=2, n=2)
    assert sorted(round_robin(uneven, 3).endpoint // 2) == [0, 0, 1]


@pytest.mark.parametrize(
    ("over", "says"), [("server", "one endpoint per server"), ("group", "is in no group"), ("laef", "'leaf'")]
)
def test_round_robin_needs_what_it_deals_to(over: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        round_robin(torus(dims=[4, 4]), 4, over=over)  # type: ignore[arg-type]


@given(st.permutations(range(16)), st.integers(1, 16))
def test_explicit_numbers_are_taken_as_they_are(order: list[int], ranks: int) -> None:
    assert explicit(fat_tree(k=4), ranks, endpoints=order).endpoint.tolist() == order[:ranks]


def servers() -> Fabric:
    return with_servers(leaf_spine(leaves=2, hosts_per_leaf=8, spines=4), gpus=2)  # server0 .. server7


def test_hosts_stand_for_all_their_endpoints() -> None:
    fabric = servers()
    assert explicit(fabric, hosts="server[7,0-1]").endpoint.tolist() == [14, 15, 0, 1, 2, 3]
    assert explicit(fabric, 3, hosts=["server[2-3]", "server5"]).endpoint.tolist() == [4, 5, 6]
    assert explicit(fabric, hosts="server2.gpu1,server0").endpoint.tolist() == [5, 0, 1]
    real = ibnetdiscover(file=str(FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt"))
    by_name = explicit(real, hosts=[real.label_of(e).split("/")[0] for e in (9, 4)])
    assert by_name.endpoint.tolist() == [9, 4]


def test_host_files(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# job 17\nserver3 slots=2 max_slots=2\nserver5:1\n\nserver[0-1] # two more\n")
    assert explicit(servers(), file=str(file)).endpoint.tolist() == [6, 7, 10, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server0\nserver1\nserver0\n", r"hosts:3: host 'server0' is named twice \(first at .*hosts:1\)"),
        ("server0\nservr1\n", r"hosts:2: no host 'servr1'.*did you mean 'server1'"),
        ("server0 slots=3", "hosts:1: host 'server0' has 2 endpoints, not the 3"),
        ("server0 slots=none", "hosts:1: 'none' slots: must be a whole number"),
        ("server0:-1", "hosts:1: '-1' slots"),
        ("server0 server1", "hosts:1: 'server1' is not understood"),
        ("server[0-", "hosts:1: host list"),
        ("# nobody\n", "names no host"),
    ],
)
def test_host_file_faults_say_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "hosts"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        explicit(servers(), file=str(file))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        explicit(servers(), file=str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01" * 100)
    with pytest.raises(InputError, match="no text file"):
        explicit(servers(), file=str(tmp_path / "binary"))


def test_explicit_says_what_is_wrong() -> None:
    fabric = servers()
    with pytest.raises(InputError, match="nothing given; give one of"):
        explicit(fabric, 4)
    with pytest.raises(InputError, match="endpoints and hosts given"):
        explicit(fabric, 4, endpoints=[0], hosts="server0")
    with pytest.raises(InputError, match="4 endpoints listed for 5 ranks"):
        explicit(fabric, 5, hosts="server[0-1]")
    with pytest.raises(InputError, match=r"endpoint 99: .* has 0\.\.15"):
        explicit(fabric, 1, endpoints=[99])
    with pytest.raises(InputError, match="endpoint 3 is given to ranks 0 and 1"):
        explicit(fabric, 2, endpoints=[3, 3])
    with pytest.raises(InputError, match="host 'server1' is named twice"):
        explicit(fabric, 2, hosts="server[0-1],server1")


def test_every_row_of_the_table_makes_a_placement() -> None:
    needs = {"explicit": {"endpoints": list(range(32))}}
    for kind in PLACEMENTS:
        made = PLACEMENTS.load(kind)(bigraph(m=4, n=8), 32, **needs.get(kind, {}))
        assert sorted(made.endpoint) == list(range(32)), kind
