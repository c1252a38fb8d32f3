"""What the runners share: how seconds are written, what they were taken on, where a table is kept."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

README = Path(__file__).parent / "README.md"


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


def keep(name: str, lines: list[str], page: Path = README) -> None:
    """Put lines between `<!-- NAME: … -->` and `<!-- end of NAME -->` of a page."""
    text = page.read_text()
    begin = text.index("-->\n", text.index(f"<!-- {name}: ")) + len("-->\n")
    end = text.index(f"<!-- end of {name} -->")
    page.write_text(text[:begin] + "\n".join(lines) + "\n" + text[end:])
