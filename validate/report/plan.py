"""What would be run: `--dry-run`."""

from __future__ import annotations

from pathlib import Path

from netsim.units import format_size
from validate.predict import predict
from validate.report.words import short_time
from validate.request import Request


def plan(on: str, request: Request, source: Path | None = None) -> str:
    """The rows that would be run or compared, with what netsim says each takes on the scenario's own fabric."""
    rows = request.rows
    what = f"compare with {source}" if source else f"replay on {on}, {request.repeat} timed runs of each row"
    options = "".join(f"   {name}: {value}" for name, value in request.options.items())
    lines = [f"# {request.scenario.name}: would {what}{options}"]
    width, by = max(len(row.name) for row in rows), max(len(row.by) for row in rows)
    lines.append(f"# {'name':<{width}}  {'by':<{by}}  ranks        size   predicted")
    for row in rows:
        told = f"{row.placement.ranks:5d}  {format_size(row.size):>10}  {short_time(predict(row)):>10}"
        lines.append(f"  {row.name:<{width}}  {row.by:<{by}}  {told}")
    if on == "emulated":
        lines.append("# predicted on the scenario's own fabric; the emulated one is slower, by a constant that the run states")
    return "\n".join(line.rstrip() for line in lines) + "\n"
