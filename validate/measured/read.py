"""One reader for every file: what it is shows in its content, whatever its name."""

from __future__ import annotations

from pathlib import Path

from topologies.errors import InputError
from validate.measured.nccl_json import is_nccl_json, nccl_json
from validate.measured.nccl_text import is_nccl_text, nccl_text
from validate.measured.osu import is_osu, osu
from validate.measured.own import is_own, own_measurement
from validate.measured.text import json_object, text_of
from validate.measurement import Measurement

_KNOWN = "what netsim validate --save wrote, nccl-tests (its text or -J JSON), the text of an OSU collective"


def read_measurement(path: str | Path, *, ranks: int = 0, op: str | tuple[str, ...] = ()) -> Measurement:
    """The measurement that a file holds, sizes as nccl-tests counts them, times in seconds.

    `ranks`, `op` (one or several): what to take where the file itself does not say. OSU benchmarks print no number of ranks;
    older nccl-tests print no name of the test, so that all-gather and all-to-all look alike.

    Raises InputError with file:line for one that is empty, binary, cut off, or has a number that is none.
    """
    path = Path(path)
    name, text = str(path), text_of(path)
    ops = tuple(filter(None, (op,))) if isinstance(op, str) else op
    if text.lstrip().startswith("{"):
        data = json_object(text, name)
        if is_own(data):
            return own_measurement(data, name)
        if is_nccl_json(data):
            return nccl_json(data, name, ranks, ops)
        if str(data.get("version", "")).startswith("netsim"):
            raise InputError(f"{name}: a report of netsim, not a measurement; netsim validate --save writes one")
        raise InputError(f"{name}: JSON, but no measurement; known: {_KNOWN}")
    if text.startswith("# netsim"):
        raise InputError(f"{name}: a table of netsim, not a measurement; netsim validate --save writes one")
    lines = text.splitlines()
    if is_osu(lines):
        return osu(lines, name, ranks)
    if is_nccl_text(lines):
        return nccl_text(lines, name, ranks, ops)
    raise InputError(f"{name}:1: not a measurement; known: {_KNOWN}")
