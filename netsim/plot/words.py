"""What a picture says in words: titles, and the numbers of a case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING

from netsim.units import format_size, format_time

if TYPE_CHECKING:
    from netsim.bounds import Bound
    from netsim.pipeline import Run
    from netsim.result import Result

_NAMED = 2  # as many different fabrics or algorithms are named in a title; more are counted


def heading(runs: Sequence[Run]) -> str:
    """`all-reduce by halving-doubling on fat-tree(k=8)`."""
    ops = _listed((run.job.schedule.collective.op.value for run in runs), "operations")
    algorithms = _listed((run.job.titles["algorithm"] for run in runs), "algorithms")
    fabrics = _listed((run.job.fabric.name for run in runs), "fabrics")
    return f"{ops} by {algorithms} on {fabrics}"


def subheading(runs: Sequence[Run]) -> str:
    """`128 ranks · engine flow`."""
    ranks = _listed((counted(run.job.placement.ranks) for run in runs), "numbers of ranks")
    engine = _listed((run.job.titles["engine"] for run in runs), "engines")
    return f"{ranks} · engine {engine} · bound: what no schedule, rank map or routing can beat between these endpoints"


def _listed(names: Iterable[str], noun: str) -> str:
    distinct = list(dict.fromkeys(names))
    return " and ".join(distinct) if len(distinct) <= _NAMED else f"{len(distinct)} {noun}"


def counted(ranks: int) -> str:
    return f"{ranks} rank{'s' * (ranks != 1)}"


def title(run: Run) -> str:
    return run.name or run.job.fabric.name


def details(run: Run) -> str:
    """What makes the case, without what its title says already."""
    job = run.job
    named = "" if title(run) == job.fabric.name else job.fabric.name
    parts = [named, job.titles["algorithm"], job.titles["routing"], f"{counted(job.placement.ranks)}: {job.titles['placement']}"]
    return " · ".join(part for part in parts if part)


def largest(run: Run) -> tuple[Result, Bound]:
    """The row that the table speaks of below its rows: the largest size."""
    return max(run.rows(), key=lambda row: row[0].collective.bytes)


def outcome(run: Run) -> str:
    """`28.68 ms at 256MiB · 37.3 % of bound · slowed up to 4×`."""
    result, bound = largest(run)
    worst = result.contention.slowdown.max(initial=1.0)
    meeting = "congestion-free" if result.contention.congestion_free else f"slowed up to {worst:.3g}×"
    time = format_time(float(f"{result.time:.4g}")).replace("us", "µs")
    return f"{time} at {format_size(result.collective.bytes)} · {percent(result, bound)} of bound · {meeting}"


def percent(result: Result, bound: Bound) -> str:
    return f"{100 * bound.time / result.time:.1f} %" if result.time > 0 else "100 %"


def busbw(result: Result) -> float:
    """GB/s; nan where no time passes."""
    return result.busbw / 1e9 if result.time > 0 else nan


def bound_busbw(result: Result, bound: Bound) -> float:
    """GB/s that would be seen if the bound were reached; nan where there is none."""
    c = result.collective
    return c.bytes / bound.time * c.bus_factor / 1e9 if bound.time > 0 else nan


def rate_text(rate: float) -> str:
    """GB/s in words."""
    return f"{rate:.2f} GB/s" if isfinite(rate) else "nothing is sent"
