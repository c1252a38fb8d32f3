"""The table of verbs, each imported when it is typed, as commands of a terminal."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from topologies.errors import InputError
from topologies.registry import did_you_mean

#: verb -> ("module:function", what it does); the function's signature is its options
VERBS: dict[str, tuple[str, str]] = {
    "run": ("netsim.commands.run:run", "Run a scenario: time, contention and the physical limit."),
    "show": ("netsim.commands.show:show", "Print the resolved scenario, its sizes and its bound; run nothing."),
    "check": ("netsim.commands.check:check", "Check scenario files: every fault with file:line:col."),
    "validate": ("validate.command:validate", "Replay a scenario on real MPI or NCCL: predicted beside measured."),
    "calibrate": ("validate.calibrate.command:calibrate", "Fit what hosts and protocols add to the wires, from measurements."),
    "list": ("netsim.commands.kinds:kinds", "List topologies, algorithms, placements, routings and engines."),
    "schema": ("netsim.commands.schema:schema", "Print the JSON Schema of scenarios, for editors."),
    "doctor": ("netsim.commands.doctor:doctor", "Say what netsim finds on this machine."),
}

_PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Verbs(TyperGroup):
    """The verbs of the table as commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        app = typer.Typer(**_PLAIN)
        app.command(cmd_name)(getattr(importlib.import_module(module), name))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in VERBS:
            raise InputError(f"netsim: unknown command {args[0]!r}{did_you_mean(args[0], list(VERBS))} (netsim --help)")
        return args[0], self.get_command(ctx, args[0]), args[1:]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, about) for verb, (_, about) in VERBS.items()])


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"netsim {version('netsim-codesign')}")
        raise typer.Exit


app = typer.Typer(cls=_Verbs, **_PLAIN | {"add_completion": True})


@app.callback()
def _netsim(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of a failure; may stand anywhere."),
) -> None:
    """Simulate cluster networks and the collectives that run on them: how long, why, and how far from the limit."""


def call(arguments: list[str]) -> int:
    """Run the verb that was typed; returns the exit code. Raises KeyboardInterrupt where typer has turned it into its own."""
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="netsim", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if code == 130:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0
