"""`--on emulated`: the scenario's own fabric, slower by a constant, with a real MPI rank on every endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netsim.units import format_rate, format_size, format_time
from topologies.errors import InputError
from validate.emulated.groups import groups
from validate.emulated.launch import Mpi, find_mpi
from validate.emulated.lay_out import Layout
from validate.emulated.options import Options, read_options
from validate.emulated.queues import BURST
from validate.emulated.replay import Replayed, Setting, Task, replay
from validate.emulated.scale import LATENCY_BOUND, latency_part, whole_elements
from validate.emulated.ways import flows_of
from validate.measurement import Measured, Measurement
from validate.replay import machine
from validate.request import Outcome, Request, Row

_FEW = 8  #: packets of a message
_MORE = {
    True: "ask for more seconds",
    False: "ask for larger sizes",
}  #: how rows get longer, by whether their sizes were made smaller
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
    tasks = {
        fabric: [Task(row, sizes[id(row)], fabric.layout.seconds(row, sizes[id(row)])) for row in fabric.rows if id(row) in sizes]
        for fabric in fabrics
    }
    everything = [task for some in tasks.values() for task in some]
    done: dict[int, Replayed] = {}
    for fabric, some in tasks.items():
        if some:
            told = _under_way(everything, everything[len(done) + len(some) :], request)
            setting = Setting(fabric.layout, mpi, fabric.environment, options, request.repeat, told)
            done |= {id(task.row): replayed for task, replayed in zip(some, replay(some, setting), strict=True)}
    rows = [row for row in request.rows if id(row) in done]
    measurement = Measurement(
        on="emulated",
        rows=tuple(_measured(row, sizes[id(row)], done[id(row)]) for row in rows),
        where=_where(mpi, options, fabrics[0].layout) | {"sizes": f"scenario's × {sizes[id(rows[0])] / rows[0].size:.6g}"},
        notes=(*_limits(options, everything), *notes),
    )
    return Outcome(measurement, tuple(done[id(row)].predicted for row in rows))


def _under_way(tasks: Sequence[Task], later: Sequence[Task], request: Request) -> Callable[[Sequence[Task], int], None] | None:
    """What tells which of all tasks the ranks are at, and how long those left in a launch, and `later` ones, take at least."""
    progress = request.progress
    if progress is None:
        return None
    place = {id(task): n for n, task in enumerate(tasks)}
    on_others = sum(task.predicted for task in later) * (request.repeat + 1)

    def told(left: Sequence[Task], runs: int) -> None:
        seconds = sum(task.predicted for task in left) * runs + on_others
        progress(place[id(left[0])], len(tasks), f"about {_rounded(seconds)} left: {_subject(left[0].row)}")

    return told


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


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
            notes.append(f"left out: {_subject(row)} {why}; run it by itself, or {_MORE[shrink < 1]}")
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
        "machine": machine.described(len(machine.processors())),
        "mpi": mpi.version,
        "fabric": "network namespaces, veth, "
        + {"fair": "a queue for each flow (HTB)", "fifo": "one queue (TBF)"}[options.queues],
        "routes": {"tables": "netsim's", "kernel-ecmp": "the kernel's hash of each connection"}[options.routes],
        "rates": f"scenario's × {layout.factor:.6g} ({format_rate(own)} → {format_rate(float(f'{own * layout.factor:.6g}'))})",
    }


def _limits(options: Options, tasks: Sequence[Task]) -> Iterator[str]:
    """What the reader must know of this fabric, and of what was asked of it."""
    own = [task for task in tasks if not task.row.native]
    yield "times and bytes are of the scaled fabric; ratios are the scenario's. It has no delay: latency and overhead are 0 here"
    if len(own) < len(tasks):
        yield "a library's own collective spins while it waits: idle processors are not checked in those rows"
    if shared := [task.row for task in own if _share_connections(task.row)]:
        what = "channels that send between the same ranks share a TCP connection: when at the same time, one share of a link"
        yield f"{_subjects(shared)}: {what} where netsim gives each its own"
    if short := [task.row for task in own if task.packets < _FEW]:
        what = f"messages of less than {_FEW} packets in the mean: links pass on whole packets, which the model does not know"
        shrunk = any(task.size < whole_elements(task.row.schedule, task.row.size) for task in tasks)
        yield f"{_subjects(short)}: {what}; {_MORE[shrunk]}, or run what takes longer by itself"
    if options.routes == "kernel-ecmp":
        yield "predicted with the ways that the kernel gave each connection"


def _subjects(rows: Sequence[Row]) -> str:
    return _subject(rows[0]) + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def _share_connections(row: Row) -> bool:
    flows = flows_of([(row.schedule, row.placement.endpoint)])
    return len({(source, to) for source, to, _ in flows}) < len(flows)
