"""Files of others, read with care."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from topologies.errors import InputError

MOST_BYTES = 64 << 20  #: more is no table of measurements


def text_of(path: Path) -> str:
    """The text of a file. Raises InputError for one that is empty, binary, or too large to be a measurement."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path}: more than {MOST_BYTES >> 20} MiB: not a measurement")
    if not raw.strip():
        raise InputError(f"{path}: empty; a measurement is what netsim saved, nccl-tests or OSU benchmarks printed")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not text; a measurement is what netsim saved, nccl-tests or OSU printed") from None
    if "\0" in text:
        raise InputError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: not text: a NUL in it")
    return text


def json_object(text: str, name: str) -> dict[str, Any]:
    """The object that a text beginning with { is. Raises InputError with line and column."""
    try:
        data: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}; was the file cut off?") from None
    except ValueError:  # Python takes no more than 4300 digits
        raise InputError(f"{name}: not a measurement: a number of thousands of digits in it") from None
    except RecursionError:
        raise InputError(f"{name}: not a measurement: nested too deeply") from None
    return data


_LABEL = re.compile(r"\s*(?:\[\d+,\d+\]<stdout>:\s?|\d+:\s)")


def unlabelled(line: str) -> str:
    """A line without what `mpirun --tag-output` and `srun --label` put before it, and without spaces around it.

    >>> unlabelled("[1,0]<stdout>:# Size"), unlabelled(" 0: 1024  3.2 "), unlabelled("  1024  3.2")
    ('# Size', '1024  3.2', '1024  3.2')
    """
    return _LABEL.sub("", line, count=1).strip()
