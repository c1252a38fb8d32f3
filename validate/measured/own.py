"""What `netsim validate --save` keeps: the measurement, what was predicted, and what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path
from typing import Any

from netsim.build import Job
from netsim.provenance import provenance, version
from topologies.errors import InputError
from validate.measured.numbers import MOST_BYTES
from validate.measured.text import json_object, text_of
from validate.measurement import FORMAT, Measurement, as_json, from_json
from validate.request import Outcome, Request

_MOST_MAPS = 1000  # more are a slip, and would be built one by one


@dataclass(frozen=True)
class Saved:
    """What a file says beside its measurement; all empty for one that is not netsim's."""

    predicted: tuple[float, ...] = ()  #: seconds of each row as netsim said then; nan: it knew no schedule
    maps: int = 0  #: rank maps of each case
    native: tuple[str, ...] = ()  #: collectives of the library


def as_saved(outcome: Outcome, request: Request) -> str:
    """The measurement as `validate.measurement` writes it, with `netsim`, `predicted`, `maps` and `native` beside it."""
    data = json.loads(as_json(outcome.measurement))
    data["netsim"] = version()
    data["predicted"] = [seconds if isfinite(seconds) else None for seconds in outcome.predicted]
    data["maps"] = _maps(request)
    data["native"] = list(dict.fromkeys(row.native for row in request.rows if row.native))
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _maps(request: Request) -> int:
    """How many rank maps each case was asked for; 0 where rows are named by their case alone."""
    names: dict[int, set[str]] = {}
    for row in request.rows:
        if row.name != (row.job.case.title or row.job.fabric.name):
            names.setdefault(id(row.job.case), set()).add(row.name)
    return max(map(len, names.values()), default=0)


def scenario_id(request: Request) -> str:
    """The id that `netsim run` prints for the scenario, whatever rank maps and native collectives are asked for."""
    jobs: dict[int, Job] = {id(row.job.case): row.job for row in request.rows if not row.native}
    return provenance(request.scenario, [[job] for job in jobs.values()]).scenario_id


def stamped(outcome: Outcome, request: Request) -> Outcome:
    """The outcome of a run that has just ended, with the scenario's id and the date where the target left them out."""
    measurement = outcome.measurement
    date = measurement.date or datetime.now(UTC).isoformat(timespec="seconds")
    return replace(outcome, measurement=replace(measurement, scenario_id=scenario_id(request), date=date))


def is_own(data: Mapping[str, Any]) -> bool:
    return str(data.get("format", "")).startswith("netsim-measurement/")


def own_measurement(data: Mapping[str, Any], name: str) -> Measurement:
    """The measurement of such a file. Raises InputError, one line that names the key."""
    measurement = from_json(data, name)
    for n, row in enumerate(measurement.rows):
        texts = (row.name, row.by, row.op, row.redop, row.dtype, *row.doubts)
        whole = all(type(number) is int for number in (row.ranks, row.root, 0 if row.wrong is None else row.wrong))
        if not (whole and all(isinstance(text, str) for text in texts) and type(row.in_place) is bool):
            raise InputError(f"{name}: rows[{n}]: not a row of a measurement ({FORMAT}); was it edited?")
        if type(row.bytes) not in (int, float) or not 0 < row.bytes <= MOST_BYTES or row.ranks < 1:
            raise InputError(f"{name}: rows[{n}]: {row.bytes} bytes on {row.ranks} ranks; both must be positive numbers")
    told = (measurement.on, measurement.date, measurement.scenario_id, *measurement.notes)
    if not isinstance(measurement.where, Mapping) or not all(isinstance(text, str) for text in told):
        raise InputError(f"{name}: on, date, where, scenario_id, notes: not what netsim validate --save writes; was it edited?")
    if not measurement.rows:
        raise InputError(f"{name}: rows: there is none")
    return measurement


def saved(path: Path) -> Saved:
    """What the file says beside its measurement. Raises InputError where one of its keys is not what `--save` writes."""
    text = text_of(path)
    if not text.lstrip().startswith("{"):
        return Saved()
    data = json_object(text, str(path))
    if not is_own(data):
        return Saved()
    predicted, maps, native = data.get("predicted", []), data.get("maps", 0), data.get("native", [])
    try:
        seconds = tuple(nan if p is None else float(p) for p in predicted)
        counts = len(seconds) in (0, len(data["rows"])) and type(maps) is int and 0 <= maps <= _MOST_MAPS
        if not counts or not all(isinstance(n, str) for n in native):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        told = "predicted, maps, native: not what netsim validate --save writes; was it edited?"
        raise InputError(f"{path}: {told}") from None
    return Saved(seconds, maps, tuple(native))
