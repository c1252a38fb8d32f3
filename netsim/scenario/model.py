"""What was asked, resolved: how one file becomes cases side by side, each of one job or of several that share the fabric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import ValidationError

from netsim.scenario.calibration import CalibrationText
from netsim.scenario.jobs import INHERITED, faults_of_jobs, named
from netsim.scenario.kinds import Spec
from netsim.scenario.source import Source, Where, dotted
from netsim.scenario.text import CollectiveText, FaultCount, Keys, ScenarioText
from netsim.scenario.wording import lines
from topologies.errors import InputError

MAX_CASES = 100

_FLOW = Spec("flow")


@dataclass(frozen=True)
class Case:
    """One fabric, one job, one collective over its sizes. None: left to the default that the fabric or the ranks decide."""

    name: str
    fabric: Spec
    collective: CollectiveText
    server: Spec | None = None
    faults: tuple[str | FaultCount, ...] = ()
    routing: Spec | None = None
    ranks: int | None = None
    placement: Spec | None = None
    algorithm: Spec | None = None
    engine: Spec = _FLOW
    overhead: float = 0.0
    calibration: str | CalibrationText | None = None  #: measured parameters, or the file that holds them
    seed: int = 0
    at: Where = ()  #: the case's place in the file: () or ("compare", 0)
    job: str = ""  #: the name of the job where several share the fabric
    start: float = 0.0  #: when it begins
    job_at: Where = ()  #: its place in the file

    @property
    def title(self) -> str:
        """The names of case and job."""
        return ": ".join(name for name in (self.name, self.job) if name)


@dataclass(frozen=True)
class Scenario:
    """What was asked: a validated file. `cases` are what runs, side by side."""

    source: Source
    text: ScenarioText

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def together(self) -> tuple[tuple[Case, ...], ...]:
        """Every case, the lists under `fabric`, `routing`, `placement`, `algorithm` and `engine` multiplied out: one job, or the
        jobs that share the fabric."""
        return tuple(jobs for keys, name, at in self.text.side_by_side() for jobs in _cases(keys, name, at, self.source))

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every job of every case."""
        return tuple(job for jobs in self.together for job in jobs)

    def place(self, case: Case, key: str, *entry: int) -> str:
        """Where a case's key stands, or an entry of its list: with its job, in the case, or else at the top of the file."""
        homes: list[Where] = [(*case.job_at, key), (*case.at, key), (key,)]
        home = next((home for home in homes if home in self.source.values), homes[0])
        return self.source.place((*home, *entry))

    def __repr__(self) -> str:
        return f"<Scenario {self.name}: {len(self.together)} case{'s' * (len(self.together) > 1)}>"


_LISTS = ("fabric", "routing", "placement", "algorithm", "engine")


def _cases(keys: Keys, name: str, at: Where, source: Source) -> Iterator[tuple[Case, ...]]:
    """Each case as its jobs."""
    given = {k: v for k in Case.__match_args__ if k in Keys.model_fields and (v := getattr(keys, k)) is not None}
    given |= {"faults": tuple(keys.faults or ())}
    choices = {key: getattr(keys, key) or (None,) for key in _LISTS}
    varied = [key for key in _LISTS if len(choices[key]) > 1]
    for chosen in product(*choices.values()):
        one: dict[str, Any] = dict(zip(_LISTS, chosen, strict=True))
        label = " + ".join([name] * bool(name) + [str(one[key]) for key in varied])
        case: dict[str, Any] = {"name": label, "at": at} | given | {k: v for k, v in one.items() if v is not None}
        yield tuple(Case(**case | job) for job in _own(keys, at, source))


def _own(keys: Keys, at: Where, source: Source) -> list[dict[str, Any]]:
    """What each job has of its own."""
    if keys.jobs is None:
        return [{}]
    out = []
    for n, (job, name) in enumerate(zip(keys.jobs, named(keys.jobs), strict=True)):
        own = {k: v for k in INHERITED if (v := getattr(job, k)) is not None}
        out.append(own | {"job": name, "start": job.start or 0.0, "job_at": (*_jobs_at(at, source), n)})
    return out


def _jobs_at(at: Where, source: Source) -> Where:
    """Where the list of jobs of a case is written."""
    return (*at, "jobs") if source.has((*at, "jobs")) else ("jobs",)


def read_scenario(source: Source) -> Scenario:
    """The scenario that a source says. Raises InputError with one line per fault, all of them, in the order of the file."""
    try:
        text = ScenarioText.model_validate(source.data)
    except ValidationError as error:
        raise InputError("\n".join(lines(error, source))) from None
    wrong = _missing(text, source) + _named_alike(text, source)
    for keys, _, at in text.side_by_side():
        if keys.jobs is not None:
            wrong += [told for told in faults_of_jobs(keys, _jobs_at(at, source), source) if told not in wrong]
    if wrong:
        raise InputError("\n".join(wrong))
    scenario = Scenario(source, text)
    several: Sequence[Keys] = text.compare or [text]
    cases = sum(_count(keys, text) for keys in several)
    if cases > MAX_CASES:
        raise InputError(f"{source.place(())}: {cases} cases side by side; at most {MAX_CASES}")
    return scenario


def _count(keys: Keys, top: Keys) -> int:
    count = 1
    for key in _LISTS:
        count *= len(getattr(keys, key) or getattr(top, key) or (None,))
    return count


def _named_alike(text: ScenarioText, source: Source) -> list[str]:
    """Cases that a table could not tell apart."""
    names = [case.name for case in text.compare or []]
    again = [(n, names.index(name)) for n, name in enumerate(names) if name is not None and name in names[:n]]
    return [
        f"{source.place(('compare', n, 'name'))}: compare[{n}].name: {names[n]!r} is the name of compare[{first}] too"
        for n, first in again
    ]


def _missing(text: ScenarioText, source: Source) -> list[str]:
    """A fabric and a collective are what no default can stand for."""
    out = []
    for key, example in (("fabric", "{kind: fat-tree, k: 8}"), ("collective", "{op: all-reduce, size: 1GiB}")):
        for keys, _, at in text.side_by_side():
            if getattr(keys, key) is not None or (key == "collective" and keys.jobs is not None):
                continue
            hint = "missing, here and at the top" if at else f"missing; for example {key}: {example}"
            out.append(f"{source.place(at)}: {dotted((*at, key))}: {hint}")
    return out
