"""From points to parameters: least squares on relative errors, no parameter below zero, pieces where they pay.

A round takes  latency + o + m·g + d·(1 + e) + d·h [both directions] + m·r [added],
m: bytes of a message, d: seconds that the slowest link needs at its capacity; o and g by the piece that m is in, e and h by the
class of that link, r for all. efficiency = 1/(1 + e), duplex = 2/(1 + h/(1 + e)), rate of a piece 1/g, of reduction 1/r.
All of it is linear in what is sought, so that non-negative least squares (Lawson & Hanson, 1974) finds the best; all ways to cut
sizes into pieces are tried, and the one of the least Bayesian information criterion (Schwarz, 1978) is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from netsim.engine.calibration import Calibration, Piece
from topologies.errors import InputError
from validate.calibrate.points import Point

Floats = NDArray[np.float64]
Key = tuple[str, int | str]  #: of a parameter: ("time", 0), ("per byte", 0), ("slower", "host-leaf"), ("half", …), ("adding", "")
Interval = tuple[float, float]

MOST_PIECES = 3
_FEWEST = 3  # sizes in a piece
_NEW = 1e-2  # part of a column that must be no sum of others
_EXACT = 1e-4  # relative error below which a fit need not be better
_SAMPLES, _OUTSIDE = 200, 5  # of which so many lie below, and above, an interval of 95 %
_FREE = 1e-16  # seconds a byte that are no cost: 10 PB/s


@dataclass(frozen=True)
class Fit:
    """Parameters, 95 % intervals of them, and how well they say what was measured."""

    calibration: Calibration
    time: tuple[Interval, ...]  #: of each piece
    rate: tuple[Interval, ...]
    efficiency: Mapping[str, Interval]
    duplex: Mapping[str, Interval]
    reduction: Interval | None
    residuals: tuple[float, ...]  #: fitted/measured - 1 of each point
    r2: float  #: part of the variance of the measured times that is explained

    @property
    def median(self) -> float:
        return float(np.median(np.abs(self.residuals)))

    @property
    def worst(self) -> float:
        return float(np.max(np.abs(self.residuals)))


@dataclass(frozen=True, eq=False)
class _Model:
    """A linear model of the points: columns by parameter, in seconds per unit of it."""

    breaks: tuple[float, ...]
    columns: Mapping[Key, Floats]

    @property
    def matrix(self) -> Floats:
        return np.stack(list(self.columns.values()), axis=1)


def fit(points: Sequence[Point], *, credit: bool = False, most_pieces: int = MOST_PIECES, seed: int = 0) -> Fit:
    """The parameters that say best what was measured. The same points and seed give the same parameters.

    `credit`: links let a little through at once after a pause (token buckets), so that a message may be done a constant time too
    early; that constant is estimated and dropped, and there is one piece. Give large messages only (20 bursts and more).

    Raises InputError for fewer than three sizes: a line through two points is no measurement.
    """
    sizes = sorted({p.message for p in points})
    if len(sizes) < _FEWEST:
        raise InputError(f"calibration: {len(sizes)} sizes of messages; at least {_FEWEST} are needed")
    seconds = np.array([p.seconds for p in points])
    wires = np.array([p.latency + p.drain for p in points])
    models = (_model(points, breaks, credit) for breaks in _breaks(sizes, 1 if credit else most_pieces))
    solved = [(_criterion(model, wires, seconds), model) for model in models]
    model = min(solved, key=lambda found: found[0])[1]
    found = _solve(model, wires, seconds)
    fitted = wires + model.matrix @ found
    error = fitted / seconds - 1
    rng = np.random.default_rng(seed)
    drawn = [_solve(model, wires, fitted / (1 + rng.choice(error, len(error)))) for _ in range(_SAMPLES)]
    samples = np.array(drawn)
    spread = float(((seconds - seconds.mean()) ** 2).sum())
    r2 = 1 - float(((seconds - fitted) ** 2).sum()) / spread if spread else 1.0
    return _named(points, model, found, samples, tuple(error.tolist()), r2)


def _breaks(sizes: Sequence[float], most: int) -> Iterator[tuple[float, ...]]:
    """Largest sizes of all pieces but the last, every way to cut that leaves each piece some sizes."""
    for pieces in range(1, most + 1):
        for cut in combinations(range(_FEWEST - 1, len(sizes) - _FEWEST), pieces - 1):
            if all(b - a >= _FEWEST for a, b in pairwise(cut)):
                yield tuple(sizes[c] for c in cut)


def _model(points: Sequence[Point], breaks: tuple[float, ...], credit: bool) -> _Model:
    """The columns that the points can tell apart; of a message's bytes and its wire's the wire comes first."""
    message, drain, seconds = (np.array([getattr(p, key) for p in points]) for key in ("message", "drain", "seconds"))
    both, added = (np.array([getattr(p, key) for p in points], dtype=np.bool_) for key in ("both", "added"))
    piece = np.searchsorted(np.array(breaks), message, side="left")
    own = [p.between for p in points]
    candidates: list[tuple[Key, Floats]] = [(("time", j), (piece == j) * 1.0) for j in range(len(breaks) + 1)]
    for between in dict.fromkeys(own):
        here = np.array([b == between for b in own])
        candidates += [(("slower", between), drain * here), (("half", between), drain * (here & both))]
    candidates.append((("adding", ""), message * added))
    candidates += [(("per byte", j), message * (piece == j)) for j in range(len(breaks) + 1)]
    columns: dict[Key, Floats] = {}
    for key, column in candidates:
        if _tells(column / seconds, [c / seconds for c in columns.values()]):
            columns[key] = column
    if credit:
        columns["credit", ""] = -np.ones(len(points))
    return _Model(breaks, columns)


def _tells(column: Floats, others: Sequence[Floats]) -> bool:
    """Whether a column is no sum of the others."""
    size = float(np.linalg.norm(column))
    if not others or not size:
        return size > 0
    basis = np.stack([other / np.linalg.norm(other) for other in others], axis=1)
    rest = column - basis @ np.linalg.lstsq(basis, column, rcond=None)[0]
    return float(np.linalg.norm(rest)) > _NEW * size


def _solve(model: _Model, wires: Floats, seconds: Floats) -> Floats:
    """The parameters, none negative, of least relative error."""
    from scipy.optimize import nnls

    weighted = model.matrix / seconds[:, None]
    scale = np.linalg.norm(weighted, axis=0)
    found: Floats = nnls(weighted / scale, 1 - wires / seconds)[0] / scale
    return found


def _criterion(model: _Model, wires: Floats, seconds: Floats) -> float:
    """The Bayesian information criterion; a break counts as a parameter."""
    error = (wires + model.matrix @ _solve(model, wires, seconds)) / seconds - 1
    n = len(seconds)
    return float(n * np.log((error**2).mean() + _EXACT**2) + (len(model.columns) + len(model.breaks)) * np.log(n))


def _named(
    points: Sequence[Point], model: _Model, found: Floats, samples: Floats, residuals: tuple[float, ...], r2: float
) -> Fit:
    """The parameters by their names in the scenario, with the interval of each."""
    drawn = dict(zip(model.columns, np.vstack([found, samples]).T, strict=True))  # of each the best, then the samples
    nothing: Floats = np.zeros(1 + len(samples))

    def value(name: str, of: int | str = "") -> Floats:
        found: Floats = drawn.get((name, of), nothing)
        return found

    pieces = range(len(model.breaks) + 1)
    time = [_with_interval(np.maximum(value("time", j) - value("credit"), 0.0)) for j in pieces]
    rate = [_with_interval(_inverse(value("per byte", j))) for j in pieces]
    slower = {b: _with_interval(1 / (1 + value("slower", b))) for k, b in drawn if k == "slower"}
    half = {b: _with_interval(_duplex(value("slower", b), value("half", b))) for k, b in drawn if k == "half"}
    adding = _with_interval(_inverse(value("adding"))) if ("adding", "") in drawn else None
    ends = (*model.breaks, inf)
    calibration = Calibration(
        overhead=tuple(Piece(end, t, r) for end, (t, _), (r, _) in zip(ends, time, rate, strict=True)),
        efficiency={str(b): v for b, (v, _) in slower.items()},
        duplex={str(b): v for b, (v, _) in half.items()},
        reduction=adding[0] if adding else inf,
        fitted_on=tuple((p.name, p.by, int(p.bytes)) for p in points),
    )
    return Fit(
        calibration,
        tuple(i for _, i in time),
        tuple(i for _, i in rate),
        {str(b): i for b, (_, i) in slower.items()},
        {str(b): i for b, (_, i) in half.items()},
        adding[1] if adding and adding[0] < inf else None,
        residuals,
        r2,
    )


def _with_interval(drawn: Floats) -> tuple[float, Interval]:
    """The first, and where 95 % of the others are."""
    others = np.sort(drawn[1:])
    return float(drawn[0]), (float(others[_OUTSIDE]), float(others[-1 - _OUTSIDE]))


def _inverse(per_byte: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.where(per_byte > _FREE, 1 / per_byte, inf)


def _duplex(slower: Floats, half: Floats) -> Floats:
    """What both directions carry together; not less than one of them alone."""
    return np.maximum(2 / (1 + half / (1 + slower)), 1.0)
