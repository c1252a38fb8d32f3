"""Numbers in tables of others."""

from __future__ import annotations

from math import isfinite

from topologies.errors import InputError

MOST_BYTES = 10**18  #: of a collective


def microseconds(text: str, column: str, at: str) -> float:
    """Seconds of a time in microseconds. Raises InputError for what is no positive number.

    >>> microseconds("12.5", "time", "x.txt:3")
    1.25e-05
    """
    value = number(text, column, at)
    if not (isfinite(value) and value > 0):
        raise InputError(f"{at}: {column} {text}: must be a positive number of microseconds")
    return value / 1e6


def size(text: str, at: str) -> int:
    """Bytes. Raises InputError for fewer than none, and for more than any machine has.

    >>> size("1048576", "x.txt:3")
    1048576
    """
    value = whole(text, "size", at)
    if not 0 <= value <= MOST_BYTES:
        raise InputError(f"{at}: size {text}: must be from 0 to {MOST_BYTES} bytes")
    return value


def number(text: str, column: str, at: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{at}: {column} {text!r}: not a number") from None


def whole(text: str, column: str, at: str) -> int:
    """A whole number, also one that C has printed as 1e+06."""
    value = number(text, column, at)
    if not isfinite(value) or value != int(value):
        raise InputError(f"{at}: {column} {text}: must be a whole number")
    return int(text) if text.lstrip("-").isdigit() else int(value)
