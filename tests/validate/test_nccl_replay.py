"""What NCCL is asked for: one group a round, the same on both sides, and every element as numpy says it must be."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from nccl_fake import Fake, Wires, in_threads

from collectives import ALGORITHMS
from collectives.algorithm import ops_of
from collectives.collective import Collective, Op
from collectives.ring import multi_ring
from collectives.schedule import Channel, Round, Schedule, one_channel
from collectives.semantics import replay, steps
from validate.nccl.channels import aligned
from validate.nccl.replay import part, walk

PARAMETERS: dict[str, dict[str, Any]] = {
    "multi-ring": {"channels": 3, "server_size": 2},
    "hierarchical": {"server_size": 2, "inter": "ring"},
    "reduce-ring-broadcast": {"server_size": 2},
    "torus-2d": {"x": 2, "y": 4},
    "blueconnect": {"factors": [2, 4]},
}
CASES = [(name, op) for name in ALGORITHMS for op in ops_of(ALGORITHMS.load(name))]


def done(schedule: Schedule, elements: int, spoil: bool = False) -> tuple[list[Fake], list[int]]:
    """The ranks' libraries, and the wrong elements of each, after the schedule has moved real numbers."""
    c = schedule.collective
    row = {"op": c.op.value, "ranks": c.ranks, "root": c.root, "elements": elements}
    wires = Wires(c.ranks)
    ranks = [Fake(wires, spoil and rank == 1) for rank in range(c.ranks)]

    def run(rank: int) -> int:
        own, library = part(schedule, row, rank), ranks[rank]
        library.connect(c.ranks, rank, b"")
        data, scratch = library.array(len(own.data.buffer)), library.array(own.scratch)
        library.write(data, own.data.before)
        walk(own.groups, library, data, scratch)
        own.data.buffer[:] = library.read(data)
        return own.data.wrong()

    out = in_threads([partial(run, rank) for rank in range(c.ranks)])
    for came in out:
        if isinstance(came, BaseException):
            raise came
    return ranks, out


def taking_part(schedule: Schedule, rank: int) -> int:
    """Rounds, repetitions counted and channels side by side, in which a rank sends or receives something."""
    numbers = [s.number for c in schedule.channels for s in steps(c) if rank in s.src or rank in s.dst]
    return len(set(numbers))


@pytest.mark.parametrize(("name", "op"), CASES)
@pytest.mark.parametrize("elements", [5, 1031])  # fewer than chunks; parts of unequal length
def test_every_algorithm_comes_out_as_numpy_says(name: str, op: Op, elements: int) -> None:
    schedule = ALGORITHMS.load(name)(
        Collective(op, 8, 4.0 * elements, 3 if op in (Op.BROADCAST, Op.REDUCE) else 0), **parameters(name)
    )
    ranks, wrong = done(schedule, elements * (8 if op is Op.ALL_TO_ALL else 1))
    assert wrong == [0] * 8
    if elements > schedule.n_chunks:
        assert [len(library.groups) for library in ranks] == [taking_part(schedule, rank) for rank in range(8)]


def parameters(name: str) -> dict[str, Any]:
    return PARAMETERS.get(name, {})


def test_both_sides_of_every_round_agree() -> None:
    """Round for round: what rank a sends b is what b receives from a, in the same order."""
    schedule = ALGORITHMS.load("halving-doubling")(Collective(Op.ALL_REDUCE, 8, 4096.0))
    ranks, _ = done(schedule, 1024)
    assert {len(library.groups) for library in ranks} == {6}
    for groups in zip(*(library.groups for library in ranks), strict=True):
        sent = sorted((rank, peer, count) for rank, group in enumerate(groups) for what, peer, count in group if what == "send")
        got = sorted((peer, rank, count) for rank, group in enumerate(groups) for what, peer, count in group if what == "receive")
        assert sent == got
        assert len(sent) == 8


def test_wrong_elements_are_counted() -> None:
    schedule = ALGORITHMS.load("ring")(Collective(Op.ALL_GATHER, 4, 64.0))
    _, wrong = done(schedule, 16, spoil=True)
    assert wrong == [0, 12, 8, 4]  # all that rank 1 received, and what of it was passed on


def by_hand(*rounds: Round, n_chunks: int, ranks: int = 2) -> Schedule:
    return one_channel(Collective(Op.ALL_REDUCE, ranks, 4.0 * n_chunks), rounds, n_chunks, "by hand")


def test_pieces_apart_are_one_message() -> None:
    """Chunks 0 and 2 in one message, 1 and 3 back, then all complete: packed, sent once, put in place and added."""
    there = Round([0, 0, 1, 1], [1, 1, 0, 0], [0, 2, 1, 3], 1, True)
    back = Round([0, 0, 1, 1], [1, 1, 0, 0], [1, 3, 0, 2], 1, False)
    ranks, wrong = done(by_hand(there, back, n_chunks=4), 8)
    assert wrong == [0, 0]
    assert ranks[0].groups == [[("send", 1, 4), ("receive", 1, 4)]] * 2


def test_added_and_replaced_in_one_message() -> None:
    """Rank 0 sends what rank 1 adds and what it takes over, in one message."""
    first = Round([1], [0], [0], 1, True)
    second = Round([0, 0], [1, 1], [0, 1], 1, [False, True])
    third = Round([1], [0], [1], 1, False)
    ranks, wrong = done(by_hand(first, second, third, n_chunks=2), 6)
    assert wrong == [0, 0]
    assert ranks[1].groups[1] == [("receive", 0, 6)]


def test_what_is_sent_is_what_was_there_when_the_round_began() -> None:
    """Blocks rotate: every rank sends the chunk that it is given anew in the same round."""
    swap = Round([0, 1], [1, 0], [0, 0], 1, True)
    ranks, wrong = done(by_hand(swap, n_chunks=1), 7)
    assert wrong == [0, 0]
    assert ranks[0].calls == [[("send", 1, 7), ("receive", 1, 7)], "add"]


def test_what_lies_right_is_received_straight() -> None:
    ranks, _ = done(ALGORITHMS.load("ring")(Collective(Op.ALL_GATHER, 4, 64.0)), 16)
    assert all("copy" not in library.calls and "add" not in library.calls for library in ranks)


UNLIKE = Schedule(
    Collective(Op.ALL_REDUCE, 2, 40.0),
    (
        Channel((Round([0, 1], [1, 0], [0, 1], 1, True), Round([0, 1], [1, 0], [1, 0], 1, False)), 2),
        Channel((Round([1], [0], [0], 3, True), Round([0], [1], [0], 1, False, 3, 1)), 3),  # four steps, its own repeats
    ),
)


@pytest.mark.parametrize("schedule", [multi_ring(Collective(Op.ALL_REDUCE, 8, 96.0), channels=3, server_size=2), UNLIKE])
def test_channels_side_by_side_mean_the_same(schedule: Schedule) -> None:
    """Same result for any data, and as many steps as the longest channel has."""
    together = aligned(schedule)
    assert len(together.channels) == 1
    assert together.n_steps == schedule.n_steps
    assert together.bytes_sent().tolist() == schedule.bytes_sent().tolist()
    values = np.random.default_rng(1).integers(0, 1000, (schedule.collective.ranks, schedule.n_chunks))
    assert (replay(together, values) == replay(schedule, values)).all()


def test_channels_of_unlike_length_share_their_steps() -> None:
    ranks, wrong = done(UNLIKE, 50)
    assert wrong == [0, 0]
    assert [len(library.groups) for library in ranks] == [4, 4]
