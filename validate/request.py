"""What is to be replayed, as every target gets it: rows of one job and one size each.

SCENARIO ──load, build──▶ Job ──rows──▶ Request ──target──▶ Outcome (measured, predicted) ──compare──▶ Comparison
                                                    │
                              emulated | mpi | nccl | a file that exists
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.build import Job, build_all
from netsim.scenario import Scenario
from topologies.errors import InputError
from validate.measurement import Measurement

if TYPE_CHECKING:
    from netsim.pipeline import Progress


@dataclass(frozen=True, eq=False)
class Row:
    """One job of one size: a point of the comparison."""

    job: Job  #: fabric, router, placement, schedule (of any size)
    size: float  #: bytes, as nccl-tests counts the collective's size
    name: str = ""  #: the case and the rank map: "fat-tree", "bigraph, random(3)"; with the size and `by` unique in a request
    native: str = ""  #: "" replays the schedule; else the library's own collective does it: "mpich:ring", "nccl:tree"

    @cached_property
    def schedule(self) -> Schedule:
        """What is replayed; where `native` is set, what netsim takes the library's algorithm to be."""
        return self.job.schedule.resized(self.size)

    @property
    def placement(self) -> Placement:
        return self.job.placement

    @property
    def by(self) -> str:
        """Who does it, for the reader: the algorithm with its parameters, or the library's own."""
        return self.native or self.job.titles["algorithm"]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.name, self.by, int(self.size)


@dataclass(frozen=True, eq=False)
class Request:
    """What a target is asked for."""

    scenario: Scenario
    rows: tuple[Row, ...]
    repeat: int = 3  #: timed runs of each row, after one that is not timed
    options: Mapping[str, Any] = field(default_factory=dict)  #: of the target, checked by it
    progress: Progress | None = None  #: told of the rows that are done, by targets that run them here


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a target gives back; `predicted[i]` is what netsim says row i of the measurement takes, in seconds of the target."""

    measurement: Measurement
    predicted: tuple[float, ...]


def rows(scenario: Scenario, maps: int = 0) -> tuple[Row, ...]:
    """Every case and size of a scenario; with `maps`, on as many rank maps each: the scenario's own, natural, random ones.

    Raises InputError where jobs share the fabric: a replay is of one job.
    """
    out: list[Row] = []
    for jobs in build_all(scenario):
        if jobs[0].case.job:
            raise InputError(f"{scenario.name}: jobs: a replay is of one job; give it a scenario of its own")
        for job, name in _mapped(jobs[0], maps):
            out += [Row(job, size, name) for size in job.sizes]
    return tuple(out)


def _mapped(job: Job, maps: int) -> Iterator[tuple[Job, str]]:
    """The job under each rank map, and a name for it. All maps are of the endpoints that the scenario's own map takes."""
    title = job.case.title or job.fabric.name
    if not maps:
        yield job, title
        return
    own = job.placement.endpoint
    seen: set[bytes] = set()
    seed = 0
    while len(seen) < maps:
        if not seen:
            endpoint, label = own, job.titles["placement"]
        elif seed == 0:
            endpoint, label, seed = np.sort(own), "natural", 1
        else:
            endpoint, label, seed = np.random.default_rng(seed).permutation(np.sort(own)), f"random({seed})", seed + 1
        if seed > 100 * maps:
            raise InputError(f"--maps {maps}: {len(own)} ranks have no more than {len(seen)} rank maps")
        if endpoint.tobytes() in seen:
            continue
        seen.add(endpoint.tobytes())
        yield replace(job, placement=Placement(endpoint, label)), f"{title}, {label}"
