"""Rank maps as launchers read them: one machine for each rank, or with slots.

Slurm: `srun --distribution=arbitrary` with SLURM_HOSTFILE, a machine a line in the order of ranks (srun(1)).
Open MPI: `mpiexec --map-by rankfile:file=FILE` (5.x), `--rankfile FILE` (4.x): `rank R=MACHINE slot=N`.
MPICH: `mpiexec -f FILE`: `MACHINE:PROCESSES`, filled in the order of lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def slurm_hostfile(machines: Sequence[str]) -> str:
    """`machines[r]` is the machine of rank r.

    >>> slurm_hostfile(["n1", "n0", "n1"])
    'n1\\nn0\\nn1\\n'
    """
    return "".join(f"{machine}\n" for machine in machines)


def openmpi_rankfile(machines: Sequence[str]) -> str:
    """Ranks on one machine take its slots in order.

    >>> print(openmpi_rankfile(["n1", "n0", "n1"]), end="")
    rank 0=n1 slot=0
    rank 1=n0 slot=0
    rank 2=n1 slot=1
    """
    taken: dict[str, int] = {}
    lines = []
    for rank, machine in enumerate(machines):
        slot = taken.get(machine, 0)
        lines.append(f"rank {rank}={machine} slot={slot}\n")
        taken[machine] = slot + 1
    return "".join(lines)


def mpich_machinefile(machines: Sequence[str]) -> str:
    """Consecutive ranks on one machine share a line.

    >>> print(mpich_machinefile(["n1", "n1", "n0", "n1"]), end="")
    n1:2
    n0:1
    n1:1
    """
    return "".join(f"{machine}:{len(list(ranks))}\n" for machine, ranks in groupby(machines))
