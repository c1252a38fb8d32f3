"""Which links a message takes: `Paths`, and the `Router` protocol that makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Floats, Ints, frozen


@dataclass(frozen=True, eq=False)
class Paths:
    """The links of many flows as CSR, one row per sub-flow.

    Row `i` belongs to flow `flow[i]`, carries `share[i]` of its bytes and runs over `links[offsets[i]:offsets[i+1]]`.
    `use` (same length as `links`) is the fraction of the row's bytes that crosses each link: 1 on a single path, 1/k on each
    of k sprayed paths. Rows of one flow are adjacent and ascending; sub-flows are independent connections (queue pairs), each
    with its own fair share; what is sprayed inside a row goes at one common rate, that of its slowest path.

    `width` int32 (same length as `links`): an entry of width k stands for the k links side by side l, l+2, .. l+2(k-1), each of
    which carries what this one does, now and always: spray over a fat-tree needs two entries a level, not one for each cable.

    `latency` float64[rows] is that of the longest path in the row. `flow is None` and `share is None` mean one row per flow,
    `use is None` means 1 everywhere: the common case costs nothing.
    """

    offsets: NDArray[np.int64]
    links: Ints
    latency: Floats
    use: Floats | None = None
    flow: Ints | None = None
    share: Floats | None = None
    width: Ints | None = None

    @property
    def n_rows(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> Ints:
        return self.links[self.offsets[i] : self.offsets[i + 1]]

    def row_of_link(self) -> NDArray[np.int64]:
        """The row that each entry of `links` belongs to."""
        return np.repeat(np.arange(self.n_rows), np.diff(self.offsets))

    def unbundled(self) -> Paths:
        """The same with an entry for every link: no `width`."""
        if self.width is None:
            return self
        first = np.cumsum(self.width) - self.width
        nth = np.arange(int(self.width.sum())) - np.repeat(first, self.width)
        ends = np.concatenate(([0], np.cumsum(self.width)))
        return replace(
            self,
            offsets=frozen(ends[self.offsets], np.int64),
            links=frozen(np.repeat(self.links, self.width) + 2 * nth, np.int32),
            use=None if self.use is None else frozen(np.repeat(self.use, self.width), np.float64),
            width=None,
        )

    @staticmethod
    def single(fabric: Fabric, offsets: NDArray[np.int64], links: Ints) -> Paths:
        """One path per flow; the latency is the sum along it."""
        hops = np.diff(offsets)
        if fabric.n_links and (fabric.latency == fabric.latency[0]).all():
            latency = hops * fabric.latency[0]
        else:  # reduceat gives the next row's first element for an empty row: mask those
            latency = np.add.reduceat(np.append(fabric.latency[links], 0.0), offsets[:-1]) * (hops > 0)
        return Paths(frozen(offsets, np.int64), frozen(links, np.int32), frozen(latency, np.float64))


class Router(Protocol):
    """Anything that answers which links the flows take. Endpoints by number; `key` tells apart flows of one pair (channel)."""

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        """Paths of the flows src[i]→dst[i]; all three int32 of one length, src[i] != dst[i]. Raises Unroutable."""
        ...
