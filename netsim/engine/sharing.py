"""Who gets how much of a full link."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from topologies.errors import InputError
from topologies.fabric import Ints
from topologies.paths import Paths, Router

_UNIT = 1e-6  # seconds that count as weight 1: any constant would do


@dataclass(frozen=True)
class ByLatency:
    """Rows share a full link in inverse proportion to the latency of their paths, as TCP does and as SimGrid's CM02 assumes.

    Weighted max-min is plain max-min in other units: with rate x = r·latency, a row of `bytes·latency` that uses each link
    `1/latency` as much.
    """

    router: Router

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        paths = self.router.paths(src, dst, key)
        if not paths.latency.all():
            raise InputError("sharing: inverse-latency needs links with latency; give latency: or take sharing: equal")
        weight = paths.latency / _UNIT
        use = (1.0 if paths.use is None else paths.use) / np.repeat(weight, np.diff(paths.offsets))
        return replace(paths, use=use, share=weight if paths.share is None else paths.share * weight)
