"""The text that nccl-tests print, one output or several in a file, in any of the layouts that their line of titles announces.

    # nThread 1 nGpus 1 minBytes 1048576 … validation: 1 graph: 0
    #  Rank  0 Group  0 Pid   6899 on      node01 device  0 [0000:04:00] NVIDIA H100 80GB HBM3
    #       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
         1048576        262144     float     sum      -1    81.30   12.90   24.18       0    80.95   12.95   24.29       0

The first time is out of place, the second in place. `#wrong` is N/A where nothing was checked (-c 0); older versions have a
largest deviation in its place, titled `error`. Source: src/util.cu and src/common.cu of nccl-tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from topologies.errors import InputError
from validate.measured.nccl_tests import Ops, joined, op_by_looks, op_of
from validate.measured.numbers import microseconds, number, size, whole
from validate.measured.text import unlabelled
from validate.measurement import Measured, Measurement

_RANK = re.compile(r"#\s+Rank\s+(\d{1,9})\s.*?\bon\s+(\S+)\s+device\s+\d+\s+(?:\[[^\]]*\]\s*)?(.*)")
_START = re.compile(r"#\s*(nThread|Collective test starting)\b")
_PLACES = ("time", "cputime")


@dataclass
class _Output:
    """One output of a test, as far as it has been read."""

    op: str = ""
    devices: dict[int, tuple[str, str]] = field(default_factory=dict)  #: rank -> host, GPU
    columns: list[str] = field(default_factory=list)
    rows: list[Measured] = field(default_factory=list)
    empty: int = 0  #: rows of no bytes
    ended: bool = False


def is_nccl_text(lines: Sequence[str]) -> bool:
    return any(_titles(unlabelled(line)) or re.match(r"#\s*nThread\b", unlabelled(line)) for line in lines)


def nccl_text(lines: Sequence[str], name: str, ranks: int, ops: Ops) -> Measurement:
    """The rows of all outputs. Raises InputError with the line for one that is not of the table."""
    outputs = _outputs(lines, name, ranks, ops)
    rows = [row for output in outputs for row in output.rows]
    if not rows:
        raise InputError(f"{name}:{len(lines)}: no rows; expected a line for each size: was the output cut off?")
    devices = {rank: device for output in outputs for rank, device in output.devices.items()}
    return Measurement("nccl-tests", joined(rows), where=hardware(devices.values()), notes=tuple(_notes(outputs, ranks)))


def _outputs(lines: Sequence[str], name: str, ranks: int, ops: Ops) -> list[_Output]:
    outputs = [_Output()]
    called = ""  # the program that a command line above the output names
    for number_, raw in enumerate(lines, 1):
        line, at = unlabelled(raw), f"{name}:{number_}"
        if not line.startswith("#"):
            words = line.split()
            if line[:1].isdigit() and (words[0].isdigit() or len(words) == len(outputs[-1].columns)):
                _read_row(words, outputs[-1], ranks, ops, at)
            else:
                called = op_of(line) or called
        elif _START.match(line):
            if outputs[-1].columns or outputs[-1].devices:
                outputs.append(_Output())
            outputs[-1].op = op_of(line, at) or outputs[-1].op or called
        elif found := _RANK.match(line):
            outputs[-1].devices[int(found[1])] = (found[2], found[3].strip())
        elif _titles(line):
            outputs[-1].columns = line.lstrip("# ").split()
        elif line.startswith("# Out of bounds values"):
            outputs[-1].ended = True
    return [output for output in outputs if output.columns or output.rows]


def _titles(line: str) -> bool:
    words = set(line.lstrip("# ").split())
    return line.startswith("#") and {"size", "count", "type", "algbw"} <= words and not words.isdisjoint(_PLACES)


def _read_row(words: Sequence[str], output: _Output, ranks: int, ops: Ops, at: str) -> None:
    columns = output.columns
    if not columns:
        raise InputError(f"{at}: a row before the line of titles '# size count type redop root time algbw busbw #wrong'")
    told = len(columns) - (columns[-1] == "timestamp")
    if len(words) < told or (len(words) > told and columns[-1] != "timestamp"):
        raise InputError(f"{at}: {len(words)} columns, expected {told}: {', '.join(columns[:told])}")
    if size(words[0], at) == 0:
        output.empty += 1
        return
    n = len(output.devices) or ranks
    if not n:
        raise InputError(f"{at}: no lines '# Rank …' above: the file does not say how many ranks there were: say it")
    starts = [i for i, column in enumerate(columns) if column in _PLACES]
    head = dict(zip(columns[: starts[0]], words, strict=False))
    if not {"size", "type"} <= set(head):
        raise InputError(f"{at}: the line of titles above has no size and type before its times")
    for place, start in enumerate(starts):
        stop = starts[place + 1] if place + 1 < len(starts) else told
        cells = dict(zip(columns[start:stop], words[start:stop], strict=True))
        output.rows.append(_measured(head, cells, place == 1, output.op, ops, n, at))


def _measured(
    head: dict[str, str], cells: dict[str, str], in_place: bool, named: str, asked: Ops, ranks: int, at: str
) -> Measured:
    redop, root = head.get("redop", "none"), whole(head.get("root", "-1"), "root", at)
    time = microseconds(next(cells[place] for place in _PLACES if place in cells), "time", at)
    algbw, busbw = (number(cells.get(column, "-"), column, at) for column in ("algbw", "busbw"))
    ratio = busbw / algbw if algbw >= 1 else float("nan")  # two decimals tell too little of less
    return Measured(
        name="",
        by="",
        op=named or op_by_looks(asked, redop, root, ratio, ranks, at),
        bytes=size(head["size"], at),
        ranks=ranks,
        seconds=(time,),
        wrong=_wrong(cells.get("#wrong", "N/A"), at),
        redop=redop,
        root=root,
        dtype=head["type"],
        in_place=in_place,
    )


def _wrong(text: str, at: str) -> int | None:
    return None if text == "N/A" else whole(text, "#wrong", at)


def hardware(devices: Iterable[tuple[str, str]]) -> dict[str, str]:
    """`{"devices": "16 x NVIDIA H100", "hosts": "node01, node02"}`."""
    hosts: dict[str, None] = {}
    counts: dict[str, int] = {}
    for host, gpu in devices:
        hosts[host] = None
        counts[gpu] = counts.get(gpu, 0) + 1
    if not hosts:
        return {}
    names = list(hosts)
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return {"devices": ", ".join(f"{n} x {gpu}" for gpu, n in counts.items()), "hosts": listed}


def _notes(outputs: Sequence[_Output], ranks: int) -> Iterator[str]:
    if any(not output.devices for output in outputs):
        yield f"the file does not say how many ranks there were: taken to be {ranks}"
    empty = sum(output.empty for output in outputs)
    if empty:
        yield f"{empty} row{'s' * (empty != 1)} of 0 bytes left out"
    if not all(output.ended for output in outputs):
        yield "the output ends without its summary: the test may have been cut off"
    if any("cputime" in output.columns for output in outputs):
        yield "times are of the CPU (-C), not of the GPU"
