"""The flow engine against closed forms and against the plain referee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referee import simulate

from collectives.all_to_all import direct
from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from collectives.placement import Placement, identity, random
from collectives.ring import ring
from collectives.schedule import Channel, Round, Schedule
from netsim.engine.blocks import Traffic
from netsim.engine.events import run_events
from netsim.engine.flow import flow
from topologies.clos import leaf_spine
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.paths import Router
from topologies.routing import router

MIB = 2**20
GBIT = 1e9 / 8


def all_reduce(ranks: int, nbytes: float) -> Collective:
    return Collective(Op.ALL_REDUCE, ranks, nbytes)


def run(fabric: Fabric, schedule: Schedule, placement: Placement, routing: str | None = None, **options: object):  # type: ignore[no-untyped-def]
    return flow(fabric, router(fabric, routing), schedule, placement, **options)


def test_ring_on_leaf_spine_is_its_closed_form() -> None:
    """126 steps of 1 MiB at 100 Gbit/s behind 4 links of 1 µs."""
    fabric = leaf_spine(leaves=8, hosts_per_leaf=8, spines=8, link=100 * GBIT, latency=1e-6)
    result = run(fabric, ring(all_reduce(64, 64 * MIB)), identity(fabric, 64))
    assert result.time == pytest.approx(126 * (MIB / (100 * GBIT) + 4e-6), rel=1e-9)
    assert result.time == pytest.approx(11.0736e-3, rel=1e-5)
    assert result.contention.congestion_free


def test_halving_doubling_on_fat_tree_is_its_closed_form() -> None:
    fabric = fat_tree(k=16, link=100 * GBIT, latency=1e-6)
    result = run(fabric, halving_doubling(all_reduce(1024, 100 * MIB)), identity(fabric, 1024))
    hops = [6] * 4 + [4] * 3 + [2] * 3  # partners at distance 512..64 in other pods, 32..8 in the pod, 4..1 on the leaf
    latency = 2 * sum(hops) * 1e-6
    assert result.time == pytest.approx(2 * 100 * MIB * 1023 / 1024 / (100 * GBIT) + latency, rel=1e-9)
    assert result.time == pytest.approx(16.8448e-3, rel=1e-5)
    assert result.counters["events"] == 0  # no contention, so nothing to solve


def test_long_ring_skips_its_steady_state() -> None:
    """Once the slowest link's beat has reached every rank, repetitions are alike: walked few, the rest exact by one product."""
    fabric = fat_tree(k=16, link=100 * GBIT, latency=1e-6)
    result = run(fabric, ring(all_reduce(1024, 1024 * MIB)), identity(fabric, 1024))
    assert result.time == pytest.approx(2046 * (MIB / (100 * GBIT) + 6e-6), rel=1e-9)
    assert result.counters["free_steps"] < 100
    assert result.counters["free_steps"] + result.counters["skipped_steps"] == 2046


def test_uniform_contention_is_solved_once_a_step() -> None:
    """Both directions of a ring at once: every host link carries two flows, all in step; one repetition is simulated."""
    fabric = leaf_spine(leaves=1, hosts_per_leaf=8, spines=1, link=100 * GBIT, latency=0.0)
    rank = np.arange(8)
    both = Round(np.r_[rank, rank], np.r_[(rank + 1) % 8, (rank - 1) % 8], 0, 1, False, repeat=1000)
    schedule = Schedule(all_reduce(8, MIB), (Channel((both,), 1),))
    result = run(fabric, schedule, identity(fabric, 8))
    assert result.time == pytest.approx(1000 * 2 * MIB / (100 * GBIT), rel=1e-9)
    assert result.counters["events"] <= 3


def test_a_last_step_is_simulated_once() -> None:
    """Ranks end an all-to-all at different times; nothing follows, so what was simulated from time zero stands."""
    fabric = fat_tree(k=4, link=100 * GBIT, latency=1e-6)
    schedule, placement = direct(Collective(Op.ALL_TO_ALL, 16, 16 * MIB)), identity(fabric, 16)
    traffic = Traffic(fabric, router(fabric, "ecmp"), schedule, placement)
    once = run_events([traffic[0]], [1], np.zeros(16), np.zeros(fabric.n_links), fabric.capacity, 0.0)
    assert np.ptp(once.ready) > 0.01 * once.ready.max()
    result = run(fabric, schedule, placement, "ecmp")
    assert result.counters["events"] == once.events
    assert result.time == pytest.approx(simulate(traffic), rel=1e-9)


