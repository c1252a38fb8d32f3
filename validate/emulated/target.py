"""`--on emulated`: the scenario's own fabric, slower by a constant, with a real MPI rank on every endpoint."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from netsim.provenance import provenance
from netsim.units import format_rate, format_size, format_time
from topologies.errors import InputError
from validate.emulated.groups import groups
from validate.emulated.launch import Mpi, find_mpi
from validate.emulated.lay_out import Layout
from validate.emulated.options import Options, read_options
from validate.emulated.queues import BURST
from validate.emulated.replay import Replayed, Task, replay
from validate.emulated.scale import LATENCY_BOUND, latency_part, whole_elements
from validate.measurement import Measured, Measurement
from validate.replay.machine import processors
from validate.request import Outcome, Request, Row

_SHORTEST = 20 * BURST  #: seconds; below, the packets that a queue lets through at once decide


def emulated(request: Request) -> Outcome:
    """Replay every row that is bound by bandwidth on an emulated fabric; what is left out is told in a note.

    Raises InputError where nothing is left or routes cannot be emulated, BackendUnavailable where this machine allows no
    namespaces or has no MPI, NetsimError where the ranks fail.
    """
    options = read_options(request.options)
    mpi = find_mpi(options.python)
    _check_natives(request.rows, mpi)
    notes: list[str] = []
    fabrics = groups(request.rows, options)
    layouts = {id(row): fabric.layout for fabric in fabrics for row in fabric.rows}
    sizes = _sizes(request, layouts, options, notes)
    done: dict[int, Replayed] = {}
    for fabric in fabrics:
        kept = [row for row in fabric.rows if id(row) in sizes]
        tasks = [Task(row, sizes[id(row)], fabric.layout.seconds(row, sizes[id(row)])) for row in kept]
        if tasks:
            out = replay(tasks, fabric.layout, mpi, fabric.environment, options, request.repeat)
            done |= {id(task.row): replayed for task, replayed in zip(tasks, out, strict=True)}
    rows = [row for row in request.rows if id(row) in done]
    measurement = Measurement(
        on="emulated",
        rows=tuple(_measured(row, sizes[id(row)], done[id(row)]) for row in rows),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        where=_where(mpi, options, fabrics[0].layout) | {"sizes": f"scenario's × {sizes[id(rows[0])] / rows[0].size:.6g}"},
        scenario_id=provenance(request.scenario, [(row.job,) for row in rows]).scenario_id,
        notes=(*_always(options, rows), *notes),
    )
    return Outcome(measurement, tuple(done[id(row)].predicted for row in rows))


def _check_natives(rows: Sequence[Row], mpi: Mpi) -> None:
    for row in rows:
        if row.native and row.native.partition(":")[0] != mpi.flavour:
            raise InputError(f"{row.native}: the ranks run under {mpi.version}; choose its own, or another MPI by --mpi-python")


def _sizes(request: Request, layouts: dict[int, Layout], options: Options, notes: list[str]) -> dict[int, int]:
    """Bytes that really move in each row that is emulated, by its id: the scenario's sizes × one constant, at most 1, that makes
    the slowest row take `options.seconds`."""
    lasting = []
    for row in request.rows:
        layout = layouts[id(row)]
        if (part := latency_part(row, layout.part, layout.ways)) > LATENCY_BOUND:
            why = f"is latency-bound ({100 * part:.0f} % of its time): the emulated fabric has no delay"
            notes.append(f"left out: {_subject(row)} {why}")
        else:
            lasting.append(row)
    if not lasting:
        raise InputError(
            f"{request.scenario.name}: every row is latency-bound, and the emulated fabric has no delay; ask for larger sizes"
        )
    shrink = min(1.0, options.seconds / max(layouts[id(row)].seconds(row, row.size) for row in lasting))
    out = {}
    for row in lasting:
        size = whole_elements(row.schedule, row.size * shrink)
        if (takes := layouts[id(row)].seconds(row, size)) < _SHORTEST:
            why = f"would take {format_time(float(f'{takes:.2g}'))} beside the slowest row, too short to be measured"
            notes.append(f"left out: {_subject(row)} {why}; run it by itself, or ask for more seconds")
        else:
            out[id(row)] = size
    if not out:
        raise InputError(
            f"{request.scenario.name}: every row is over in less than {format_time(_SHORTEST)}; ask for larger sizes"
        )
    return out


def _subject(row: Row) -> str:
    return f"{row.name}: {row.by} at {format_size(row.size)}"


def _measured(row: Row, size: int, replayed: Replayed) -> Measured:
    collective = row.schedule.collective
    return Measured(
        name=row.name,
        by=row.by,
        op=collective.op.value,
        bytes=float(size),
        ranks=collective.ranks,
        seconds=replayed.seconds,
        wrong=replayed.wrong,
        doubts=replayed.doubts,
        root=collective.root if collective.op.value in ("broadcast", "reduce") else -1,
    )


def _where(mpi: Mpi, options: Options, layout: Layout) -> dict[str, Any]:
    own = float(layout.part.fabric.capacity.max())
    return {
        "machine": f"Linux {platform.release()}, {len(processors())} processors",
        "mpi": mpi.version,
        "fabric": "network namespaces, veth, "
        + {"fair": "a queue for each flow (HTB)", "fifo": "one queue (TBF)"}[options.queues],
        "routes": {"tables": "netsim's", "kernel-ecmp": "the kernel's hash of each connection"}[options.routes],
        "rates": f"scenario's × {layout.factor:.6g} ({format_rate(own)} → {format_rate(float(f'{own * layout.factor:.6g}'))})",
    }


def _always(options: Options, rows: Sequence[Row]) -> Iterator[str]:
    yield "times and bytes are of the scaled fabric; ratios are the scenario's. It has no delay: latency and overhead are 0 here"
    if any(row.native for row in rows):
        yield "a library's own collective spins while it waits: idle processors are not checked in those rows"
    if options.routes == "kernel-ecmp":
        yield "predicted with the ways that the kernel gave each connection"
