"""`netsim list`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from topologies.registry import Table


def kinds(
    which: Annotated[
        str | None, typer.Argument(metavar="[topologies|algorithms|placements|routings|engines]", help="One table; default: all.")
    ] = None,
) -> None:
    """List the kinds that a scenario can name, with their parameters. `*` marks those that must be given."""
    from netsim.output import say
    from netsim.scenario.tables import TABLES
    from topologies.errors import InputError
    from topologies.registry import did_you_mean

    if which is not None and which not in TABLES:
        raise InputError(f"netsim list: unknown table {which!r}{did_you_mean(which, list(TABLES))}")
    lines: list[str] = []
    for name in [which] if which else TABLES:
        lines += [f"{name}:", *_rows(TABLES[name]), ""]
    say("\n".join(lines[:-1]) + "\n")


def _rows(table: Table) -> Iterator[str]:
    from netsim.scenario.kinds import kind_of
    from topologies.errors import InputError

    width = max(map(len, table))
    for name in table:
        try:
            kind = kind_of(table, name)
        except InputError as error:
            yield f"  {name:<{width}}  ({error})"
            continue
        about = (inspect.getdoc(kind.function) or "").partition("\n")[0]
        yield f"  {name:<{width}}  {about}"
        fields = kind.model.model_fields
        given = [f"{p}*" if fields[p].is_required() else f"{p}={_brief(kind.write({p: fields[p].default})[p])}" for p in fields]
        if given:
            yield f"  {'':<{width}}    {', '.join(given)}"


def _brief(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
