"""`netsim calibrate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netsim.commands.options import Settings

if TYPE_CHECKING:
    from netsim.build import Job
    from netsim.scenario import Scenario
    from validate.calibrate.fit import Fit
    from validate.calibrate.patterns import Pattern
    from validate.calibrate.points import Point

_REPEAT = 5
_MOST_NCCL = 2  # there every process has to be in every pattern
_MOST_RESIDUAL = 0.1  # the median; a model that is further off says nothing of the machine


def calibrate(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO] [FILE]…", help="A scenario (.yaml), and measurements to fit in place of new ones."),
    ] = None,
    settings: Settings = None,
    on: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Where to measure: emulated, mpi, or nccl (2 ranks); default: emulated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.yaml", help="Write the parameters there, not to stdout.")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Keep what was measured, to fit it again.")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="Timed runs of each size of each pattern; default: 5.")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="An option of the target.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of measurements, and of the intervals.")] = 0,
) -> int:
    """Fit the parameters of the model that only a measurement can tell, and write them for `calibration:` of scenarios.

    Measures ping-pongs over sizes, exchanges, an incast and concurrent pairs between hosts of the scenario; without one, between
    four hosts of an emulated fabric. NCCL needs every process in every pattern: there between 2 ranks only. With FILEs fits what
    they hold. Exit code 3 where measurements are not trustworthy: those of a whole pattern, or where the median residual is above
    10 %.
    """
    from netsim.output import check_target
    from netsim.scenario import load
    from topologies.errors import InputError
    from validate.asked import options_of
    from validate.calibrate.measure import SMALLEST, job_of
    from validate.calibrate.patterns import around, patterns
    from validate.followers import hush_followers

    target = on or "emulated"
    hush_followers(target)
    scenarios = [name for name in inputs or [] if Path(name).suffix in (".yaml", ".yml")]
    files = [Path(name) for name in inputs or [] if name not in scenarios]
    if len(scenarios) > 1:
        raise InputError(f"{scenarios[1]}: a second scenario; calibration measures one")
    if files:
        _nothing_to_choose(files[0], {"--on": on, "--save": save, "--repeat": repeat, "--option": option})
    if not scenarios and (files or target != "emulated"):
        raise InputError("netsim calibrate: name a scenario too: its fabric says how fast the wires are")
    for path in (output, save):
        if path:
            check_target(path)
    scenario = load(scenarios[0] if scenarios else SMALLEST, settings)
    options = options_of(option or [])
    job = job_of(scenario)
    if target == "nccl" and job.placement.ranks > _MOST_NCCL:
        raise InputError(
            f"netsim calibrate --on nccl: {job.placement.ranks} ranks; must be {_MOST_NCCL}: --set ranks={_MOST_NCCL}; "
            "or give nccl-tests' sendrecv as a file, or --on mpi"
        )
    known = patterns(job)
    if files or target != "emulated":  # there every rank that was started must have something to do
        known = (*known, around(job))
    if files:
        points, about, missing = _from_files(files, job, known)
    else:
        points, about, missing = _measured(scenario, job, known, target, repeat or _REPEAT, options, save, seed)
    believable = _deliver(points, about, output, seed)
    return 3 if missing or not believable else 0


def _nothing_to_choose(path: Path, given: Mapping[str, Any]) -> None:
    """Raises InputError for what says how to measure, where a file has been measured."""
    from topologies.errors import InputError

    for name, value in given.items():
        if value:
            raise InputError(f"{path}: a file is read, nothing is measured: leave out {name}")


def _from_files(files: Sequence[Path], job: Job, known: Sequence[Pattern]) -> tuple[list[Point], dict[str, Any], bool]:
    from datetime import UTC, datetime

    from topologies.errors import InputError
    from validate.calibrate.files import points_in

    found = [points_in(path, job, known) for path in files]
    targets = {each.on for each in found}
    if len(targets) > 1 and "emulated" in targets:
        raise InputError(f"{files[1]}: an emulated fabric's measurements fit no others; give files of one machine")
    about = {
        "date": max(each.date for each in found) or datetime.now(UTC).isoformat(timespec="seconds"),
        "source": "emulated" if "emulated" in targets else ", ".join(path.name for path in files),
        "where": {key: value for each in found for key, value in each.where.items()},
    }
    return [point for each in found for point in each.points], about, False


def _measured(
    scenario: Scenario,
    job: Job,
    known: Sequence[Pattern],
    on: str,
    repeat: int,
    options: dict[str, Any],
    save: Path | None,
    seed: int,
) -> tuple[list[Point], dict[str, Any], bool]:
    """The points, what the file says about them, and whether some pattern has none that can be trusted."""
    from netsim.commands.talk import announcing_compilation, progress_line
    from netsim.output import tell
    from validate.calibrate.measure import measure, rows_of
    from validate.calibrate.points import points_of

    with announcing_compilation(), progress_line() as progress:
        rows = rows_of(job, known, on, seed)
        outcome = measure(scenario, rows, on, repeat, options, progress)
    measurement = outcome.measurement
    if save:
        _keep(scenario, rows, outcome, save)
    for note in measurement.notes:
        tell(note)
    points = list(points_of(job, known, on, measurement.rows, outcome.predicted))
    for row in measurement.rows:
        if row.doubts:
            tell(f"{row.name}: {row.by} of {row.bytes:.0f} B: left out: {row.doubts[0]}")
    asked = {(row.name, row.by) for row in rows} - {(p.name(job.fabric), p.kind) for p in known if not p.tells}
    got = {(point.name, point.by) for point in points}
    for name, by in sorted(asked - got):
        tell(f"{name}: {by}: no size of it is trustworthy")
    about = {"date": measurement.date, "source": measurement.on, "where": dict(measurement.where)}
    return points, about, bool(asked - got)


def _keep(scenario: Scenario, rows: Sequence[Any], outcome: Any, path: Path) -> None:
    from netsim.output import tell, write_whole
    from validate.measured import as_saved
    from validate.request import Request

    text = as_saved(outcome, Request(scenario, tuple(rows)))
    write_whole(path, lambda file: file.write_bytes(text.encode()))
    tell(f"wrote {path}")


def _deliver(points: Sequence[Point], about: dict[str, Any], output: Path | None, seed: int) -> bool:
    """Fit, and write what came out; returns whether the model says what was measured at all."""
    from netsim.output import say, tell, write_whole
    from validate.calibrate.fit import fit
    from validate.calibrate.parameters import parameter_file

    found = fit(points, credit=about["source"] == "emulated", seed=seed)
    text = parameter_file(found, **about)
    tell(_summary(found, len(points)))
    if output is None:
        say(text)
    else:
        write_whole(output, lambda file: file.write_bytes(text.encode()))
        tell(f"wrote {output}")
    if found.median > _MOST_RESIDUAL:
        tell(f"residuals of more than {100 * _MOST_RESIDUAL:.0f} %: not trustworthy; measure again on quiet machines")
    return found.median <= _MOST_RESIDUAL


def _summary(found: Fit, n: int) -> str:
    return f"fitted on {n} sizes of patterns: residuals {100 * found.median:.2f} % median, {100 * found.worst:.2f} % worst"
