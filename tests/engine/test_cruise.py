"""Solving a repeated block at once against walking it repetition by repetition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.blocks import Block
from netsim.engine.cruise import cruise
from netsim.engine.drift import _meetings
from topologies.fabric import frozen
from topologies.paths import Paths


def walked(src: np.ndarray, dst: np.ndarray, alone: np.ndarray, ready: np.ndarray, repeat: int) -> np.ndarray:
    times = ready.copy()
    part = np.isin(np.arange(len(ready)), np.concatenate([src, dst]))
    for _ in range(repeat):
        ends = np.maximum(times[src], times[dst]) + alone
        times = np.where(part, 0.0, times)
        np.maximum.at(times, src, ends)
        np.maximum.at(times, dst, ends)
    return times


def cruised(src: np.ndarray, dst: np.ndarray, alone: np.ndarray, ready: np.ndarray, repeat: int):  # type: ignore[no-untyped-def]
    none = Paths(frozen([0], np.int64), frozen([], np.int32), frozen([], np.float64))
    ends = frozen(src, np.int32), frozen(dst, np.int32)
    block = Block(0, repeat, *ends, frozen(alone, np.float64), none)
    return cruise(block, alone, *_meetings(*ends, len(ready)), ready)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), walkers=st.integers(3, 9), repeat=st.integers(17, 120))
def test_cruising_is_walking(data: st.DataObject, walkers: int, repeat: int) -> None:
    pairs = st.tuples(st.integers(0, walkers - 1), st.integers(0, walkers - 1)).filter(lambda p: p[0] != p[1])
    messages = data.draw(st.lists(pairs, min_size=1, max_size=12, unique=True))
    src, dst = (np.array(end) for end in zip(*messages, strict=True))
    weight = st.lists(st.sampled_from([1.0, 2.0, 2.5, 4.0]), min_size=len(messages), max_size=len(messages))
    alone = np.array(data.draw(weight))
    ready = np.array(data.draw(st.lists(st.integers(0, 6), min_size=walkers, max_size=walkers)), dtype=np.float64)
    found = cruised(src, dst, alone, ready, repeat)
    if found is not None:
        for times, steps in zip(found, (repeat - 1, repeat), strict=True):
            assert times == pytest.approx(walked(src, dst, alone, ready, steps), rel=1e-12)


def test_a_ring_with_one_slow_link_cruises_once_its_beat_has_gone_round() -> None:
    rank = np.arange(12)
    alone = np.where(rank == 0, 3.0, 1.0)
    assert cruised(rank, (rank + 1) % 12, alone, np.zeros(12), 100) is not None
    assert cruised(rank, (rank + 1) % 12, alone, np.zeros(12), 4) is None  # the beat has not reached the far side


def test_apart_from_the_slowest_each_piece_has_a_beat_of_its_own() -> None:
    """Two pairs that never talk to each other: no common eigenvector, so the block is walked."""
    assert cruised(np.array([0, 2]), np.array([1, 3]), np.array([3.0, 1.0]), np.zeros(4), 50) is None
