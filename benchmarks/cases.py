"""The speed benchmarks: one function each that prepares a case and returns what is to be timed.

A bar is what the case must not exceed on two cores: seconds, and GiB of peak memory where one is stated.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectives import ALGORITHMS
from collectives.collective import Collective, Op
from collectives.placement import identity, random
from netsim.engine import ENGINES
from topologies.clos import clos
from topologies.fat_tree import fat_tree
from topologies.routing import router

ROOT = Path(__file__).parent.parent
MIB = 2**20
LINK = {"link": 100e9 / 8, "latency": 1e-6}


@dataclass(frozen=True)
class Case:
    """What is timed, how often after one warm-up, and its bars."""

    name: str
    prepare: Callable[[], Callable[[], Any]]
    seconds: float | None = None
    gibibytes: float | None = None
    rounds: int = 5


def simulated(
    engine: str, algorithm: str, ranks: int, nbytes: float, fabric: Callable[[], Any], seed: int | None = None
) -> Callable[[], Callable[[], Any]]:
    """A whole simulation, paths included; the fabric is built and the schedule made beforehand."""

    def prepare() -> Callable[[], Any]:
        built = fabric()
        schedule = ALGORITHMS.load(algorithm)(Collective(Op.ALL_REDUCE, ranks, nbytes))
        placement = identity(built, ranks) if seed is None else random(built, ranks, seed=seed)
        way, run = router(built), ENGINES.load(engine)
        return lambda: run(built, way, schedule, placement)

    return prepare


def built(fabric: Callable[[], Any]) -> Callable[[], Callable[[], Any]]:
    """Building a fabric."""
    return lambda: fabric


def process(*arguments: str) -> Callable[[], Callable[[], Any]]:
    """A whole process, Python's start included."""
    command = [str(Path(sys.executable).parent / "netsim"), *arguments]
    return lambda: lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def k16() -> Any:
    return fat_tree(k=16, **LINK)


def k64() -> Any:
    return fat_tree(k=64, **LINK)


def million() -> Any:
    return clos(children=[64, 128, 128], parents=[1, 64, 128], cables=[1, 1, 1], **LINK)


CASES = [
    Case("build fat-tree k=64, 65,536 hosts", built(k64), 0.5),
    Case("flow, halving-doubling, 1,024 ranks", simulated("flow", "halving-doubling", 1024, 100 * MIB, k16), 0.020, rounds=20),
    Case("flow, halving-doubling, 1,024 ranks, random map", simulated("flow", "halving-doubling", 1024, 100 * MIB, k16, seed=0)),
    Case("flow, halving-doubling, 65,536 ranks", simulated("flow", "halving-doubling", 65536, 100 * MIB, k64), 1.0),
    Case("flow, ring, 1,024 ranks", simulated("flow", "ring", 1024, 100 * MIB, k16)),
    Case("flow, ring, 1,024 ranks, random map", simulated("flow", "ring", 1024, 100 * MIB, k16, seed=0), rounds=3),
    Case("flow, ring, 65,536 ranks", simulated("flow", "ring", 65536, 100 * MIB, k64), 2.0, 2.0),
    Case(
        "loads, halving-doubling, 1,048,576 ranks",
        simulated("loads", "halving-doubling", 2**20, 100 * MIB, million),
        20.0,
        4.0,
        3,
    ),
    Case("netsim --help, whole process", process("--help"), 0.3),
    Case("netsim run examples/quickstart.yaml, whole process, warm", process("run", "examples/quickstart.yaml"), 1.5),
]
