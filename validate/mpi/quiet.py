"""Which of many processes speaks. Under a launcher the same command runs on every rank; one of them answers the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

#: what launchers tell a process of its number: MPICH's and Intel's, PMIx (Open MPI 5, PRRTE, Slurm), Open MPI, Slurm, Flux, PALS
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "FLUX_TASK_RANK", "PALS_RANKID")


def is_leader(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is rank 0, or was started by no launcher: the one that prints. Known before MPI is initialised.

    >>> is_leader({"PMI_RANK": "3"}), is_leader({"SLURM_PROCID": "0"}), is_leader({})
    (False, True, True)
    """
    return next((environment[name] for name in RANK if name in environment), "0") == "0"


def hush() -> None:
    """Nothing more on stdout and stderr from this process; sys.__stderr__ stays for what ends all ranks."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
