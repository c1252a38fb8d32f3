"""What would be run: `--dry-run`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netsim.units import format_rate, format_size
from validate.predict import predict
from validate.report.words import short_time
from validate.request import Request
from validate.targets import options_of_target

if TYPE_CHECKING:
    from validate.emulated.lay_out import Layout


def plan(on: str, request: Request, source: Path | None = None) -> str:
    """The rows that would be run or compared, with what netsim says each takes on the scenario's own fabric.

    Raises InputError for options that the target has not and routes that cannot be emulated, as the run would.
    """
    options_of_target(on)[1](request.options)
    rows = request.rows
    what = f"compare with {source}" if source else f"replay on {on}, {request.repeat} timed runs of each row"
    options = "".join(f"   {name}: {value}" for name, value in request.options.items())
    lines = [f"# {request.scenario.name}: would {what}{options}"]
    width, by = max(len(row.name) for row in rows), max(len(row.by) for row in rows)
    lines.append(f"# {'name':<{width}}  {'by':<{by}}  ranks        size   predicted")
    for row in rows:
        told = f"{row.placement.ranks:5d}  {format_size(row.size):>10}  {short_time(predict(row)):>10}"
        lines.append(f"  {row.name:<{width}}  {row.by:<{by}}  {told}")
    lines += [f"# {line}" for line in _scales(request)] if on == "emulated" else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _scales(request: Request) -> Iterator[str]:
    """How much slower each emulated fabric would be."""
    from validate.emulated.groups import groups
    from validate.emulated.options import read_options

    options = read_options(request.options)
    lines = [_scale(group.rows[0].name, group.layout) for group in groups(request.rows, options)]
    yield from dict.fromkeys(lines)  # a library's own collectives have a start of the ranks each, on the same fabric
    yield f"sizes are scaled too, so that the slowest row takes {short_time(options.seconds)}; latency-bound rows are left out"


def _scale(name: str, layout: Layout) -> str:
    own = float(layout.part.fabric.capacity.max())
    rates = f"{format_rate(own)} → {format_rate(float(f'{own * layout.factor:.6g}'))}"
    return f"{name}: {layout.part.fabric.n_nodes} namespaces, rates × {layout.factor:.6g} ({rates})"
