"""A measurement that exists, held against a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from netsim.units import format_size
from topologies.errors import InputError
from validate.measured import Saved, read_measurement, saved, scenario_id
from validate.measurement import Measured, Measurement
from validate.nccl.channels import replayed
from validate.predict import predict
from validate.report.words import SCALED
from validate.request import Outcome, Request, Row


def file_outcome(request: Request, path: Path) -> Outcome:
    """What was measured as the file says, and what netsim says of it.

    The file decides which sizes are compared: each is simulated. What netsim saved is matched by name and schedule; what others
    measured is held against every case of the scenario with its operation. Raises InputError where operation or ranks differ.
    """
    ops = tuple(dict.fromkeys(row.schedule.collective.op.value for row in request.rows))
    measurement = read_measurement(path, ranks=request.rows[0].placement.ranks, op=ops)
    if any(row.name or row.by for row in measurement.rows):
        return _of_own(request, measurement, saved(path), path)
    return _of_others(request, measurement, path)


class _Predictions:
    """What netsim says of a row at a size; each is simulated once, however often it was measured (in place, by type)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, float], float] = {}

    def __call__(self, row: Row, size: float) -> float:
        key = (row.name, row.by, size)
        if key not in self._known:
            self._known[key] = predict(row, size=size)
        return self._known[key]


def _of_own(request: Request, measurement: Measurement, kept: Saved, path: Path) -> Outcome:
    rows = {(row.name, row.by): row for row in request.rows}
    for n, measured in enumerate(measurement.rows):
        if (measured.name, measured.by) not in rows:
            row, known = f"{measured.name}: {measured.by}", ", ".join(f"{name}: {by}" for name, by in rows)
            raise InputError(f"{path}: rows[{n}]: {row}: not in {request.scenario.name}, which has {known}")
        _agrees(rows[measured.name, measured.by], measured, path, request)
    if measurement.on in SCALED:
        return Outcome(measurement, _as_predicted_then(request, measurement, kept, path))
    if measurement.on == "nccl":
        rows = {key: replayed(row) for key, row in rows.items()}
    predicted = _Predictions()
    return Outcome(measurement, tuple(predicted(rows[m.name, m.by], m.bytes) for m in measurement.rows))


def _as_predicted_then(request: Request, measurement: Measurement, kept: Saved, path: Path) -> tuple[float, ...]:
    """For a fabric that is slower by a constant only the run itself could predict. Raises InputError for another scenario's."""
    here = scenario_id(request)
    if measurement.scenario_id != here:
        then = f"measured on an emulated fabric for scenario {measurement.scenario_id or '?'}"
        raise InputError(f"{path}: {then}, this is {here}: measure again, or leave out what --set changed")
    if not kept.predicted:
        raise InputError(f"{path}: predicted: missing; netsim validate --save writes it beside what was measured")
    return kept.predicted


def _of_others(request: Request, measurement: Measurement, path: Path) -> Outcome:
    """Each case beside what was measured; named are sizes that the file lacks, and rows that no case has use for."""
    jobs = {(row.name, row.by): row for row in request.rows}
    rows: list[Measured] = []
    predicted: list[float] = []
    predictions = _Predictions()
    unused = dict.fromkeys(measurement.rows)
    for row in jobs.values():
        for measured in measurement.rows:
            if measured.op != row.schedule.collective.op.value or not _same_root(row, measured):
                continue
            unused.pop(measured, None)
            _agrees(row, measured, path, request)
            rows.append(replace(measured, name=row.name, by=row.by))
            predicted.append(predictions(row, measured.bytes))
    unlike = dict.fromkeys(m.op + f" with root {m.root}" * (m.root >= 0) for m in unused)
    if not rows:
        wanted = " and ".join(dict.fromkeys(row.schedule.collective.op.value for row in jobs.values()))
        raise InputError(f"{path}: {', '.join(unlike)}: {request.scenario.name} has {wanted}")
    notes = (*measurement.notes, *_notes(request, rows, unlike))
    held = replace(measurement, rows=tuple(rows), notes=notes, scenario_id=scenario_id(request))
    return Outcome(held, tuple(predicted))


def _same_root(row: Row, measured: Measured) -> bool:
    return measured.root < 0 or measured.root == row.schedule.collective.root


def _agrees(row: Row, measured: Measured, path: Path, request: Request) -> None:
    if measured.ranks != row.placement.ranks:
        name = f"{request.scenario.name}: {row.name}"
        raise InputError(f"{path}: ranks: {measured.ranks} in the file, {row.placement.ranks} in {name}; set both to the same")
    if measured.op != row.schedule.collective.op.value:
        raise InputError(f"{path}: {measured.op}: {request.scenario.name} has {row.schedule.collective.op.value}")


def _notes(request: Request, rows: Sequence[Measured], unlike: dict[str, None]) -> Iterator[str]:
    there = {int(row.bytes) for row in rows}
    missing = [size for size in dict.fromkeys(int(row.size) for row in request.rows) if size not in there]
    if missing:
        listed = ", ".join(format_size(size) for size in missing[:6]) + f" and {len(missing) - 6} more" * (len(missing) > 6)
        yield f"sizes of the scenario that the file lacks: {listed}"
    if unlike:
        yield f"rows of the file left out: {', '.join(unlike)}"
