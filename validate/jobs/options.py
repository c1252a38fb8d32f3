"""What a person may say about a job, checked before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from netsim.units import parse_time
from topologies.errors import InputError
from topologies.registry import did_you_mean
from validate.asked import limit_of
from validate.targets import options_of_target

#: kind of job -> targets that it can start, its default first
_ON = {"slurm": ("mpi", "nccl", "emulated"), "mpijob": ("mpi", "nccl"), "torchrun": ("nccl",)}


@dataclass(frozen=True)
class Options:
    """The options of `--job`."""

    on: str  #: what the job runs: mpi, nccl, emulated; default: the first that the kind can start
    repeat: int = 3  #: timed runs of each row
    maps: int = 0  #: rank maps, as `--maps`
    native: tuple[str, ...] = ()  #: the library's own collectives beside the replay, as `--native`
    max_error: str | None = None  #: such as 5%, as `--max-error`
    target: Mapping[str, str] = field(default_factory=dict)  #: options handed on to the target, as `--option KEY=VALUE`
    hostfile: str | None = None  #: the machines that stand for the fabric's hosts, in order
    ranks_per_node: int | None = None  #: endpoints on one machine; default: those of one host of the fabric
    time: float | None = None  #: limit of the job in seconds; default: from the predicted times
    image: str | None = None  #: container image of an MPIJob
    mpi: Literal["mpich", "openmpi"] = "mpich"  #: MPI in that image
    overwrite: bool = False  #: replace files that are there with other contents


def read_options(kind: str, given: Mapping[str, Any]) -> Options:
    """The options, from values or from the text of a command line; None counts as not given, options of the target as `target`.

    Raises InputError, one line: option, value, what it must be.
    """
    on = given.get("on") or _ON.get(kind, ("mpi",))[0]
    if kind in _ON and on not in _ON[kind]:
        raise InputError(f"--job {kind}: on: {on!r}; such a job runs {' or '.join(_ON[kind])}")
    of_target, check = options_of_target(on)
    own = [f.name for f in fields(Options) if f.name != "target"]
    read: dict[str, Any] = {"on": on, "target": {}}
    for name, value in given.items():
        if name in of_target and value is not None:
            read["target"][name] = str(value)
        elif name not in (*own, *of_target):
            raise InputError(f"--job {kind}: on {on}: unknown option {name!r}{did_you_mean(name, [*own, *of_target])}")
        elif value is not None:
            try:
                read[name] = _READ[name](value)
            except (ValueError, InputError) as error:
                raise InputError(f"--job {kind}: {name}: {error}") from None
    try:
        check(read["target"])
    except InputError as error:
        raise InputError(f"--job {kind}: {error}") from None
    return Options(**read)


def _count(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = least - 1
        if number < least or isinstance(value, (bool, float)):
            raise ValueError(f"{value!r}; must be a whole number, at least {least}")
        return number

    return read


def _time(value: Any) -> float:
    seconds = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else parse_time(value)
    if not 0 < seconds < 1e8:
        raise ValueError(f"{value!r}; must be a time above 0 and below three years")
    return seconds


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"{value!r}; must be true or false")
    return str(value).lower() == "true"


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(map(str, value))


def _limit(value: Any) -> str:
    limit_of(str(value))
    return str(value)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r}; must be {' or '.join(choices)}")
        return str(value)

    return read


def _word(value: Any) -> str:
    if not str(value) or any(c.isspace() or not c.isprintable() for c in str(value)):
        raise ValueError(f"{value!r}; must be one word")
    return str(value)


_READ: dict[str, Callable[[Any], Any]] = {
    "on": str,
    "repeat": _count(1),
    "maps": _count(0),
    "native": _names,
    "max_error": _limit,
    "hostfile": str,
    "ranks_per_node": _count(1),
    "time": _time,
    "image": _word,
    "mpi": _one_of("mpich", "openmpi"),
    "overwrite": _truth,
}
