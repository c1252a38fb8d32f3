"""The checker must catch what is wrong, and say which rank, chunk and round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import ALGORITHMS
from collectives.checks import check, check_buffers, replay
from collectives.collective import Collective, Op
from collectives.compose import renumbered
from collectives.schedule import Channel, Round, Schedule, one_channel
from topologies.errors import ScheduleError

NAMES = r"round \d+(, the last)?: rank \d+( to rank \d+)?: chunk \d+"


def rows(schedule):
    """A one-channel schedule as lists of rows (src, dst, chunk, reduce) per round, every row a single chunk."""
    n = schedule.n_chunks
    explicit = renumbered(schedule.collective, list(schedule.channels[0].rounds), np.arange(n), schedule.algorithm)
    return [list(zip(r.src.tolist(), r.dst.tolist(), r.chunk.tolist(), r.reduce.tolist(), strict=True)) for r in explicit]


def schedule_of(collective, rounds, n):
    made = [Round(*map(list, list(zip(*r, strict=True))[:3]), 1, [row[3] for row in r]) for r in rounds if r]
    return one_channel(collective, made, n, "broken")


CASES = [
    ("ring", Op.ALL_REDUCE, 5, {}),
    ("halving-doubling", Op.ALL_REDUCE, 8, {}),
    ("halving-doubling", Op.REDUCE_SCATTER, 8, {"nearest_first": True}),
    ("rabenseifner", Op.ALL_REDUCE, 6, {}),
    ("double-binary-tree", Op.ALL_REDUCE, 7, {"chunks": 3}),
    ("binomial-tree", Op.REDUCE, 6, {"chunks": 2}),
    ("binomial-tree", Op.BROADCAST, 6, {"chunks": 2}),
    ("hierarchical", Op.ALL_REDUCE, 8, {"server_size": 2}),
    ("torus-2d", Op.ALL_GATHER, 6, {"x": 2, "y": 3}),
    ("bruck", Op.ALL_TO_ALL, 5, {}),
    ("pairwise-xor", Op.ALL_TO_ALL, 4, {}),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1].value}")
def sound(request):
    kind, op, p, parameters = request.param
    schedule = ALGORITHMS.load(kind)(Collective(op, p, 1e6, root=1), **parameters)
    check(schedule_of(schedule.collective, rows(schedule), schedule.n_chunks))
    return schedule


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_message_is_needed(sound, data):
    """None of these algorithms sends anything twice: without any one row somebody ends without something."""
    rounds = rows(sound)
    number = data.draw(st.integers(0, len(rounds) - 1))
    del rounds[number][data.draw(st.integers(0, len(rounds[number]) - 1))]
    broken = schedule_of(sound.collective, rounds, sound.n_chunks)
    with pytest.raises(ScheduleError, match=NAMES):
        check(broken)
    rng = np.random.default_rng(1)
    with pytest.raises(ScheduleError, match=NAMES):
        check_buffers(broken, rng.integers(-(2**62), 2**62, (sound.collective.ranks, sound.n_chunks)))


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_wrong_chunk_is_seen(sound, data):
    rounds = rows(sound)
    number = data.draw(st.integers(0, len(rounds) - 1))
    at = data.draw(st.integers(0, len(rounds[number]) - 1))
    src, dst, chunk, reduce = rounds[number][at]
    rounds[number][at] = (src, dst, (chunk + data.draw(st.integers(1, sound.n_chunks - 1))) % sound.n_chunks, reduce)
    with pytest.raises(ScheduleError, match=NAMES):
        check(schedule_of(sound.collective, rounds, sound.n_chunks))


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_contribution_given_twice_is_seen(sound, data):
    rounds = rows(sound)
    added = [(number, row) for number, r in enumerate(rounds) for row in r if row[3]]
    if not added:  # nothing is added in this operation, and to get the same thing twice does no harm
        return
    number, row = data.draw(st.sampled_from(added))
    rounds.insert(number + 1, [row])
    with pytest.raises(
        ScheduleError, match=f"round {number + 1}: rank {row[1]}: chunk {row[2]} is given what it already has of rank"
    ):
        check(schedule_of(sound.collective, rounds, sound.n_chunks))


def test_rounds_in_the_wrong_order_are_seen(sound):
    rounds = rows(sound)
    if sound.algorithm == "pairwise-xor":  # its rounds may be done in any order
        check(schedule_of(sound.collective, rounds[::-1], sound.n_chunks))
        return
    with pytest.raises(ScheduleError, match=NAMES):
        check(schedule_of(sound.collective, rounds[::-1], sound.n_chunks))


AR = Collective(Op.ALL_REDUCE, 3, 12.0)
AG = Collective(Op.ALL_GATHER, 3, 12.0)
BC = Collective(Op.BROADCAST, 3, 12.0)


@pytest.mark.parametrize(
    ("collective", "n", "rounds", "message"),
    [
        (AR, 1, [Round([0, 1], [1, 1], 0, 1, True)], "round 0: rank 1 to rank 1: chunk 0 .*: sends to itself"),
        (AR, 1, [Round([0], [3], 0, 1, True)], "round 0: rank 0 to rank 3: chunk 0 .*: the receiver is none of the 3 ranks"),
        (AR, 1, [Round([-1], [2], 0, 1, True)], "the sender is none of the 3 ranks"),
        (
            AR,
            2,
            [Round([0], [1], 0, 1, True, repeat=4), Round([0], [1], 2, 1, True)],
            r"round 4: .*chunk 2 .*: there are chunks 0..1",
        ),
        (AR, 2, [Round([0], [1], 0, 3, True)], r"round 0: .*\(run of 3\): carries a run of chunks that is none of 1..2"),
        (AR, 4, [Round([0], [1], 0, 1, True, wrap=3)], "round 0: repeat 1, wrap 3"),
        (AR, 4, [Round([0], [1], 0, 1, True, repeat=0)], "round 0: repeat 0"),
        (AG, 4, [], "broken: 4 chunks: all-gather over 3 ranks needs a multiple of 3"),
        (AG, 3, [Round([0], [1], 1, 1, False)], "round 0: rank 0: chunk 1 is sent and not there"),
        (AG, 3, [Round([0], [1], 0, 1, True)], "round 0: rank 1: chunk 0 is added to nothing"),
        (AG, 3, [Round([0], [1], 0, 1, False)], "after round 0, the last: rank 0: chunk 1 is not there"),
        (
            BC,
            1,
            [Round([0], [1], 0, 1, False), Round([0, 1], [2, 2], 0, 1, False)],
            "round 1: rank 2: chunk 0 is replaced by more",
        ),
        (AR, 1, [Round([0, 1], [2, 2], 0, 1, [True, False])], "round 0: rank 2: chunk 0 is replaced by more than one"),
        (AR, 1, [Round([0, 1], [2, 2], 0, 1, True)], "after round 0, the last: rank 0: chunk 0 lacks what comes from rank 1"),
        (AR, 1, [Round([0, 1], [1, 0], 0, 1, True, repeat=2)], "round 1: rank 0: chunk 0 is given what it already has of rank 0"),
    ],
)
def test_each_fault_has_its_line(collective, n, rounds, message):
    with pytest.raises(ScheduleError, match=message):
        check(one_channel(collective, rounds, n, "broken"))


def test_the_channel_is_named_where_there_are_several():
    exchange = Round([0, 1], [1, 0], 0, 1, True)
    both = Collective(Op.ALL_REDUCE, 2, 8.0)
    check(Schedule(both, (Channel((exchange,), 1), Channel((exchange,), 1)), "mine"))
    with pytest.raises(ScheduleError, match="mine: channel 1: without a round: rank 0: chunk 0 lacks what comes from rank 1"):
        check(Schedule(both, (Channel((exchange,), 1), Channel((), 1)), "mine"))


def test_what_is_sent_is_what_was_there_when_the_round_began():
    swap = one_channel(Collective(Op.ALL_TO_ALL, 2, 8.0), [Round([0, 1], [1, 0], 0, 1, False)], 4, "swap")
    assert replay(swap, np.array([[1, 0, 0, 0], [2, 0, 0, 0]]))[:, 0].tolist() == [2, 1]
    with pytest.raises(ScheduleError, match=r"buffers of shape \(2, 3\): the schedule needs \(2, 4\) first"):
        replay(swap, np.zeros((2, 3)))


def test_chunks_wrap_in_their_window():
    r = Round([0, 1], [1, 0], [5, 9], [2, 2], True, repeat=3, shift=[1, -1], wrap=4)
    assert r.pieces(2, n_chunks=12)[1].tolist() == [7, 4, 11, 8]
    assert Round([0], [1], [5], [3], True).pieces(0, n_chunks=6)[1].tolist() == [5, 0, 1]
