"""What a person may choose about a replay by MPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from netsim.units import parse_time
from topologies.errors import InputError
from topologies.registry import did_you_mean

_HOSTS = ("auto", "order")


@dataclass(frozen=True)
class Options:
    """Options of `--on mpi`; all may be left out."""

    hosts: str = (
        "auto"  #: "auto": ranks sit where machines are called like the fabric's hosts; "order": rank i on the i-th endpoint
    )
    poll: float | None = None  #: seconds slept between looks; None: 1 ms where a machine has more ranks than cores, else none
    limit: float = 120.0  #: seconds that one run may take before all is given up


def read_options(given: Mapping[str, Any]) -> Options:
    """The options, from values or from the text of a command line.

    Raises InputError, one line: option, value, what it must be.

    >>> read_options({"hosts": "order", "limit": "10s"})
    Options(hosts='order', poll=None, limit=10.0)
    """
    known = [f.name for f in fields(Options)]
    for name in given:
        if name not in known:
            raise InputError(f"--on mpi: unknown option {name!r}{did_you_mean(name, known)}")
    read = {name: value for name, value in given.items() if value is not None}
    if read.get("hosts", "auto") not in _HOSTS:
        raise InputError(f"hosts: {read['hosts']!r}; one of: {', '.join(_HOSTS)}")
    for name in {"poll", "limit"} & set(read):
        seconds = float(read[name]) if isinstance(read[name], (int, float)) else parse_time(read[name])
        if not (0 <= seconds <= 1 if name == "poll" else 0 < seconds <= 86_400):
            raise InputError(
                f"{name}: {read[name]}; must be {'from 0s to 1s' if name == 'poll' else 'more than 0s, a day at most'}"
            )
        read[name] = seconds
    return Options(**read)
