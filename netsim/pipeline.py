"""The whole flow on one screen:

scenario ──load──▶ Scenario ──build──▶ fabric, router, placement, schedule ──engine──▶ Result ─┬▶ Run ─(together)─▶ Report
                                                └──────────────────────────lower_bound──▶ Bound ┘
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from netsim.bounds import Bound, lower_bound
from netsim.build import Job, blaming, build_all
from netsim.engine import ENGINES
from netsim.engine.together import Tenant, flow_together
from netsim.provenance import Provenance, provenance
from netsim.remember import Remembered
from netsim.result import Result
from netsim.scenario import Scenario, load
from topologies.errors import NetsimError
from topologies.fabric import frozen

MOST_ROUTES = 1 << 20  #: messages whose ways `check` finds; a matter of a second

#: told what is about to be done: (done, in all, what)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Run:
    """A case with what came out, one result and one bound for each size."""

    job: Job
    results: tuple[Result, ...]
    bounds: tuple[Bound, ...]
    alone: Result | None = None  #: what the job would do without the others, where it shared the fabric

    @property
    def name(self) -> str:
        return self.job.case.title

    @property
    def end(self) -> float:
        """When the last size was done, on the clock that jobs which share a fabric have in common: seconds."""
        return self.job.case.start + self.results[-1].time

    @cached_property
    def verified(self) -> bool:
        """Whether the checker has run the schedule on symbolic contributions and found it right (small jobs only)."""
        from netsim.verify import verified

        return verified(self.job.schedule)

    def rows(self) -> Iterator[tuple[Result, Bound]]:
        yield from zip(self.results, self.bounds, strict=True)

    def __repr__(self) -> str:
        last, bound = self.results[-1], self.bounds[-1]
        reached = 100 * bound.time / last.time if last.time else 100.0
        return f"<Run {self.name or self.job.fabric.name}: {last!r}, {reached:.1f} % of bound>"


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that came out of a scenario: its cases side by side, and where they came from."""

    scenario: Scenario
    runs: tuple[Run, ...]
    provenance: Provenance

    @property
    def cases(self) -> tuple[tuple[Run, ...], ...]:
        """The runs case by case: one each, or those of jobs that shared the fabric."""
        return tuple(tuple(runs) for _, runs in groupby(self.runs, key=lambda run: id(run.job.fabric)))

    @property
    def result(self) -> Result:
        """The only result. Raises NetsimError where there are several cases or sizes."""
        if len(self.runs) != 1 or len(self.runs[0].results) != 1:
            raise NetsimError(f"{self.scenario.name}: {self!r} has several results; go through .runs and their .results")
        return self.runs[0].results[0]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __repr__(self) -> str:
        sizes, cases = sum(len(run.results) for run in self.runs), len(self.cases)
        return f"<Report {self.provenance.scenario_id}: {cases} case{'s' * (cases > 1)}, {sizes} results>"


def run(
    scenario: str | Path | Mapping[str, Any] | Scenario,
    settings: Mapping[str, Any] | Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Report:
    """Run a scenario: a file, a mapping with the same keys, or a loaded one; `settings` as in `run("x.yaml", {"fabric.k": 16})`.

    Raises InputError for what cannot be run as it is, one line per fault; Unroutable where a pair has no way.
    """
    scenario = load(scenario, settings)
    cases = build_all(scenario)
    n_jobs = sum(len(jobs) for jobs in cases)
    runs: list[Run] = []
    for jobs in cases:
        alone: list[Run] = []
        for job in jobs:
            with blaming(scenario, job.case, _routes_of(job)):
                alone.append(simulate(job, progress, len(runs) + len(alone), n_jobs))
        runs += together(alone) if jobs[0].case.job else alone
    return Report(scenario, tuple(runs), provenance(scenario, cases))


def check(scenario: Scenario) -> None:
    """Everything short of running: build each case, and find the way of each of its messages unless there are millions.

    Raises InputError with the faults of all cases, one line each; Unroutable where a pair has no way.
    """
    for job in (job for jobs in build_all(scenario) for job in jobs):
        with blaming(scenario, job.case, "fabric"):
            bound_of(job)
        if sum(len(r.src) for r in job.schedule.all_rounds()) <= MOST_ROUTES:
            with blaming(scenario, job.case, _routes_of(job)):
                ENGINES.load("loads")(job.fabric, job.router, job.schedule, job.placement)


def _routes_of(job: Job) -> str:
    """The key that is to blame where a message finds no way."""
    return "routing" if job.case.routing else "fabric"


def simulate(job: Job, progress: Progress | None = None, done: int = 0, of: int = 1) -> Run:
    """Every size of a job. Fabric, schedule and paths are made once."""
    engine, options = ENGINES.load(job.case.engine.kind), _physics(job)
    router = Remembered(job.router) if len(job.sizes) > 1 else job.router
    limit = bound_of(job)
    results, bounds = [], []
    for n, size in enumerate(job.sizes):
        if progress:
            progress(done * len(job.sizes) + n, of * len(job.sizes), job.case.title or job.fabric.name)
        schedule = job.schedule.resized(size)
        result: Result = engine(job.fabric, router, schedule, job.placement, **options)
        bounds.append(limit.resized(size))
        results.append(_at_least(bounds[-1], result, job))
    return Run(job, tuple(results), tuple(bounds))


def together(alone: Sequence[Run]) -> Iterator[Run]:
    """Jobs at once on the fabric they share; each was simulated alone before."""
    tenants = [Tenant(job.router, job.schedule, job.placement, job.case.start) for job in (run.job for run in alone)]
    results = flow_together(alone[0].job.fabric, tenants, **_physics(alone[0].job))
    for run, result in zip(alone, results, strict=True):
        own_clock = replace(result, block_end=frozen(result.block_end - run.job.case.start, np.float64))
        yield replace(run, results=(_at_least(run.bounds[0], own_clock, run.job),), alone=run.results[0])


def _physics(job: Job) -> dict[str, Any]:
    """What the engine is told beside fabric, routes, schedule and ranks; of calibration only where there is one."""
    measured = {} if job.calibration is None else {"calibration": job.calibration}
    return {"overhead": job.case.overhead, **measured, **job.case.engine.parameters}


def _at_least(bound: Bound, result: Result, job: Job) -> Result:
    if result.time < bound.time * (1 - 1e-9):
        raise NetsimError(
            f"{job.fabric.name}: {result.collective.bytes:.0f} B: time {result.time:g} s is below its bound {bound.time:g} s: "
            "a bug in netsim, please report it with the scenario"
        )
    return result


def bound_of(job: Job) -> Bound:
    """The least time that any schedule with any routes could take between these endpoints, for the job's first size."""
    return lower_bound(job.fabric, job.schedule.collective, job.placement, overhead=job.case.overhead)
