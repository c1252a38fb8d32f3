"""Real MPI in tests: `mpiexec` on this machine, over loopback; skipped, visibly, where there is none."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BESIDE = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")

needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and mpiexec (pip install 'netsim-codesign[mpi]')",
)


def command(ranks: int, *arguments: str) -> list[str]:
    """The command line that runs Python with these arguments as so many ranks."""
    return [str(MPIEXEC), "-n", str(ranks), sys.executable, *arguments]


def launch(ranks: int, *arguments: str, limit: float = 60.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end. More ranks than cores: they sleep between looks, as the plan of each test says."""
    env = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} | environment
    return subprocess.run(command(ranks, *arguments), capture_output=True, text=True, timeout=limit, env=env, check=False)
