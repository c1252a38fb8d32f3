"""Arguments and options that several verbs have."""

from typing import Annotated

import typer

Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value, such as fabric.k=16; may be repeated."),
]
EngineName = Annotated[str | None, typer.Option("--engine", metavar="ENGINE", help="Same as --set engine=ENGINE.")]


def settings_of(settings: list[str] | None, engine: str | None) -> list[str]:
    """All settings of a command line in order."""
    return [*([f"engine={engine}"] if engine else []), *(settings or [])]
