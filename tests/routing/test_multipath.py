"""ECMP reaches all shortest paths alike, or too few when its hashes are all the same."""

import numpy as np
import pytest

from topologies.bigraph import bigraph
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.routing import router
from topologies.routing.ecmp import ecmp


def counts(fabric: Fabric, s: int, d: int, flows: int, **how: bool) -> np.ndarray:
    """How many of many flows of one pair take each of the paths that any takes."""
    full = np.full(flows, 0, dtype=np.int32)
    paths = ecmp(fabric, **how).paths(full + s, full + d, np.arange(flows, dtype=np.int32))
    return np.unique(paths.links.reshape(flows, -1), axis=0, return_counts=True)[1]


@pytest.mark.parametrize("cables", [[], [120]])  # by closed form; by search, a host's cable gone that these pairs do not use
@pytest.mark.parametrize(("d", "ways"), [(127, 16), (4, 4), (1, 1)])
def test_flows_spread_evenly_over_all_shortest_paths(d: int, ways: int, cables: list[int]) -> None:
    """(k/2)² paths between pods, k/2 within one. Chi-square below the 0.999 quantile of 15 degrees of freedom, 37.7."""
    fabric = fat_tree(k=8).without(cables)
    seen = counts(fabric, 0, d, 3200)
    assert len(seen) == ways
    assert ((seen - 3200 / ways) ** 2 / (3200 / ways)).sum() < 37.7


def test_bigraph_bounces_over_every_switch_and_cable() -> None:
    """n/2 switches of the other part, t cables there and t back."""
    assert len(counts(bigraph(m=2, n=8, t=2), 0, 2, 4000)) == 4 * 2 * 2
    assert len(counts(bigraph(m=2, n=8, t=2), 0, 9, 400)) == 2


@pytest.mark.parametrize("cables", [[], [120]])
def test_polarised_hashes_reach_few_paths(cables: list[int]) -> None:
    """The aggregation switch that hash mod 4 leads to computes the same hash: one of its 4 uplinks gets all."""
    fabric = fat_tree(k=8).without(cables)
    assert len(counts(fabric, 0, 100, 1000, polarised=True)) == 4


@pytest.mark.parametrize("cables", [[], [20]])
def test_queue_pairs_are_hashed_one_by_one(cables: list[int]) -> None:
    fabric = fat_tree(k=4).without(cables)
    src, dst, key = (np.array(x, dtype=np.int32) for x in ([0, 1], [15, 14], [0, 5]))
    many = router(fabric, "ecmp", seed=7, queue_pairs=8).paths(src, dst, key)
    assert many.flow.tolist() == [0] * 8 + [1] * 8
    assert many.share.tolist() == [1 / 8] * 16
    assert (fabric.src[many.links[many.offsets[:-1]]] == np.repeat(src, 8)).all()
    assert len({tuple(many.row(i)) for i in range(8)}) > 1
    one = router(fabric, "ecmp", seed=7).paths(src[:1], dst[:1], np.array([5], dtype=np.int32))
    np.testing.assert_array_equal(many.row(5), one.row(0))


def test_seeds_and_keys_change_the_choice_and_nothing_else_does() -> None:
    fabric = fat_tree(k=8)
    src, dst = np.arange(64, dtype=np.int32), np.arange(64, 128, dtype=np.int32)
    first = ecmp(fabric, seed=1).paths(src, dst, src * 0).links
    np.testing.assert_array_equal(first, ecmp(fabric, seed=1).paths(src, dst, src * 0).links)
    assert (first != ecmp(fabric, seed=2).paths(src, dst, src * 0).links).any()
    assert (first != ecmp(fabric, seed=1).paths(src, dst, src * 0 + 1).links).any()
