"""`netsim show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from netsim.commands.options import EngineName, Scenario, Settings, settings_of

if TYPE_CHECKING:
    from netsim.build import Job
    from topologies.fabric import Fabric


def show(scenario: Scenario, settings: Settings = None, engine: EngineName = None) -> None:
    """Print the scenario with every default filled in, what it builds, and the physical limit. Nothing is simulated."""
    from netsim.build import build_all
    from netsim.output import say
    from netsim.provenance import provenance
    from netsim.scenario import load

    loaded = load(scenario, settings_of(settings, engine))
    cases = build_all(loaded)
    origin = provenance(loaded, cases)
    say(f"# netsim {origin.version}   scenario {origin.scenario_id}   {loaded.name}\n")
    for jobs in cases:
        say("".join(f"{line}\n" for line in _shown(jobs)))


def _shown(jobs: Sequence[Job]) -> Iterator[str]:
    from netsim.build import resolved

    first = jobs[0]
    if first.case.name:
        yield "---"
        yield f"# case: {first.case.name}"
    yield from yaml_lines(resolved(jobs))
    yield "#"
    yield from _wires(first.fabric)
    for job in jobs:
        if job.case.job:
            yield f"# job:      {job.case.job}"
        yield from _sizes(job)
        yield from _bounds(job)


def yaml_lines(value: dict[str, Any]) -> list[str]:
    """A mapping as YAML: a line for each key, inner mappings in braces."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(_plain(value), stream)
    return stream.getvalue().splitlines()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, str) else value


def _wires(fabric: Fabric) -> Iterator[str]:
    yield f"# fabric:   {fabric.n_endpoints} endpoints, {fabric.n_switches} switches, {fabric.n_cables} cables  ({fabric.name})"
    for note in fabric.notes:
        yield f"# note:     {note}"


def _sizes(job: Job) -> Iterator[str]:
    schedule = job.schedule
    messages = sum(r.repeat * len(r.messages.src) for r in schedule.all_rounds())
    channels = f" over {len(schedule.channels)} channels" if len(schedule.channels) > 1 else ""
    yield f"# schedule: {schedule.algorithm}: {schedule.n_steps} rounds, {messages} messages{channels}"
    yield f"# memory:   about {_mebibytes(estimated_memory(job))} MiB, beside the 150 of Python and its libraries"


def _mebibytes(nbytes: float) -> int:
    return max(1, round(nbytes / 2**20))


def estimated_memory(job: Job) -> float:
    """Bytes of the fabric's and schedule's arrays, and of the engine's for the largest round, paths taken at their longest."""
    fabric, schedule = job.fabric, job.schedule
    arrays = 24 * fabric.n_links + 6 * fabric.n_nodes + sum(21 * len(r.src) for r in schedule.all_rounds())
    largest = max((len(r.messages.src) for r in schedule.all_rounds()), default=0) * max(1, len(schedule.channels))
    hops = 2 * (int(fabric.tier.max()) + 1)
    distinct = len({id(r) for r in schedule.all_rounds()})
    kept = min(distinct * largest * hops, 40_000_000)  # the engines keep at most so many link ids of paths
    return arrays + 4 * kept + largest * (16 * hops + 80) + 64 * fabric.n_links


def _bounds(job: Job) -> Iterator[str]:
    from netsim.pipeline import bound_of
    from netsim.units import format_size, format_time

    limit = bound_of(job)
    for size in job.sizes:
        bound = limit.resized(size)
        time = format_time(float(f"{bound.time:.6g}"))
        yield f"# bound:    {format_size(size)} in {time} at the least: {bound.label}"
