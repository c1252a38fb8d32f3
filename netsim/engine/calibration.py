"""What measurements add to the fluid model: values in SI, nothing fitted here and nothing read from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import numpy as np

from topologies.fabric import Floats, frozen


class Piece(NamedTuple):
    """A message of at most `up_to` bytes, and more than the piece before has, waits seconds + bytes / rate."""

    up_to: float
    seconds: float
    rate: float = inf


@dataclass(frozen=True)
class Calibration:
    """Parameters of the model that only a measurement can tell. Left out: the fluid model as it is.

    `overhead`: pieces by ascending `up_to`, the last up to inf. `efficiency`, `duplex`: class of links -> value; a class is
    `host→leaf` (one direction), `host-leaf` (both) or `all`, and the narrower one counts. A link has efficiency (0..1] times its
    capacity; the two directions of a cable together carry at most duplex (1..2) times what each can carry, 2 being full duplex.
    `reduction`: bytes/s at which what arrives is added to what is there; a message that is added waits so much longer before it
    starts, which takes a round as long as adding afterwards would.

    >>> calibration = Calibration(overhead=(Piece(1024, 2e-6), Piece(inf, 5e-6, 1e9)), reduction=1e9)
    >>> calibration.wait(np.array([1024.0, 2000.0]), added=np.array([0.0, 2000.0])).round(9).tolist()
    [2e-06, 9e-06]
    """

    overhead: tuple[Piece, ...] = ()
    efficiency: Mapping[str, float] = field(default_factory=dict)
    duplex: Mapping[str, float] = field(default_factory=dict)
    reduction: float = inf
    source: str = ""  #: what measured them: a target such as "emulated", whose hosts are not those of a cluster
    fitted_on: tuple[tuple[str, str, int], ...] = ()  #: name, schedule and bytes of the measurements behind the values

    @property
    def waits(self) -> bool:
        """Whether messages wait at all."""
        return bool(self.overhead) or self.reduction < inf

    def wait(self, nbytes: Floats, added: Floats) -> Floats:
        """Seconds that messages of `nbytes` wait at their ends, of which `added` bytes are added to a buffer."""
        seconds = added / self.reduction
        if self.overhead:
            up_to, fixed, rate = np.array(self.overhead, dtype=np.float64).T
            piece = np.searchsorted(up_to, nbytes, side="left")
            seconds = seconds + fixed[piece] + nbytes / rate[piece]
        return frozen(seconds, np.float64)
