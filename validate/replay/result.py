"""What a replay leaves: one file, written anew after every row, so that a killed run keeps what it had."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from topologies.errors import NetsimError

FORMAT = "netsim-replay-result/1"
_FILE = "result.json"


@dataclass(frozen=True)
class RowResult:
    """One row of the plan, done."""

    seconds: tuple[float, ...]  #: of each timed run: from the common start until the last rank was done
    wrong: int  #: elements that were not what they must be, over all ranks and runs, the untimed one included
    idle: tuple[
        float | None, ...
    ]  #: of each timed run: share of the first rank's processors that was idle, 0..1; None: not known
    retransmits: tuple[int | None, ...]  #: of each timed run: TCP segments sent again, over all ranks; None: not known
    doubts: tuple[str, ...] = ()  #: what the ranks themselves saw go wrong with the timing


def read_results(folder: Path) -> list[RowResult]:
    """The rows that are done, in the plan's order. Raises NetsimError where there is no result, or none that can be read."""
    path = folder / _FILE
    try:
        data = json.loads(path.read_text())
        if data.get("format") != FORMAT:
            raise NetsimError(f"{path}: format: {data.get('format')!r}; a replay says {FORMAT!r}")
        return [_row(row) for row in data["rows"]]
    except FileNotFoundError:
        raise NetsimError(f"{path}: is not there: the replay ended before its first row was done") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NetsimError(f"{path}: not a replay's result: {error}") from None


def forget_results(folder: Path) -> None:
    """Remove what an earlier replay left there."""
    (folder / _FILE).unlink(missing_ok=True)


def rows_done(folder: Path) -> int:
    """How many rows have a result so far; 0 where none can be read yet."""
    try:
        return len(read_results(folder))
    except NetsimError:
        return 0


def _row(row: dict[str, Any]) -> RowResult:
    lists = {name: tuple(row[name]) for name in ("seconds", "idle", "retransmits", "doubts")}
    return RowResult(wrong=int(row["wrong"]), **lists)


def write_results(folder: Path, rows: Sequence[RowResult]) -> None:
    """Write the rows that are done; whoever reads meanwhile sees these or those before, never half of them."""
    part = folder / f".result-{os.getpid()}.json"
    part.write_text(json.dumps({"format": FORMAT, "rows": [asdict(row) for row in rows]}))
    part.replace(folder / _FILE)
