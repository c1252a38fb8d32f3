"""Removing what a run that was killed left behind: its folder, and processes that should have gone with it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"netsim-run-([0-9a-f]{8})-(\d+)-(\d+)-\w+")


def run_name() -> str:
    """How the folder of a run begins: with this process's id and when it started, so that nobody else is taken for the owner, and
    before them with where that id counts: other machines and containers may share the folder for temporary files."""
    return f"netsim-run-{_here()}-{os.getpid()}-{_started(os.getpid())}-"


def _here() -> str:
    """A hash of this boot of this machine and of this pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    return hashlib.sha256(boot + os.readlink("/proc/self/ns/pid").encode()).hexdigest()[:8]


def purge() -> list[str]:
    """Remove what this user's dead runs left in the folder for temporary files, and end their processes; tells what was removed.

    A run is known by a name, which is its folder's and is in the environment of its processes (NETSIM_RUN). It is dead when the
    process that the name tells is gone. What belongs to a run that lives is not touched, nor what was left before this boot, on
    another machine or in another container, whose processes cannot be seen from here.
    """
    out = []
    for process in _processes():
        with suppress(ProcessLookupError):  # gone by itself
            os.kill(process, signal.SIGKILL)
            out.append(f"process {process}")
    _wait_for_them()
    for folder in sorted(Path(tempfile.gettempdir()).iterdir()):
        if _dead(folder.name) and folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)
            out.append(str(folder))
    return out


def _wait_for_them() -> None:
    end = time.monotonic() + 2
    while time.monotonic() < end and _processes():
        time.sleep(0.01)


def _processes() -> list[int]:
    """This user's processes that belong to dead runs."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and int(p.name) != os.getpid() and _belongs(p)]


def _belongs(process: Path) -> bool:
    with suppress(OSError):
        if process.stat().st_uid != os.geteuid():
            return False
        for entry in (process / "environ").read_bytes().split(b"\0"):
            if entry.startswith(b"NETSIM_RUN="):
                return _dead(entry[11:].decode(errors="replace"))
    return False


def _dead(name: str) -> bool:
    """Whether this is the name of a run whose owner is gone."""
    match = _NAME.fullmatch(name)
    return match is not None and match[1] == _here() and _started(int(match[2])) != match[3]


def _started(process: int) -> str:
    """When a process started, in ticks since boot (proc(5), field 22 of stat); "" for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
