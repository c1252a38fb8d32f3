"""What a fit is given: one measured size of one pattern, beside what the wires alone would take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netsim.build import Job
from validate.calibrate.patterns import Pattern
from validate.measurement import Measured
from validate.predict import predict

NOTHING = 1e-6  # bytes; what is left of a prediction for so many is latency
_SHORT, _MANY, _FEW = 1 << 16, 32, 4


@dataclass(frozen=True)
class Point:
    """A round of a pattern: seconds measured, and the two parts of what the fluid model says without calibration."""

    name: str  #: as the measurement's rows
    by: str
    bytes: float
    message: float  #: bytes of one message
    seconds: float  #: of one round, the median of the runs
    latency: float  #: of the wires
    drain: float  #: seconds that the slowest link needs for the round's bytes at its capacity
    between: str  #: the class of that link, "host-leaf"
    both: bool = False  #: both directions of a cable were busy
    added: bool = False


def times(on: str, message: float) -> int:
    """How often a pattern is done in one run: often enough that the start does not count. Not so on the emulated fabric, where a
    run takes long and idle links save up credit."""
    if on == "emulated":
        return 1
    return _MANY if message <= _SHORT else _FEW


def _least_drain(on: str) -> float:
    """Seconds below which what a link lets through at once after a pause decides: 20 times as much is needed."""
    if on != "emulated":
        return 0.0
    from validate.emulated.queues import BURST

    return 20 * BURST


def points_of(
    job: Job, patterns: Sequence[Pattern], on: str, rows: Sequence[Measured], predicted: Sequence[float]
) -> Iterator[Point]:
    """The points of the rows that are these patterns; left out are those that are not to be trusted, and on the emulated fabric
    those of 20 bursts and less.

    `predicted[i]`: seconds of row i without calibration, on the fabric where it was measured; none: on the job's own.
    """
    known = {(p.name(job.fabric), p.kind): p for p in patterns}
    least = _least_drain(on)
    wires = on != "emulated"  # which has no delay
    latencies = {p: wires * predict(p.row(job, 1.0), size=NOTHING) / len(p.rounds) for p in known.values()}
    for n, row in enumerate(rows):
        pattern = known.get((row.name, row.by))
        if pattern is None or row.doubts or not pattern.tells:
            continue
        message = row.bytes / pattern.senders
        rounds = times(on, message) * len(pattern.rounds)
        latency = latencies[pattern]
        whole = predicted[n] / rounds if predicted else predict(pattern.row(job, message)) / len(pattern.rounds)
        if whole - latency < least:
            continue
        yield Point(
            row.name,
            row.by,
            row.bytes,
            message,
            row.median / rounds,
            latency,
            max(whole - latency, 0.0),
            pattern.between,
            pattern.both,
            pattern.added,
        )
