"""Points from files: what `netsim calibrate --save` kept, OSU's point-to-point tests, nccl-tests' sendrecv.

osu_latency is half a round trip between ranks 0 and 1; osu_bw keeps 64 messages under way, osu_bibw as many each way. In sendrecv
every rank sends to the next while it receives from the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from netsim.build import Job
from topologies.errors import InputError
from validate.calibrate.patterns import Pattern, around
from validate.calibrate.points import NOTHING, Point, points_of
from validate.measured import saved
from validate.measured.numbers import MOST_BYTES
from validate.measured.read import read_measurement
from validate.measured.text import text_of, unlabelled
from validate.predict import predict

WINDOW = 64  #: messages that osu_bw and osu_bibw keep under way (their default, -W)
_LARGE = 1 << 16  # bytes from which on their speed is that of the wire and not of posting messages
_TITLE = re.compile(r"#\s*OSU MPI\S*\s+(.+?)\s+Test\b")
_OSU = {"Latency": "osu_latency", "Bandwidth": "osu_bw", "Bi-Directional Bandwidth": "osu_bibw"}
_PROGRAM = re.compile(r"\b[a-z][a-z_0-9]*_perf\b")  # of nccl-tests
_RANK = re.compile(r"#\s*Rank\s+(\d+)\s")
_NUMBERS = re.compile(r"\s*(\d+)\s+([0-9.eE+]+)\b")
_SENDRECV = re.compile(r"\s*(\d+)\s+\d+\s+\w+\s+\w+\s+-?\d+\s+([0-9.eE+]+)\s")


class Found(NamedTuple):
    """The points of a file, and what it says about them, where it does: target, hardware and settings, date."""

    points: list[Point]
    on: str = ""
    where: Mapping[str, Any] = {}
    date: str = ""


def points_in(path: Path, job: Job, patterns: Sequence[Pattern]) -> Found:
    """The points of a file; wires are those of the job.

    Raises InputError with file:line for what is none of the three, for several tests in one file, for another number of ranks.
    """
    text = text_of(path)
    if text.lstrip().startswith("{"):
        return _own(path, job, patterns)
    lines = [unlabelled(line) for line in text.splitlines()]
    tests = list(dict.fromkeys(_tests(lines)))
    if len(tests) > 1:
        raise InputError(f"{path}: {', '.join(tests)}: several tests; give each a file of its own")
    if tests and tests[0] in _OSU.values():
        points = list(_osu(lines, tests[0], path, job, patterns[0]))
    elif "sendrecv" in "".join(tests or [text]):
        points = list(_sendrecv(lines, path, job))
    else:
        known = "what netsim calibrate --save wrote, osu_latency, osu_bw, osu_bibw, nccl-tests sendrecv"
        raise InputError(f"{path}:1: not a measurement to calibrate on; known: {known}")
    if not points:
        raise InputError(f"{path}:{len(lines)}: no rows; expected lines of a size and a number: was the output cut off?")
    return Found(points)


def _tests(lines: Sequence[str]) -> Iterator[str]:
    """The tests whose titles, or programs, are there."""
    for line in lines:
        if found := _TITLE.match(line):
            yield _OSU.get(found[1], f"OSU {found[1]}")
        yield from _PROGRAM.findall(line)


def _own(path: Path, job: Job, patterns: Sequence[Pattern]) -> Found:
    measurement = read_measurement(path)
    points = list(points_of(job, patterns, measurement.on, measurement.rows, saved(path).predicted))
    if not points:
        raise InputError(f"{path}: rows: none is a pattern between ranks of the scenario; was it saved by netsim calibrate?")
    return Found(points, measurement.on, measurement.where, measurement.date)


def _osu(lines: Sequence[str], test: str, path: Path, job: Job, ping_pong: Pattern) -> Iterator[Point]:
    """`ping_pong`: between which endpoints the two ranks were."""
    one_way = replace(ping_pong, rounds=ping_pong.rounds[:1])
    both = test == "osu_bibw"
    for message, number in _rows(lines, _NUMBERS, path):
        if test == "osu_latency":
            yield _point(job, one_way, test, message, number * 1e-6)
        elif message >= _LARGE:
            seconds = WINDOW * (2 if both else 1) * message / (number * 1e6)
            yield _point(job, replace(one_way, both=both), test, message, seconds, WINDOW)


def _sendrecv(lines: Sequence[str], path: Path, job: Job) -> Iterator[Point]:
    there = len({found[1] for line in lines if (found := _RANK.match(line))})
    if there not in (0, job.placement.ranks):
        raise InputError(f"{path}: ranks: {there} in the file, {job.placement.ranks} in the scenario; set both to the same")
    ring = around(job)
    for message, microseconds in _rows(lines, _SENDRECV, path):
        yield _point(job, ring, "sendrecv", message, microseconds * 1e-6)


def _rows(lines: Sequence[str], row: re.Pattern[str], path: Path) -> Iterator[tuple[int, float]]:
    for at, line in enumerate(lines, 1):
        if (found := row.match(line)) is None:
            continue
        try:
            size, number = int(found[1][:20]), float(found[2])
        except ValueError:
            raise InputError(f"{path}:{at}: {found[2]!r} is not a number; was the output cut off?") from None
        if size > MOST_BYTES:
            raise InputError(f"{path}:{at}: {found[1]}: more bytes than any machine has")
        if not 0 < number < inf:
            raise InputError(f"{path}:{at}: {found[2]}: must be more than 0")
        if size:
            yield size, number


def _point(job: Job, pattern: Pattern, by: str, message: int, seconds: float, window: int = 1) -> Point:
    """`seconds` in which `window` messages went the way of each of the pattern's."""
    row = pattern.row(job, message)
    latency = predict(row, size=NOTHING)
    drain = window * max(predict(row) - latency, 0.0)
    return Point(row.name, by, message, message, seconds, latency, drain, pattern.between, pattern.both)
