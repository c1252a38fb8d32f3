"""Link load as a colour."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.colors import BoundaryNorm, Colormap, LogNorm, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

_UNUSED = "#f4f4f4"


class Scale:
    """Load → colour, the same for all panels: a colour for each count while counts are few, else a ramp, by decades if wide."""

    def __init__(self, loads: Sequence[NDArray[np.float64]]) -> None:
        values = np.concatenate([load.ravel() for load in loads])
        used = values[values > 0]
        self.top = float(used.max(initial=1.0))
        self.colours: Colormap = matplotlib.colormaps["viridis_r"].with_extremes(bad=_UNUSED)
        self.norm: Normalize
        if self.top <= 10 and bool((used == np.rint(used)).all()):
            self.ticks = list(np.arange(1.0, max(self.top, 2.0) + 1))
            self.norm = BoundaryNorm([0.5, *(tick + 0.5 for tick in self.ticks)], self.colours.N)
        elif self.top / used.min(initial=self.top) > 20:
            low = float(used.min())
            self.ticks = _round_ticks(low, self.top)
            self.norm = LogNorm(low, self.top)
        else:
            self.ticks = [t for t in MaxNLocator(6).tick_values(0, self.top) if 0 <= t <= self.top]
            self.norm = Normalize(0, self.top)

    def ink(self, load: float) -> str:
        """Black or white, whichever reads on the colour of this load."""
        red, green, blue, _ = self.colours(self.norm(load))
        return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"


def _round_ticks(low: float, high: float) -> list[float]:
    """Powers of two between, thinned to at most eight."""
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    return list(powers[:: -(-len(powers) // 8)])
