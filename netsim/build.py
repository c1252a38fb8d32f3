"""From a case to what an engine needs: fabric, router, placement, schedule; what was left out gets its default here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from collectives import ALGORITHMS, PLACEMENTS
from collectives.collective import Collective, Op
from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.engine import ENGINES
from netsim.engine.calibration import Calibration
from netsim.engine.wiring import check_classes
from netsim.scenario.calibration import read_calibration, written
from netsim.scenario.jobs import INHERITED
from netsim.scenario.kinds import Kind, NamedFile, Spec, kind_of, shortened
from netsim.scenario.model import Case, Scenario
from netsim.scenario.text import FaultCount
from topologies import ROUTERS, TOPOLOGIES
from topologies.errors import InputError
from topologies.fabric import Fabric, frozen
from topologies.paths import Router
from topologies.registry import Table

_TABLES = {"fabric": TOPOLOGIES, "routing": ROUTERS, "placement": PLACEMENTS, "algorithm": ALGORITHMS, "engine": ENGINES}


@dataclass(frozen=True, eq=False)
class Job:
    """A case, built. The specs are the case's with every default filled in, as `netsim show` prints them."""

    case: Case
    fabric: Fabric
    router: Router
    placement: Placement
    schedule: Schedule  #: for the first size; `resized` for the others
    specs: Mapping[str, Any]  #: the resolved case: key -> what a scenario would say
    titles: Mapping[str, str]  #: routing, placement, algorithm, engine in a few words: seeds, and what is no default
    calibration: Calibration | None = None  #: measured parameters

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.case.collective.size


def build(scenario: Scenario, case: Case) -> Job:
    """Everything that a run of this case needs. Raises InputError with the place in the file of the key that is to blame."""
    return _job(scenario, case, _fabric(scenario, case), [])


def build_together(scenario: Scenario, cases: Sequence[Case]) -> tuple[Job, ...]:
    """The jobs of a case, all on one fabric, each on endpoints that those before it left free. Raises InputError like `build`."""
    fabric = _fabric(scenario, cases[0])
    jobs: list[Job] = []
    for case in cases:
        jobs.append(_job(scenario, case, fabric, jobs))
    return tuple(jobs)


def _fabric(scenario: Scenario, case: Case) -> Fabric:
    with blaming(scenario, case, "fabric"):
        fabric = _call(TOPOLOGIES, case.fabric, scenario, case)
    with blaming(scenario, case, "server"):
        fabric = _with_servers(fabric, case)
    return _with_faults(fabric, scenario, case)


def _job(scenario: Scenario, case: Case, fabric: Fabric, earlier: Sequence[Job]) -> Job:
    with blaming(scenario, case, "routing"):
        routing = case.routing or Spec(fabric.default_router)
        router = _router(fabric, routing, scenario, case)
    with blaming(scenario, case, "placement" if case.placement else "ranks"):
        seat = case.placement or Spec("identity")
        placement = _placed(scenario, case, fabric, seat, earlier)
    with blaming(scenario, case, "collective"):
        op, ranks = case.collective.op, placement.ranks
        collective = Collective(op, ranks, case.collective.size[0], case.collective.root)
    algorithm = case.algorithm or Spec(default_algorithm(op, ranks))
    with blaming(scenario, case, "algorithm"):
        defaults = {"server_size": fabric.server_size}
        schedule = _call(ALGORITHMS, algorithm, scenario, case, collective, **defaults)
    calibration = _calibration(scenario, case, fabric)
    chosen = {"fabric": case.fabric, "routing": routing, "placement": seat, "algorithm": algorithm, "engine": case.engine}
    specs = _resolved(case, chosen, ranks, fabric, calibration)
    titles = {key: _title(_TABLES[key], specs[key]) for key in _TABLES if key != "fabric"}
    return Job(case, fabric, router, placement, schedule, specs, titles, calibration)


def build_all(scenario: Scenario) -> list[tuple[Job, ...]]:
    """Every case as its jobs. Raises InputError with the faults of all cases, one line each; cases may share some."""
    built: list[tuple[Job, ...]] = []
    faults: dict[str, None] = {}
    for cases in scenario.together:
        try:
            built.append(build_together(scenario, cases))
        except InputError as error:
            faults |= dict.fromkeys(str(error).splitlines())
            last = error
    if len(faults) > 1:
        raise InputError("\n".join(faults))
    if faults:
        raise last
    return built


