"""Job files: what a person reads, submits, and gets one JSON back from.

rows ──plan──▶ Plan (machines, processes, command, time limit) ──slurm | mpijob | torchrun──▶ files ──write──▶ folder

The job runs `netsim validate SCENARIO --on mpi|nccl|emulated --save result.json`, and `netsim validate SCENARIO --on result.json`
reads what it leaves. Nothing is submitted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.registry import Table

if TYPE_CHECKING:
    from netsim.scenario import Scenario
    from validate.request import Row

#: kind -> "module:function" of `Plan -> {file name: text}`; imported when asked for
JOBS = Table(
    "kind of job",
    {
        "slurm": "validate.jobs.slurm:slurm",
        "mpijob": "validate.jobs.mpijob:mpijob",
        "torchrun": "validate.jobs.torchrun:torchrun",
    },
    group="netsim.jobs",
)


def write_job(
    kind: str, scenario: Scenario, rows: Sequence[Row], folder: str | Path, options: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write the job that replays the rows, with everything that it needs, into a folder (made where it is not there).

    `options`: those of `validate.jobs.options.Options`, and the target's own. Returns the files, the one to submit first. All are
    made before the first is written, and each is written whole.

    Raises UnknownKind for a kind that is none, InputError for options and rows that make no job, and for a file that is there
    with other contents (somebody may have edited it) unless the option `overwrite` is set.
    """
    from validate.jobs.options import read_options
    from validate.jobs.plan import plan
    from validate.jobs.write import write_all

    make = JOBS.load(kind)
    chosen = read_options(kind, options or {})
    made = plan(scenario, rows, chosen)
    return write_all(Path(folder), {**make(made), **made.inputs}, overwrite=chosen.overwrite)
