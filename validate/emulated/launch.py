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
from validate.emulated.blueprint import ip

ENTER = Path(__file__).with_name("enter.py")
_PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "NETSIM_RUN")
_LIBRARY = ("MPI4PY_LIBMPI", "MPI4PY_MPIABI")  # which one mpi4py loads
_INSTALL = "pip install mpich mpi4py numpy"
_PROBE = """import numpy, mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version())"""

#: MPICH over TCP with a connection for each pair, whatever is on one machine
MPICH = {
    "MPIR_CVAR_CH4_NETMOD": "ofi",
    "FI_PROVIDER": "tcp",
    "MPIR_CVAR_NOLOCAL": "1",
    "MPIR_CVAR_DEVICE_COLLECTIVES": "none",
}

#: Open MPI over TCP. Up to 2 MiB a message is sent as it is: else the answer to a request to send queues behind bulk data that
#: goes the same way, and an exchange takes twice as long
OPENMPI = {
    "pml": "ob1",
    "btl": "tcp,self",
    "btl_tcp_if_include": "p0",
    "btl_tcp_eager_limit": "2097152",
    "btl_tcp_rndv_eager_limit": "2097152",
    "btl_tcp_max_send_size": "2097152",
}
_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}  # of a namespace that holds nothing else


@dataclass(frozen=True)
class Mpi:
    """An MPI that was found: the interpreter whose mpi4py it is, its mpiexec, "mpich" or "openmpi", and what it calls itself."""

    python: str
    mpiexec: str
    flavour: str
    version: str


def find_mpi(python: str | None = None) -> Mpi:
    """The MPI beside an interpreter (this one by default), else the one on PATH.

    Raises BackendUnavailable where there is none, or where mpi4py loads another than mpiexec starts: its ranks would not meet.
    """
    found = shutil.which(python or sys.executable)
    if not found:
        raise BackendUnavailable(f"{python}: no such interpreter; python= takes the path of one with mpi4py and numpy")
    python = os.path.abspath(found)  # ranks start in another folder; links stay: they are what makes a virtual environment
    beside = shutil.which("mpiexec", path=str(Path(python).parent)) or shutil.which("mpiexec")
    if beside is None:
        raise BackendUnavailable(f"mpiexec: not beside {python} and not on PATH; {_INSTALL}")
    mpiexec = os.path.abspath(beside)
    library = _asked(python, "-c", _PROBE)
    told = _asked(mpiexec, "--version")
    if "HYDRA" in told:
        lines = [line.split() for line in told.splitlines()]
        version = next((words[-1] for words in lines if words[:1] == ["Version:"]), "?")
        mpi = Mpi(python, mpiexec, "mpich", f"MPICH {version}")
    elif "Open MPI" in told:
        mpi = Mpi(python, mpiexec, "openmpi", "Open MPI " + told.split("Open MPI)")[-1].split()[0])
    else:
        raise BackendUnavailable(f"{mpiexec}: neither MPICH's nor Open MPI's; {_INSTALL}")
    if mpi.version.rpartition(" ")[0] not in library:
        loads = library.partition("\n")[0].partition(",")[0].strip() or "no MPI"
        raise BackendUnavailable(f"{mpiexec}: {mpi.version}, but mpi4py of {python} loads {loads}; both must be of one MPI")
    return mpi


def _asked(*command: str) -> str:
    """What a program says, started with the environment that ranks have. Raises BackendUnavailable where it fails."""
    try:
        own = _passed() | {"PYTHONSAFEPATH": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=own)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendUnavailable(f"{command[0]}: does not answer: {error}; {_INSTALL}") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}"])[-1]
        raise BackendUnavailable(f"{command[0]}: {why}; {_INSTALL}")
    return done.stdout


def _passed() -> dict[str, str]:
    return {name: os.environ[name] for name in (*_PASSED, *_LIBRARY) if name in os.environ}


def environment(mpi: Mpi, folder: Path, more: dict[str, str]) -> dict[str, str]:
    """What ranks see: a little of the caller's, one thread each, and this very program for an interpreter of another place."""
    out = _passed() | {"PYTHONSAFEPATH": "1"}  # the folder of a user who starts ranks elsewhere does not come before this program
    out |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if mpi.flavour == "mpich":
        out |= MPICH
    else:
        out |= _AS_ROOT | {"TMPDIR": str(folder)}  # its daemons leave sockets and folders
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
    if launcher or mpi.flavour == "mpich":
        first = launcher.split() or [mpi.mpiexec, "-launcher", "fork", "-hosts", "localhost", "-n", str(ranks)]
        return [*first, mpi.python, "-I", "-S", str(ENTER), str(folder), mpi.python, *program]
    agent = f"{mpi.python} -I -S {ENTER} {folder} --ssh"
    daemons = {"plm": "ssh", "plm_ssh_agent": agent, "prte_if_include": "p0"}
    hosts = ",".join(f"{'.'.join(map(str, ip(rank)))}:1" for rank in range(ranks))
    own = [word for name, value in OPENMPI.items() for word in ("--mca", name, value)]
    theirs = [word for name, value in daemons.items() for word in ("--prtemca", name, value)]
    return [mpi.mpiexec, *theirs, "--host", hosts, "-n", str(ranks), *own, mpi.python, *program]


def seat(mpi: Mpi, launcher: str = "") -> int:
    """The node in whose network the launcher itself must be: Open MPI's has to reach its daemons; -1: nowhere."""
    return 0 if mpi.flavour == "openmpi" and not launcher else -1


def failure(folder: Path, code: int) -> str:
    """One line on why a job ended with this code: what a rank said, else which rank died, else the launcher's last word."""
    log = _text(folder / "launch.log")
    said = re.search(r"^(?:replay|enter): (.*)", log, re.MULTILINE)
    if said:
        return f"emulated fabric: {said[1]}"
    told = re.search(r"process rank (\d+) with PID \d+ on node (\S+) exited on (signal \d+ \(\w+\))", " ".join(log.split()))
    if told:  # Open MPI's
        return f"emulated fabric: rank {told[1]} ({told[2]}) ended before it was done: {told[3]}"
    stack = re.search(r"Fatal error in .*error stack:\n((?:\w+\(\d+\)\.*:.*\n?)+)", log)  # MPICH's; its cause is the last line
    died = _text(folder / "died")
    if died:
        own = f": MPI: {stack[1].splitlines()[-1].partition(': ')[2]}" if stack and "signal" not in died else ""
        return f"emulated fabric: {died}{own}"
    last = [line.strip() for line in log.splitlines() if line.strip(" -=")][-1:]
    return f"emulated fabric: the ranks ended with exit code {code}" + (f": {last[0]}" if last else "")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
