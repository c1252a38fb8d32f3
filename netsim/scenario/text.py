"""What a scenario file may say: the keys and their types, as models that check what was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, WrapValidator

from collectives import ALGORITHMS, PLACEMENTS
from collectives.collective import Op, op_named
from netsim.engine import ENGINES
from netsim.scenario.calibration import CalibrationOrFile
from netsim.scenario.kinds import Spec, read_parameters, spec_of, specs_of
from netsim.scenario.sizes import read_sizes, several_sizes
from netsim.scenario.source import Where
from netsim.scenario.wording import Written, as_written, fault, faults_at, shown, worded
from netsim.units import parse_time
from topologies import ROUTERS, TOPOLOGIES
from topologies.errors import InputError
from topologies.params import Count, Seed


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
    between: str | None = Field(default=None, description="two tiers, such as leaf-spine; default: between any switches")


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
    calibration: CalibrationOrFile | None = Field(
        default=None, description="parameters that were measured, or the file that netsim calibrate wrote; default: none"
    )
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
