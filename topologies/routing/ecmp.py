"""Equal-cost multi-path: every switch picks among its shortest next hops by a hash of the flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from topologies.fabric import Fabric, Ints, frozen
from topologies.params import Seed
from topologies.paths import Paths, Router
from topologies.routing.pgft import HASH
from topologies.routing.single_path import single_path


def ecmp(fabric: Fabric, *, seed: Seed = 0, queue_pairs: Annotated[int, Ge(1), Le(1024)] = 1, polarised: bool = False) -> Router:
    """Hash-based ECMP over all shortest paths, hop by hop.

    The hash covers source, destination and flow key, and at each switch a salt of its own; `polarised` takes the salt away: all
    switches compute one and the same hash, so that the choice at one hop fixes that at the next. A message is split evenly over
    `queue_pairs` connections, each hashed for itself.
    """
    one = single_path(fabric, HASH, seed=seed, polarised=polarised)
    return one if queue_pairs == 1 else QueuePairs(one, queue_pairs)


@dataclass(frozen=True)
class QueuePairs:
    """Every flow as `count` sub-flows with equal shares and keys key * count + 0 .. count - 1."""

    router: Router
    count: int

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        n = self.count
        keys = np.repeat(key, n) * np.int32(n) + np.tile(np.arange(n, dtype=np.int32), len(key))
        paths = self.router.paths(np.repeat(src, n), np.repeat(dst, n), keys)
        flow = np.repeat(np.arange(len(src)), n)
        return replace(paths, flow=frozen(flow, np.int32), share=frozen(np.full(len(flow), 1 / n), np.float64))
