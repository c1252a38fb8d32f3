"""`netsim run`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netsim.commands.files import deliver, file_of, plot_targets
from netsim.commands.options import EngineName, Scenario, Settings, settings_of

if TYPE_CHECKING:
    from netsim.pipeline import Report


class Format(StrEnum):
    table = "table"
    json = "json"


def run(
    scenario: Scenario,
    settings: Settings = None,
    engine: EngineName = None,
    output_format: Annotated[Format | None, typer.Option("--format", help="What to print; default: table.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="'METRIC>=VALUE'", help="busbw, algbw, time, %bound or slowdown, in every row; else exit 3."),
    ] = None,
    plot: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Draw the result: FILE.svg or FILE.png.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE|DIR", help="Write there instead of stdout; .json means json.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also a line for every round.")] = False,
) -> int:
    """Run a scenario and print the table of nccl-tests with the bound beside every time.

    Sizes are 1024-based, GB/s is 1e9 bytes per second, times are in microseconds. `%bound` is the part of the physical limit
    that was reached; the lines below the table say what binds, and which ranks meet on which links.
    """
    from netsim.commands.talk import announcing_compilation, progress_line
    from netsim.expect import expectation
    from netsim.output import check_target, tell
    from netsim.pipeline import run as simulate
    from netsim.scenario import load

    expectations = [expectation(text) for text in expect or []]
    as_json = output_format is Format.json or (output_format is None and Path(output or "").suffix == ".json")
    loaded = load(scenario, settings_of(settings, engine))
    targets = plot_targets(plot or [])
    file = file_of(output, "json" if as_json else "txt", scenario)
    for target in [*targets, *([file] if file else [])]:
        check_target(target)
    with announcing_compilation(), progress_line() as progress:
        report = simulate(loaded, progress=progress)
    deliver(_text(report, as_json, verbose), file)
    for target in targets:
        _draw(report, target)
    misses = [miss for e in expectations for miss in e.misses(report)]
    for miss in misses:
        tell(miss)
    return 3 if misses else 0


def _text(report: Report, as_json: bool, verbose: bool) -> str:
    if as_json:
        from netsim.json_report import as_json as written

        return written(report)
    from netsim.table import table

    return table(report, verbose=verbose)


def _draw(report: Report, target: Path) -> None:
    from netsim.output import tell
    from netsim.plot import plot

    plot(report.runs, target)
    tell(f"wrote {target}")
