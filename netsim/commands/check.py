"""`netsim check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netsim.scenario import Scenario


def check(paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Scenario files, or folders of them.")]) -> int:
    """Check scenario files: read them, build what they describe, say every fault with file:line:col. Exit 2 if there is one."""
    from netsim.output import say, tell

    files = [file for path in paths for file in _files(path)]
    faulty = 0
    for file in files:
        faults = faults_of(file)
        faulty += bool(faults)
        for fault in faults:
            tell(fault)
    if files and not faulty:
        say(f"{len(files)} scenario{'s' * (len(files) > 1)}: no faults\n")
    if not files:
        tell(f"{paths[0]}: no .yaml files in it")
    return 2 if faulty or not files else 0


def _files(path: Path) -> list[Path]:
    return sorted(file for end in ("*.yaml", "*.yml") for file in path.rglob(end)) if path.is_dir() else [path]


def faults_of(file: Path) -> list[str]:
    """One line for each fault of a scenario: of its text, or, where that is right, of what its cases build."""
    from netsim.scenario import load
    from topologies.errors import InputError

    try:
        _build(load(file))
    except InputError as error:
        return str(error).splitlines()
    return []


def _build(scenario: Scenario) -> None:
    from netsim.commands.talk import announcing_compilation
    from netsim.pipeline import check as check_cases

    with announcing_compilation():
        check_cases(scenario)
