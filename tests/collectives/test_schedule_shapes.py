"""What makes each algorithm itself: who meets whom, over which wires, in how few rounds."""

from itertools import pairwise

import numpy as np
import pytest
from algorithm_contracts import claimed
from algorithm_contracts import settings as parameter_sets
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import ALGORITHMS
from collectives.algorithm import ops_of
from collectives.all_to_all import bruck
from collectives.checks import check, steps
from collectives.collective import Collective, Op
from collectives.compose import folded_ranks, side_by_side
from collectives.halving_doubling import halving_doubling
from collectives.hierarchical import hierarchical, reduce_ring_broadcast
from collectives.ring import multi_ring, ring
from collectives.swing import swing
from collectives.trees import binomial_tree, double_binary_tree
from topologies.errors import InputError


def all_reduce(p):
    return Collective(Op.ALL_REDUCE, p, 1e6)


def pairs(schedule):
    return {(s, d) for r in schedule.all_rounds() for s, d in zip(r.src.tolist(), r.dst.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("schedule", "distances"),
    [
        (swing(all_reduce(64)), [1, 1, 3, 5, 11, 21]),
        (halving_doubling(all_reduce(64)), [32, 16, 8, 4, 2, 1]),
        (halving_doubling(all_reduce(64), nearest_first=True), [1, 2, 4, 8, 16, 32]),
    ],
)
def test_partners_are_as_far_as_the_papers_say(schedule, distances):
    for r, distance in zip(schedule.channels[0].rounds, distances + distances[::-1], strict=True):
        around = (r.dst - r.src) % 64
        assert set(np.minimum(around, 64 - around).tolist()) == {distance}
        assert np.array_equal(r.dst[r.dst], np.arange(64))  # partners meet each other
        assert len(r.src) == 64  # every message is one run


def test_a_ring_of_any_length_is_two_rounds_and_a_hierarchy_of_rings_four():
    assert len(ring(all_reduce(4096)).channels[0].rounds) == 2
    assert len(hierarchical(all_reduce(4096), server_size=8, inter="ring").channels[0].rounds) == 4


@pytest.mark.parametrize("tree", [binomial_tree, double_binary_tree])
def test_a_longer_pipeline_is_no_longer_schedule(tree):
    short, long = (tree(all_reduce(100), chunks=chunks) for chunks in (50, 100_000))
    assert long.n_steps - short.n_steps == 100_000 - 50
    assert len(long.channels[0].rounds) == len(short.channels[0].rounds)


@pytest.mark.parametrize("p", [2, 3, 6, 7, 16, 17, 100])
def test_no_rank_is_inside_both_trees(p):
    schedule = double_binary_tree(Collective(Op.BROADCAST, p, 1e6, root=1))
    inside = [
        {int(s) for r in schedule.all_rounds() for s, c in zip(r.src, r.chunk, strict=True) if c == half} for half in (0, 1)
    ]
    assert inside[0] & inside[1] == {1}


@pytest.mark.parametrize(("servers", "size"), [(2, 4), (4, 8), (6, 2)])
def test_many_rings_stay_on_rails_and_use_every_nic_once(servers, size):
    schedule = multi_ring(all_reduce(servers * size), channels=size, server_size=size)
    out, into = [], []
    for channel in schedule.channels:
        r = channel.rounds[0]
        between = r.src // size != r.dst // size
        assert (r.src[between] % size == r.dst[between] % size).all()
        out += r.src[between].tolist()
        into += r.dst[between].tolist()
    assert sorted(out) == sorted(into) == list(range(servers * size))


@pytest.mark.parametrize("inter", ["ring", "halving-doubling"])
def test_hierarchies_leave_a_server_only_between_equal_slots(inter):
    for src, dst in pairs(hierarchical(all_reduce(32), server_size=4, inter=inter)):
        assert src // 4 == dst // 4 or src % 4 == dst % 4
    for src, dst in pairs(reduce_ring_broadcast(all_reduce(32), server_size=4)):
        assert src // 4 == dst // 4 or src % 4 == dst % 4 == 0


@given(p=st.integers(1, 70), root=st.integers(0, 69), chunks=st.integers(1, 60), op=st.sampled_from([Op.BROADCAST, Op.REDUCE]))
@settings(max_examples=40, deadline=None)
def test_trees_and_chains_reach_any_number_from_any_root(p, root, chunks, op):
    for algorithm in (ring, binomial_tree, double_binary_tree):
        check(algorithm(Collective(op, p, 1e6, root % p), chunks=chunks))


@given(servers=st.integers(1, 12), size=st.integers(1, 9), op=st.sampled_from([Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER]))
@settings(max_examples=30, deadline=None)
def test_any_servers_of_any_size(servers, size, op):
    collective = Collective(op, servers * size, 1e6)
    check(hierarchical(collective, server_size=size, inter="bruck", local="direct"))
    check(multi_ring(collective, server_size=size, channels=3))


@given(p=st.integers(1, 300))
def test_folding_keeps_a_power_of_two_and_pairs_the_rest(p):
    stay = folded_ranks(p)
    assert len(stay).bit_count() == 1
    assert len(stay) <= p < 2 * len(stay)
    assert all(b - a in (1, 2) for a, b in pairwise(stay.tolist()))
    assert set(range(p)) - set(stay.tolist()) == set(range(0, 2 * (p - len(stay)), 2))


def test_groups_side_by_side_share_rounds_and_wrap_in_their_own_chunks():
    """Three rings of four: a joint all-reduce of nothing but the groups' own parts, checked group by group."""
    rounds = side_by_side(ring(all_reduce(4)), np.arange(12).reshape(3, 4), np.arange(3) * 8, scale=2)
    assert [(len(r.src), r.repeat, r.wrap) for r in rounds] == [(12, 3, 8), (12, 3, 8)]
    for r in rounds:
        for repetition in range(r.repeat):
            row, chunk = r.pieces(repetition, 24)
            assert np.array_equal(chunk // 8, r.src[row] // 4)
    with pytest.raises(InputError, match="multi-ring: has 2 channels; only one can be part of another"):
        side_by_side(multi_ring(all_reduce(4)), np.arange(4))


def test_bruck_does_in_log_steps_what_a_ring_does_in_p():
    assert [bruck(all_reduce(p)).n_steps for p in (2, 3, 100, 1000)] == [2, 4, 14, 20]
    assert bruck(all_reduce(1000)).bytes_sent().max() == pytest.approx(2 * 0.999 * 1e6)


@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.parametrize("p", [2, 7, 8])
def test_nothing_is_replaced_while_it_is_being_sent(kind, p):
    """So that a replay may receive in place whatever it does not add."""
    algorithm = ALGORITHMS.load(kind)
    for op in (op for op in ops_of(algorithm) if claimed(kind, op, p)):
        for parameters in parameter_sets(kind, op, p):
            for channel in algorithm(Collective(op, p, 1e6), **parameters).channels:
                for step in steps(channel):
                    sent = step.src * channel.n_chunks + step.chunk
                    placed = (step.dst * channel.n_chunks + step.chunk)[~step.reduce]
                    assert not np.isin(sent, placed).any(), (op, parameters, step.number)
