"""`netsim validate --on nccl`: run by each of the processes that torchrun, srun or mpiexec started, one for each rank."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from netsim.output import tell
from topologies.errors import BackendUnavailable, InputError, NetsimError
from validate.measured import scenario_id
from validate.measurement import Measured, Measurement
from validate.nccl.channels import replayed
from validate.nccl.gpu import Gpu, visible_gpus
from validate.nccl.launched import Launched, launched
from validate.nccl.library import Library, choose, open_library
from validate.nccl.measure import Here, bytes_of, measure
from validate.nccl.native import settings_of
from validate.nccl.options import options_of
from validate.nccl.party import Party, party
from validate.nccl.sharing import sharing
from validate.predict import predict
from validate.request import Outcome, Request, Row

Found = TypeVar("Found")

_GRACE = 15  #: seconds that a process may take to end once its replay has failed


def nccl(request: Request) -> Outcome:
    """Replay every row on the GPUs. Process 0 gets the outcome; the others end with SystemExit(0) when they are done.

    Raises BackendUnavailable without a GPU, a driver or a package for NCCL; InputError where there are not as many processes as
    ranks; NetsimError where a rank dies, or is not done within the limit.
    """
    options = options_of(request.options)
    for row in request.rows:
        settings_of(row.native)
    own = _reachable(launched(os.environ))
    with party(own, options.limit) as tied:
        gpus, chosen = _everywhere(lambda: (visible_gpus(), choose(options.library)), tied)
        _check_ranks(request.rows, own)
        _check_same(request, tied)
        gpu, most, hosts = _placed(gpus, tied)
        library = _everywhere(lambda: open_library(chosen, gpu.number), tied)
        shared = sharing(most, library.version, options.share, own.rank)
        for name, value in shared.environment.items():
            os.environ.setdefault(name, value)
        try:
            notes = shared.notes + _notes(request.rows)
            outcome = perform(request, Here(tied, library, options.limit), _where(library, gpu, own, hosts, most, tied), notes)
        except BaseException as error:
            tied.fail(str(error) or type(error).__name__)  # first the others: they wait for this rank
            _abandon(library)
            raise
    if own.rank:
        raise SystemExit(0)
    return outcome


def perform(request: Request, here: Here, where: dict[str, Any], notes: Sequence[str]) -> Outcome:
    """Measure every row and predict it, on all processes alike; only process 0 predicts."""
    said = tell if here.party.rank == 0 else _nobody
    measured: list[Measured] = list(measure(request.rows, request.repeat, here, said))
    here.party.exchange()  # after this nobody waits for anybody
    predicted = tuple(predicted_of(row) for row in request.rows) if here.party.rank == 0 else ()
    return Outcome(Measurement("nccl", tuple(measured), where=where, notes=tuple(notes)), predicted)


def predicted_of(row: Row) -> float:
    """Seconds of what is replayed: its bytes, and its channels as they are laid side by side."""
    return predict(replayed(row), size=bytes_of(row))


def _nobody(_: str) -> None:
    """Only process 0 talks."""


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    notes = [
        "time is from event to event on the GPU, the slowest rank's; the sums of a round are made on the GPU and are part of it"
    ]
    if any(len(row.schedule.channels) > 1 for row in rows if not row.native):
        notes.append("channels go step by step together, one NCCL group for all; prediction is made of the same")
    if any(row.native for row in rows):
        notes.append("nccl:NAME asks by NCCL_ALGO; NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=TUNING says what NCCL really took")
    return tuple(notes)


def _reachable(own: Launched) -> Launched:
    """With the address of rank 0: under MPI without MASTER_ADDR it is told by MPI."""
    if own.address:
        return own
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"mpiexec: mpi4py does not work ({error}): set MASTER_ADDR and MASTER_PORT to process 0's host and a port"
        ) from None
    if (MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size) != (own.rank, own.size):
        raise InputError(
            f"mpiexec: says process {own.rank} of {own.size}, mpi4py {MPI.COMM_WORLD.rank} of {MPI.COMM_WORLD.size}: "
            "it is another MPI's; set MASTER_ADDR and MASTER_PORT"
        )
    address, port = MPI.COMM_WORLD.bcast((socket.gethostname(), _free_port()) if own.rank == 0 else None)
    return replace(own, address=address, port=port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _everywhere(find: Callable[[], Found], tied: Party) -> Found:
    """What `find` finds here, once all have found theirs. Where one has not, all raise its BackendUnavailable: rank 0 speaks."""
    found: list[Found] = []
    lacking = ""
    try:
        found.append(find())
    except BackendUnavailable as error:
        lacking = str(error)
    for rank, why in enumerate(tied.exchange(lacking)):
        if why:
            raise BackendUnavailable(f"rank {rank}: {why}" if rank else why)
    return found[0]


def _check_ranks(rows: Sequence[Row], own: Launched) -> None:
    for row in rows:
        ranks = row.schedule.collective.ranks
        if ranks != own.size:
            start = f"torchrun --nproc-per-node {ranks} --no-python netsim validate …, srun -n {ranks} or mpiexec -n {ranks}"
            raise InputError(
                f"{row.name}: {ranks} ranks, and {own.size} processes started by {own.by}; start one for each rank: {start}"
            )


def _check_same(request: Request, tied: Party) -> None:
    asked = [scenario_id(request), request.repeat, [row.key for row in request.rows]]
    others = tied.exchange(asked)
    for rank, other in enumerate(others):
        if other != others[0]:
            raise InputError(
                f"rank {rank}: runs another scenario or other options than rank 0; give all processes the same command"
            )


def _placed(gpus: Sequence[Gpu], tied: Party) -> tuple[Gpu, int, list[str]]:
    """This process's GPU: those of a host are dealt out to its processes in turn. Ranks on the fullest GPU; all hosts by rank."""
    hosts = tied.exchange(socket.gethostname())
    gpu = gpus[hosts[: tied.rank].count(hosts[tied.rank]) % len(gpus)]
    buses = [(host, bus) for host, bus in zip(hosts, tied.exchange(gpu.bus), strict=True)]
    return gpu, max(buses.count(bus) for bus in buses), hosts


def _where(library: Library, gpu: Gpu, own: Launched, hosts: Sequence[str], most: int, tied: Party) -> dict[str, Any]:
    names = tied.exchange(gpu.name)
    return {
        "library": library.name,
        "nccl": ".".join(map(str, library.version)),
        "gpus": sorted(set(names)),
        "hosts": list(dict.fromkeys(hosts)),
        "ranks_on_a_gpu": most,
        "started_by": own.by,
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith("NCCL_")},
    }


def _abandon(library: Library) -> None:
    """Stop what is under way. Where the GPU does not let go even then, an alarm ends the process after its message is said."""
    armed = False
    with contextlib.suppress(ValueError, OSError):  # not the main thread
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_GRACE)
        armed = True
    stopping = threading.Thread(target=_stop, args=(library,), daemon=True)
    stopping.start()
    stopping.join(_GRACE / 3)
    if armed and not stopping.is_alive():
        signal.alarm(0)


def _stop(library: Library) -> None:
    with contextlib.suppress(NetsimError, *library.errors):
        library.abort()
