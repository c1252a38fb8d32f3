"""Run every benchmark in a process of its own, print the table, and keep it in benchmarks/README.md.

python benchmarks/run.py [words of a case's name]      the whole table, or the cases named, printed only
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from cases import CASES

HERE = Path(__file__).parent
BEGIN, END = "<!-- table: python benchmarks/run.py -->", "<!-- end of table -->"


def measure(name: str) -> dict[str, float | None]:
    """Median seconds, peak memory and bars of one case."""
    number = next(i for i, case in enumerate(CASES) if case.name == name)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        node = f"{HERE / 'test_speed.py'}::test_speed[{CASES[number].name}]"
        command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", f"--benchmark-json={out}", node]
        subprocess.run(command, check=True, capture_output=True, cwd=HERE.parent)
        found = json.loads(out.read_text())["benchmarks"][0]
    return {"median": found["stats"]["median"], "min": found["stats"]["min"], **found["extra_info"]}


def row(name: str, m: dict[str, float | None]) -> str:
    """A line of the table."""
    median, bar, gibibytes = m["median"], m["bar_seconds"], m["bar_gibibytes"]
    assert median is not None
    assert m["gibibytes"] is not None
    ok = (bar is None or median <= bar) and (gibibytes is None or m["gibibytes"] <= gibibytes)
    stated = " ".join([*([f"≤ {clock(bar)}"] if bar else []), *([f"≤ {gibibytes:g} GiB"] if gibibytes else [])])
    verdict = "" if not stated else "yes" if ok else "**no**"
    return f"| {name} | {clock(median)} | {clock(m['min'] or 0)} | {m['gibibytes']:.2f} GiB | {stated} | {verdict} |"


def clock(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def machine() -> str:
    """What the figures were taken on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "numba"))
    return (
        f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, {packages}"
    )


def main(words: list[str]) -> None:
    names = [case.name for case in CASES if all(word in case.name for word in words)]
    lines = [f"Machine: {machine()}.", "", "| case | median | best | peak memory | bar | met |", "|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for name in names:
        lines.append(row(name, measure(name)))
        print(lines[-1], flush=True)
    if words:
        return
    readme = HERE / "README.md"
    text = readme.read_text()
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    readme.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{after}")


if __name__ == "__main__":
    main(sys.argv[1:])
