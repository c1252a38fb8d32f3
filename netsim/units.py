"""Units, at the edge only: inside everything is bytes, bytes per second, seconds.

Sizes are 1024-based however they are spelt (128M = 128MB = 128MiB), as nccl-tests reads `-e 128M`. Rates are decimal, a small
b for bits and a capital B for bytes: 400Gbit/s = 400Gb/s = 50GB/s. A bare number is never a quantity.
"""

from __future__ import annotations

import re
from decimal import Decimal

from topologies.errors import InputError

_PREFIX = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_BITS = ("bit/s", "b/s", "bps")

#: unit as written -> bytes
SIZES = {f"{p}{b}": 1024**n for p, n in _PREFIX.items() for b in ("B", "iB", "") if p or b == "B"}
#: unit as written -> bytes per second
RATES = {f"{p}{b}": Decimal(1000**n) / 8 for p, n in _PREFIX.items() for b in _BITS}
RATES |= {f"{p}B/s": Decimal(1000**n) for p, n in _PREFIX.items()}
#: unit as written -> seconds
TIMES = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6")}
TIMES |= {"ns": Decimal("1e-9"), "ps": Decimal("1e-12")}

MAX_SECONDS = 30 * 86400

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?)\s*([A-Za-zµμ/]*)\s*", re.ASCII)


def parse_size(text: object) -> int:
    """Bytes of a size; must be a whole number of bytes and at least one.

    >>> parse_size("1MiB"), parse_size("128M"), parse_size("0.5KiB")
    (1048576, 134217728, 512)
    """
    value = _quantity(text, SIZES, "size", "1MiB")
    if value <= 0:
        raise InputError(f"{text}: a size must be at least 1B")
    if value != int(value) or value >= 2**63:
        raise InputError(f"{text}: a size is a whole number of bytes below 2^63")
    return int(value)


def parse_rate(text: object) -> float:
    """Bytes per second.

    >>> parse_rate("400Gbit/s"), parse_rate("450GB/s")
    (50000000000.0, 450000000000.0)
    """
    return float(_quantity(text, RATES, "rate", "400Gbit/s"))


def parse_time(text: object) -> float:
    """Seconds.

    >>> parse_time("500ns"), parse_time("1.5 us")
    (5e-07, 1.5e-06)
    """
    value = _quantity(text, TIMES, "time", "500ns")
    if abs(value) > MAX_SECONDS:
        raise InputError(f"{text}: longer than a month; write it like 500ns")
    return float(value)


def _quantity(text: object, units: dict[str, Decimal] | dict[str, int], noun: str, example: str) -> Decimal:
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        raise InputError(f"{text}: a {noun} needs a unit; write {_suggestion(text, noun)}")
    if not isinstance(text, str) or len(text) > 64:
        raise InputError(f"{_short(text)}: not a {noun}; write it like {example}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r}: not a {noun}; write it like {example}")
    number, unit = match.groups()
    if not unit:
        raise InputError(f"{text}: a {noun} needs a unit; write {_suggestion(float(number), noun)}")
    if unit not in units:
        raise InputError(f"{text}: {unit!r} is not a unit of a {noun}; write it like {example}")
    return Decimal(number) * units[unit]


def _suggestion(number: float, noun: str) -> str:
    return f"{number:.12g}" + {"size": "B", "rate": "Gbit/s", "time": "ns"}[noun]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def format_size(nbytes: float) -> str:
    """The shortest exact way to write a size.

    >>> format_size(2**30), format_size(1536), format_size(1000)
    ('1GiB', '1.5KiB', '1000B')
    """
    for unit, scale in (("PiB", 2**50), ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        number = round(Decimal(nbytes) / scale, 6)
        if number >= 1 and number * scale == nbytes:
            return f"{number.normalize():f}{unit}"
    return f"{_digits(nbytes)}B"


def format_rate(rate: float) -> str:
    """A rate in bits per second, such that it reads back as the same number.

    >>> format_rate(50e9), format_rate(450e9)
    ('400Gbit/s', '3.6Tbit/s')
    """
    return _format(rate, [("Tbit/s", "1.25e11"), ("Gbit/s", "1.25e8"), ("Mbit/s", "1.25e5"), ("bit/s", "0.125")], "B/s")


def format_time(seconds: float) -> str:
    """A time, such that it reads back as the same number.

    >>> format_time(5e-7), format_time(0.011), format_time(0.0)
    ('500ns', '11ms', '0s')
    """
    return _format(seconds, [("s", "1"), ("ms", "1e-3"), ("us", "1e-6"), ("ns", "1e-9")], "s")


def _format(value: float, units: list[tuple[str, str]], base: str) -> str:
    if value == 0:
        return f"0{base}"
    unit, scale = next(((u, s) for u, s in units if abs(value) >= float(s) * (1 - 1e-12)), units[-1])
    for digits in (3, 6, 9, 12, 15):
        text = f"{float(Decimal(value) / Decimal(scale)):.{digits}g}"
        if float(Decimal(text) * Decimal(scale)) == value:
            return f"{_digits(float(text))}{unit}"
    return f"{value!r}{base}"


def _digits(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
