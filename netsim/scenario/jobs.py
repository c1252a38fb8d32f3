"""What only jobs that share a fabric can get wrong: how they stand to each other and to the keys around them."""

from __future__ import annotations

from collections.abc import Iterator

from netsim.scenario.sizes import several_sizes
from netsim.scenario.source import Source, Where, dotted
from netsim.scenario.text import JobText, Keys

#: keys that a job has of its own or takes from around it
INHERITED = ("routing", "ranks", "placement", "collective", "algorithm")


def named(jobs: list[JobText]) -> list[str]:
    """What tables call the jobs."""
    return [job.name or f"job {n + 1}" for n, job in enumerate(jobs)]


def faults_of_jobs(keys: Keys, at: Where, source: Source) -> Iterator[str]:
    """One line for each fault; `at`: where the list of jobs stands in the file."""
    jobs, around = keys.jobs or [], at[:-1]

    def told(where: Where, message: str, *, key: bool = False) -> str:
        return f"{source.place(where, key=key)}: {dotted(where)}: {message}"

    for n, job in enumerate(jobs):
        if job.collective is None and keys.collective is None:
            yield f"{source.place((*at, n))}: {dotted((*at, n))}.collective: missing, here and around the jobs"
    for key in INHERITED:
        if source.has((*around, key)) and all(getattr(job, key) is not None for job in jobs):
            yield told((*around, key), "has no effect: every job has its own", key=True)
    inherited = keys.collective if any(job.collective is None for job in jobs) else None
    if inherited is not None and len(inherited.size) > 1:
        yield told((*_home(around, "collective", source), "collective", "size"), several_sizes(len(inherited.size)))
    for engine in (spec.kind for spec in keys.engine or () if spec.kind != "flow"):
        yield told((*_home(around, "engine", source), "engine"), f"{engine}: jobs that share a fabric need the engine flow")
    names = named(jobs)
    for n, name in enumerate(names):
        if name in names[:n]:
            first = dotted((*at, names.index(name)))
            yield f"{source.place((*at, n, 'name'))}: {dotted((*at, n))}.name: {name!r} is the name of {first} too"


def _home(around: Where, key: str, source: Source) -> Where:
    """Where a key that jobs take from around them is written: beside them, or at the top."""
    return around if source.has((*around, key)) else ()