def default_algorithm(op: Op, ranks: int) -> str:
    """The algorithm for an operation that names none: halving-doubling where the ranks are a power of two, else ring;
    binomial-tree for broadcast and reduce; pairwise-xor for all-to-all."""
    if op in (Op.BROADCAST, Op.REDUCE):
        return "binomial-tree"
    if op is Op.ALL_TO_ALL:
        return "pairwise-xor"
    return "ring" if ranks & (ranks - 1) else "halving-doubling"


@contextmanager
def blaming(scenario: Scenario, case: Case, key: str, *entry: int) -> Iterator[None]:
    """Put the place of a key in the file, or of an entry of its list, before what is wrong with it."""
    try:
        yield
    except InputError as error:
        told = "\n".join(f"{scenario.place(case, key, *entry)}: {line}" for line in str(error).splitlines())
        raise type(error)(told) from error.__cause__


def _parameters(kind: Kind, spec: Spec, scenario: Scenario, case: Case, **defaults: Any) -> dict[str, Any]:
    """What the kind's function is called with: files found beside the scenario, its seed and other defaults handed on."""
    given = dict(spec.parameters)
    for name, value in {"seed": case.seed, **defaults}.items():
        if name in kind.model.model_fields:
            given.setdefault(name, value)
    for name in kind.files & set(given):
        if isinstance(given[name], str):
            given[name] = str(NamedFile(given[name]).beside(scenario.source.folder))
    return given


def _call(table: Table, spec: Spec, scenario: Scenario, case: Case, *positional: Any, **defaults: Any) -> Any:
    kind = kind_of(table, spec.kind)
    return kind.function(*positional, **_parameters(kind, spec, scenario, case, **defaults))


def _router(fabric: Fabric, spec: Spec, scenario: Scenario, case: Case) -> Router:
    from topologies.routing import router

    return router(fabric, spec.kind, **_parameters(kind_of(ROUTERS, spec.kind), spec, scenario, case))


def _with_servers(fabric: Fabric, case: Case) -> Fabric:
    if case.server is None:
        return fabric
    from topologies.server import with_servers

    return with_servers(fabric, **case.server.parameters)


def _with_faults(fabric: Fabric, scenario: Scenario, case: Case) -> Fabric:
    if not case.faults:
        return fabric
    from topologies.faults import cables_of, pulled

    gone: set[int] = set()
    wrong = []
    for number, fault in enumerate(case.faults):
        try:
            with blaming(scenario, case, "faults", number):
                gone |= cables_of(fabric, _fault(fault, case.seed), gone)
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError("\n".join(wrong))
    with blaming(scenario, case, "faults"):
        return pulled(fabric, gone)


def _fault(fault: str | FaultCount, seed: int) -> Any:
    if isinstance(fault, str):
        return fault
    drawn = {"count": fault.count, "seed": seed if fault.seed is None else fault.seed}
    return drawn | ({} if fault.between is None else {"between": fault.between})


def _placed(scenario: Scenario, case: Case, fabric: Fabric, seat: Spec, earlier: Sequence[Job]) -> Placement:
    """Where the ranks sit. Placements that take `free` are told what earlier jobs left; the others may not meet them."""
    owner = np.full(fabric.n_endpoints, -1)
    for number, job in enumerate(earlier):
        owner[job.placement.endpoint] = number
    free = frozen(np.flatnonzero(owner < 0), np.int32)
    takes = inspect.signature(kind_of(PLACEMENTS, seat.kind).function).parameters
    left = [free] if earlier and "free" in takes else []
    placement: Placement = _call(PLACEMENTS, seat, scenario, case, fabric, _ranks(case, takes, len(free)), *left)
    met = placement.endpoint[owner[placement.endpoint] >= 0]
    if len(met):
        label, other = fabric.label_of(int(met[0])), earlier[int(owner[met[0]])].case.job
        raise InputError(f"{case.job}: {label} is taken by {other}; a job has its endpoints for itself")
    return placement


