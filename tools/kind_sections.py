"""A kind as a section of a page: the words of its docstring, its parameters with their bounds, an example."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

from netsim.scenario.kinds import Kind, kind_of
from topologies.registry import Table

OWN = ("topologies", "collectives", "netsim")


def own_kinds(table: Table) -> list[str]:
    """The kinds that netsim brings; what is installed beside it is no part of its documentation."""
    return [kind for kind in table if table[kind].split(".")[0] in OWN]


def kind_section(table: Table, name: str, example: Callable[[str, Kind], str]) -> str:
    kind = kind_of(table, name)
    return f"## {name}\n\n{about(kind)}\n{parameters(kind)}\n{example(name, kind)}"


def about(kind: Kind) -> str:
    """The docstring as paragraphs, without its doctest."""
    text = (inspect.getdoc(kind.function) or "").partition("\n>>> ")[0]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return "".join(f"{escaped(p)}\n\n" for p in paragraphs if p).removesuffix("\n")


def escaped(text: str) -> str:
    """Plain text as Markdown: what stands in backquotes as it is, elsewhere signs that Markdown would read."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]|\\])", r"\\\1", part) for part in parts)


def parameters(kind: Kind) -> str:
    fields = kind.model.model_json_schema().get("properties", {})
    if not fields:
        return "No parameters.\n"
    rows = ["| parameter | what it is | default |", "|---|---|---|"]
    for name, schema in fields.items():
        field = kind.model.model_fields[name]
        default = "" if field.is_required() else f"`{yaml(kind.write({name: field.default})[name])}`"
        rows.append(f"| `{name}` | {_bounds(schema, kind.units[name], name in kind.files)} | {default} |")
    return "\n".join(rows) + "\n"


def _bounds(schema: dict[str, Any], unit: str | None, is_file: bool) -> str:
    """What a value must be, in words."""
    if "anyOf" in schema:
        return " or ".join(_bounds(s, unit, is_file) for s in schema["anyOf"] if s.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if "x-names" in schema:
        return f"name of an {schema['x-names']}"
    if schema["type"] == "array":
        most = f" of at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list{most}: {_bounds(schema['items'], unit, is_file)}"
    if schema["type"] == "string":
        quantity = {"B/s": "rate (`400Gbit/s`)", "s": "time (`500ns`)", "B": "size (`1MiB`)", None: "text"}[unit]
        return "name of a file" if is_file else quantity
    if schema["type"] == "boolean":
        return "`true` or `false`"
    words = {"integer": "whole number", "number": "number"}[schema["type"]]
    words += f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    words += f", at least {schema['minimum']}" if "minimum" in schema else ""
    words += f", at most {schema['maximum']}" if "maximum" in schema else ""
    return words + (f", more than {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else "")


def yaml(value: Any) -> str:
    """A value as a scenario writes it, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml(v) for v in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def doctest_call(function: Callable[..., Any]) -> dict[str, Any] | None:
    """The arguments of the call to the function in its doctest; None where it has none."""
    for line in re.findall(r"^>>> (.*)$", inspect.getdoc(function) or "", re.MULTILINE):
        for node in ast.walk(ast.parse(line)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function.__name__:
                return {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    return None
