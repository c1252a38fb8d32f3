"""pytest-benchmark over benchmarks/cases.py; `make bench` runs each in a process of its own, so that peak memory is its own."""

from __future__ import annotations

import resource
from typing import Any

import pytest
from cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_speed(case: Case, benchmark: Any) -> None:
    timed = case.prepare()
    benchmark.pedantic(timed, rounds=case.rounds, warmup_rounds=1)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    benchmark.extra_info["gibibytes"] = max(peaks) / 2**20
