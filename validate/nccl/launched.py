"""Who this process is among those that the launcher started, and where rank 0 listens: read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from topologies.errors import InputError
from topologies.formats.hostlist import expand

_TORCH_PORT = 29500  #: torchrun's own, where it names none


@dataclass(frozen=True)
class Launched:
    """Process `rank` of `size`; rank 0 listens at address:port. Under MPI address is "" where nobody said one: MPI tells it."""

    by: str  #: "torchrun", "Slurm", "MPI", "nothing"
    rank: int
    size: int
    address: str
    port: int


def launched(environment: Mapping[str, str]) -> Launched:
    """torchrun's RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT; else what an MPI launcher set; else Slurm's; else a single process.

    An MPI launcher inside a Slurm job leaves both: its own are believed where they differ. MASTER_ADDR and MASTER_PORT hold for
    all; left out, the first node of the job and a port made of the job's number. Rank 0 listens on the port after MASTER_PORT,
    since torchrun listens on that itself.

    >>> launched({"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "n0", "MASTER_PORT": "29400"})
    Launched(by='torchrun', rank=3, size=8, address='n0', port=29401)

    Raises InputError for numbers that are none.
    """
    read = _Numbers(environment)
    address = environment.get("MASTER_ADDR", "")
    port = read.number("MASTER_PORT", _TORCH_PORT) + 1
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return _checked(Launched("torchrun", read.number("RANK"), read.number("WORLD_SIZE"), address or "127.0.0.1", port))
    slurm = _slurm(read, address, port)
    for rank, size in (("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")):
        if rank in environment and size in environment:
            own = Launched("MPI", read.number(rank), read.number(size), address, port)
            if slurm is None or (own.rank, own.size) != (slurm.rank, slurm.size):
                return _checked(own)
    return _checked(slurm or Launched("nothing", 0, 1, "127.0.0.1", port))


def _slurm(read: _Numbers, address: str, port: int) -> Launched | None:
    environment = read.environment
    if "SLURM_PROCID" not in environment or "SLURM_STEP_ID" not in environment:  # a batch script has the one, no step
        return None
    size = read.number("SLURM_STEP_NUM_TASKS", read.number("SLURM_NTASKS", 1))
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    if "MASTER_PORT" not in environment:
        port = 20000 + read.number("SLURM_JOB_ID", 0) % 10000
    return Launched("Slurm", read.number("SLURM_PROCID"), size, address or first_host(nodes) or "127.0.0.1", port)


def first_host(nodes: str) -> str:
    """The first name of Slurm's short form of a list. Raises InputError for brackets and ranges that are none.

    >>> first_host("gpu[007-010,12],login"), first_host("a1,a2"), first_host("")
    ('gpu007', 'a1', '')
    """
    return next(iter(expand(nodes)), "")


def _checked(own: Launched) -> Launched:
    if not 0 <= own.rank < own.size:
        raise InputError(f"{own.by}: rank {own.rank} of {own.size} processes: must be 0..{own.size - 1}")
    if not 0 < own.port < 65536:
        raise InputError(f"MASTER_PORT={own.port - 1}: must be 1..65534; rank 0 listens on the port after it")
    return own


@dataclass(frozen=True)
class _Numbers:
    environment: Mapping[str, str]

    def number(self, name: str, default: int | None = None) -> int:
        text = self.environment.get(name)
        if text is None and default is not None:
            return default
        if text is None or not re.fullmatch(r"[0-9]{1,9}", text):
            raise InputError(f"{name}={text or ''}: must be a number")
        return int(text)
