"""The command line: a table of verbs, each imported when it is typed, and what becomes of what goes wrong.

Exit codes: 0 ok, 1 failure, 2 bad usage or scenario, 3 an expectation missed, 4 a backend is not available, 130 interrupted.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from topologies.errors import BackendUnavailable, InputError, NetsimError
from topologies.registry import did_you_mean

#: verb -> ("module:function", what it does); the function's signature is its options
VERBS: dict[str, tuple[str, str]] = {
    "run": ("netsim.commands.run:run", "Run a scenario: time, contention and the physical limit."),
    "show": ("netsim.commands.show:show", "Print the resolved scenario, its sizes and its bound; run nothing."),
    "check": ("netsim.commands.check:check", "Check scenario files: every fault with file:line:col."),
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    gc.set_threshold(100_000)  # imports make objects that stay: looking through them every 700 takes a tenth of a run of a second
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # an arrow on a terminal that has none
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="netsim", standalone_mode=False)
        if code == 130:
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _told("interrupted", 130)
    except Exception as error:
        if debug:
            raise
        return _told(*_verdict(error))


def _told(message: str, code: int) -> int:
    """Say it on stderr, where anybody listens."""
    try:
        print(message, file=sys.stderr)
    except BrokenPipeError:
        sys.stderr = None  # nothing more to flush at exit
    return code


def _verdict(error: Exception) -> tuple[str, int]:
    """What is said of an error, and the exit code."""
    if isinstance(error, NetsimError):
        return str(error), 2 if isinstance(error, InputError) else 4 if isinstance(error, BackendUnavailable) else 1
    if hasattr(error, "format_message"):  # the command line's own: an unknown option, a missing argument
        return f"netsim: {error.format_message()} (netsim --help)", 2
    if isinstance(error, MemoryError):
        return "netsim: out of memory; take fewer ranks or a smaller fabric (netsim show says how much it needs)", 1
    if isinstance(error, OSError):
        return f"netsim: {error.filename or ''}: {error.strerror or error}", 1
    return f"netsim: {type(error).__name__}: {error}: a bug, please report it (--debug shows the traceback)".replace("\n", " "), 1
