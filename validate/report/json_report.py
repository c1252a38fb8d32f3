"""A comparison as JSON: the keys of nccl-tests' `-J`, and ours beside them."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from netsim.provenance import version
from validate.comparison import Comparison, Point
from validate.report.table import collective_of, elements
from validate.report.words import SCALED


def as_json(comparison: Comparison, scenario: str = "") -> str:
    """One object. SI, but for `out_of_place` and `in_place`, which nccl-tests has in microseconds and GB/s; they are left out
    where the fabric is scaled down, so that nobody takes its rates for a machine's."""
    measurement = comparison.measurement
    out = {
        "version": f"netsim {version()}",
        "scenario": {"name": scenario, "id": measurement.scenario_id},
        "on": measurement.on,
        "date": measurement.date,
        "where": dict(measurement.where),
        "notes": list(measurement.notes),
        "results": [_result(point, measurement.on in SCALED) for point in comparison.points],
        "comparison": _comparison(comparison),
    }
    return json.dumps(out, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _result(point: Point, scaled: bool) -> dict[str, Any]:
    m, collective = point.measured, collective_of(point)
    algbw = m.bytes / m.median
    busbw = algbw * collective.bus_factor
    place = {"time": m.median * 1e6, "alg_bw": algbw / 1e9, "bus_bw": busbw / 1e9, "nwrong": m.wrong}
    return {
        "size": int(m.bytes),
        "count": elements(m, collective),
        "type": m.dtype,
        "redop": m.redop,
        "root": m.root,
        **({} if scaled else {"in_place" if m.in_place else "out_of_place": place}),
        "op": m.op,
        "ranks": m.ranks,
        "name": point.row.name,
        "case": point.case,
        "rank_map": point.rank_map,
        "by": point.row.by,
        "measured": {
            "seconds": m.median,
            "runs": list(m.seconds),
            "variation": m.variation,
            "algbw": algbw,
            "busbw": busbw,
            "nwrong": m.wrong,
            "doubts": list(m.doubts),
        },
        "predicted": {"seconds": _number(point.predicted)},
        "error": _number(point.error),
        "fitted": point.fitted,
        "trusted": point.trusted,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    worst = comparison.worst
    return {
        "rows": len(comparison.points),
        "trusted": len(comparison.trusted),
        "median_error": _number(comparison.median_error),
        "worst_error": None if worst is None else _worst(worst),
        "kendall_tau": [
            {"case": o.case, "by": o.by, "size": int(o.bytes), "maps": o.maps}
            | {"tau": _number(o.tau), "raw_tau": _number(o.raw_tau), "told_apart": o.told_apart, "swapped": o.swapped}
            for o in comparison.orders
        ],
        "fastest": {
            "contests": len(comparison.contests),
            "named_right": sum(contest.agree for contest in comparison.contests),
            "each": [
                {"name": c.name, "size": int(c.bytes), "predicted": c.predicted, "alike": list(c.alike), "measured": c.measured}
                | {"agree": c.agree, "slower": c.slower}
                for c in comparison.contests
            ],
        },
    }


def _worst(point: Point) -> dict[str, Any]:
    return {"error": point.error, "name": point.row.name, "by": point.row.by, "size": int(point.measured.bytes)}


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
