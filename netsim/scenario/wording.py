"""What a validation error says, in our words: one line, value first, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from netsim.scenario.source import Source, Where, dotted
from topologies.errors import InputError
from topologies.registry import did_you_mean

_WORDED = "netsim"  # the type of an error whose message is final


_MAPPING, _LIST, _WHOLE = ("{value}: must be a " + noun for noun in ("mapping of keys", "list", "whole number"))
_WORDS = {
    "missing": "missing",
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": "{value}: must be a number",
    "finite_number": "{value}: must be a finite number",
    "bool_type": "{value}: must be true or false",
    "string_type": "{value}: must be a word or text",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "greater_than": "{value}: must be more than {gt:g}",
    "greater_than_equal": "{value}: must be at least {ge:g}",
    "less_than": "{value}: must be less than {lt:g}",
    "less_than_equal": "{value}: must be at most {le:g}",
    "multiple_of": "{value}: must be a multiple of {multiple_of:g}",
    "literal_error": "{value}: must be {expected}",
    "enum": "{value}: must be {expected}",
}


class Written(BaseModel):
    """A mapping that a person writes: no unknown keys, nothing coerced, and every error in our words."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            details = [_details(e, list(cls.model_fields)) for e in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, details) from None


def fault(message: str) -> PydanticCustomError:
    """An error with this message, for validators to raise."""
    return PydanticCustomError(_WORDED, "{text}", {"text": message})


def fault_at(where: Where, message: str, value: Any = None) -> ValidationError:
    """The same, about a part of what is being validated."""
    return faults_at([(where, message, value)])


def faults_at(told: Iterable[tuple[Where, str, Any]]) -> ValidationError:
    """Several: where, message and value of each."""
    details = [InitErrorDetails(type=fault(message), loc=where, input=value) for where, message, value in told]
    return ValidationError.from_exception_data("", details)


def worded(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader that raises InputError, as a validator."""

    def validate(value: Any) -> Any:
        try:
            return read(value)
        except InputError as error:
            raise fault(str(error)) from None

    return validate


def as_written(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The same as a validator around the checks of bounds, whose errors then quote what was written: `0Gbit/s`, not 0.0."""

    def validate(value: Any, check: Callable[[Any], Any]) -> Any:
        found = worded(read)(value)
        try:
            return check(found)
        except ValidationError as error:
            raise faults_at([(e["loc"], _say(e["type"], {**e, "input": value}, []), value) for e in error.errors()]) from None

    return validate


def lines(error: ValidationError, source: Source, inside: Where = ()) -> list[str]:
    """`file.yaml:4:3: fabric.kk: unknown key, did you mean 'k'?`, one line per fault, in the order of the file."""
    found: dict[Where, list[str]] = {}
    for e in error.errors(include_url=False, include_context=False):
        where = _written(source.data, (*inside, *e["loc"]), keep_last=e["msg"].startswith("missing"))
        found.setdefault(where, []).append(e["msg"])
    told = [
        f"{source.place(where, key=message.startswith('unknown key'))}: {dotted(where) or 'scenario'}: {message}"
        for where, messages in found.items()
        for message in _best(messages)
        if not (_of_form(message) and any(other[: len(where)] == where != other for other in found))
    ]
    return sorted(told, key=_line_and_column)


def _line_and_column(told: str) -> list[int]:
    numbers = re.search(r":(\d+):(\d+): ", told)
    return [int(n) for n in numbers.groups()] if numbers else [0, 0]


def _written(data: Any, where: Where, *, keep_last: bool) -> Where:
    """The place without the names of union branches that pydantic puts into it: what cannot be walked in the data."""
    out: list[str | int] = []
    for depth, part in enumerate(where):
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part] if isinstance(data, dict) else data[int(part)]
        elif not (keep_last and depth == len(where) - 1):
            continue
        out.append(part)
    return tuple(out)


def _best(messages: list[str]) -> list[str]:
    """Of the errors of the branches of a union, one: what the branch that fits the form of the value says."""
    told = [m for m in messages if not _of_form(m)] or messages
    return told[:1]


def _of_form(message: str) -> bool:
    """Whether a value was refused for its form; where something inside it was refused too, another branch liked the form."""
    return ": must be a " in message


def _details(error: Any, known: list[str]) -> InitErrorDetails:
    kind = error["type"]
    text = error["msg"] if kind == _WORDED else _say(kind, error, [k for k in known if k != "kind"])
    return InitErrorDetails(type=fault(text), loc=error["loc"], input=error["input"])


def _say(kind: str, error: Any, known: list[str]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key{_nearest(error['loc'], known)}"
    if kind not in _WORDS:
        return f"{shown(error['input'])}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    return _WORDS[kind].format(value=shown(error["input"]), **error.get("ctx", {}))


def _nearest(where: tuple[str | int, ...], known: list[str]) -> str:
    return did_you_mean(str(where[-1]), known) if known else "; it takes no parameters"


def shown(value: Any) -> str:
    """A value as a message quotes it: short, on one line."""
    if isinstance(value, (dict, list, tuple)):
        return f"{'a mapping' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
