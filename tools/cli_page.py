"""The page about the command line: what the signatures of the verbs say."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from kind_sections import escaped
from typer.models import ArgumentInfo, OptionInfo

from netsim import cli, verbs


def cli_page() -> str:
    about = inspect.getdoc(verbs._netsim) or ""
    codes = next(p for p in (cli.__doc__ or "").split("\n\n") if p.startswith("Exit codes:"))
    rows = [f"| [`netsim {verb}`](#netsim-{verb}) | {escaped(words)} |" for verb, (_, words) in verbs.VERBS.items()]
    parts = [
        f"# The command line\n\n{escaped(' '.join(about.split()))}\n",
        "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n",
        "stdout is data, stderr is talk. " + " ".join(codes.split()) + "\n",
        "## netsim\n\n" + _options(verbs._netsim),
        *(_verb(verb, target) for verb, (target, _) in verbs.VERBS.items()),
    ]
    return "\n".join(parts)


def _verb(verb: str, target: str) -> str:
    module, _, name = target.partition(":")
    function = getattr(__import__(module, fromlist=[name]), name)
    about = "".join(f"{escaped(' '.join(p.split()))}\n\n" for p in (inspect.getdoc(function) or "").split("\n\n"))
    return f"## netsim {verb}\n\n{about}{_usage(verb, function)}\n{_options(function)}".rstrip("\n") + "\n"


def _inputs(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, type, typer's words about it) of each parameter of a command."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint, info = hints[name], parameter.default
        if typing.get_origin(hint) is typing.Annotated:
            hint, info = typing.get_args(hint)[:2]
        yield name, hint, info


def _usage(verb: str, function: Callable[..., Any]) -> str:
    words = ["netsim", verb]
    arguments = [(name, info) for name, _, info in _inputs(function) if isinstance(info, ArgumentInfo)]
    if any(isinstance(info, OptionInfo) for _, _, info in _inputs(function)):
        words.append("[OPTIONS]")
    words += [info.metavar or name.upper() for name, info in arguments]
    rows = [f"- `{info.metavar or name.upper()}`: {escaped(info.help or '')}\n" for name, info in arguments]
    return f"```text\n{' '.join(words)}\n```\n" + "".join(["\n", *rows] if rows else [])


def _options(function: Callable[..., Any]) -> str:
    rows = []
    for name, hint, info in _inputs(function):
        if isinstance(info, OptionInfo):
            value = info.metavar or "\\|".join(_choices(hint))
            flags = _flags(name, info) + f" {value}".rstrip().replace("FILE|", "FILE\\|")
            about = info.help or ""
            many = ", may be repeated" if "list[" in str(hint) and "repeated" not in about else ""
            rows.append(f"| `{flags}` | {escaped(about.removesuffix('.'))}{many} |")
    return "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n" if rows else ""


def _flags(name: str, info: OptionInfo) -> str:
    """`-o, --output`. In `Annotated[…, Option("-o", …)]` typer keeps the first one as the default."""
    given = [d for d in (info.default, *(info.param_decls or ())) if isinstance(d, str) and d.startswith("-")]
    return ", ".join(given) or f"--{name.replace('_', '-')}"


def _choices(hint: Any) -> list[str]:
    """The values of an enumeration in the hint."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [str(m.value) for h in options if isinstance(h, type) and issubclass(h, Enum) for m in h]
