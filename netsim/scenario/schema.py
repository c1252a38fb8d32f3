"""The JSON Schema of scenarios, with every kind of every table: what editors complete and check while one types."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from netsim.scenario.kinds import Kind, kind_of, kind_of_function
from netsim.scenario.tables import TABLES
from netsim.scenario.text import ScenarioText
from topologies.errors import InputError
from topologies.registry import Table

_BY_NOUN = {table.noun: table for table in TABLES.values()}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a scenario file; kinds that cannot be loaded are left out."""
    schema = _filled(ScenarioText.model_json_schema())
    schema["$defs"] |= {table.noun: _table_schema(table) for table in TABLES.values()}
    schema["$defs"]["server"] = _server_schema()
    return {"$schema": DIALECT, **schema, "title": "netsim scenario"}


def _filled(part: Any) -> Any:
    """The schema with references in place of the marks that the model's fields left."""
    if isinstance(part, list):
        return [_filled(p) for p in part]
    if not isinstance(part, dict):
        return part
    if "x-table" in part:
        return {**{k: v for k, v in part.items() if k != "x-table"}, "$ref": f"#/$defs/{part['x-table']}"}
    if "x-function" in part:
        return {**{k: v for k, v in part.items() if k != "x-function"}, "$ref": f"#/$defs/{part['x-function']}"}
    if "x-names" in part:
        return {**{k: v for k, v in part.items() if k not in ("x-names", "title")}, "enum": _bare(_BY_NOUN[part["x-names"]])}
    noise = {"title"} | ({"default"} if part.get("default", 0) is None else set())
    return {k: _filled(v) for k, v in part.items() if k not in noise or isinstance(v, dict)}


def _table_schema(table: Table) -> dict[str, Any]:
    bare, full = _bare(table), [_kind_schema(kind, name) for name, kind in _loadable(table)]
    return {"anyOf": [*([{"enum": bare}] if bare else []), *full]}


def _bare(table: Table) -> list[str]:
    """The kinds that need no parameters: those whose name alone will do."""
    return sorted(name for name, kind in _loadable(table) if not any(f.is_required() for f in kind.model.model_fields.values()))


def _loadable(table: Table) -> Iterator[tuple[str, Kind]]:
    for name in table:
        with suppress(InputError):
            yield name, kind_of(table, name)


def _kind_schema(kind: Kind, name: str) -> dict[str, Any]:
    schema = kind.model.model_json_schema()
    about = (inspect.getdoc(kind.function) or "").partition("\n")[0]
    return {
        "type": "object",
        "description": about,
        "properties": {"kind": {"const": name}, **_filled(schema.get("properties", {}))},
        "required": ["kind", *schema.get("required", [])],
        "additionalProperties": False,
    }


def _server_schema() -> dict[str, Any]:
    from topologies.server import with_servers

    schema = kind_of_function(with_servers).model.model_json_schema()
    return {"type": "object", "properties": _filled(schema.get("properties", {})), "additionalProperties": False}
