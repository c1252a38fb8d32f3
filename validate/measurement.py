"""What was measured, whoever measured it: the one JSON that targets and job files leave and `--on FILE` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median, pstdev
from typing import Any

from topologies.errors import InputError

FORMAT = "netsim-measurement/1"


@dataclass(frozen=True)
class Measured:
    """One row: a collective of one size, timed several times."""

    name: str  #: as Row.name; "" where the source knows none
    by: str  #: as Row.by: the algorithm, or the library's own
    op: str  #: "all-reduce", …
    bytes: float  #: size as nccl-tests counts it, of what really moved (an emulated fabric may move less than the scenario says)
    ranks: int
    seconds: tuple[float, ...]  #: of each timed run: until the last rank is done; or one average, where the source gives no more
    wrong: int | None = None  #: elements that came out wrong; None: not checked
    doubts: tuple[str, ...] = ()  #: why the row is not to be trusted; empty: it is
    redop: str = "sum"
    root: int = -1
    dtype: str = "float"
    in_place: bool = False

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def variation(self) -> float:
        """Coefficient of variation: standard deviation over mean; 0 for a single run."""
        mean = sum(self.seconds) / len(self.seconds)
        return pstdev(self.seconds) / mean if mean > 0 else 0.0


@dataclass(frozen=True)
class Measurement:
    """Rows in order, and where they came from."""

    on: str  #: "emulated", "mpi", "nccl", "nccl-tests", "osu"
    rows: tuple[Measured, ...]
    date: str = ""  #: ISO 8601, UTC
    where: Mapping[str, Any] = field(default_factory=dict)  #: hardware, library, versions, settings, scale
    scenario_id: str = ""
    notes: tuple[str, ...] = ()  #: what the reader must know, a line each


def as_json(measurement: Measurement) -> str:
    """The measurement as one JSON object, SI units."""
    return json.dumps({"format": FORMAT, **asdict(measurement)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(data: Mapping[str, Any], name: str) -> Measurement:
    """The measurement that `as_json` wrote. Raises InputError, one line that names the key, for anything else."""
    if data.get("format") != FORMAT:
        raise InputError(f"{name}: format: {data.get('format')!r}; a measurement says {FORMAT!r}")
    try:
        measured = tuple(_row(row, n, name) for n, row in enumerate(data["rows"]))
        rest = {key: data[key] for key in ("on", "date", "where", "scenario_id") if key in data}
        return Measurement(rows=measured, notes=tuple(data.get("notes", ())), **rest)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: not a whole measurement: {error}; was it cut off?") from None


def _row(row: Mapping[str, Any], n: int, name: str) -> Measured:
    seconds = tuple(float(s) for s in row["seconds"])
    if not seconds or not all(0 < s < float("inf") for s in seconds):
        raise InputError(f"{name}: rows[{n}].seconds: {list(row['seconds'])}; must be positive numbers, one for each run")
    return Measured(**{**row, "seconds": seconds, "doubts": tuple(row.get("doubts", ()))})
