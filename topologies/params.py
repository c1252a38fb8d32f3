"""The types of the parameters that a person writes. `Unit` tells the scenario reader that a bare number is an error.

Inside everything is SI: bytes per second, seconds, bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen, MultipleOf, Unit

from topologies.errors import InputError

#: A link's speed in bytes per second; written `400Gbit/s` or `50GB/s`.
Bandwidth = Annotated[float, Gt(0), Unit("B/s")]
#: A time in seconds; written `500ns`.
Duration = Annotated[float, Ge(0), Unit("s")]
#: A count of things of which there is at least one.
Count = Annotated[int, Ge(1)]
#: The seed of a pseudo-random choice.
Seed = Annotated[int, Ge(0)]

#: What one process can hold (about 3 GB of links); a fat-tree of eight million hosts has as many.
MAX_CABLES = 2**25


def check(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Hold arguments to the types and bounds in the function's signature; a builder starts with `check(torus, locals())`.

    Raises InputError that names the kind, the parameter and its value. Arguments that the signature lacks are passed over.

    >>> def ring_of(*, n: Annotated[int, Ge(2)]) -> None: ...
    >>> check(ring_of, {"n": 1})
    Traceback (most recent call last):
    topologies.errors.InputError: ring-of: n=1: must be at least 2
    """
    kind = function.__name__.replace("_", "-")
    for name, hint in get_type_hints(function, include_extras=True).items():
        complaint = _complaint(hint, arguments[name]) if name in arguments else None
        if complaint:
            raise InputError(f"{kind}: {name}={arguments[name]!r}: {complaint}")


def check_size(name: str, cables: int) -> None:
    """Raise InputError before arrays are made that no machine holds."""
    if cables > MAX_CABLES:
        raise InputError(f"{name}: {cables:,} cables: at most {MAX_CABLES:,} fit; choose a smaller fabric")


def _complaint(hint: Any, value: Any) -> str | None:
    """What is wrong with the value, or None."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _complaint(inner[0], value) or next((c for bound in inner[1:] if (c := _broken(bound, value))), None)
    if origin in (Union, UnionType):
        complaints = [_complaint(one, value) for one in inner if one is not NoneType or value is None]
        return None if None in complaints else complaints[0]
    if origin is list:
        if not isinstance(value, list | tuple):
            return "must be a list"
        return next((c for one in value if (c := _complaint(inner[0], one))), None)
    return _wrong_type(hint, value)


def _wrong_type(hint: Any, value: Any) -> str | None:
    if hint is bool:
        return None if isinstance(value, bool) else "must be true or false"
    if hint is str:
        return None if isinstance(value, str) else "must be text"
    if hint is int:
        return "must be a whole number" if isinstance(value, bool) or not isinstance(value, Integral) else None
    if hint is float:
        return "must be a finite number" if isinstance(value, bool) or not _finite(value) else None
    return None


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _broken(bound: Any, value: Any) -> str | None:
    """What the value must be by this bound (all that the signatures here use), or None where it is."""
    match bound:
        case Ge(ge=least) if value < least:
            return f"must be at least {least}"
        case Gt(gt=least) if value <= least:
            return f"must be more than {least}"
        case Le(le=most) if value > most:
            return f"must be at most {most}"
        case Lt(lt=most) if value >= most:
            return f"must be less than {most}"
        case MultipleOf(multiple_of=unit) if value % unit:
            return f"must be a multiple of {unit}"
        case Len(min_length=least) | MinLen(min_length=least) if len(value) < least:
            return f"must have at least {least} entries"
        case Len(max_length=most) | MaxLen(max_length=most) if most is not None and len(value) > most:
            return f"must have at most {most} entries"
    return None
