"""From the words of the command line to what a target is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netsim.scenario import load
from topologies.errors import InputError
from topologies.registry import did_you_mean
from validate.measured import saved
from validate.request import Request, Row, rows
from validate.targets import TARGETS

_REPEAT = 3


def request_of(
    scenario: str,
    settings: Sequence[str],
    source: Path | None,
    *,
    repeat: int | None,
    maps: int,
    native: Sequence[str],
    options: Mapping[str, Any],
) -> Request:
    """The request. Rows of a file that netsim saved come with the maps and native collectives that it was measured with.

    Raises InputError for a number that is none of runs or maps, and for what a file leaves no choice about.
    """
    if repeat is not None and repeat < 1:
        raise InputError(f"--repeat {repeat}: must be at least 1")
    if maps < 0:
        raise InputError(f"--maps {maps}: must be at least 1; 0: the scenario's own map only")
    if source is not None:
        _nothing_to_choose(source, repeat, options)
        kept = saved(source)
        maps, native = maps or kept.maps, native or kept.native
    loaded = load(scenario, settings)
    return Request(loaded, _with_native(rows(loaded, maps), native), repeat or _REPEAT, dict(options))


def _nothing_to_choose(source: Path, repeat: int | None, options: Mapping[str, Any]) -> None:
    given = ["--repeat"] * (repeat is not None) + [f"the option {name}" for name in options]
    if given:
        raise InputError(f"--on {source}: a file is read, nothing is run: leave out {given[0]}")


def _with_native(asked: tuple[Row, ...], names: Sequence[str]) -> tuple[Row, ...]:
    if not names:
        return asked
    from validate.native import native_rows

    return (*asked, *native_rows(asked, names))


def source_of(on: str) -> Path | None:
    """The file that `--on` names, or None for a target. Raises InputError where it names neither."""
    if on in TARGETS:
        return None
    if Path(on).is_file():
        return Path(on)
    if Path(on).is_dir():
        raise InputError(f"--on {on}: a folder; name the file with the measurement")
    raise InputError(f"--on {on}: neither a target nor a file that is there{did_you_mean(on, TARGETS)}")


def options_of(pairs: Iterable[str], **named: Any) -> dict[str, Any]:
    """Options of a target: the named ones that were given, and KEY=VALUE pairs. Targets check them.

    >>> options_of(["hosts=order"], rate="20Mbit/s", seconds=None)
    {'rate': '20Mbit/s', 'hosts': 'order'}
    """
    options = {name: str(value) for name, value in named.items() if value is not None}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise InputError(f"--option {pair}: write it like hosts=order")
        if name in options:
            raise InputError(f"--option {pair}: {name} is given twice")
        options[name] = value
    return options


def limit_of(text: str | None) -> float:
    """The largest |error| that passes; without a text every error does.

    >>> limit_of("5%")
    0.05
    """
    if text is None:
        return float("inf")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if match is None:
        raise InputError(f"--max-error {text}: write it like 5%")
    return float(match[1]) / 100
