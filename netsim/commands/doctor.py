"""`netsim doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

#: what validation uses where it is installed -> the extra that brings it
OPTIONAL = {"mpi4py": "mpi", "mpich": "mpi", "nccl4py": "nccl"}
PACKAGES = ("numpy", "numba", "scipy", "networkx", "pydantic", "ruamel.yaml", "typer", "matplotlib")


def doctor() -> None:
    """Say what netsim finds on this machine: versions, cores, memory, compiled kernels, engines."""
    from netsim.output import say

    say("".join(f"{name:<12}{finding}\n" for name, finding in findings()))


def findings() -> Iterator[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    from netsim.provenance import version as own_version

    yield "netsim", own_version()
    yield "python", f"{sys.version.split()[0]} ({sys.executable})"
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "MISSING: pip install " + package
    for package, extra in OPTIONAL.items():
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, f"not installed; netsim validate may want it: pip install 'netsim-codesign[{extra}]'"
    yield "namespaces", _namespaces()
    yield "cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    yield "memory", _memory()
    yield "kernels", _kernels()
    yield "engines", ", ".join(_engines())


def _namespaces() -> str:
    """Whether network namespaces can be made, which `validate --on emulated` needs."""
    if sys.platform != "linux":
        return "none: not Linux"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return "as root"
    limits = {
        "kernel/unprivileged_userns_clone": "0",
        "user/max_user_namespaces": "0",
        "kernel/apparmor_restrict_unprivileged_userns": "1",
    }
    for name, forbids in limits.items():
        if (knob := Path("/proc/sys") / name).exists() and knob.read_text().strip() == forbids:
            return f"for root only: {name.replace('/', '.')} is {forbids}"
    return "by user namespaces, no root needed"


def _memory() -> str:
    try:
        pages = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    total, free = (n * os.sysconf("SC_PAGE_SIZE") / 2**30 for n in pages)
    return f"{total:.1f} GiB, {free:.1f} GiB free"


def _kernels() -> str:
    """Where numba keeps compiled kernels, whether it can write there, and how many it has."""
    from numba.core import config

    import topologies

    package = Path(topologies.__file__).parent
    chosen: str = getattr(config, "CACHE_DIR", "")  # NUMBA_CACHE_DIR
    rooms = [Path(chosen)] if chosen else [package.parent / room for room in ("topologies", "collectives", "netsim")]
    compiled = sum(len(list(room.rglob("*.nbi"))) for room in rooms)
    folder = Path(chosen) if chosen else package
    place = f"cache in {folder}" if os.access(folder, os.W_OK) else "cache in the user's own folder (the package's is read-only)"
    state = f"{compiled} compiled" if compiled else "none compiled yet: the first run takes some seconds longer"
    return f"{place}; {state}"


def _engines() -> Iterator[str]:
    from netsim.engine import ENGINES

    for name in ENGINES:
        try:
            ENGINES.load(name)
            yield name
        except (ImportError, AttributeError) as error:
            yield f"{name} (cannot be loaded: {error})"
