"""What a person may choose about an emulated fabric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from netsim.units import parse_rate, parse_time
from topologies.errors import InputError
from topologies.registry import did_you_mean

_CHOICES = {"queues": ("fair", "fifo"), "routes": ("tables", "kernel-ecmp")}
_LEAST_RATE, _MOST_RATE = 0.1e6 / 8, 1e9 / 8


@dataclass(frozen=True)
class Options:
    """Options of `--on emulated`; all may be left out."""

    rate: float | None = None  #: bytes/s of the fastest endpoint's link; None: what this machine carries well for so many ranks
    seconds: float = 2.0  #: what the slowest row shall take; sizes are scaled to it, never above the scenario's own
    queues: str = "fair"  #: "fair": flows that meet get equal shares; "fifo": one queue, TCP fights it out
    routes: str = (
        "tables"  #: "tables": the simulator's own; "kernel-ecmp": the kernel hashes every connection over all shortest ways
    )
    python: str | None = None  #: interpreter of another environment, whose mpiexec and mpi4py are used
    launcher: str = ""  #: another launcher than mpiexec, such as "srun --mpi=pmi2 -n 16"


def read_options(given: Mapping[str, Any]) -> Options:
    """The options, from values or from the text of a command line.

    Raises InputError, one line: option, value, what it must be.

    >>> read_options({"rate": "40Mbit/s", "seconds": "500ms"}).rate
    5000000.0
    """
    known = [f.name for f in fields(Options)]
    for name, value in given.items():
        if name not in known:
            raise InputError(f"--on emulated: unknown option {name!r}{did_you_mean(name, known)}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise InputError(f"{name}: {value!r}; one of: {', '.join(_CHOICES[name])}")
    read = {name: value for name, value in given.items() if value is not None}
    if "rate" in read:
        read["rate"] = _rate(read["rate"])
    if "seconds" in read:
        read["seconds"] = _seconds(read["seconds"])
    return Options(**read)


def _rate(value: Any) -> float:
    rate = float(value) if isinstance(value, float) else parse_rate(value)
    if not _LEAST_RATE <= rate <= _MOST_RATE:
        raise InputError(
            f"rate: {value}; must be from 100kbit/s to 1Gbit/s: all packets of all links pass this machine's processors"
        )
    return rate


def _seconds(value: Any) -> float:
    seconds = float(value) if isinstance(value, (int, float)) else parse_time(value)
    if not 0.1 <= seconds <= 600:
        raise InputError(f"seconds: {value}; must be from 100ms to 600s")
    return seconds
