"""What a person may write for a kind: a model made from the signature of the function in the table.

`Annotated` bounds become checks, `Unit` makes a quantity with a unit, keyword-only parameters are what a scenario may give. So a
third party's row needs nothing here.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union

from annotated_types import Unit
from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, WithJsonSchema, WrapValidator, create_model

from netsim import units
from netsim.scenario.wording import Written, as_written, fault, fault_at, shown, worded
from topologies.errors import InputError
from topologies.registry import RowOf, Table

#: unit of a parameter -> (read, write, example)
QUANTITIES: dict[str, tuple[Callable[[object], float], Callable[[float], str], str]] = {
    "B/s": (units.parse_rate, units.format_rate, "400Gbit/s"),
    "s": (units.parse_time, units.format_time, "500ns"),
    "B": (units.parse_size, units.format_size, "1MiB"),
}


class NamedFile(str):
    """The name of a file, as a scenario writes it: relative to the scenario's folder."""

    __slots__ = ()

    def beside(self, folder: Path) -> Path:
        return folder / Path(self).expanduser()


@dataclass(frozen=True)
class Spec:
    """A kind and the parameters that were given for it, in SI."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{k}={shortened(v)}" for k, v in self.written.items())
        return f"{self.kind}({given})" if given else self.kind

    written: Mapping[str, Any] = field(default_factory=dict, compare=False)  #: as the person wrote them, with units


def shortened(value: Any) -> str:
    """A value as a title shows it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True)
