"""What measurements add to the model, against closed forms and the referee; all engines say the same."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referee import simulate
from test_flow import wild_schedules

from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from collectives.placement import Placement, identity, random
from collectives.ring import ring
from collectives.schedule import Round, Schedule, one_channel
from netsim.engine.blocks import Traffic
from netsim.engine.calibration import Calibration, Piece
from netsim.engine.flow import flow
from netsim.engine.loads import loads
from netsim.engine.sharing import ByLatency
from netsim.engine.together import Tenant, flow_together
from netsim.engine.wiring import check_classes
from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.routing import router
from topologies.torus import torus

MIB = 2**20
SPEED = 1e9
FABRIC = leaf_spine(leaves=2, hosts_per_leaf=2, spines=1, link=SPEED, latency=1e-6)
PIECES = (Piece(1000, 2e-6, 1e9), Piece(1e6, 8e-6), Piece(inf, 5e-6, 1e10))


def messages(src: list[int], dst: list[int], nbytes: float, ranks: int = 4, added: bool = False) -> Schedule:
    """One round of messages of `nbytes` each."""
    whole = Collective(Op.ALL_REDUCE, ranks, nbytes)
    return one_channel(whole, [Round(src, dst, 0, 1, added)], n_chunks=1)


def times(
    schedule: Schedule, calibration: Calibration | None, fabric: Fabric = FABRIC, routing: str | None = None
) -> list[float]:
    """Seconds by the flow engine, by jobs that share a fabric (of which there is one), and with a barrier after each step."""
    way, place = router(fabric, routing or None), Placement(np.arange(schedule.collective.ranks))
    alone = flow(fabric, way, schedule, place, calibration=calibration)
    (shared,) = flow_together(fabric, [Tenant(way, schedule, place)], calibration=calibration)
    return [alone.time, shared.time, loads(fabric, way, schedule, place, calibration=calibration).time]


@pytest.mark.parametrize("nbytes", [1.0, 1000.0, 1001.0, 1e6, 1e6 + 1, 1e9])
def test_a_message_waits_what_its_piece_says(nbytes: float) -> None:
    fixed, rate = (2e-6, 1e9) if nbytes <= 1000 else (8e-6, inf) if nbytes <= 1e6 else (5e-6, 1e10)
    expected = 4e-6 + fixed + nbytes / rate + nbytes / SPEED
    assert times(messages([0], [2], nbytes), Calibration(overhead=PIECES)) == pytest.approx([expected] * 3, rel=1e-12)


def test_efficiency_is_of_one_direction_of_both_or_of_all() -> None:
    up = messages([0], [2], 1e6)
    for said, slowest in (
        ({"host→leaf": 0.5}, 0.5),
        ({"leaf→host": 0.5, "spine→leaf": 0.25}, 0.25),
        ({"leaf-spine": 0.5, "host-leaf": 0.8, "all": 0.1}, 0.5),
        ({"spine-leaf": 0.5}, 0.5),
        ({"all": 0.3, "host-leaf": 0.9}, 0.3),
    ):
        expected = 4e-6 + 1e6 / SPEED / slowest
        assert times(up, Calibration(efficiency=said)) == pytest.approx([expected] * 3, rel=1e-12)


@pytest.mark.parametrize("duplex", [1.0, 1.25, 2.0])
def test_an_exchange_on_half_a_duplex_takes_twice_as_long(duplex: float) -> None:
    calibration = Calibration(duplex={"host-leaf": duplex})
    expected = 2e-6 + 1e6 / SPEED * 2 / duplex
    assert times(messages([0, 1], [1, 0], 1e6), calibration) == pytest.approx([expected] * 3, rel=1e-12)
    assert times(messages([0], [1], 1e6), calibration) == pytest.approx([2e-6 + 1e-3] * 3, rel=1e-12)  # one way: nothing


def test_contention_tells_of_the_cable_that_two_directions_share() -> None:
    schedule, calibration = messages([0, 1, 2, 3], [2, 3, 0, 1], 1e6), Calibration(duplex={"leaf-spine": 1.0})
    result = flow(FABRIC, router(FABRIC), schedule, identity(FABRIC, 4), calibration=calibration)
    assert result.time == pytest.approx(4e-6 + 4e-3, rel=1e-12)
    contention = result.contention
    assert (contention.hottest[0].label, contention.hottest[0].load) == ("leaf0↔spine0", 4.0)
    assert contention.hottest[0].link == int(contention.max_link[0]) < FABRIC.n_links
    assert contention.max_load[0] == contention.class_load[0, contention.class_names.index("leaf↔spine")] == 4.0
    assert contention.slowdown[0] == pytest.approx(4.0)
    plain = flow(FABRIC, router(FABRIC), schedule, identity(FABRIC, 4)).contention
    np.testing.assert_array_equal(contention.link_bytes, plain.link_bytes)
    hosts = Calibration(duplex={"host-leaf": 1.0})
    exchange = loads(FABRIC, router(FABRIC), messages([0, 1], [1, 0], 1e6), identity(FABRIC, 4), calibration=hosts)
    assert exchange.contention.congestion_free  # the endpoints' own cables set the pace


def test_endpoints_without_switches_share_their_cables_too() -> None:
    fabric, calibration = torus(dims=(4,), link=SPEED, latency=0.0), Calibration(duplex={"all": 1.0})
    schedule = messages([0, 1, 2, 3], [1, 0, 3, 2], 1e6)
    assert times(schedule, calibration, fabric) == pytest.approx([2e-3] * 3, rel=1e-12)
    found = loads(fabric, router(fabric), schedule, identity(fabric, 4), calibration=calibration)
    assert found.contention.slowdown[0] == pytest.approx(2.0)  # a way around the cycle has room


@pytest.mark.parametrize("routing", ["d-mod-k", "spray"])
def test_half_duplex_everywhere_doubles_full_exchanges(routing: str) -> None:
    """In halving-doubling every rank sends as much as it receives in every round, over the same cables."""
    fabric = fat_tree(k=4, link=SPEED, latency=0.0)
    schedule = halving_doubling(Collective(Op.ALL_REDUCE, 16, 16e6))
    full, half = (times(schedule, Calibration(duplex={"host-leaf": d}), fabric, routing) for d in (2.0, 1.0))
    assert half == pytest.approx([2 * t for t in full], rel=1e-12)


def test_adding_takes_its_time_once_for_every_byte_added() -> None:
    fabric = fat_tree(k=4, link=SPEED, latency=1e-6)
    for schedule in (f(Collective(Op.ALL_REDUCE, 16, 16e6)) for f in (halving_doubling, ring)):
        plain, calibrated = (times(schedule, c, fabric) for c in (None, Calibration(reduction=4e9)))
        assert [c - p for p, c in zip(plain, calibrated, strict=True)] == pytest.approx([15e6 / 4e9] * 3, rel=1e-9)


def test_a_message_of_several_pieces_waits_once() -> None:
    pieces = Round([0, 0, 1], [1, 1, 0], [0, 2, 1], 1, [True, False, False])
    assert pieces.added_chunks.tolist() == [1, 0]
    schedule = one_channel(Collective(Op.ALL_REDUCE, 4, 3e6), [pieces], n_chunks=3)
    calibration = Calibration(overhead=(Piece(inf, 1e-3),), reduction=1e9)
    expected = 2e-6 + 1e-3 + 1e6 / 1e9 + 2e6 / SPEED
    assert times(schedule, calibration) == pytest.approx([expected] * 3, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    routing=st.sampled_from(["d-mod-k", "ecmp", "spray"]),
    duplex=st.sampled_from([{}, {"host-leaf": 1.5}, {"all": 1.0}]),
    efficiency=st.sampled_from([{}, {"leaf→host": 0.7}, {"all": 0.9, "leaf-spine": 0.4}]),
    sharing=st.sampled_from(["equal", "inverse-latency"]),
)
def test_anything_equals_the_referee(data, routing, duplex, efficiency, sharing) -> None:  # type: ignore[no-untyped-def]
    fabric = leaf_spine(leaves=3, hosts_per_leaf=2, spines=2, link=SPEED, latency=1e-6)
    schedule, placement, way = data.draw(wild_schedules(6)), random(fabric, 6, seed=1), router(fabric, routing)
    pieces = (Piece(MIB, 3e-6, 1e10), Piece(inf, 5e-4))
    calibration = Calibration(overhead=pieces, duplex=duplex, efficiency=efficiency, reduction=3e9)
    result = flow(fabric, way, schedule, placement, overhead=2e-6, sharing=sharing, calibration=calibration)
    weighted = ByLatency(way) if sharing == "inverse-latency" else way
    expected = simulate(Traffic(fabric, weighted, schedule, placement, calibration), overhead=2e-6)
    assert result.time == pytest.approx(expected, rel=1e-9)


def test_links_that_are_not_there() -> None:
    wrong = Calibration(efficiency={"host→leef": 0.5, "spine-core": 0.5})
    with pytest.raises(InputError, match=r"efficiency: no links 'host→leef' in leaf-spine.*did you mean 'host→leaf'"):
        check_classes(FABRIC, wrong)
    assert times(messages([0], [1], 1e6), wrong) == times(messages([0], [1], 1e6), None)
