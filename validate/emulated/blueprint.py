"""What is to be built, as plain numbers that one process can hand to another."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property


@dataclass(frozen=True)
class Blueprint:
    """A fabric for namespaces. Nodes 0..n-1 carry a rank each; cable i joins two nodes by links 2i (first to second) and 2i+1."""

    labels: tuple[str, ...]  #: of each node
    endpoints: int
    ends: tuple[tuple[int, int], ...]  #: the two nodes of each cable
    rates: tuple[float, ...]  #: of each link, bytes/s on the wire
    routes: tuple[
        tuple[int, int, tuple[int, ...], int], ...
    ]  #: (node, destination, links, source or -1): several links, one hash
    leaves: tuple[tuple[int, int, int], ...]  #: (link, source, destination) of the flows that share a link fairly
    queues: str  #: "fair" or "fifo"
    seed: int  #: of the kernel's hash

    @property
    def nodes(self) -> int:
        return len(self.labels)

    def interface(self, link: int) -> tuple[int, int]:
        """The node and the interface at the head of a link."""
        cable, side = divmod(link, 2)
        return self.ends[cable][side], self._numbers[cable][side]

    @property
    def leaving(self) -> list[int]:
        """The links that lead away from endpoints."""
        return [2 * cable + side for cable, ends in enumerate(self.ends) for side in (0, 1) if ends[side] < self.endpoints]

    @cached_property
    def _numbers(self) -> list[tuple[int, int]]:
        """The interface of each cable at its two ends: the n-th cable of a node, in their order, is on p<n>, interface n + 2."""
        count = [2] * self.nodes
        out = []
        for a, b in self.ends:
            out.append((count[a], count[b]))
            count[a] += 1
            count[b] += 1
        return out

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Blueprint:
        told = json.loads(text)
        for key in ("labels", "rates"):
            told[key] = tuple(told[key])
        told["ends"] = tuple((a, b) for a, b in told["ends"])
        told["routes"] = tuple((v, d, tuple(links), s) for v, d, links, s in told["routes"])
        told["leaves"] = tuple((link, s, d) for link, s, d in told["leaves"])
        return Blueprint(**told)


def ip(endpoint: int) -> bytes:
    """The address of an endpoint of an emulated fabric, 10.77.0.1 for the first.

    >>> ip(0)
    b'\\nM\\x00\\x01'
    """
    return bytes((10, 77, 0, endpoint + 1))
