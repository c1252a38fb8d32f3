"""`python enter.py FOLDER COMMAND…`, started for each rank by whatever launcher: move to the rank's endpoint, run COMMAND.

Stands alone (sixty of them start on two cores): FOLDER/entrance names the process that holds the namespaces and the number of
endpoints, and on a line for each node, endpoints first, the descriptor of its network and its name. Works inside the emulation's
pid namespace and outside (`srun`).

`python enter.py FOLDER --ssh ADDRESS COMMAND…` is Open MPI's ssh to an endpoint: its daemons talk to their ranks over the
loopback of the network they were started in, so they are moved, and their ranks with them.
"""

import ctypes
import os
import signal
import sys

#: as mpi/quiet.py has it
RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "FLUX_TASK_RANK", "PALS_RANKID")
PR_SET_PDEATHSIG = 1
NEWUTS, NEWUSER, NEWNET = 0x04000000, 0x10000000, 0x40000000


def enter(folder: str, rank: int) -> str:
    """Move this process, which has a single thread, to the endpoint of a rank; the endpoint's name. Raises OSError."""
    with open(os.path.join(folder, "entrance")) as stream:
        first, *networks = stream.read().split("\n")
    pid, endpoints = first.split()
    if rank >= int(endpoints):
        sys.exit(f"enter: rank {rank}: the fabric has {endpoints} endpoints; start as many ranks")
    descriptor, _, label = networks[rank].partition(" ")
    user = f"/proc/{pid}/ns/user"
    if os.readlink(user) != os.readlink("/proc/self/ns/user"):
        _setns(user, NEWUSER)
    _setns(f"/proc/{pid}/fd/{descriptor}", NEWNET)
    _call("unshare", NEWUTS)
    name = label.encode()[:63]
    _call("sethostname", name, len(name))
    return label


def _setns(path: str, kind: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    _call("setns", fd, kind)
    os.close(fd)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


def run(folder: str, name: str, command: tuple[str, ...]) -> None:
    """Run the rank and end as it did; leave the name of the first that failed: launchers end all others and do not tell."""
    own = os.getpid()
    child = os.fork()
    if child == 0:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == own:
            os.execv(command[0], command)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    if status:
        by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        how = f"signal {by} ({signal.strsignal(by)})" if by else f"exit code {os.WEXITSTATUS(status)}"
        try:
            with open(os.path.join(folder, "died"), "x") as stream:
                stream.write(f"rank {name} ended before it was done: {how}")
        except FileExistsError:
            pass
        if by:
            os.kill(own, by)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def main(folder: str, *command: str) -> None:
    try:
        if command[0] == "--ssh":
            enter(folder, int(command[1].rpartition(".")[2]) - 1)
            os.execv("/bin/sh", ["sh", "-c", " ".join(command[2:])])
        rank = next((int(os.environ[name]) for name in RANK if name in os.environ), -1)
        if rank < 0:
            sys.exit(f"enter: no rank: none of {', '.join(RANK)} is set; start it by mpiexec or srun --mpi=pmi2")
        label = enter(folder, rank)
        run(folder, f"{rank} ({label})", command)
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"enter: {' '.join(command[:2])}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
