"""What every kind of job is made from: machines and processes, the command that they run, how long it may take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netsim.scenario import Scenario
from topologies.errors import InputError
from validate.emulated.options import read_options
from validate.jobs.inputs import inputs
from validate.jobs.options import Options
from validate.jobs.seats import Seats, seats
from validate.predict import predict
from validate.request import Row

RESULT = "result.json"
SCENARIO = "scenario.yaml"

_START = 300.0  #: seconds for starting Python on every node, and for what nobody thought of
_SLOWER = 3.0  #: times slower than predicted that a cluster may be before its job is ended
_AROUND = 2.0  #: seconds around one run on the emulated fabric, whose sizes are scaled so that the slowest takes `seconds`
_REPEATED = 3  #: a doubtful run on it is repeated: at most so many times the runs


@dataclass(frozen=True, eq=False)
class Plan:
    """A job, before it takes the form of one kind of job file."""

    name: str  #: what the scenario is called, one line
    rows: tuple[Row, ...]
    seats: Seats
    options: Options
    arguments: tuple[str, ...]  #: of netsim
    inputs: Mapping[str, bytes]  #: files that the job reads: the scenario and what it names
    seconds: float  #: limit

    @property
    def processes(self) -> int:
        return len(self.seats.machines)

    @property
    def slug(self) -> str:
        """The name as Slurm and Kubernetes take it: at most 40 small letters, digits and dashes, a letter first.

        >>> Plan("Fat tree (k=4).yaml", (), None, None, (), {}, 0).slug
        'netsim-fat-tree-k-4'
        """
        words = re.findall(r"[a-z0-9]+", re.sub(r"\.ya?ml$", "", self.name).lower())
        return "-".join(["netsim", *words])[:40].rstrip("-")

    @property
    def minutes(self) -> int:
        return max(1, math.ceil(self.seconds / 60))


def plan(scenario: Scenario, rows: Sequence[Row], options: Options) -> Plan:
    """Raises InputError where there is nothing to run, and as `seats` and `inputs` do."""
    if not rows:
        raise InputError(f"{scenario.name}: no row to replay; a job needs one at least")
    name = "".join(c if c.isprintable() else " " for c in scenario.name.rpartition("/")[2])
    return Plan(
        name=name,
        rows=tuple(rows),
        seats=seats(rows, options.hostfile, options.ranks_per_node),
        options=options,
        arguments=_arguments(options),
        inputs=inputs(scenario, rows, SCENARIO),
        seconds=options.time or _limit(rows, options),
    )


def _arguments(options: Options) -> tuple[str, ...]:
    words = ["validate", SCENARIO, "--on", options.on, "--repeat", str(options.repeat)]
    words += ["--maps", str(options.maps)] if options.maps else []
    words += [word for name in options.native for word in ("--native", name)]
    words += ["--max-error", options.max_error] if options.max_error else []
    words += [word for key, value in options.target.items() for word in ("--option", f"{key}={value}")]
    return (*words, "--save", RESULT)


def _limit(rows: Sequence[Row], options: Options) -> float:
    """Seconds: every row once for nothing and `repeat` times for the clock, thrice as slow as predicted, and five minutes."""
    runs = options.repeat + 1
    if options.on == "emulated":
        each = read_options(options.target).seconds + _AROUND
        return _START + each * _REPEATED * runs * len(rows)
    return _START + _SLOWER * runs * sum(predict(row) for row in rows)
