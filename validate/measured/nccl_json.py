"""The JSON that nccl-tests write with `-J`.

Keys: version, args, nccl_version, config (nthreads, ngpus, devices), results: size, count, type, redop, root (a text),
out_of_place and in_place (null where not run): time or cpu_time in microseconds, alg_bw, bus_bw, nwrong (null: not checked);
with per-iteration timing also out_of_place_per_iter.times_us. Source: src/util.cu of nccl-tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import nan
from pathlib import PurePath
from typing import Any

from topologies.errors import InputError
from validate.measured.nccl_tests import Ops, joined, op_by_looks, op_of
from validate.measured.nccl_text import hardware
from validate.measured.numbers import microseconds, number, size, whole
from validate.measurement import Measured, Measurement


def is_nccl_json(data: Mapping[str, Any]) -> bool:
    return type(data.get("version")) is int and "results" in data


def nccl_json(data: Mapping[str, Any], name: str, ranks: int, ops: Ops) -> Measurement:
    """Its rows. Raises InputError that names the key which is not as nccl-tests write it."""
    args = data.get("args") or [""]
    if not isinstance(args, list):
        raise InputError(f"{name}: args: must be the words of the command line")
    named = op_of(PurePath(str(args[0])).name, f"{name}: args[0]")
    config = data.get("config") or {}
    try:
        n = _ranks(config) or ranks
        devices = [(str(d["hostname"]), str(d["device_info"])) for d in config.get("devices", [])]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise InputError(f"{name}: config: not as nccl-tests write it: expected nthreads, ngpus and devices") from None
    if n < 1:
        raise InputError(f"{name}: config.devices: does not say how many ranks there were: say it")
    results = data["results"]
    if not isinstance(results, list) or not results:
        raise InputError(f"{name}: results: no rows; was the test cut off?")
    rows = [row for i, result in enumerate(results) for row in _rows(result, named, ops, n, f"{name}: results[{i}]")]
    if not rows:
        raise InputError(f"{name}: results: no rows with times and bytes")
    notes = ("times are of the CPU (-C), not of the GPU",) * any(_by_cpu(result) for result in results)
    empty = sum(result.get("size") == 0 for result in results)
    if empty:
        notes += (f"{empty} row{'s' * (empty != 1)} of 0 bytes left out",)
    where = hardware(devices) | ({"nccl": _version(data["nccl_version"])} if "nccl_version" in data else {})
    return Measurement("nccl-tests", joined(rows), date=str(data.get("start_time", "")), where=where, notes=notes)


def _by_cpu(result: Mapping[str, Any]) -> bool:
    cells = result.get("out_of_place")
    return isinstance(cells, dict) and "cpu_time" in cells


def _ranks(config: Mapping[str, Any]) -> int:
    """Ranks: a device stands for its process, which has nthreads·ngpus of them, unless ranks are listed one by one."""
    numbers = [int(device["rank"]) for device in config.get("devices", [])]
    each = int(config.get("nthreads", 1)) * int(config.get("ngpus", 1))
    one_by_one = len(numbers) > 1 and numbers[1] - numbers[0] == 1
    return len(numbers) * (1 if one_by_one else each)


def _version(code: Any) -> str:
    """NCCL's version as it is spoken: 23203 is 2.32.3."""
    return f"{code // 10000}.{code // 100 % 100}.{code % 100}" if type(code) is int and code >= 10000 else str(code)


def _rows(result: Any, named: str, asked: Ops, ranks: int, at: str) -> Iterator[Measured]:
    if not isinstance(result, dict):
        raise InputError(f"{at}: not a row of nccl-tests")
    nbytes = size(_text(result, "size", at), at)
    if nbytes == 0:
        return
    for place, in_place in (("out_of_place", False), ("in_place", True)):
        cells = result.get(place)
        if cells is None:
            continue
        if not isinstance(cells, dict):
            raise InputError(f"{at}.{place}: must have time, alg_bw, bus_bw and nwrong")
        yield _measured(result, cells, in_place, nbytes, named, asked, ranks, f"{at}.{place}")


def _measured(
    result: Mapping[str, Any],
    cells: Mapping[str, Any],
    in_place: bool,
    nbytes: int,
    named: str,
    asked: Ops,
    ranks: int,
    at: str,
) -> Measured:
    redop, root = str(result.get("redop", "none")), whole(_text(result, "root", at, "-1"), "root", at)
    algbw, busbw = (number(_text(cells, key, at), key, at) for key in ("alg_bw", "bus_bw"))
    wrong = cells.get("nwrong")
    return Measured(
        name="",
        by="",
        op=named or op_by_looks(asked, redop, root, busbw / algbw if algbw > 0 else nan, ranks, at),
        bytes=nbytes,
        ranks=ranks,
        seconds=_seconds(result, cells, in_place, at),
        wrong=None if wrong is None else whole(str(wrong), "nwrong", at),
        redop=redop,
        root=root,
        dtype=str(result.get("type", "")),
        in_place=in_place,
    )


def _seconds(result: Mapping[str, Any], cells: Mapping[str, Any], in_place: bool, at: str) -> tuple[float, ...]:
    """Each iteration where they were timed one by one, else their average."""
    each = result.get("in_place_per_iter" if in_place else "out_of_place_per_iter")
    if isinstance(each, dict) and isinstance(each.get("times_us"), list):
        skipped = each.get("skipped_iterations", 0)
        times = each["times_us"][skipped if type(skipped) is int else 0 :]
        if times:
            return tuple(microseconds(str(time), "times_us", at) for time in times)
    key = "time" if "time" in cells else "cpu_time"
    return (microseconds(_text(cells, key, at), key, at),)


def _text(values: Mapping[str, Any], key: str, at: str, default: str | None = None) -> str:
    """A value as text: nccl-tests write some numbers as strings."""
    if key not in values and default is None:
        raise InputError(f"{at}.{key}: missing; was the test cut off?")
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"{at}.{key}: {value!r}: not a number")
    return str(value).strip()
