"""What every rank is told: rows in order, each with its schedule, its seats and its limits. A few files, or their bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from collectives.schedule import Channel, Schedule
from topologies.errors import InputError

if TYPE_CHECKING:
    from validate.request import Row

FORMAT = "netsim-replay-plan/1"


def write_plan(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of `plan_files` where `python -m validate.replay FOLDER` reads them."""
    for name, content in files.items():
        (folder / name).write_bytes(content)


def plan_files(
    rows: Sequence[Row],
    *,
    sizes: Sequence[float],
    seats: Sequence[Sequence[int]],
    repeat: int,
    poll: float,
    limits: Sequence[float],
    rendezvous: bool = False,
) -> dict[str, bytes]:
    """The plan as file name -> content: `plan.json`, and one table of messages for each schedule.

    `sizes[i]`: bytes, as nccl-tests counts them, that row i really moves; `seats[i][r]`: the MPI rank, in the world, of its
    logical rank r; `repeat`: timed runs of each row; `poll`: seconds slept between looks at what is under way, 0 where every
    rank has a core to itself; `limits[i]`: seconds that one run of row i may take before all is given up; `rendezvous`: a message
    waits until its receiver has said, by a datagram, that it has reached the round (`validate.replay.walk`).
    Rows that share rounds share a table: a sweep of sizes and maps writes its messages once.
    """
    tables: dict[tuple[Any, ...], str] = {}
    files: dict[str, bytes] = {}
    told = []
    for row, size, seat, limit in zip(rows, sizes, seats, limits, strict=True):
        schedule = row.schedule
        if len(set(seat)) != schedule.collective.ranks:
            raise InputError(f"replay: {row.name}: {len(set(seat))} seats for {schedule.collective.ranks} ranks; one for each")
        key = tuple((c.n_chunks, *map(id, c.rounds)) for c in schedule.channels)
        if key not in tables:
            tables[key] = f"schedule-{len(tables)}.npz"
            files[tables[key]] = _bytes(table(schedule.channels))
        told.append(
            _told(row, schedule, size)
            | {"table": tables[key], "seats": [int(s) for s in seat], "limit": limit, "rendezvous": rendezvous}
        )
    plan = {"format": FORMAT, "repeat": repeat, "poll": poll, "rows": told}
    return {"plan.json": json.dumps(plan).encode(), **files}


def table(channels: Sequence[Channel]) -> dict[str, NDArray[Any]]:
    """The rows of all rounds behind one another, and `rounds`: channel, first and last row, repeat and wrap of each.

    `message` numbers the messages: adjacent rows of one pair are one. (Told here, because to a rank that sees only its own rows
    others would look adjacent.)
    """
    rounds = [(number, r) for number, channel in enumerate(channels) for r in channel.rounds]
    end = np.cumsum([len(r.src) for _, r in rounds], dtype=np.int64)
    spans = [(n, e - len(r.src), e, r.repeat, r.wrap) for (n, r), e in zip(rounds, end.tolist(), strict=True)]
    out = {
        name: np.concatenate([getattr(r, name) for _, r in rounds] or [np.empty(0, np.int32)])
        for name in ("src", "dst", "chunk", "n_chunks", "reduce", "shift")
    }
    new = np.ones(len(out["src"]), np.bool_)
    new[1:] = (out["src"][1:] != out["src"][:-1]) | (out["dst"][1:] != out["dst"][:-1])
    new[[begin for _, begin, end, *_ in spans if begin < end]] = True
    return out | {
        "message": np.cumsum(new, dtype=np.int32),
        "rounds": np.array(spans, np.int64).reshape(-1, 5),
        "channels": np.array([c.n_chunks for c in channels], np.int64),
    }


def read_plan(folder: Path) -> dict[str, bytes]:
    """The files that `write_plan` wrote. Raises InputError where there are none."""
    if not (folder / "plan.json").is_file():
        raise InputError(f"{folder}: no plan.json in it; write_plan writes one")
    return {path.name: path.read_bytes() for path in (folder / "plan.json", *sorted(folder.glob("schedule-*.npz")))}


def _told(row: Row, schedule: Schedule, size: float) -> dict[str, Any]:
    collective = schedule.resized(size).collective
    return {
        "name": f"{row.name}, {row.by}, {size:.0f} B",
        "native": row.native,
        "op": collective.op.value,
        "ranks": collective.ranks,
        "root": collective.root,
        "elements": max(1, round(collective.payload / 4)),  # float32
    }


def _bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **cast(Any, arrays))
    return stream.getvalue()
