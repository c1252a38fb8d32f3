"""The library's own collective, in place of a schedule's messages."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from collectives.collective import Op
from topologies.errors import InputError
from validate.replay.data import Buffers


def native_call(row: Mapping[str, Any], data: Buffers, comm: Any, limit: float) -> Callable[[float, object], None]:
    """What does the row once, by a deadline: MPI's blocking call, the one whose algorithm the library lets its users name.

    It spins in the library and cannot be left; where it is not done in time, a line is said and the process ends, and with it the
    launcher's job. Raises InputError for operations without one here.
    """
    from mpi4py import MPI

    op, root, (out, given) = Op(row["op"]), int(row["root"]), (data.buffer, data.before)
    calls: dict[Op, Callable[[], None]] = {
        Op.ALL_REDUCE: lambda: comm.Allreduce([given, MPI.FLOAT], [out, MPI.FLOAT]),
        Op.REDUCE: lambda: comm.Reduce([given, MPI.FLOAT], [out, MPI.FLOAT] if comm.rank == root else None, root=root),
        Op.BROADCAST: lambda: comm.Bcast([out, MPI.FLOAT], root=root),
    }
    if op not in calls:
        raise InputError(f"{row['native']}: {op.value}: the library's own is called for {', '.join(o.value for o in calls)}")

    def once(deadline: float, _: object) -> None:
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), _give_up, (row, comm.rank, limit))
        timer.daemon = True
        timer.start()
        try:
            calls[op]()
        finally:
            timer.cancel()

    return once


def _give_up(row: Mapping[str, Any], rank: int, limit: float) -> None:
    print(f"replay: {row['name']}: rank {rank}: not done after {limit:.0f} s, the limit of a run", file=sys.stderr, flush=True)
    os._exit(1)
