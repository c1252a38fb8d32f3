"""`netsim validate`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netsim.commands.files import deliver, file_of, plot_targets
from netsim.commands.options import EngineName, Settings, settings_of

if TYPE_CHECKING:
    from validate.comparison import Comparison
    from validate.request import Outcome, Request


class Format(StrEnum):
    table = "table"
    json = "json"


class Queues(StrEnum):
    fair = "fair"
    fifo = "fifo"


class Routes(StrEnum):
    tables = "tables"
    kernel_ecmp = "kernel-ecmp"


def validate(
    scenario: Annotated[str | None, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML); not with --purge.")] = None,
    on: Annotated[
        str | None, typer.Option(metavar="TARGET", help="emulated, mpi, nccl, or a file with a measurement; default: emulated.")
    ] = None,
    settings: Settings = None,
    engine: EngineName = None,
    repeat: Annotated[int | None, typer.Option(metavar="N", help="Timed runs of each row; default: 3.")] = None,
    maps: Annotated[
        int, typer.Option(metavar="N", show_default=False, help="Rank maps of each case: its own, natural, random ones.")
    ] = 0,
    native: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Also the library's own collective, such as mpich:ring.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Emulated: of the fastest endpoint's link, such as 20Mbit/s.")
    ] = None,
    seconds: Annotated[
        str | None, typer.Option(metavar="TIME", help="Emulated: what the slowest row shall take, such as 1s.")
    ] = None,
    queues: Annotated[Queues | None, typer.Option(help="Emulated: how flows share a link; default: fair.")] = None,
    routes: Annotated[Routes | None, typer.Option(help="Emulated: the simulator's tables, or the kernel's ECMP.")] = None,
    mpi_python: Annotated[
        str | None, typer.Option(metavar="PATH", help="Emulated: a Python whose mpi4py and mpiexec to use instead.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Another option of the target, such as hosts=order for mpi.")
    ] = None,
    max_error: Annotated[str | None, typer.Option(metavar="PERCENT", help="Exit 3 where a row errs by more, such as 5%.")] = None,
    output_format: Annotated[Format | None, typer.Option("--format", help="What to print; default: table.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE|DIR", help="Write there; .json means json; a folder for --job.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw predicted against measured: .svg or .png.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Keep the measurement, for --on FILE later.")] = None,
    job: Annotated[
        str | None, typer.Option(metavar="KIND", help="Run nothing; write a job for slurm, mpijob or torchrun into -o DIR.")
    ] = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove what killed runs left on this machine.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run; run nothing.")] = False,
) -> int:
    """Replay a scenario for real, and print what was predicted beside what was measured.

    `--on emulated` builds the scenario's fabric from network namespaces of this machine, slowed down by a stated constant, and
    runs a real MPI rank on each endpoint. `--on mpi` and `--on nccl` run under the launcher that started them. `--on FILE` reads
    what netsim saved, nccl-tests or OSU benchmarks printed.

    An error is measured/predicted - 1. Exit codes: 1 where elements came out wrong, 3 where a row misses --max-error or is not
    trustworthy.
    """
    from netsim.output import check_target
    from topologies.errors import InputError
    from validate.asked import limit_of, options_of, request_of, source_of
    from validate.followers import hush_followers

    if purge:
        return _purge()
    if scenario is None:
        raise InputError("netsim validate: Missing argument 'SCENARIO' (netsim --help)")
    if job is not None:
        _only_written(job, {"--save": save, "--plot": plot, "--format": output_format, "--dry-run": dry_run})
    target = on or "emulated"
    hush_followers(target)
    limit, source = limit_of(max_error), source_of(target)
    options = options_of(option or [], rate=rate, seconds=seconds, queues=queues, routes=routes, python=mpi_python)
    request = request_of(
        scenario, settings_of(settings, engine), source, repeat=repeat, maps=maps, native=native or [], options=options
    )
    if job is not None:
        asked = {"on": on, "repeat": repeat, "maps": maps, "native": native or None, "max_error": max_error}
        return _write_job(job, request, output, asked)
    if dry_run:
        return _say_plan(target, request, source)
    as_json = output_format is Format.json or (output_format is None and Path(output or "").suffix == ".json")
    file = file_of(output, "json" if as_json else "txt", scenario)
    for path in [*plot_targets([plot] if plot else []), *([save] if save else []), *([file] if file else [])]:
        check_target(path)
    outcome = _replayed(target, request, source)
    if save:
        _keep(outcome, request, save)
    comparison = _compared(outcome, request)
    deliver(_text(comparison, request, as_json), file)
    if plot:
        _draw(comparison, plot)
    return _verdict(comparison, limit)


def _purge() -> int:
    from netsim.output import say
    from validate.emulated.purge import purge

    gone = purge()
    say("".join(f"removed {what}\n" for what in gone) or "nothing was left\n")
    return 0


def _only_written(kind: str, given: dict[str, Any]) -> None:
    """Raises InputError for what says what to do with a measurement, of which there is none yet."""
    from topologies.errors import InputError

    for name, value in given.items():
        if value:
            raise InputError(f"--job {kind}: a job is written, nothing is run: leave out {name}")


def _write_job(kind: str, request: Request, output: str | None, asked: dict[str, Any]) -> int:
    from netsim.output import tell
    from topologies.errors import InputError
    from validate.jobs import write_job

    if output is None:
        raise InputError(f"--job {kind}: writes several files; say where with -o DIR")
    for path in write_job(kind, request.scenario, request.rows, output, {**asked, **request.options}):
        tell(f"wrote {path}")
    return 0


def _say_plan(target: str, request: Request, source: Path | None) -> int:
    from netsim.commands.talk import announcing_compilation
    from netsim.output import say
    from validate.report.plan import plan

    with announcing_compilation():
        say(plan(target, request, source))
    return 0


def _replayed(target: str, request: Request, source: Path | None) -> Outcome:
    """What the target gives back. Under MPI and NCCL it returns on one rank only: the others end in it."""
    from netsim.commands.talk import announcing_compilation, progress_line
    from validate.from_file import file_outcome
    from validate.measured import stamped
    from validate.targets import TARGETS

    with announcing_compilation(), progress_line() as progress:
        if source is not None:
            return file_outcome(request, source)
        return stamped(TARGETS.load(target)(replace(request, progress=progress)), request)


def _keep(outcome: Outcome, request: Request, path: Path) -> None:
    from netsim.output import tell, write_whole
    from validate.measured import as_saved

    text = as_saved(outcome, request)
    write_whole(path, lambda file: file.write_bytes(text.encode()))
    tell(f"wrote {path}")


def _compared(outcome: Outcome, request: Request) -> Comparison:
    from validate.comparison import compare

    return compare(outcome, request.rows)


def _text(comparison: Comparison, request: Request, as_json: bool) -> str:
    if as_json:
        from validate.report.json_report import as_json as written
    else:
        from validate.report.table import table as written
    return written(comparison, request.scenario.name)


def _draw(comparison: Comparison, path: Path) -> None:
    from netsim.output import tell
    from validate.report.picture import draw

    draw(comparison, path)
    tell(f"wrote {path}")


def _verdict(comparison: Comparison, limit: float) -> int:
    """The exit code, each reason for it told in a line."""
    from math import inf

    from netsim.output import tell
    from validate.report.words import doubt_text, percent, subject, wrong_text

    for point in comparison.wrong:
        tell(f"{subject(point)}: {wrong_text(point)}")
    for point in comparison.doubtful:
        tell(f"{doubt_text(point)}: not trustworthy")
    missed = [point for point in comparison.trusted if abs(point.error) > limit]
    for point in missed:
        tell(f"{subject(point)}: error {percent(point.error)}, more than --max-error {100 * limit:g}%")
    unknown = limit < inf and not comparison.trusted
    if unknown:
        tell(f"--max-error {100 * limit:g}%: no row counts, so nothing says that errors are no larger")
    if comparison.wrong:
        return 1
    return 3 if missed or unknown or comparison.doubtful else 0
