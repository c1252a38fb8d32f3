"""The sizes of a sweep: one, a list, or a range such as `1MiB..1GiB*4`."""

from __future__ import annotations

from typing import Any

from netsim.scenario.wording import shown
from netsim.units import parse_size
from topologies.errors import InputError

MAX_SIZES = 1000


def read_sizes(value: Any) -> tuple[int, ...]:
    """Bytes, in the order written. A range multiplies by its factor (2 if none is given) from its start up to its end.

    >>> read_sizes("1MiB..16MiB*4")
    (1048576, 4194304, 16777216)
    >>> read_sizes({"from": "8B", "to": "32B"})
    (8, 16, 32)
    """
    if isinstance(value, list):
        if not value:
            raise InputError("an empty list: give at least one size")
        sizes = tuple(size for entry in value for size in read_sizes(entry))
        if len(sizes) > MAX_SIZES:
            raise InputError(f"more than {MAX_SIZES} sizes")
        return sizes
    if isinstance(value, dict):
        return _from_mapping(value)
    if isinstance(value, str) and ".." in value:
        start, _, rest = value.partition("..")
        end, star, factor = rest.partition("*")
        return _range(parse_size(start.strip()), parse_size(end.strip()), _factor(factor.strip() if star else 2), value)
    return (parse_size(value),)


def several_sizes(count: int) -> str:
    """What is wrong with more sizes than one where jobs share the fabric."""
    return f"{count} sizes; a job that shares the fabric with others has one"


def _from_mapping(value: dict[str, Any]) -> tuple[int, ...]:
    if not {"from", "to"} <= set(value) <= {"from", "to", "factor"}:
        raise InputError(
            f"{', '.join(map(str, value)) or 'no keys'}: a range of sizes has keys from, to and (2 if not given) factor"
        )
    start, end = parse_size(value["from"]), parse_size(value["to"])
    return _range(start, end, _factor(value.get("factor", 2)), f"{value['from']}..{value['to']}")


def _factor(value: Any) -> float:
    try:
        factor = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        factor = 0.0
    if not 1 < factor < 1e18:
        raise InputError(f"{shown(value)}: the factor of a range must be a number above 1")
    return factor


def _range(start: int, end: int, factor: float, text: str) -> tuple[int, ...]:
    if end < start:
        raise InputError(f"{shown(text)}: the range ends below its start")
    sizes = [start]
    while (following := int(sizes[-1] * factor)) <= end and len(sizes) <= MAX_SIZES:
        if following == sizes[-1]:
            raise InputError(f"{shown(text)}: the factor {factor:g} does not move {start} B; take a larger one")
        sizes.append(following)
    if len(sizes) > MAX_SIZES:
        raise InputError(f"{shown(text)}: more than {MAX_SIZES} sizes; take a larger factor")
    return tuple(sizes)
