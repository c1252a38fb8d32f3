"""Which MPI starts the ranks, and how: MPICH by its own process manager, Open MPI by a daemon at every endpoint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from topologies.errors import BackendUnavailable

ENTER = Path(__file__).with_name("enter.py")
_PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "NETSIM_RUN")
_INSTALL = "pip install mpich mpi4py numpy"

#: MPICH over TCP with a connection for each pair, whatever is on one machine
MPICH = {
    "MPIR_CVAR_CH4_NETMOD": "ofi",
    "FI_PROVIDER": "tcp",
    "MPIR_CVAR_NOLOCAL": "1",
    "MPIR_CVAR_DEVICE_COLLECTIVES": "none",
}


@dataclass(frozen=True)
class Mpi:
    """An MPI that was found: the interpreter whose mpi4py it is, its mpiexec, "mpich" or "openmpi", and what it calls itself."""

    python: str
    mpiexec: str
    flavour: str
    version: str


def find_mpi(python: str | None = None) -> Mpi:
    """The MPI beside an interpreter (this one by default), else the one on PATH. Raises BackendUnavailable."""
    python = python or sys.executable
    if not shutil.which(python):
        raise BackendUnavailable(f"{python}: no such interpreter; python= takes the path of one with mpi4py and numpy")
    mpiexec = shutil.which("mpiexec", path=str(Path(python).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        raise BackendUnavailable(f"mpiexec: not beside {python} and not on PATH; {_INSTALL}")
    try:
        told = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
        have = subprocess.run([python, "-c", "import numpy, mpi4py"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailable(f"{mpiexec}: does not answer: {error}; {_INSTALL}") from None
    if have.returncode:
        raise BackendUnavailable(f"{python}: {have.stderr.strip().splitlines()[-1]}; {_INSTALL}")
    if "HYDRA" in told:
        lines = [line.split() for line in told.splitlines()]
        version = next((words[-1] for words in lines if words[:1] == ["Version:"]), "?")
        return Mpi(python, mpiexec, "mpich", f"MPICH {version}")
    if "Open MPI" in told:
        return Mpi(python, mpiexec, "openmpi", "Open MPI " + told.split("Open MPI)")[-1].split()[0])
    raise BackendUnavailable(f"{mpiexec}: neither MPICH's nor Open MPI's; {_INSTALL}")


def environment(mpi: Mpi, folder: Path, more: dict[str, str]) -> dict[str, str]:
    """What ranks see: a little of the caller's, one thread each, and this very program for an interpreter of another place."""
    out = {name: os.environ[name] for name in _PASSED if name in os.environ}
    out |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if mpi.flavour == "mpich":
        out |= MPICH
    rooms = folder / "rooms"
    if not rooms.exists():
        rooms.mkdir()
        for room in ("topologies", "collectives", "netsim", "validate"):
            (rooms / room).symlink_to(Path(__file__).parents[2] / room)
    return out | {"PYTHONPATH": str(rooms)} | more


def command(mpi: Mpi, folder: Path, ranks: int, program: list[str], launcher: str = "") -> list[str]:
    """What starts `program` (arguments of the interpreter) as that many ranks, each at its endpoint.

    `launcher`: another one that tells ranks their number, such as "srun --mpi=pmi2 -n 16".
    """
    ranked = [mpi.python, "-I", "-S", str(ENTER), str(folder), mpi.python, *program]
    if launcher:
        return [*launcher.split(), *ranked]
    return [mpi.mpiexec, "-launcher", "fork", "-hosts", "localhost", "-n", str(ranks), *ranked]


def failure(folder: Path, code: int) -> str:
    """One line on why a job ended with this code: what a rank said, else which rank died, else the launcher's last word."""
    log = _text(folder / "launch.log")
    said = re.search(r"^(?:replay|enter): (.*)", log, re.MULTILINE)
    if said:
        return f"emulated fabric: {said[1]}"
    died = _text(folder / "died").strip()
    if died:  # MPICH's process manager tells how, but names processes at random
        how = re.search(r"EXIT STRING: (.*)", log) or re.search(r"(EXIT CODE: \d+)", log)
        return f"emulated fabric: rank {died} ended first, before it was done" + (f": {how[1]}" if how else "")
    last = [line.strip() for line in log.splitlines() if line.strip()][-1:]
    return f"emulated fabric: the ranks ended with exit code {code}" + (f": {last[0]}" if last else "")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
