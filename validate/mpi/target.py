"""The replay under whatever started `netsim validate SCENARIO --on mpi` on every rank: mpiexec, srun, a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

from topologies.errors import BackendUnavailable, InputError, NetsimError
from validate.measurement import Measured, Measurement
from validate.mpi.options import Options, read_options
from validate.mpi.seats import Seats, seats
from validate.native import environment
from validate.predict import predict
from validate.replay import machine
from validate.replay.abort import abort
from validate.replay.plan import plan_files
from validate.replay.program import perform
from validate.replay.result import RowResult
from validate.replay.walk import Late
from validate.request import Outcome, Request, Row

#: the number of ranks on this machine, as hydra, Open MPI, PALS and Slurm tell it
_LOCAL_RANKS = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "PALS_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE")
_INSTALL = "pip install 'netsim-codesign[mpi]', or mpi4py beside the cluster's own MPI"


def mpi(request: Request) -> Outcome:
    """Replay every row on the ranks that are there. To be called on all of them; it returns on rank 0 and ends the others.

    Raises BackendUnavailable without mpi4py, an MPI library or a launcher; InputError where the ranks are too few or too many, or
    where rows need different settings of the library; NetsimError never on one rank alone: what befalls one ends all.
    """
    options = read_options(request.options)
    _set(_shared_environment(request.rows, _crowded_machine()))
    world = _world(len({e for row in request.rows for e in row.placement.endpoint.tolist()}))
    library = _library(request.rows)
    try:
        machines, poll = _look_around(world, options)
        seated = seats(request.rows, machines, options.hosts)
        # every rank plans the same; the plan is rank 0's all the same, so that a difference could not go unseen
        files = world.bcast(_plan(request, seated, options, poll) if world.rank == 0 else None)
        done = perform(files, world, None)
    except InputError:
        _leave(world, 2)
        raise
    except Late as error:
        _abort(world, f"{error}; --option limit=… allows more")
    except Exception as error:
        _abort(world, f"rank {world.rank}: {type(error).__name__}: {error}")
    _leave(world, 0)
    return _outcome(request, done, seated, {"mpi": library, "machines": len(set(machines)), "poll": poll})


def _crowded_machine() -> bool:
    """Whether the launcher says, before MPI starts, that this machine has more ranks than cores."""
    told = next((os.environ[name] for name in _LOCAL_RANKS if name in os.environ), "")
    return told.isdigit() and int(told) > (os.cpu_count() or 1)


def _shared_environment(rows: Sequence[Row], crowded: bool) -> dict[str, str]:
    """The variables that the rows' own collectives of the library need. Raises InputError where they differ."""
    out: dict[str, str] = {}
    names = list(dict.fromkeys(row.native for row in rows if row.native))
    for name in names:
        if name.startswith("nccl:"):
            raise InputError(f"{name}: is NCCL's; use --on nccl")
        for variable, value in environment(name, crowded=crowded).items():
            if out.setdefault(variable, value) != value:
                raise InputError(f"{names[0]}, {name}: an MPI library reads its settings once, at its start; run them one by one")
    return out


def _set(variables: dict[str, str]) -> None:
    """Set what the launcher has not set. Raises InputError where it has set something else."""
    for variable, value in variables.items():
        if os.environ.setdefault(variable, value) != value:
            raise InputError(f"{variable}: the launcher set {os.environ[variable]!r}; unset it, or set {value!r}")


def _world(needed: int) -> Any:
    """All ranks. Raises BackendUnavailable where there is no MPI, or nobody but this one."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BackendUnavailable(f"--on mpi: no MPI: {reason}; {_INSTALL}") from None
    world = MPI.COMM_WORLD
    if world.size == 1 and needed > 1:
        name = _name(MPI.Get_library_version())
        start = f"mpiexec -n {needed} netsim validate … --on mpi"
        raise BackendUnavailable(f"--on mpi: 1 rank for {needed} endpoints; start it with {name}'s own launcher: {start}")
    return world


def _library(rows: Sequence[Row]) -> str:
    """The library, by its first line. Raises BackendUnavailable where rows ask for the own collective of another."""
    from mpi4py import MPI

    name = _name(MPI.Get_library_version())
    family = "openmpi" if "Open MPI" in name else "mpich" if "MPICH" in name else ""
    for row in rows:
        if row.native and row.native.partition(":")[0] != family:
            raise BackendUnavailable(f"{row.native}: the library at hand is {name}; leave it out, or start another MPI")
    return name


def _name(version: str) -> str:
    """A library's name and version, of the much that it says.

    >>> _name("MPICH Version:      5.0.2\\nMPICH Release date: unknown"), _name("Open MPI v5.0.11, package: Open MPI root@host")
    ('MPICH 5.0.2', 'Open MPI v5.0.11')
    """
    return " ".join(version.partition("\n")[0].partition(",")[0].replace("Version:", "").replace("\0", "").split())


def _look_around(world: Any, options: Options) -> tuple[list[str], float]:
    """The name of each rank's machine, and how long ranks sleep between looks: all the same."""
    from mpi4py import MPI

    told = world.allgather((MPI.Get_processor_name(), sorted(machine.processors())))
    cores: dict[str, set[int]] = {}
    for name, own in told:
        cores.setdefault(name, set()).update(own)
    machines = [name for name, _ in told]
    crowded = any(machines.count(name) > len(own) for name, own in cores.items())
    return machines, options.poll if options.poll is not None else 1e-3 if crowded else 0.0


def _plan(request: Request, seated: Seats, options: Options, poll: float) -> dict[str, bytes]:
    return plan_files(
        request.rows,
        sizes=[row.size for row in request.rows],
        seats=seated.of_row,
        repeat=request.repeat,
        poll=poll,
        limits=[options.limit] * len(request.rows),
    )


def _abort(world: Any, message: str) -> NoReturn:
    abort(world, f"--on mpi: {message}")
    raise NetsimError(message)


def _leave(world: Any, code: int) -> None:
    """End MPI on all ranks, so that nobody spins while rank 0 predicts; and, but for that, the process with it."""
    from mpi4py import MPI

    leader = world.rank == 0
    MPI.Finalize()
    if not leader:
        raise SystemExit(code)


def _outcome(request: Request, done: Sequence[RowResult], seated: Seats, where: dict[str, Any]) -> Outcome:
    rows = tuple(_measured(row, result) for row, result in zip(request.rows, done, strict=True))
    predicted = tuple(predict(row, size=measured.bytes) for row, measured in zip(request.rows, rows, strict=True))
    notes = [seated.how]
    if where["poll"]:
        notes.append(
            f"ranks sleep {where['poll'] * 1e3:g} ms between looks at their messages: no smaller times can be told apart"
        )
        if any(row.native for row in request.rows):
            notes.append(
                "a library's own collective spins while it waits: with more ranks than cores its times are not to be trusted"
            )
    measurement = Measurement(
        on="mpi",
        rows=rows,
        where={"machine": machine.described(os.cpu_count() or 1), **where},
        notes=tuple(notes),
    )
    return Outcome(measurement, predicted)


def _measured(row: Row, result: RowResult) -> Measured:
    collective = row.schedule.collective
    elements = max(1, round(collective.payload / 4))
    rooted = collective.op.value in ("broadcast", "reduce")
    return Measured(
        name=row.name,
        by=row.by,
        op=collective.op.value,
        bytes=elements * 4 * collective.bytes / collective.payload,
        ranks=collective.ranks,
        seconds=result.seconds,
        wrong=result.wrong,
        doubts=result.doubts,
        root=collective.root if rooted else -1,
    )