class Kind:
    """A function of a table, seen from the scenario."""

    function: Callable[..., Any]
    model: type[Written]
    written: Mapping[str, Callable[[Any], Any]]  #: for each parameter, how its value is written with units
    files: frozenset[str]  #: parameters that name files
    units: Mapping[str, str | None]  #: the SI unit of each parameter that is a quantity

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: f.default for name, f in self.model.model_fields.items() if not f.is_required()}

    def write(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as a person would write them."""
        return {name: self.written[name](value) for name, value in parameters.items()}


def kind_of(table: Table, kind: str) -> Kind:
    """The kind of this name. Raises InputError where there is none or its function cannot be loaded."""
    try:
        return kind_of_function(table.load(kind))
    except (ImportError, AttributeError) as error:
        raise InputError(f"{table.noun} {kind!r} cannot be loaded: {error}") from None


@cache
def kind_of_function(function: Callable[..., Any]) -> Kind:
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    written: dict[str, Callable[[Any], Any]] = {}
    files = set()
    unit_of: dict[str, str | None] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY or name == "overhead":  # the scenario has a key of its own for it
            continue
        hint = _writable(hints.get(name, Any))
        if hint is None:
            continue
        required = parameter.default is parameter.empty
        if _names_file(name, hint):
            files.add(name)
        unit_of[name] = _unit_in(hint)
        written[name] = _write_file if name in files else _writer(hint)
        default = ... if required else parameter.default
        extra = None if required or default is None else {"default": written[name](default)}
        fields[name] = (_readable(hint), Field(default, json_schema_extra=extra))
    model = create_model(function.__name__, __base__=Written, **fields)
    return Kind(function, model, written, frozenset(files), unit_of)


def _writable(hint: Any) -> Any:
    """The hint without what no file can hold, such as tables already read; None where nothing is left."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        kept = [a for a in typing.get_args(hint) if _writable(a) is not None]
        return Union[tuple(kept)] if any(a is not type(None) for a in kept) else None  # noqa: UP007
    plain = not isinstance(hint, type) or issubclass(hint, (int, float, str, Path, Mapping, list, tuple, types.NoneType))
    return hint if plain else None


def _readable(hint: Any) -> Any:
    """The type that checks what a person wrote for a parameter of type `hint`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, *rest = arguments
        unit = next((m.unit for m in rest if isinstance(m, Unit)), None)
        if unit is not None:
            read, _, example = QUANTITIES[unit]
            schema = {"type": "string", "examples": [example]}
            bounds = [m for m in rest if not isinstance(m, Unit)]
            return Annotated[(float, *bounds, WrapValidator(as_written(read)), WithJsonSchema(schema))]
        table = next((m.table for m in rest if isinstance(m, RowOf)), None)
        if table is not None:
            known = AfterValidator(worded(lambda name: kind_of(table, name) and name))
            return Annotated[str, known, WithJsonSchema({"x-names": table.noun})]
        return Annotated[(_readable(inner), *rest)]
    if origin in (Union, types.UnionType):
        return Union[tuple(_readable(a) for a in arguments)]  # noqa: UP007  (made from a tuple)
    if origin in (tuple, list):
        items: Any = tuple(a if a is Ellipsis else _readable(a) for a in arguments)
        made = typing.cast(Any, origin)[items]
        return Annotated[made, Field(strict=False)]  # a list in YAML is a tuple here
    if isinstance(origin, type) and not issubclass(origin, Mapping) and arguments:  # Sequence[...], Collection[...]
        return _readable(types.GenericAlias(tuple, (arguments[0], ...)))
    if hint is Path or (isinstance(hint, type) and issubclass(hint, Path)):
        return str
    if hint is float:
        return Annotated[float, Field(allow_inf_nan=False)]
    if isinstance(hint, type) and hint not in (int, bool, str, type(None)):
        return Annotated[hint, Field(strict=False)]
    return hint


def _names_file(name: str, hint: Any) -> bool:
    return name == "file" or name.endswith("_file") or hint is Path or any(_names_file("", a) for a in typing.get_args(hint))


def _writer(hint: Any) -> Callable[[Any], Any]:
    """How a value of this type is written: quantities with their unit, tuples as lists."""
    unit = _unit_in(hint)

    def write(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [write(v) for v in value]
        if unit is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return QUANTITIES[unit][1](value)
        return str(value) if isinstance(value, Path) else value

    return write


def _write_file(value: Any) -> Any:
    return NamedFile(value) if isinstance(value, (str, Path)) else value


def _unit_in(hint: Any) -> str | None:
    if typing.get_origin(hint) is Annotated:
        for m in typing.get_args(hint)[1:]:
            if isinstance(m, Unit):
                return str(m.unit)
    return next((unit for a in typing.get_args(hint) if (unit := _unit_in(a)) is not None), None)


def read_spec(table: Table, value: Any) -> Spec:
    """`fat-tree` or `{kind: fat-tree, k: 8}` as a Spec; a validator: raises pydantic errors in our words."""
    if isinstance(value, Spec):
        return value
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, dict):
        raise fault(f"{shown(value)}: must be a {table.noun}: its kind, or {{kind: …}} with parameters")
    kind = value.get("kind")
    if not isinstance(kind, str):
        message = "missing" if "kind" not in value else f"{shown(kind)}: must be the name of a {table.noun}"
        raise fault_at(("kind",), f"{message}; one of: {', '.join(sorted(table))}", kind)
    try:
        known = kind_of(table, kind)
    except InputError as error:
        raise fault_at(("kind",), str(error), kind) from None
    given = {k: v for k, v in value.items() if k != "kind"}
    return _spec(known, kind, given)


def read_parameters(function: Callable[..., Any], value: Any) -> Spec:
    """A mapping of the parameters of one function, for things that have no kinds, such as a server."""
    known = kind_of_function(function)
    if not isinstance(value, dict):
        raise fault(f"{shown(value)}: must be a mapping with keys {', '.join(known.model.model_fields)}")
    return _spec(known, function.__name__, value)


def _spec(known: Kind, kind: str, given: dict[str, Any]) -> Spec:
    model = known.model.model_validate(given)
    parameters = {name: getattr(model, name) for name in given}
    return Spec(kind, parameters, known.write(parameters))


def spec_of(table: Table) -> Any:
    """The type of a field that holds one kind of this table."""
    schema = WithJsonSchema({"x-table": table.noun})
    return Annotated[Spec, PlainValidator(lambda value: read_spec(table, value)), schema]


def specs_of(table: Table) -> Any:
    """The type of a field that holds one kind of this table, or a list of them: cases side by side."""

    def read(value: Any) -> tuple[Spec, ...]:
        if not isinstance(value, list):
            return (read_spec(table, value),)
        if not value:
            raise fault("an empty list: name at least one")
        several: TypeAdapter[list[Spec]] = TypeAdapter(types.GenericAlias(list, (spec_of(table),)))  # type: ignore[arg-type]
        return tuple(several.validate_python(value))

    schema = WithJsonSchema({"anyOf": [{"x-table": table.noun}, {"type": "array", "items": {"x-table": table.noun}}]})
    return Annotated[tuple[Spec, ...], PlainValidator(read), schema]
