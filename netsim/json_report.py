"""A report as JSON: the keys of nccl-tests' `-J`, and netsim's own beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from netsim.bounds import Bound
from netsim.build import resolved
from netsim.meetings import meetings
from netsim.pipeline import Report, Run
from netsim.result import Contention, Result
from netsim.table import alone_time, count, percent, redop, root, slowed


def as_json(report: Report) -> str:
    """One object. With one case its keys are at the top (`version, config, results`), as nccl-tests has it; with several, under
    `cases`. Bandwidths in GB/s and times in microseconds under `out_of_place`, as there; SI everywhere else."""
    origin = report.provenance
    out: dict[str, Any] = {
        "version": f"netsim {origin.version}",
        "scenario": {"name": report.scenario.name, "id": origin.scenario_id},
    }
    cases = [_case(runs) for runs in report.cases]
    out |= cases[0] if len(cases) == 1 else {"cases": cases}
    return json.dumps(out, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _case(runs: Sequence[Run]) -> dict[str, Any]:
    """A case; where jobs shared its fabric, what each did is under `jobs`."""
    first = runs[0]
    fabric = first.job.fabric
    size = {"endpoints": fabric.n_endpoints, "switches": fabric.n_switches, "cables": fabric.n_cables}
    return {
        "case": first.job.case.name,
        "config": resolved([run.job for run in runs]),
        "fabric": {"name": fabric.name, **size, "notes": list(fabric.notes)},
        **(_results(first) if first.alone is None else {"jobs": [_job(run) for run in runs], "meetings": _meetings(runs)}),
    }


def _results(run: Run) -> dict[str, Any]:
    return {
        "results": [_result(result, bound, run.verified) for result, bound in run.rows()],
        "average_bus_bandwidth": {"bandwidth": sum(r.busbw for r in run.results) / len(run.results) / 1e9},
    }


def _job(run: Run) -> dict[str, Any]:
    clock = {"start_seconds": run.job.case.start, "end_seconds": run.end}
    return {"job": run.job.case.job, **clock, "alone_seconds": alone_time(run), "vs_alone": slowed(run), **_results(run)}


def _meetings(runs: Sequence[Run]) -> list[dict[str, Any]]:
    names = [run.job.case.job for run in runs]
    return [
        {"link": met.label, "seconds": met.seconds, "bytes": {names[job]: nbytes for job, nbytes in met.bytes.items()}}
        for met in meetings(runs)
    ]


def _result(result: Result, bound: Bound, verified: bool) -> dict[str, Any]:
    c = result.collective
    return {
        "size": int(c.bytes),
        "count": count(c),
        "type": "float",
        "redop": redop(c),
        "root": root(c),
        "out_of_place": {
            "time": result.time * 1e6,
            "alg_bw": result.algbw / 1e9,
            "bus_bw": result.busbw / 1e9,
            "nwrong": 0 if verified else None,
        },
        "seconds": result.time,
        "bound": {
            "seconds": bound.time,
            "bandwidth_seconds": bound.bandwidth_time,
            "latency_seconds": bound.latency_time,
            "percent": percent(result, bound),
            "label": bound.label,
        },
        "contention": _contention(result.contention),
        "counters": dict(result.counters),
    }


def _contention(c: Contention) -> dict[str, Any]:
    rounds = [
        {
            "first": int(c.first_step[i]) + 1,
            "repeat": int(c.repeat[i]),
            "messages": int(c.messages[i]),
            "max_load": float(c.max_load[i]),
            "slowdown": float(c.slowdown[i]),
        }
        for i in range(len(c.repeat))
    ]
    hottest = [
        {
            "link": h.label,
            "round": int(c.first_step[h.block]) + 1,
            "load": h.load,
            "seconds": h.seconds,
            "ranks": [list(p) for p in h.pairs],
        }
        for h in c.hottest
    ]
    return {"congestion_free": c.congestion_free, "rounds": rounds, "hottest": hottest}
