"""Expectations such as `busbw>=45GB/s`, that every row of a report must meet."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netsim.bounds import Bound
from netsim.pipeline import Report
from netsim.result import Result
from netsim.units import format_size, format_time, parse_rate, parse_time
from topologies.errors import InputError
from topologies.registry import did_you_mean

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def _parse_percent(text: object) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", str(text))
    if match is None:
        raise InputError(f"{text}: write it like 90%")
    return float(match[1])


def _parse_number(text: object) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*", str(text))
    if match is None:
        raise InputError(f"{text}: not a number")
    return float(match[1])


#: what can be expected -> (its value in a row, how the limit is read, how a value is written)
_METRICS: dict[str, tuple[Callable[[Result, Bound], float], Callable[[object], float], Callable[[float], str]]] = {
    "busbw": (lambda r, b: r.busbw, parse_rate, lambda v: f"{v / 1e9:.4g}GB/s"),
    "algbw": (lambda r, b: r.algbw, parse_rate, lambda v: f"{v / 1e9:.4g}GB/s"),
    "time": (lambda r, b: r.time, parse_time, lambda v: format_time(float(f"{v:.6g}"))),
    "%bound": (lambda r, b: 100 * b.time / r.time if r.time else 100.0, _parse_percent, lambda v: f"{v:.1f}%"),
    "slowdown": (lambda r, b: float(r.contention.slowdown.max(initial=1.0)), _parse_number, lambda v: f"{v:.4g}"),
}


@dataclass(frozen=True)
class Expectation:
    """A metric, a comparison and a limit in SI."""

    text: str
    metric: str
    comparison: str
    limit: float

    def misses(self, report: Report) -> Iterator[str]:
        """One line for each row that does not meet it."""
        value_of, _, write = _METRICS[self.metric]
        for run in report.runs:
            for result, bound in run.rows():
                value = value_of(result, bound)
                if not _COMPARE[self.comparison](value, self.limit):
                    where = f"{run.name}: " * bool(run.name) + format_size(result.collective.bytes)
                    yield f"{where}: {self.metric} is {write(value)}, expected {self.text}"


def expectation(text: str) -> Expectation:
    """Read one. Raises InputError that says which metrics there are.

    >>> expectation("busbw >= 45GB/s").limit
    45000000000.0
    """
    match = re.fullmatch(r"\s*([%a-z_]+)\s*(>=|<=|>|<)\s*(.+)", text)
    if match is None:
        raise InputError(f"--expect {text}: write it like 'busbw>=45GB/s' (in quotes)")
    metric, comparison, limit = match.groups()
    if metric not in _METRICS:
        raise InputError(f"--expect {text}: unknown metric {metric!r}{did_you_mean(metric, list(_METRICS))}")
    try:
        return Expectation(text, metric, comparison, _METRICS[metric][1](limit))
    except InputError as error:
        raise InputError(f"--expect {text}: {error}") from None
