"""Run the patterns on a target: all sizes of all patterns, in random order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netsim.build import Job, build_all
from netsim.output import tell
from netsim.scenario import Scenario
from topologies.errors import InputError, NetsimError
from validate.calibrate.patterns import Pattern
from validate.calibrate.points import times
from validate.measured import stamped
from validate.predict import predict
from validate.request import Outcome, Request, Row
from validate.targets import TARGETS

if TYPE_CHECKING:
    from netsim.pipeline import Progress

#: four hosts below two leaves: the least on which a link between switches can be the slowest
SMALLEST = {
    "fabric": {"kind": "leaf-spine", "leaves": 2, "hosts_per_leaf": 2, "spines": 1, "link": "100Gbit/s", "latency": "0s"},
    "collective": {"op": "broadcast", "size": "1MiB"},
}
_PING = [4 << n for n in range(21)]  # bytes, 4 B .. 4 MiB
_BULK = [1 << n for n in range(16, 23)]  # 64 KiB .. 4 MiB
_EMULATED = [n * 40_000 for n in (6, 8, 12, 16, 20)]  # 20 bursts and more; a second for three that meet at 20 Mbit/s


def job_of(scenario: Scenario) -> Job:
    """The scenario's first job. Raises InputError where jobs share the fabric."""
    jobs = build_all(scenario)[0]
    if len(jobs) > 1:
        raise InputError(f"{scenario.name}: jobs: calibration measures one job; give it a scenario of its own")
    return jobs[0]


def rows_of(job: Job, patterns: Sequence[Pattern], on: str, seed: int = 0) -> tuple[Row, ...]:
    """Every size of every pattern, shuffled: what drifts in time is then no trend in size."""
    rows = [row for pattern in patterns for row in _rows(job, pattern, on)]
    random.Random(seed).shuffle(rows)
    return tuple(rows)


def _rows(job: Job, pattern: Pattern, on: str) -> Iterator[Row]:
    """The sizes of a pattern. A pattern that is less work than any broadcast between its endpoints cannot be predicted: told."""
    if on == "emulated" and pattern.added:
        return  # there, adding takes less than links let one measure
    sizes = _EMULATED if on == "emulated" else _PING if pattern.kind == "ping-pong" else _BULK
    try:
        predict(pattern.row(job, sizes[-1]))
    except NetsimError as error:
        tell(f"{pattern.kind} {pattern.name(job.fabric)}: left out: {error}")
        return
    for nbytes in sizes:
        yield pattern.row(job, nbytes, times(on, nbytes))


def measure(
    scenario: Scenario,
    rows: Sequence[Row],
    on: str,
    repeat: int,
    options: Mapping[str, Any],
    progress: Progress | None = None,
) -> Outcome:
    """What the target measures, with date and the scenario's id. Raises what it raises."""
    target = TARGETS.load(on)
    usual = {"seconds": "2s"} if on == "emulated" else {}  # enough for the largest size as it is
    outcome: Outcome = target(Request(scenario, tuple(rows), repeat, usual | dict(options), progress))
    own = job_of(scenario)
    return stamped(outcome, Request(scenario, (Row(own, own.sizes[0]),)))
