"""What a scenario file may say: the keys, their types, and how one file becomes cases side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, PlainValidator, ValidationError, WithJsonSchema, WrapValidator

from collectives import ALGORITHMS, PLACEMENTS
from collectives.collective import Op, op_named
from netsim.engine import ENGINES
from netsim.scenario.jobs import INHERITED, faults_of_jobs, named, several_sizes
from netsim.scenario.kinds import Spec, read_parameters, spec_of, specs_of
from netsim.scenario.sizes import read_sizes
from netsim.scenario.source import Source, Where, dotted
from netsim.scenario.wording import Written, as_written, fault, faults_at, lines, shown, worded
from netsim.units import parse_time
from topologies import ROUTERS, TOPOLOGIES
from topologies.errors import InputError
from topologies.params import Count, Seed

MAX_CASES = 100


def _server(value: Any) -> Spec:
    from topologies.server import with_servers

    return value if isinstance(value, Spec) else read_parameters(with_servers, value)


def _sizes(value: Any) -> tuple[int, ...]:
    """The sizes, with a fault for every entry of a list that is none."""
    several = value if isinstance(value, list) else []
    wrong = [(n, entry, told) for n, entry in enumerate(several) if (told := _no_size(entry))]
    if wrong:
        raise faults_at([((n,), told, entry) for n, entry, told in wrong])
    return worded(read_sizes)(value)  # type: ignore[no-any-return]


def _no_size(entry: Any) -> str | None:
    try:
        read_sizes(entry)
    except InputError as error:
        return str(error)
    return None


_SIZE_TEXT = {"type": "string", "examples": ["1GiB", "1MiB..1GiB*4"]}
_SIZE_RANGE = {
    "type": "object",
    "properties": {"from": {"type": "string"}, "to": {"type": "string"}, "factor": {"type": "number"}},
    "required": ["from", "to"],
    "additionalProperties": False,
}
_SIZES_SCHEMA = {"anyOf": [_SIZE_TEXT, {"type": "array", "items": {"anyOf": [_SIZE_TEXT, _SIZE_RANGE]}}, _SIZE_RANGE]}
Sizes = Annotated[tuple[int, ...], PlainValidator(_sizes), WithJsonSchema(_SIZES_SCHEMA)]
Time = Annotated[float, Ge(0), WrapValidator(as_written(parse_time)), WithJsonSchema({"type": "string", "examples": ["500ns"]})]
OpName = Annotated[Op, PlainValidator(worded(lambda v: op_named(str(v)))), WithJsonSchema({"enum": [op.value for op in Op]})]


class CollectiveText(Written):
    """Which operation, on how many bytes."""

    op: OpName = Field(description="the operation, named as nccl-tests names it")
    size: Sizes = Field(description="bytes as nccl-tests prints them: one size, a list, or a range such as 1MiB..1GiB*4")
    root: Annotated[int, Ge(0)] = Field(default=0, description="the rank that broadcasts or gathers")


def _only(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(sizes) > 1:
        raise fault(several_sizes(len(sizes)))
    return sizes


class JobCollectiveText(CollectiveText):
    """Which operation, on how many bytes: one size."""

    size: Annotated[Sizes, AfterValidator(_only)] = Field(description="bytes as nccl-tests prints them: one size")


class FaultCount(Written):
    """Cables pulled at random."""

    count: Count = Field(description="how many cables between switches")
    seed: Seed | None = Field(default=None, description="default: the seed of the scenario")


def _fault(value: Any) -> str | FaultCount:
    if isinstance(value, dict):
        return FaultCount.model_validate(value)
    if not isinstance(value, str):
        raise fault(f"{shown(value)}: must be a cable's name, such as leaf0-spine1, or {{count: …}}")
    return value


_FAULT_SCHEMA = {"anyOf": [{"type": "string"}, FaultCount.model_json_schema()]}
Fault = Annotated[str | FaultCount, PlainValidator(_fault), WithJsonSchema(_FAULT_SCHEMA)]


_BY_OPERATION = (
    "default: halving-doubling where the ranks are a power of two, else ring; binomial-tree for broadcast and reduce; "
    "pairwise-xor for all-to-all"
)


class JobText(Written):
    """One of several jobs on the fabric at once. What it leaves out it takes from around the jobs."""

    name: str | None = Field(default=None, description="what tables call it; default: job 1, job 2, …")
    start: Time | None = Field(default=None, description="when its ranks begin; default: 0s")
    ranks: Count | None = Field(default=None, description="default: one for every endpoint left, or what the placement says")
    placement: spec_of(PLACEMENTS) | None = Field(  # type: ignore[valid-type]
        default=None, description="where on the endpoints that earlier jobs left; default: identity"
    )
    collective: JobCollectiveText | None = Field(default=None, description="the operation and its size")
    algorithm: spec_of(ALGORITHMS) | None = Field(default=None, description=_BY_OPERATION)  # type: ignore[valid-type]
    routing: spec_of(ROUTERS) | None = Field(default=None, description="default: the fabric's own")  # type: ignore[valid-type]


def _some(jobs: list[JobText]) -> list[JobText]:
    if not jobs:
        raise fault("an empty list: name at least one")
    return jobs


class Keys(Written):
    """The keys that a scenario and each of its cases may have."""

    fabric: specs_of(TOPOLOGIES) | None = Field(default=None, description="what the wires are")  # type: ignore[valid-type]
    server: Annotated[Spec | None, PlainValidator(_server), WithJsonSchema({"x-function": "server"})] = Field(
        default=None, description="GPUs, NVLink and NICs behind every host of the network"
    )
    faults: list[Fault] | None = Field(default=None, description="cables pulled, by name or by count")
    routing: specs_of(ROUTERS) | None = Field(default=None, description="default: the fabric's own")  # type: ignore[valid-type]
    ranks: Count | None = Field(default=None, description="default: one for every endpoint, or what the placement says")
    placement: specs_of(PLACEMENTS) | None = Field(default=None, description="default: identity")  # type: ignore[valid-type]
    collective: CollectiveText | None = Field(default=None, description="the operation and its sizes")
    algorithm: specs_of(ALGORITHMS) | None = Field(default=None, description=_BY_OPERATION)  # type: ignore[valid-type]
    engine: specs_of(ENGINES) | None = Field(default=None, description="default: flow")  # type: ignore[valid-type]
    overhead: Time | None = Field(default=None, description="seconds that a message costs at its ends; default: 0s")
    seed: Annotated[int, Ge(0), Le(2**63 - 1)] | None = Field(
        default=None, description="default: 0; handed to whatever takes a seed and was not given one"
    )
    jobs: Annotated[list[JobText], AfterValidator(_some)] | None = Field(
        default=None, description="several jobs on the fabric at once"
    )


class CaseText(Keys):
    """One of several cases side by side: its keys replace those of the scenario."""

    name: str | None = Field(default=None, description="what tables call it")


class ScenarioText(Keys):
    """A scenario: a fabric, a job and a collective."""

    compare: list[CaseText] | None = Field(default=None, description="cases side by side")

    def side_by_side(self) -> Iterator[tuple[Keys, str, Where]]:
        """The keys of each entry of `compare`, what it left out taken from the top, its name and place; or those at the top."""
        if not self.compare:
            yield self, "", ()
        for number, case in enumerate(self.compare or []):
            own = {k: getattr(case, k) for k in case.model_fields_set if k != "name"}
            yield self.model_copy(update=own), case.name or f"case {number + 1}", ("compare", number)


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

    def place(self, case: Case, key: str) -> str:
        """Where a case's key stands: with its job, in the case, or else at the top of the file."""
        homes: list[Where] = [(*case.job_at, key), (*case.at, key), (key,)]
        return self.source.place(next((home for home in homes if home in self.source.values), homes[0]))

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
