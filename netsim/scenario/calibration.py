"""Parameters of the model as a person or `netsim calibrate` writes them: in a scenario, or in a file that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Len
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, WrapValidator

from netsim.engine.calibration import Calibration, Piece
from netsim.scenario.source import read
from netsim.scenario.wording import Written, as_written, fault, fault_at, lines, shown
from netsim.units import format_rate, format_size, format_time, parse_rate, parse_size, parse_time
from topologies.errors import InputError


def _quantity(read_it: Any, example: str, *bounds: Any) -> Any:
    schema = WithJsonSchema({"type": "string", "examples": [example]})
    return Annotated[(float, *bounds, WrapValidator(as_written(read_it)), schema)]


Time: Any = _quantity(parse_time, "2us", Ge(0))
Rate: Any = _quantity(parse_rate, "10GB/s", Gt(0))
Size: Any = _quantity(parse_size, "64KiB")
_Pair = Len(2, 2)


class PieceText(Written):
    """What messages of some sizes wait at their ends: time + size / rate."""

    up_to: Size | None = Field(default=None, description="the largest message that it is for; the last piece has none")
    time: Time = Field(default=0.0, description="default: 0s")
    rate: Rate | None = Field(default=None, description="default: none, sizes cost nothing")
    time_interval: Annotated[list[Time], _Pair] | None = Field(default=None, description="95 % confidence")
    rate_interval: Annotated[list[Rate], _Pair] | None = Field(default=None, description="95 % confidence")


def _bare(value: Any) -> Any:
    return value if isinstance(value, dict) else {"value": value}


class EfficiencyText(Written):
    """The part of a link's capacity that messages can use."""

    value: Annotated[float, Gt(0), Le(1)]
    interval: Annotated[list[float], _Pair] | None = Field(default=None, description="95 % confidence")


class DuplexText(Written):
    """What both directions of a cable carry together, in units of what each can carry."""

    value: Annotated[float, Ge(1), Le(2)]
    interval: Annotated[list[float], _Pair] | None = Field(default=None, description="95 % confidence")


class ReductionText(Written):
    """How fast what arrives is added to what is there."""

    value: Rate
    interval: Annotated[list[Rate], _Pair] | None = Field(default=None, description="95 % confidence")


def _ascending(pieces: list[PieceText]) -> list[PieceText]:
    """Pieces by size, the last one open."""
    if not pieces:
        raise fault("an empty list: give at least one piece")
    for n, piece in enumerate(pieces):
        if (piece.up_to is None) != (n == len(pieces) - 1):
            raise fault_at((n,), "up_to: missing" if piece.up_to is None else "up_to: the last piece is for all larger messages")
        if n and piece.up_to is not None and piece.up_to <= pieces[n - 1].up_to:
            raise fault_at((n, "up_to"), f"{format_size(piece.up_to)}: must be more than that of the piece before")
    return pieces


_BY_CLASS = "; by class of links: host→leaf, host-leaf (both directions) or all"


class CalibrationText(Written):
    """Parameters that only a measurement can tell."""

    overhead: Annotated[list[PieceText], AfterValidator(_ascending)] | None = Field(
        default=None, description="what a message waits at its ends, piecewise by its size, beside the scenario's `overhead`"
    )
    efficiency: dict[str, Annotated[EfficiencyText, BeforeValidator(_bare)]] | None = Field(
        default=None, description="usable part of the capacity, up to 1" + _BY_CLASS
    )
    duplex: dict[str, Annotated[DuplexText, BeforeValidator(_bare)]] | None = Field(
        default=None, description="what both directions carry together, 1 to 2 (full duplex)" + _BY_CLASS
    )
    reduction: Annotated[ReductionText | None, BeforeValidator(lambda v: v if v is None else _bare(v))] = Field(
        default=None, description="rate at which what arrives is added to what is there"
    )
    date: str | None = Field(default=None, description="when it was measured")
    source: str | None = Field(default=None, description="what measured it")
    where: dict[str, Any] | None = Field(default=None, description="hardware and settings")
    residuals: dict[str, Any] | None = Field(default=None, description="how far the fit is from what was measured")
    fitted_on: list[Annotated[tuple[str, str, Size], Field(strict=False)]] | None = Field(
        default=None, description="name, schedule and size of each measurement behind the values: not to be validated with"
    )

    @property
    def values(self) -> Calibration:
        """The parameters in SI."""
        pieces = [Piece(p.up_to or inf, p.time, p.rate or inf) for p in self.overhead or ()]
        return Calibration(
            overhead=tuple(pieces),
            efficiency={name: e.value for name, e in (self.efficiency or {}).items()},
            duplex={name: d.value for name, d in (self.duplex or {}).items()},
            reduction=self.reduction.value if self.reduction else inf,
            source=self.source or "",
            fitted_on=tuple((name, by, int(size)) for name, by, size in self.fitted_on or ()),
        )


def _named(value: Any) -> Any:
    if not isinstance(value, (str, dict, CalibrationText)):
        raise fault(f"{shown(value)}: must be the name of a parameter file, or a mapping of parameters")
    return value


CalibrationOrFile = Annotated[str | CalibrationText, BeforeValidator(_named)]


def read_calibration(path: str | Path) -> CalibrationText:
    """The parameters in a file. Raises InputError with one line per fault, each with its place in that file."""
    source = read(path, "a parameter file", "overhead: and efficiency:")
    try:
        return CalibrationText.model_validate(source.data)
    except ValidationError as error:
        raise InputError("\n".join(lines(error, source))) from None


def written(calibration: Calibration) -> dict[str, Any]:
    """The parameters as a scenario would say them, without what is known about them."""
    out: dict[str, Any] = {}
    if calibration.overhead:
        out["overhead"] = [dict(_piece(piece)) for piece in calibration.overhead]
    for key, values in (("efficiency", calibration.efficiency), ("duplex", calibration.duplex)):
        if values:
            out[key] = _plain(values)
    return out | ({"reduction": format_rate(calibration.reduction)} if calibration.reduction < inf else {})


def _piece(piece: Piece) -> Iterator[tuple[str, str]]:
    if piece.up_to < inf:
        yield "up_to", format_size(piece.up_to)
    yield "time", format_time(piece.seconds)
    if piece.rate < inf:
        yield "rate", format_rate(piece.rate)


def _plain(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