def test_overhead_is_paid_by_every_message() -> None:
    fabric = fat_tree(k=4, link=100 * GBIT, latency=1e-6)
    schedule = halving_doubling(all_reduce(16, MIB))
    plain, late = (run(fabric, schedule, identity(fabric, 16), overhead=o).time for o in (0.0, 5e-6))
    assert late - plain == pytest.approx(8 * 5e-6, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_random_maps_equal_the_referee(seed: int) -> None:
    fabric = fat_tree(k=4, link=100 * GBIT, latency=1e-6)
    schedule, placement = halving_doubling(all_reduce(16, 10 * MIB)), random(fabric, 16, seed=seed)
    for routing in ("d-mod-k", "ecmp", "spray"):
        expected = simulate(Traffic(fabric, router(fabric, routing), schedule, placement))
        assert run(fabric, schedule, placement, routing).time == pytest.approx(expected, rel=1e-9)


def test_ranks_that_drift_under_contention_equal_the_referee() -> None:
    fabric = leaf_spine(leaves=4, hosts_per_leaf=4, spines=2, link=100 * GBIT, latency=1e-6)
    schedule, placement = ring(all_reduce(16, 16 * MIB)), random(fabric, 16, seed=5)
    result = run(fabric, schedule, placement)
    assert not result.contention.congestion_free
    assert result.time == pytest.approx(simulate(Traffic(fabric, router(fabric), schedule, placement)), rel=1e-9)


@st.composite
def wild_schedules(draw: st.DrawFn, ranks: int) -> Schedule:
    """Rounds of any messages between any ranks, repeated, on one to three channels; no collective's pattern."""
    channels = []
    for _ in range(draw(st.integers(1, 3))):
        rounds = []
        for _ in range(draw(st.integers(1, 4))):
            pairs = st.tuples(st.integers(0, ranks - 1), st.integers(0, ranks - 1)).filter(lambda p: p[0] != p[1])
            messages = draw(st.lists(pairs, min_size=1, max_size=2 * ranks, unique=True))
            sizes = draw(st.lists(st.integers(1, 5), min_size=len(messages), max_size=len(messages)))
            src, dst = zip(*messages, strict=True)
            rounds.append(Round(src, dst, 0, sizes, False, repeat=draw(st.integers(1, 3))))
        channels.append(Channel(tuple(rounds), 8))
    return Schedule(all_reduce(ranks, 8 * MIB * len(channels)), tuple(channels))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    shape=st.sampled_from([(2, 3, 1), (3, 2, 2), (4, 2, 1), (1, 6, 1)]),
    routing=st.sampled_from(["d-mod-k", "ecmp", "spray", "queue-pairs"]),
    latency=st.sampled_from([0.0, 1e-6]),
    uplink=st.sampled_from([1.0, 0.5, 3.0]),
    seed=st.integers(0, 9),
)
def test_anything_equals_the_referee(data, shape, routing, latency, uplink, seed) -> None:  # type: ignore[no-untyped-def]
    leaves, hosts, spines = shape
    fabric = leaf_spine(leaves=leaves, hosts_per_leaf=hosts, spines=spines, link=1e9, uplink=uplink * 1e9, latency=latency)
    schedule = data.draw(wild_schedules(leaves * hosts))
    placement = random(fabric, leaves * hosts, seed=seed)
    way = router(fabric, "ecmp", queue_pairs=3) if routing == "queue-pairs" else router(fabric, routing)
    expected = simulate(Traffic(fabric, way, schedule, placement), overhead=2e-6)
    result = flow(fabric, way, schedule, placement, overhead=2e-6)
    assert result.time == pytest.approx(expected, rel=1e-9)


def test_doubling_bandwidth_without_latency_halves_time() -> None:
    slow, fast = (fat_tree(k=4, link=speed, latency=0.0) for speed in (1e9, 2e9))
    schedule = halving_doubling(all_reduce(16, MIB))
    times = [run(f, schedule, random(f, 16, seed=1)).time for f in (slow, fast)]
    assert times[0] == pytest.approx(2 * times[1], rel=1e-9)


def test_bytes_are_conserved() -> None:
    """Sum of link bytes = sum over messages of bytes x hops, whatever the routes."""
    fabric = fat_tree(k=4, link=1e9, latency=0.0)
    schedule, placement = ring(all_reduce(16, MIB)), random(fabric, 16, seed=2)
    traffic = Traffic(fabric, router(fabric), schedule, placement)
    expected = sum(b.repeat * float((b.row_bytes() * np.diff(b.paths.offsets)).sum()) for b in traffic)
    assert run(fabric, schedule, placement).contention.link_bytes.sum() == pytest.approx(expected, rel=1e-12)


def test_relabelling_by_an_automorphism_changes_nothing() -> None:
    """Swap two whole leaves of a leaf-spine under even spray."""
    fabric = leaf_spine(leaves=4, hosts_per_leaf=4, spines=2, link=1e9, latency=1e-6)
    schedule, placement = ring(all_reduce(16, MIB)), random(fabric, 16, seed=3)
    swapped = placement.endpoint.copy()
    first, second = swapped // 4 == 0, swapped // 4 == 3
    swapped[first] += 12
    swapped[second] -= 12
    times = [run(fabric, schedule, p, "spray").time for p in (placement, Placement(swapped))]
    assert times[0] == pytest.approx(times[1], rel=1e-9)


@dataclass(frozen=True)
class Unbundled:
    """A router that names every cable."""

    router: Router

    def paths(self, src, dst, key):  # type: ignore[no-untyped-def]
        return self.router.paths(src, dst, key).unbundled()


@pytest.mark.parametrize("seed", range(3))
def test_bundles_stand_for_their_cables(seed: int) -> None:
    fabric = fat_tree(k=4, link=1e9, latency=1e-6)
    schedule, placement = ring(all_reduce(16, MIB)), random(fabric, 16, seed=seed)
    way = router(fabric, "spray")
    bundled, single = (flow(fabric, r, schedule, placement) for r in (way, Unbundled(way)))
    assert bundled.time == pytest.approx(single.time, rel=1e-12)
    np.testing.assert_allclose(bundled.contention.link_bytes, single.contention.link_bytes, rtol=1e-12)
    np.testing.assert_allclose(bundled.contention.max_load, single.contention.max_load, rtol=1e-12)
