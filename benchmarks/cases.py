"""The speed benchmarks: one function each that prepares a case and returns what is to be timed.

A bar is what the case must not exceed on two cores: seconds, and GiB of peak memory where one is stated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collectives import ALGORITHMS
from collectives.collective import Collective, Op
from collectives.placement import Placement, identity, random
from netsim.engine import ENGINES
from netsim.engine.together import Tenant, flow_together
from topologies.clos import clos
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.rails import rail_optimised
from topologies.routing import router
from topologies.server import with_servers

ROOT = Path(__file__).parent.parent
MIB = 2**20
LINK = {"link": 100e9 / 8, "latency": 1e-6}


@dataclass(frozen=True)
class Case:
    """What is timed, how often after one warm-up, its bars, and the seconds after which all of it is stopped."""

    name: str
    prepare: Callable[[], Callable[[], Any]]
    seconds: float | None = None
    gibibytes: float | None = None
    rounds: int = 5
    patience: float = 150.0


def simulated(
    engine: str,
    algorithm: str,
    collective: Collective,
    fabric: Callable[[], Fabric],
    *,
    seed: int | None = None,
    routing: str | None = None,
    **parameters: Any,
) -> Callable[[], Callable[[], Any]]:
    """A whole simulation, paths included; the fabric is built and the schedule made beforehand.

    `seed` is that of a random rank map (natural order without), `parameters` are the algorithm's.
    """

    def prepare() -> Callable[[], Any]:
        built, ranks = fabric(), collective.ranks
        schedule = ALGORITHMS.load(algorithm)(collective, **parameters)
        placement = identity(built, ranks) if seed is None else random(built, ranks, seed=seed)
        way, run = router(built, routing), ENGINES.load(engine)
        return lambda: run(built, way, schedule, placement)

    return prepare


def all_reduce(ranks: int) -> Collective:
    return Collective(Op.ALL_REDUCE, ranks, 100 * MIB)


def all_to_all(ranks: int, per_pair: int = MIB) -> Collective:
    return Collective(Op.ALL_TO_ALL, ranks, ranks * per_pair)


def eight_jobs() -> Callable[[], Any]:
    """Halving-doubling and ring by turns, 128 ranks each on random endpoints; job j has 10(j+1) MiB and starts at j ms."""
    fabric = k16()
    seats = np.random.default_rng(0).permutation(fabric.n_endpoints).reshape(8, 128)
    tenants = []
    for j, seat in enumerate(seats):
        schedule = ALGORITHMS.load(("halving-doubling", "ring")[j % 2])(Collective(Op.ALL_REDUCE, 128, (j + 1) * 10 * MIB))
        tenants.append(Tenant(router(fabric), schedule, Placement(seat), j * 1e-3))
    return lambda: flow_together(fabric, tenants)


def built(fabric: Callable[[], Any]) -> Callable[[], Callable[[], Any]]:
    """Building a fabric."""
    return lambda: fabric


def process(*arguments: str) -> Callable[[], Callable[[], Any]]:
    """A whole process, Python's start included."""
    command = [str(Path(sys.executable).parent / "netsim"), *arguments]
    return lambda: lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def first_process(*arguments: str) -> Callable[[], Callable[[], Any]]:
    """A whole process on a machine that has no compiled kernels."""
    command = [str(Path(sys.executable).parent / "netsim"), *arguments]

    def run() -> None:
        with tempfile.TemporaryDirectory() as cache:
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={**os.environ, "NUMBA_CACHE_DIR": cache})

    return lambda: run


def k16() -> Fabric:
    return fat_tree(k=16, **LINK)


def cube() -> Fabric:
    """4,096 hosts: what a fat-tree of k=32 has in half of its pods."""
    return clos(children=[16, 16, 16], parents=[1, 16, 16], **LINK)


def k64() -> Fabric:
    return fat_tree(k=64, **LINK)


def million() -> Fabric:
    return clos(children=[64, 128, 128], parents=[1, 64, 128], **LINK)


def rails() -> Fabric:
    """1,024 servers of 8 GPUs with NVLink on 8 rails: 16 units of 64 servers, full bisection."""
    network = rail_optimised(servers=1024, rails=8, servers_per_leaf=64, spines=64, link=50e9)
    return with_servers(network, gpus=8, nvlink=450e9)


HD, RING = "halving-doubling", "ring"
MANY = 2**20

CASES = [
    Case("build fat-tree k=64, 65,536 hosts", built(k64), 0.5),
    Case("flow, halving-doubling, 1,024 ranks", simulated("flow", HD, all_reduce(1024), k16), 0.020, rounds=20),
    Case("flow, halving-doubling, 1,024 ranks, random map", simulated("flow", HD, all_reduce(1024), k16, seed=0), rounds=20),
    Case("flow, halving-doubling, 4,096 ranks, random map", simulated("flow", HD, all_reduce(4096), cube, seed=0), 1.0),
    Case("flow, halving-doubling, 65,536 ranks", simulated("flow", HD, all_reduce(2**16), k64), 0.5),
    Case("flow, halving-doubling, 1,048,576 ranks", simulated("flow", HD, all_reduce(MANY), million), 30.0, 8.0, rounds=3),
    Case("flow, ring, 1,024 ranks", simulated("flow", RING, all_reduce(1024), k16), 0.020, rounds=20),
    Case("flow, ring, 1,024 ranks, random map", simulated("flow", RING, all_reduce(1024), k16, seed=0), 6.0),
    Case("flow, ring, 65,536 ranks", simulated("flow", RING, all_reduce(2**16), k64), 1.0),
    Case("flow, ring, 1,048,576 ranks", simulated("flow", RING, all_reduce(MANY), million), 30.0, 8.0, rounds=1),
    Case(
        "flow, all-to-all direct, 1,024 ranks x 1 MiB per pair, spray",
        simulated("flow", "direct", all_to_all(1024), k16, routing="spray"),
        2.0,
    ),
    Case(
        "flow, all-to-all direct, 1,024 ranks x 1 MiB per pair, ECMP",
        simulated("flow", "direct", all_to_all(1024), k16, routing="ecmp"),
        20.0,
        rounds=3,
    ),
    Case(
        "flow, hierarchical all-reduce, 1,024 servers x 8 GPUs, NVLink, 8 rails",
        simulated("flow", "hierarchical", all_reduce(8192), rails, server_size=8),
        1.0,
    ),
    Case("flow, eight jobs of 128 ranks on one fabric, other sizes and starts", lambda: eight_jobs(), 1.0),
    Case("loads, halving-doubling, 1,048,576 ranks", simulated("loads", HD, all_reduce(MANY), million), 20.0, 4.0, rounds=3),
    Case("netsim --help, whole process", process("--help"), 0.3),
    Case("netsim run benchmarks/thousand.yaml, whole process, warm", process("run", "benchmarks/thousand.yaml"), 1.0),
    Case("netsim run examples/quickstart.yaml, whole process, warm", process("run", "examples/quickstart.yaml"), 1.5),
    Case(
        "first run on a machine, benchmarks/first-run.yaml, kernels compiled",
        first_process("run", "benchmarks/first-run.yaml"),
        15.0,
        rounds=3,
    ),
]