def _ranks(case: Case, takes: Mapping[str, inspect.Parameter], free: int) -> int | None:
    """As many as the case says; else what the placement lists, for those that take `ranks=None`; else every free endpoint."""
    if case.ranks is not None:
        return case.ranks
    if "None" in str(takes["ranks"].annotation):
        return None
    if not free:
        raise InputError(f"{case.job}: no endpoint is left for it; give the jobs before it fewer ranks")
    return free


def resolved(jobs: Sequence[Job]) -> dict[str, Any]:
    """A case as a scenario would say it, nothing left out; jobs that share the fabric under `jobs`."""
    first = jobs[0]
    if not first.case.job:
        return dict(first.specs)
    from netsim.units import format_time

    around = {key: value for key, value in first.specs.items() if key not in INHERITED}
    own = [
        {"name": job.case.job, "start": format_time(job.case.start)} | {key: job.specs[key] for key in INHERITED} for job in jobs
    ]
    return around | {"jobs": own}


def _calibration(scenario: Scenario, case: Case, fabric: Fabric) -> Calibration | None:
    """The measured parameters, those in a file included. Raises InputError for links that the fabric has not."""
    said = case.calibration
    if said is None:
        return None
    with blaming(scenario, case, "calibration"):
        if isinstance(said, str):
            said = read_calibration(NamedFile(said).beside(scenario.source.folder))
        calibration = said.values
        check_classes(fabric, calibration)
        if "calibration" not in inspect.signature(ENGINES.load(case.engine.kind)).parameters:
            raise InputError(f"engine {case.engine.kind}: takes no calibration; leave it out, or take engine: flow")
        return calibration


def _resolved(
    case: Case, chosen: Mapping[str, Spec], ranks: int, fabric: Fabric, calibration: Calibration | None
) -> dict[str, Any]:
    """The case as a scenario would say it, nothing left out."""
    from netsim.units import format_size, format_time

    full = {key: _filled(_TABLES[key], spec, case.seed, fabric) for key, spec in chosen.items()}
    sizes = [format_size(size) for size in case.collective.size]
    collective = {"op": case.collective.op.value, "size": sizes[0] if len(sizes) == 1 else sizes, "root": case.collective.root}
    out: dict[str, Any] = {"fabric": full["fabric"]}
    if case.server is not None:
        from topologies.server import with_servers

        out["server"] = _filled_function(with_servers, case.server)
    if case.faults:
        out["faults"] = [_fault(fault, case.seed) for fault in case.faults]
    return out | {
        "routing": full["routing"],
        "ranks": ranks,
        "placement": full["placement"],
        "collective": collective,
        "algorithm": full["algorithm"],
        "engine": full["engine"],
        "overhead": format_time(case.overhead),
        **({"calibration": written(calibration)} if calibration else {}),
        "seed": case.seed,
    }


def _filled(table: Table, spec: Spec, seed: int, fabric: Fabric) -> dict[str, Any]:
    kind = kind_of(table, spec.kind)
    defaults = kind.defaults | {k: v for k, v in (("seed", seed), ("server_size", fabric.server_size)) if k in kind.defaults}
    return {"kind": spec.kind} | _written(kind, defaults | dict(spec.parameters))


def _title(table: Table, written: Mapping[str, Any]) -> str:
    kind = kind_of(table, written["kind"])
    usual = kind.write(kind.defaults)
    told = {k: v for k, v in written.items() if k == "seed" or (k != "kind" and usual.get(k) != v)}
    given = ", ".join(f"{k}={shortened(v)}" for k, v in told.items())
    return f"{written['kind']}({given})" if given else str(written["kind"])


def _filled_function(function: Any, spec: Spec) -> dict[str, Any]:
    from netsim.scenario.kinds import kind_of_function

    kind = kind_of_function(function)
    return _written(kind, kind.defaults | dict(spec.parameters))


def _written(kind: Kind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a scenario would say them, in the order of the signature; what is null stays unsaid."""
    written = kind.write(parameters)
    return {name: written[name] for name in kind.model.model_fields if written.get(name) is not None}
