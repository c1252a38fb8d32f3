"""Rates and ends by bottleneck class: the solver alone after every change, and in crowds that are too large for the referee."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from referee import fair_rates

from collectives.all_to_all import direct
from collectives.collective import Collective, Op
from collectives.placement import random
from netsim.engine.blocks import Traffic
from netsim.engine.classes import Classes, join, leave, make_classes, settle
from netsim.engine.events import WORK, run_events
from netsim.engine.levels import fill, repair
from netsim.engine.rows import Rows
from topologies.errors import InputError
from topologies.fabric import Fabric, frozen
from topologies.fat_tree import fat_tree
from topologies.routing import router
from topologies.torus import torus

MIB = 2**20


def classes_over(paths: list[dict[int, float]], capacity: NDArray[np.float64]) -> Classes:
    """No row active yet. `paths`: the use of each link by each row."""
    ends = np.cumsum([0, *(len(p) for p in paths)])
    links = np.array([link for p in paths for link in p], np.int32)
    use = np.array([part for p in paths for part in p.values()])
    return make_classes(Rows(ends, links, use, np.zeros(len(paths)), np.ones(len(paths))), capacity)[0]


def assert_consistent(c: Classes) -> None:
    """Lists, heaps, sums and bounds say what the rows say, whatever has happened before."""
    row_of = np.arange(len(c.crossed)) >> c.shift
    use = c.use if len(c.use) else np.ones(len(c.crossed))
    for number in range(len(c.links) - 1):
        link = c.links[number]
        listed = c.lists[link["first"] : link["first"] + link["count"]]
        held, others = listed[: link["holds"]], listed[link["holds"] :]
        assert (c.crossed[listed] == number).all()
        assert (c.place[listed] == np.arange(link["count"])).all()
        assert (c.holder[row_of[held]] == number).all()
        assert (c.holder[row_of[others]] != number).all()
        keys = c.key[row_of[held]]
        assert all(keys[(i - 1) // 2] <= keys[i] for i in range(1, len(keys)))
        rates = c.links["rate"][c.holder[row_of[others]]]
        assert link["others"] == pytest.approx(rates @ use[others], rel=1e-9, abs=1e-9)
        assert (rates <= link["top"] * (1 + 1e-10)).all()
        assert link["demand"] == pytest.approx(use[held].sum(), rel=1e-9) or not len(held)


def assert_fair(c: Classes, paths: list[dict[int, float]], capacity: NDArray[np.float64], to_go: dict[int, float]) -> None:
    """The rates of the flowing rows are those of progressive filling, and they have as many bytes to go as they should."""
    for row, rate in fair_rates(sorted(to_go), {r: paths[r] for r in to_go}, capacity).items():
        holder = c.links[c.holder[row]]
        assert holder["rate"] == pytest.approx(rate, rel=1e-9)
        settle(c, np.int64(c.holder[row]))
        assert c.key[row] - holder["served"] == pytest.approx(to_go[row], rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n_links=st.integers(1, 9), n_rows=st.integers(1, 30), alike=st.booleans(), whole=st.booleans())
def test_rates_are_fair_after_every_change(data, n_links, n_rows, alike, whole) -> None:  # type: ignore[no-untyped-def]
    """Rows come and go, some at once; `alike` capacities make ties of all kinds; not `whole`: rows use links by fractions."""
    capacities = st.sampled_from([4.0, 12.0]) if alike else st.floats(1.0, 100.0)
    capacity = np.array(data.draw(st.lists(capacities, min_size=n_links, max_size=n_links)))
    uses = st.just(1.0) if whole else st.sampled_from([0.25, 0.5, 1.0, 2.0])
    path = st.dictionaries(st.integers(0, n_links - 1), uses, min_size=1, max_size=4)
    paths = data.draw(st.lists(path, min_size=n_rows, max_size=n_rows))
    c = classes_over(paths, capacity)
    to_go: dict[int, float] = {}
    for step in range(data.draw(st.integers(1, 12))):
        changed = data.draw(st.sets(st.integers(0, n_rows - 1), min_size=1, max_size=3 if to_go else n_rows))
        for row in to_go:
            to_go[row] -= 0.25 * c.links["rate"][c.holder[row]]
        c.state["now"], c.state["event"], c.state["n_moved"] = 0.25 * step, step + 1, 0
        come = np.array(sorted(changed - set(to_go)), np.int32)
        for row in changed & set(to_go):
            settle(c, np.int64(c.holder[row]))
            leave(c, np.int64(row))
            del to_go[row]
        for row in come:
            to_go[int(row)] = 1e6
            join(c, np.int64(row), 1e6)
        repair(c, come, np.int64(len(come)))
        assert_fair(c, paths, capacity, to_go)
        assert_consistent(c)
    fill(c)
    assert_fair(c, paths, capacity, to_go)
    assert_consistent(c)


def ends_by_filling(
    paths: list[NDArray[np.int32]], capacity: NDArray[np.float64], start: NDArray[np.float64], nbytes: NDArray[np.float64]
):  # type: ignore[no-untyped-def]
    """When each of many flows ends that wait for nothing but their start: all rates anew at every event, in numpy."""
    row = np.repeat(np.arange(len(paths)), [len(p) for p in paths])
    link, n = np.concatenate(paths), len(capacity)
    left, ends, now = nbytes.astype(float), np.full(len(paths), np.inf), 0.0
    while np.isinf(ends).any():
        flowing = (start <= now * (1 + 1e-12)) & np.isinf(ends)
        rate, room, unset = np.zeros(len(paths)), capacity.astype(float), flowing.copy()
        while unset.any():
            at = unset[row]
            demand = np.bincount(link[at], minlength=n)
            level = np.divide(room, demand, out=np.full(n, np.inf), where=demand > 0)
            lowest = level.min()
            fixed = np.zeros(len(paths), bool)
            fixed[row[at & (level <= lowest * (1 + 1e-12))[link]]] = True
            fixed &= unset
            rate[fixed] = lowest
            room -= lowest * np.bincount(link[fixed[row]], minlength=n)
            unset &= ~fixed
        due = np.where(np.isinf(ends) & ~flowing, start, np.inf)
        due[flowing] = now + left[flowing] / rate[flowing]
        after = due.min()
        left[flowing] -= rate[flowing] * (after - now)
        ends[flowing & (due <= after * (1 + 1e-12))] = after
        now = after
    return ends


@pytest.mark.parametrize(
    ("fabric", "routing", "largest"),
    [
        (fat_tree(k=6, link=12.5e9, latency=1e-6), "ecmp", 1),
        (fat_tree(k=4, link=12.5e9, latency=1e-6), "ecmp", 9),
        (torus(dims=[4, 5], link=12.5e9, latency=1e-6), "dimension-order", 1),
        (torus(dims=[4, 5], link=12.5e9, latency=1e-6), "dimension-order", 3),
    ],
)
def test_crowds_end_as_by_plain_filling(fabric: Fabric, routing: str, largest: int) -> None:
    """All-to-all, 1 to `largest` MiB a pair: ten to fifty flows on a link, hundreds of events, ties in the torus."""
    ranks = fabric.n_endpoints
    schedule = direct(Collective(Op.ALL_TO_ALL, ranks, ranks * MIB))
    block = Traffic(fabric, router(fabric, routing), schedule, random(fabric, ranks, seed=1))[0]
    sizes = np.random.default_rng(2).integers(1, largest + 1, len(block.bytes))
    block = replace(block, bytes=frozen(block.bytes * sizes, np.float64))
    outcome = run_events([block], [1], np.zeros(ranks), np.zeros(fabric.n_links), fabric.capacity, 0.0)
    paths = [block.paths.row(i) for i in range(block.paths.n_rows)]
    ends = ends_by_filling(paths, fabric.capacity, block.paths.latency, block.bytes)
    expected = [ends[(block.src == r) | (block.dst == r)].max() for r in range(ranks)]
    np.testing.assert_allclose(outcome.ready, expected, rtol=1e-9)
    assert outcome.work[WORK.index("fills")] <= 4  # at the beginning, when all come at once: after that few change


def test_more_than_fits_is_refused() -> None:
    rows = 2**11
    ends = np.concatenate([[0], 2**20 + np.arange(rows)])
    links = np.minimum(np.arange(ends[-1]), 2**20 - 1).astype(np.int32)
    with pytest.raises(InputError, match=r"flow: 2048 messages over up to 1048576 links are too many; take engine: loads"):
        make_classes(Rows(ends, links, None, np.zeros(rows), np.zeros(rows)), np.ones(2**20))
