"""What ranks hold before and after, and a rank's own part of a schedule, held against collectives' own semantics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives.all_to_all import bruck, direct
from collectives.blueconnect import blueconnect
from collectives.collective import Collective, Op
from collectives.ring import bidirectional_ring, multi_ring
from collectives.schedule import Round, one_channel
from collectives.semantics import REDUCING, postcondition, precondition, steps
from validate.replay.data import NOTHING, buffers, ownership
from validate.replay.plan import table
from validate.replay.steps import own_steps
from validate.replay.wire import bind


@given(st.sampled_from(list(Op)), st.integers(1, 7), st.integers(1, 3), st.data())
def test_who_has_what_agrees_with_the_semantics(op, ranks, c, data):
    n_chunks = c * (ranks**2 if op is Op.ALL_TO_ALL else ranks)
    collective = Collective(op, ranks, 8.0, data.draw(st.integers(0, ranks - 1)))
    had, due = precondition(collective, n_chunks), postcondition(collective, n_chunks)
    for rank in range(ranks):
        source, wanted = ownership(op, ranks, collective.root, n_chunks, rank)
        assert ((source < 0) | (source == rank)).tolist() == had[rank].tolist()
        assert wanted.tolist() == due[rank].tolist()


@given(st.sampled_from([Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER]), st.integers(1, 9), st.integers(1, 40))
def test_after_is_numpys_sum_of_before(op, ranks, elements):
    schedule = direct(Collective(op, ranks, 4.0 * elements))
    told = {"op": op.value, "ranks": ranks, "root": 0, "elements": elements}
    whole = table(schedule.channels)
    held = [buffers(told, [schedule.n_chunks], own_steps(whole, rank), rank) for rank in range(ranks)]
    before = np.array([h.before for h in held if len(h.before) == elements])
    assert len(before) == ranks  # everyone has to do with every chunk
    owned = np.where(before == NOTHING, 0, before)
    for h in held:
        for part in h.due:
            assert h.after[part].tolist() == owned.sum(axis=0)[part].tolist()
        h.buffer[:] = h.after
        assert h.wrong() == 0
        h.refill()
        assert h.wrong() == (0 if ranks == 1 else sum(int((h.after != h.before)[part].sum()) for part in h.due))
    assert op in REDUCING or ranks == 1 or (before == NOTHING).any() == (elements > 0)


def test_an_all_to_all_of_many_ranks_holds_only_its_own_blocks():
    schedule = direct(Collective(Op.ALL_TO_ALL, 16, 6_400.0))
    told = {"op": "all-to-all", "ranks": 16, "root": 0, "elements": 16 * 1_600}
    held = buffers(told, [256], own_steps(table(schedule.channels), 3), 3)
    assert len(held.buffer) == 31 * 100  # 16 blocks it has, 16 it gets, one of them its own


@pytest.mark.parametrize(
    "schedule",
    [
        multi_ring(Collective(Op.ALL_REDUCE, 6, 60.0), channels=2, server_size=3),
        bidirectional_ring(Collective(Op.ALL_GATHER, 5, 60.0)),
        bruck(Collective(Op.ALL_TO_ALL, 6, 60.0)),
        blueconnect(Collective(Op.REDUCE_SCATTER, 6, 60.0), factors=[2, 3]),
    ],
    ids=lambda schedule: schedule.algorithm,
)
def test_the_parts_of_all_ranks_make_up_the_schedule(schedule):
    whole = table(schedule.channels)
    parts = [own_steps(whole, rank) for rank in range(schedule.collective.ranks)]
    for number, channel in enumerate(schedule.channels):
        moved = [[(s, d, c, r) for s, d, c, r in zip(*(x.tolist() for x in step[1:]), strict=True)] for step in steps(channel)]
        for rank, own in enumerate(parts):
            sent = [[x for x in step if x[0] == rank] for step in moved]
            got = [[x for x in step if x[1] == rank] for step in moved]
            busy = [(s, g) for s, g in zip(sent, got, strict=True) if s or g]
            assert len(own[number]) == len(busy)
            for mine, (s, g) in zip(own[number], busy, strict=True):
                assert [(rank, m.peer, *x) for m in mine.sends for x in zip(m.chunk, m.reduce, strict=True)] == s
                assert [(m.peer, rank, *x) for m in mine.receives for x in zip(m.chunk, m.reduce, strict=True)] == g


def test_rows_of_a_pair_with_others_between_are_two_messages_for_both_ends():
    rounds = [Round([0, 0, 0], [1, 2, 1], [0, 0, 2], 1, False)]
    whole = table(one_channel(Collective(Op.BROADCAST, 3, 12.0), rounds, 3).channels)
    assert [m.peer for m in own_steps(whole, 0)[0][0].sends] == [1, 2, 1]
    assert [m.chunk.tolist() for m in own_steps(whole, 1)[0][0].receives] == [[0], [2]]


def test_what_is_sent_is_not_overwritten_in_the_same_step():
    swap = [Round([0, 1], [1, 0], 0, 1, False)]  # both send chunk 0 and receive it: through scratch memory
    whole = table(one_channel(Collective(Op.BROADCAST, 2, 8.0), swap, 1).channels)
    own = own_steps(whole, 0)
    data = buffers({"op": "broadcast", "ranks": 2, "root": 0, "elements": 2}, [1], own, 0)
    ((step,),) = bind(own, data)
    assert np.shares_memory(step.sends[0][0], data.buffer)
    assert not np.shares_memory(step.receives[0][0], data.buffer)
    assert len(step.place) == 1
