"""SimGrid as an independent oracle: the same messages through another fluid simulator.

SimGrid's CM02 shares full links in inverse proportion to latency, so runs with contention use `sharing="inverse-latency"`
(docs/validity.md). `simgrid/oracle.cpp` reads a list of messages and simulates them by the semantics of collectives/schedule.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from collectives.placement import Placement, identity, random
from collectives.ring import ring
from collectives.schedule import Channel, Round, Schedule
from netsim.engine.flow import flow
from topologies.clos import leaf_spine
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.routing import router

HERE = Path(__file__).parent / "simgrid"
LINK = {"link": 100e9 / 8, "latency": 1e-6}
FLAGS = ["--cfg=network/model:CM02", "--cfg=network/TCP-gamma:0", "--cfg=network/crosstraffic:0", "--log=root.thresh:error"]

pytestmark = pytest.mark.simgrid


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None or not Path("/usr/include/simgrid").exists():
        pytest.skip("SimGrid is not installed: apt-get install g++ libsimgrid-dev libboost-dev")
    program = tmp_path_factory.mktemp("simgrid") / "oracle"
    subprocess.run(["g++", "-O2", "-std=c++17", HERE / "oracle.cpp", "-o", program, "-lsimgrid"], check=True)
    return program


def simgrid_time(oracle: Path, platform: str, schedule: Schedule, placement: Placement) -> float:
    """Seconds that SimGrid takes for the schedule (one channel) on a platform file."""
    lines = []
    step = 0
    for r in schedule.all_rounds():
        src, dst, chunks = r.messages
        for _ in range(r.repeat):
            ends = zip(placement.endpoint[src], placement.endpoint[dst], chunks * schedule.chunk_bytes, strict=True)
            lines += [f"{step} {s} {d} {b:.0f}\n" for s, d, b in ends]
            step += 1
    messages = oracle.parent / "messages.txt"
    messages.write_text("".join(lines))
    out = subprocess.run(
        [oracle, HERE / platform, messages, *FLAGS], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    found = re.search(r"simulated_s=(\S+)", out)
    assert found, out
    return float(found[1])


def our_time(fabric: Fabric, schedule: Schedule, placement: Placement) -> float:
    return flow(fabric, router(fabric, "d-mod-k"), schedule, placement, sharing="inverse-latency").time


def all_reduce(ranks: int, mebibytes: int) -> Collective:
    return Collective(Op.ALL_REDUCE, ranks, mebibytes * 2**20)


@pytest.mark.parametrize("seed", [None, 0])
def test_ring_of_64(oracle: Path, seed: int | None) -> None:
    fabric = leaf_spine(leaves=8, hosts_per_leaf=8, spines=8, **LINK)
    placement = identity(fabric, 64) if seed is None else random(fabric, 64, seed=seed)
    schedule = ring(all_reduce(64, 64))
    assert our_time(fabric, schedule, placement) == pytest.approx(simgrid_time(oracle, "w1.xml", schedule, placement), rel=1e-6)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_halving_doubling_on_1024(oracle: Path, seed: int | None) -> None:
    fabric = fat_tree(k=16, **LINK)
    placement = identity(fabric, 1024) if seed is None else random(fabric, 1024, seed=seed)
    schedule = halving_doubling(all_reduce(1024, 100))
    assert our_time(fabric, schedule, placement) == pytest.approx(simgrid_time(oracle, "ft16.xml", schedule, placement), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_permutation(oracle: Path, seed: int) -> None:
    """Every host sends 1 MiB to one other: the slowest of 1,024 flows, four on one link."""
    fabric = fat_tree(k=16, **LINK)
    to = np.random.default_rng(seed).permutation(1024)
    src = np.flatnonzero(to != np.arange(1024))
    schedule = Schedule(all_reduce(1024, 1), (Channel((Round(src, to[src], 0, 1, False),), 1),))
    theirs = simgrid_time(oracle, "ft16.xml", schedule, identity(fabric, 1024))
    assert theirs == pytest.approx(0.4254304e-3, rel=1e-6)
    assert our_time(fabric, schedule, identity(fabric, 1024)) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("seed", "milliseconds"), [(0, 64.1277703929), (1, 68.1139895049), (2, 61.5745845959)])
def test_recorded_results_need_no_simgrid(seed: int, milliseconds: float) -> None:
    """What SimGrid 3.32 printed for the random maps, so that the agreement is held where it is not installed."""
    fabric = fat_tree(k=16, **LINK)
    ours = our_time(fabric, halving_doubling(all_reduce(1024, 100)), random(fabric, 1024, seed=seed))
    assert ours == pytest.approx(milliseconds * 1e-3, rel=1e-6)
