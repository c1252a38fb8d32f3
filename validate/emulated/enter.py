"""`python enter.py FOLDER COMMAND…`, started for each rank by whatever launcher: move to the rank's endpoint, become COMMAND.

Stands alone (sixty of them start on two cores): FOLDER/entrance names the process that holds the namespaces, and on a line for
each endpoint the descriptor of its network and its name. Works inside the emulation's pid namespace and outside (`srun`).
"""

import ctypes
import os
import sys

RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
NEWUTS, NEWUSER, NEWNET = 0x04000000, 0x10000000, 0x40000000


def enter(folder: str, rank: int) -> None:
    """Move this process, which has a single thread, to the endpoint of a rank. Raises OSError."""
    with open(os.path.join(folder, "entrance")) as stream:
        pid, *networks = stream.read().split("\n")
    descriptor, _, label = networks[rank].partition(" ")
    user = f"/proc/{pid}/ns/user"
    if os.readlink(user) != os.readlink("/proc/self/ns/user"):
        _setns(user, NEWUSER)
    _setns(f"/proc/{pid}/fd/{descriptor}", NEWNET)
    _call("unshare", NEWUTS)
    name = label.encode()[:63]
    _call("sethostname", name, len(name))
    with open(os.path.join(folder, "ranks"), "a") as stream:
        stream.write(f"{os.getpid()} {rank} ({label})\n")  # who it was, should it die


def _setns(path: str, kind: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    _call("setns", fd, kind)
    os.close(fd)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


def main(folder: str, *command: str) -> None:
    rank = next((int(os.environ[name]) for name in RANK if name in os.environ), -1)
    if rank < 0:
        sys.exit(f"enter: no rank: none of {', '.join(RANK)} is set; start it by mpiexec or srun --mpi=pmi2")
    try:
        enter(folder, rank)
        os.execv(command[0], command)
    except (OSError, IndexError) as error:
        sys.exit(f"enter: rank {rank}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
