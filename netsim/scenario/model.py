"""What a scenario file may say: the keys, their types, and how one file becomes cases side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import Field, PlainValidator, ValidationError, WithJsonSchema, WrapValidator

from collectives import ALGORITHMS, PLACEMENTS
from collectives.collective import Op, op_named
from netsim.engine import ENGINES
from netsim.scenario.kinds import Spec, read_parameters, specs_of
from netsim.scenario.sizes import read_sizes
from netsim.scenario.source import Source, Where
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


class CaseText(Keys):
    """One of several cases side by side: its keys replace those of the scenario."""

    name: str | None = Field(default=None, description="what tables call it")


class ScenarioText(Keys):
    """A scenario: a fabric, a job and a collective."""

    compare: list[CaseText] | None = Field(default=None, description="cases side by side")


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


@dataclass(frozen=True)
class Scenario:
    """What was asked: a validated file. `cases` are what runs, side by side."""

    source: Source
    text: ScenarioText

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every case, the lists under `fabric`, `routing`, `placement`, `algorithm` and `engine` multiplied out."""
        if not self.text.compare:
            return _cases(self.text, "", ())
        out: list[Case] = []
        for number, case in enumerate(self.text.compare):
            keys = self.text.model_copy(update={k: getattr(case, k) for k in case.model_fields_set if k != "name"})
            out += _cases(keys, case.name or f"case {number + 1}", ("compare", number))
        return tuple(out)

    def place(self, case: Case, key: str) -> str:
        """Where a case's key stands: in the case, or else at the top of the file."""
        own: Where = (*case.at, key)
        return self.source.place(own if own in self.source.values else (key,))

    def __repr__(self) -> str:
        return f"<Scenario {self.name}: {len(self.cases)} case{'s' * (len(self.cases) > 1)}>"


_LISTS = ("fabric", "routing", "placement", "algorithm", "engine")


def _cases(keys: Keys, name: str, at: Where) -> tuple[Case, ...]:
    plain = {f.name: getattr(keys, f.name) for f in fields(Case) if f.name not in (*_LISTS, "name", "at")}
    given = {k: v for k, v in plain.items() if v is not None}
    choices = {key: getattr(keys, key) or (None,) for key in _LISTS}
    varied = [key for key in _LISTS if len(choices[key]) > 1]
    out = []
    for chosen in product(*choices.values()):
        one: dict[str, Any] = dict(zip(_LISTS, chosen, strict=True))
        label = " + ".join([name] * bool(name) + [str(one[key]) for key in varied])
        out.append(Case(label, at=at, **given | {k: v for k, v in one.items() if v is not None}))
    if "faults" in given:
        out = [replace(case, faults=tuple(case.faults)) for case in out]
    return tuple(out)


def read_scenario(source: Source) -> Scenario:
    """The scenario that a source says. Raises InputError with one line per fault, all of them, in the order of the file."""
    try:
        text = ScenarioText.model_validate(source.data)
    except ValidationError as error:
        raise InputError("\n".join(lines(error, source))) from None
    wrong = _missing(text, source) + _named_alike(text, source)
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
        if getattr(text, key) is not None:
            continue
        lacking = [n for n, case in enumerate(text.compare or []) if getattr(case, key) is None]
        if not text.compare:
            out.append(f"{source.place(())}: {key}: missing; for example {key}: {example}")
        out += [f"{source.place(('compare', n))}: compare[{n}].{key}: missing, here and at the top" for n in lacking]
    return out
