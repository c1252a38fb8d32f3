"""Run every benchmark in a process of its own, print the table, and keep it in benchmarks/README.md.

python benchmarks/run.py [words of a case's name]      the whole table, or the cases named, printed only
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, Case
from tables import clock, keep, machine

HERE = Path(__file__).parent


def measure(case: Case) -> dict[str, Any] | None:
    """Median seconds, peak memory and bars of one case; None where it was stopped."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        node = f"{HERE / 'test_speed.py'}::test_speed[{case.name}]"
        command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", f"--benchmark-json={out}", node]
        try:
            subprocess.run(command, check=True, capture_output=True, cwd=HERE.parent, timeout=case.patience)
        except subprocess.TimeoutExpired:
            return None
        found = json.loads(out.read_text())["benchmarks"][0]
    return {"median": found["stats"]["median"], "min": found["stats"]["min"], **found["extra_info"]}


def row(case: Case, m: dict[str, Any] | None) -> str:
    """A line of the table."""
    bars = [*([f"≤ {clock(case.seconds)}"] if case.seconds else []), *([f"≤ {case.gibibytes:g} GiB"] if case.gibibytes else [])]
    if m is None:
        return f"| {case.name} | over {case.patience:g} s, rounds and warm-up together | | | {' '.join(bars)} | **no** |"
    ok = (not case.seconds or m["median"] <= case.seconds) and (not case.gibibytes or m["gibibytes"] <= case.gibibytes)
    verdict = "" if not bars else "yes" if ok else "**no**"
    return f"| {case.name} | {clock(m['median'])} | {clock(m['min'])} | {m['gibibytes']:.2f} GiB | {' '.join(bars)} | {verdict} |"


def main(words: list[str]) -> None:
    lines = [f"Machine: {machine()}.", "", "| case | median | best | peak memory | bar | met |", "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for case in CASES:
        if all(word in case.name for word in words):
            lines.append(row(case, measure(case)))
            print(lines[-1], flush=True)
    if not words:
        keep("cases", lines)


if __name__ == "__main__":
    main(sys.argv[1:])
