"""The physical limit: what no schedule, rank map or routing can be faster than on this fabric. Proofs: docs/bounds.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from collectives.collective import Collective, Op
from netsim.bounds.bandwidth import limit
from netsim.bounds.latency import farthest, nearest
from topologies.fabric import Fabric, Ints, frozen

if TYPE_CHECKING:
    from collectives.placement import Placement


@dataclass(frozen=True, eq=False)
class Bound:
    """A time below which the collective cannot be on this fabric, and the cut that says so. Seconds, bytes.

    time = max(latency_time, start + bandwidth_time), bandwidth_time = bytes * per_byte.
    """

    bytes: float
    per_byte: float  #: seconds per byte of the collective that the binding cut needs
    start: float  #: before that, no byte can cross the cut: least latency across it, and the overhead of one message
    latency_time: float  #: between the ranks farthest apart (from the root), and the overhead of one message
    cut: Ints  #: the links of the cut, ascending
    side: Ints  #: the nodes on one side of it; empty where it is a family of cuts
    cut_label: str
    path_label: str
    exact: bool  #: some schedule with routes of its own choice comes as near to bandwidth_time as one likes

    @property
    def bandwidth_time(self) -> float:
        return self.bytes * self.per_byte

    @property
    def time(self) -> float:
        return max(self.latency_time, self.start + self.bandwidth_time)

    @property
    def label(self) -> str:
        """What binds at this size: the cut, or the way between the two ranks farthest apart."""
        return self.cut_label if self.start + self.bandwidth_time >= self.latency_time else self.path_label

    def resized(self, nbytes: float) -> Bound:
        """The bound for another size: the cut that binds does not depend on it."""
        return replace(self, bytes=nbytes)


def lower_bound(fabric: Fabric, collective: Collective, placement: Placement, *, overhead: float = 0.0) -> Bound:
    """The lower bound on the time of a collective whose ranks sit where `placement` says; `overhead` seconds per message.

    With S any set of nodes, N ranks, B⁺(S) the capacity that leaves S: all-gather and reduce-scatter
    max_S |S| (M/N) / B⁺(S); all-reduce the larger of max_S M / B⁺(S) and 2 (g-1) M / Σ B⁺(S_i) over families of g disjoint
    sets that hold all ranks; broadcast and reduce M / min_v maxflow(root, v); all-to-all max_S |S| (N-|S|) (M/N) / B⁺(S) and the
    average hops. Reductions inside switches are not modelled. Raises Unroutable where ranks are not connected.

    >>> from topologies.fat_tree import fat_tree
    >>> from collectives.placement import identity
    >>> fabric = fat_tree(k=4, link=1e9, latency=0.0)
    >>> bound = lower_bound(fabric, Collective(Op.ALL_REDUCE, 16, 1e9), identity(fabric, 16))
    >>> round(bound.time, 9), bound.label, bound.exact
    (1.875, 'NIC of every rank', True)
    """
    endpoints = placement.endpoint
    if len(endpoints) < 2:
        none = frozen([], np.int32)
        return Bound(collective.bytes, 0.0, 0.0, 0.0, none, none, "one rank: nothing to send", "", True)
    rooted = collective.op in (Op.BROADCAST, Op.REDUCE)
    a, b, far = farthest(fabric, endpoints, collective.root, sweeps=1 if rooted else 4)
    found = limit(fabric, collective, endpoints)
    return Bound(
        bytes=collective.bytes,
        per_byte=found.per_byte,
        start=nearest(fabric, endpoints, found.part[endpoints]) + overhead,
        latency_time=far + overhead,
        cut=frozen(found.crossing, np.int32),
        side=frozen(found.side, np.int32),
        cut_label=found.label,
        path_label=f"latency between {fabric.label_of(int(endpoints[a]))} and {fabric.label_of(int(endpoints[b]))}",
        exact=bool(found.exact),
    )
