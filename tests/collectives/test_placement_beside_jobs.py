"""Rank maps on what other jobs leave free."""

import numpy as np
import pytest

from collectives.hdrm import hdrm
from collectives.placement import Placement, identity, pow2_packed, random, round_robin
from topologies.bigraph import bigraph
from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.fabric import Fabric, frozen
from topologies.fat_tree import fat_tree
from topologies.routing import router
from topologies.server import with_servers

BIGRAPH = bigraph(m=4, n=8)
KINDS = (identity, random, round_robin, pow2_packed, hdrm)


def free(fabric: Fabric, *taken: int) -> np.ndarray:
    return frozen(np.setdiff1d(np.arange(fabric.n_endpoints), taken), np.int32)


def fullest(fabric: Fabric, placement: Placement) -> set[int]:
    """Flows on the fullest link in each step r ↔ r xor 2^k, by the fabric's default routes."""
    rank = np.arange(placement.ranks)
    steps = [placement.endpoint[rank ^ 1 << k] for k in range(placement.ranks.bit_length() - 1)]
    return {int(np.bincount(router(fabric).paths(placement.endpoint, p, np.zeros_like(p)).links).max()) for p in steps}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("ranks", [1, 8, 32])
def test_where_all_is_free_nothing_changes(kind, ranks: int) -> None:
    assert kind(BIGRAPH, ranks, free(BIGRAPH)).endpoint.tolist() == kind(BIGRAPH, ranks).endpoint.tolist()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_only_free_endpoints_are_given(kind) -> None:
    left = free(BIGRAPH, 0, 1, 6, 13, 17, 30)
    assert np.isin(kind(BIGRAPH, 16, left).endpoint, left).all()


def test_orders_go_on_with_what_is_free() -> None:
    fabric = leaf_spine(leaves=2, hosts_per_leaf=4, spines=2)
    left = free(fabric, 0, 1, 5)
    assert identity(fabric, 4, left).endpoint.tolist() == [2, 3, 4, 6]
    assert round_robin(fabric, 5, left).endpoint.tolist() == [2, 4, 3, 6, 7]
    assert sorted(random(fabric, 5, left, seed=1).endpoint) == left.tolist()
    gpus = with_servers(fabric, gpus=2)
    assert round_robin(gpus, 4, free(gpus, 2, 3), over="server").endpoint.tolist() == [0, 4, 6, 1]


def test_hdrm_keeps_its_promise_on_other_switches_and_slots() -> None:
    assert fullest(BIGRAPH, hdrm(BIGRAPH, 16, free(BIGRAPH, *hdrm(BIGRAPH, 16).endpoint))) == {1}
    scattered = free(BIGRAPH, 0, 1, 2, 5, 16, 18, 20)
    seats = hdrm(BIGRAPH, 8, scattered)
    assert fullest(BIGRAPH, seats) == {1}
    with pytest.raises(InputError, match="need 2 free hosts on 4 upper and 4 lower switches; 3 and 4 have them"):
        hdrm(BIGRAPH, 16, scattered)


def test_pow2_packed_keeps_its_promise_on_what_is_left() -> None:
    fabric = fat_tree(k=12)
    first = pow2_packed(fabric, 128)
    second = pow2_packed(fabric, 64, free(fabric, *first.endpoint))
    assert fullest(fabric, second) == {1}
    assert not np.isin(second.endpoint, first.endpoint).any()
    with pytest.raises(InputError, match="at most 144, 2 on each of 72 leaves"):
        pow2_packed(fabric, 160, free(fabric, *np.flatnonzero(np.arange(432) % 6 >= 3)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_more_ranks_than_are_left(kind) -> None:
    with pytest.raises(
        InputError, match=r"ranks: 32 do not fit on the 31 endpoints of bigraph\(m=4, n=8\) that other jobs leave free"
    ):
        kind(BIGRAPH, 32, free(BIGRAPH, 7))
