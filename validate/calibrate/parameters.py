"""The parameter file: what `calibration:` of a scenario reads, with what is known about each value beside it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

from netsim.units import format_rate, format_size, format_time
from validate.calibrate.fit import Fit, Interval


def parameter_file(fit: Fit, *, date: str, source: str, where: Mapping[str, Any]) -> str:
    """The text of the file, YAML.

    `date`: ISO 8601; `source`: the target or files that measured; `where`: hardware and settings.
    """
    from netsim.commands.show import yaml_lines

    c = fit.calibration
    data: dict[str, Any] = {"date": date, "source": source, "where": dict(where)}
    data["overhead"] = [_piece(*piece, time, rate) for piece, time, rate in zip(c.overhead, fit.time, fit.rate, strict=True)]
    for key, values, intervals in (("efficiency", c.efficiency, fit.efficiency), ("duplex", c.duplex, fit.duplex)):
        if values:
            data[key] = {name: _valued(value, intervals[name]) for name, value in values.items()}
    if c.reduction < inf and fit.reduction:
        value, interval = format_rate(_digits(c.reduction)), _rates(fit.reduction)
        data["reduction"] = {"value": value} | ({"interval": interval} if interval else {})
    data["residuals"] = {"median": _percent(fit.median), "worst": _percent(fit.worst), "r2": round(fit.r2, 6)}
    data["fitted_on"] = [[name, by, format_size(nbytes)] for name, by, nbytes in sorted(c.fitted_on, key=lambda of: (of[1], of))]
    head = "# Parameters that netsim calibrate fitted; a scenario takes them by `calibration: THIS-FILE`. Intervals: 95 %.\n"
    return head + "".join(f"{line}\n" for line in yaml_lines(data))


def _piece(up_to: float, seconds: float, rate: float, time_interval: Interval, rate_interval: Interval) -> dict[str, Any]:
    out: dict[str, Any] = {"up_to": format_size(up_to)} if up_to < inf else {}
    out["time"] = format_time(_digits(seconds))
    if rate < inf:
        out["rate"] = format_rate(_digits(rate))
    out["time_interval"] = [format_time(_digits(t)) for t in time_interval]
    if rate < inf and (interval := _rates(rate_interval)):
        out["rate_interval"] = interval
    return out


def _valued(value: float, interval: Interval) -> dict[str, Any]:
    return {"value": _digits(value), "interval": [_digits(end) for end in interval]}


def _rates(interval: Interval) -> list[str]:
    """Both ends; nothing where one of them is no cost at all, which no rate says."""
    return [format_rate(_digits(end)) for end in interval] if all(map(isfinite, interval)) else []


def _digits(value: float) -> float:
    """Six digits are more than any measurement has."""
    return float(f"{value:.6g}")


def _percent(part: float) -> str:
    return f"{100 * part:.2f}%"
