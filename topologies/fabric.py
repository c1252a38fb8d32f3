"""What the wires are: nodes, directed links, capacities, latencies, as arrays that nobody can write to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.registry import did_you_mean

if TYPE_CHECKING:
    import networkx

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


class NodeKind(IntEnum):
    """What a node is."""

    ENDPOINT = 0  #: the GPU or host that a rank sits on
    SWITCH = 1  #: a network switch
    NIC = 2  #: a network adapter inside a server
    NVSWITCH = 3  #: the switch (or the mesh seen as one) between the GPUs of a server
    PCIE = 4  #: a PCIe switch or host bridge inside a server


def frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """A contiguous array of `dtype` that cannot be written to (a view where nothing has to change)."""
    array = np.ascontiguousarray(values, dtype=dtype).view()
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Fabric:
    """A network as arrays. Links `2i` and `2i+1` are the two directions of cable `i`; endpoints are nodes `0..n-1`.

    `src, dst` int32[links], `capacity` float64[links] in bytes/s, `latency` float64[links] in seconds,
    `kind` uint8[nodes] (NodeKind), `tier` int8[nodes] (0 for endpoints, rising towards the core),
    `group` int32[nodes] (pod, leaf, rail or dragonfly group: whatever the topology calls a neighbourhood; -1 for none).
    `shape` holds the parameters of a topology that has closed forms (what its routers and placements read).
    Labels are computed, not stored: `label_of(node)`.
    """

    name: str
    n_endpoints: int
    src: Ints
    dst: Ints
    capacity: Floats
    latency: Floats
    kind: NDArray[np.uint8]
    tier: NDArray[np.int8]
    group: Ints
    label_of: Callable[[int], str] = field(repr=False)
    tier_names: tuple[str, ...] = ("host", "switch")
    shape: Any = None
    default_router: str = "min-hop"
    faulted_router: str | None = None  #: the default once cables are missing, where `default_router` cannot go around them
    intact: bool = True  #: False once a cable was taken out: closed-form routes no longer hold
    notes: tuple[str, ...] = ()  #: what a reader of a dump left out and why; printed once on stderr
    server_size: int = 1  #: consecutive endpoints that share a server
    cable_was: Ints | None = None  #: the number that each cable had before cables were pulled; None: none were

    @staticmethod
    def build(
        name: str,
        n_endpoints: int,
        cable_ends: tuple[Any, Any],
        capacity: Any,
        latency: Any,
        tier: Any,
        *,
        kind: Any = None,
        group: Any = None,
        label_of: Callable[[int], str] | None = None,
        **rest: Any,
    ) -> Fabric:
        """A fabric from cables: `cable_ends` = (a, b), `capacity` and `latency` scalars or one per cable (both directions alike).

        Link `2i` runs a→b (for trees: up), link `2i+1` b→a. `kind` defaults to ENDPOINT below `n_endpoints`, SWITCH above.
        """
        a, b = (np.asarray(end, dtype=np.int32) for end in cable_ends)
        links = np.empty((2, 2 * len(a)), dtype=np.int32)
        links[0, 0::2], links[0, 1::2] = a, b
        links[1, 0::2], links[1, 1::2] = b, a
        n_nodes = len(tier)
        if kind is None:
            kind = np.full(n_nodes, NodeKind.SWITCH, dtype=np.uint8)
            kind[:n_endpoints] = NodeKind.ENDPOINT

        def both(x: Any) -> Floats:
            return np.repeat(np.broadcast_to(np.asarray(x, dtype=np.float64), len(a)), 2)

        return Fabric(
            name=name,
            n_endpoints=n_endpoints,
            src=frozen(links[0], np.int32),
            dst=frozen(links[1], np.int32),
            capacity=frozen(both(capacity), np.float64),
            latency=frozen(both(latency), np.float64),
            kind=frozen(kind, np.uint8),
            tier=frozen(tier, np.int8),
            group=frozen(np.full(n_nodes, -1) if group is None else group, np.int32),
            label_of=label_of or (lambda v: f"h{v}" if v < n_endpoints else f"s{v - n_endpoints}"),
            **rest,
        )

    @property
    def n_nodes(self) -> int:
        return len(self.tier)

    @property
    def n_links(self) -> int:
        return len(self.src)

    @property
    def n_cables(self) -> int:
        return len(self.src) // 2

    @property
    def n_switches(self) -> int:
        return int(np.count_nonzero(self.kind == NodeKind.SWITCH))

    @cached_property
    def out_links(self) -> tuple[NDArray[np.int64], Ints]:
        """Links by source node as CSR: `(offsets int64[nodes+1], links int32[links])`, links of a node ascending."""
        order = np.argsort(self.src, kind="stable").astype(np.int32)
        offsets = np.zeros(self.n_nodes + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.src, minlength=self.n_nodes), out=offsets[1:])
        return frozen(offsets, np.int64), frozen(order, np.int32)

    @cached_property
    def leaf_of(self) -> Ints:
        """The node at the other end of each endpoint's first cable: int32[n_endpoints]; -1 for an endpoint without one."""
        leaf = np.full(self.n_endpoints, -1, dtype=np.int32)
        first = np.flatnonzero(self.src < self.n_endpoints)[::-1]  # reversed: the lowest link id is written last and stays
        leaf[self.src[first]] = self.dst[first]
        return frozen(leaf, np.int32)

    @cached_property
    def _parallel(self) -> NDArray[np.int32]:
        """For each cable its number among the cables between the same two nodes, or -1 where it is the only one."""
        low, high = np.minimum(self.src[::2], self.dst[::2]), np.maximum(self.src[::2], self.dst[::2])
        key = low.astype(np.int64) * self.n_nodes + high
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
        counts = np.diff(np.r_[starts, len(key)])
        number = np.arange(len(key)) - np.repeat(starts, counts)
        out = np.empty(len(key), dtype=np.int32)
        out[order] = np.where(np.repeat(counts, counts) > 1, number, -1)
        return out

    def link_label(self, link: int) -> str:
        """`leaf0→spine1`, with `#2` behind it where several cables run in parallel."""
        nth = int(self._parallel[link // 2])
        return f"{self.label_of(int(self.src[link]))}→{self.label_of(int(self.dst[link]))}" + (f"#{nth}" if nth >= 0 else "")

    def cable_label(self, cable: int) -> str:
        """`leaf0-spine1`, with `#2` behind it where several cables run in parallel."""
        return self.link_label(2 * cable).replace("→", "-")

    @cached_property
    def node_ids(self) -> dict[str, int]:
        """Node number by label."""
        return {self.label_of(v): v for v in range(self.n_nodes)}

    def cables_named(self, name: str) -> list[int]:
        """The cables between two nodes, `leaf0-spine1` (all parallel ones) or `leaf0-spine1#0` (that one), ends in either order.

        Raises InputError with the nearest node name where an end is not known, and where no cable runs between the two.
        """
        pair, _, nth = name.partition("#")
        splits = [(pair[:i], pair[i + 1 :]) for i, c in enumerate(pair) if c == "-"]
        ends = next(((a, b) for a, b in splits if a in self.node_ids and b in self.node_ids), None)
        if ends is None:
            wrong = next((end for split in splits for end in split if end not in self.node_ids), name)
            raise InputError(f"cable {name!r}: no node {wrong!r}{did_you_mean(wrong, list(self.node_ids)[:20000])}")
        a, b = (self.node_ids[end] for end in ends)
        up, down = self.src[::2], self.dst[::2]
        found = np.flatnonzero(((up == a) & (down == b)) | ((up == b) & (down == a)))
        if nth:
            found = found[self._parallel[found] == int(nth)] if nth.isdigit() else found[:0]
        if not len(found):
            raise InputError(f"cable {name!r}: no such cable in {self.name}")
        return [int(c) for c in found]

    def without(self, cables: Iterable[int]) -> Fabric:
        """The same fabric with these cables pulled; link ids close up, closed-form routers no longer apply, and a default that is
        one gives way to `faulted_router`.

        A shape that holds a fabric itself (servers around a network) has a `without` of its own, and is told.
        """
        gone = np.zeros(self.n_cables, dtype=bool)
        gone[list(cables)] = True
        if not gone.any():
            return self
        keep = np.repeat(~gone, 2)
        kept: dict[str, Any] = {
            f: frozen(getattr(self, f)[keep], getattr(self, f).dtype) for f in ("src", "dst", "capacity", "latency")
        }
        was = np.arange(self.n_cables) if self.cable_was is None else self.cable_was
        kept["cable_was"] = frozen(was[~gone], np.int32)
        if hasattr(self.shape, "without"):
            kept["shape"] = self.shape.without(np.flatnonzero(gone))
        kept["default_router"] = self.faulted_router or self.default_router
        return replace(self, name=f"{self.name} less {int(gone.sum())} cables", intact=False, **kept)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """For oracles, drawing and export: nodes carry `label, kind, tier, group`, edges `link, capacity, latency`."""
        import networkx as nx

        graph = nx.MultiDiGraph(name=self.name)
        for v in range(self.n_nodes):
            graph.add_node(
                v,
                label=self.label_of(v),
                kind=NodeKind(self.kind[v]).name.lower(),
                tier=int(self.tier[v]),
                group=int(self.group[v]),
            )
        for e in range(self.n_links):
            graph.add_edge(
                int(self.src[e]),
                int(self.dst[e]),
                link=e,
                capacity=float(self.capacity[e]),
                latency=float(self.latency[e]),
            )
        return graph

    def tier_name(self, tier: int) -> str:
        return self.tier_names[tier] if tier < len(self.tier_names) else f"tier{tier}"

    def link_class(self, link: int) -> str:
        """`host→leaf`, `leaf→spine`: the row of the heat map that a link belongs to."""
        return f"{self.tier_name(int(self.tier[self.src[link]]))}→{self.tier_name(int(self.tier[self.dst[link]]))}"

    def __repr__(self) -> str:
        return f"<Fabric {self.name}: {self.n_endpoints} endpoints, {self.n_switches} switches, {self.n_cables} cables>"


def numbered(*blocks: tuple[str, int]) -> Callable[[int], str]:
    """A label function for nodes that come in blocks: `numbered(("h", 64), ("leaf", 8))(64)` is `leaf0`.

    >>> numbered(("h", 64), ("leaf", 8))(65)
    'leaf1'
    """
    names: Sequence[str] = [prefix for prefix, _ in blocks]
    starts = np.cumsum([0, *(count for _, count in blocks)])

    def label(node: int) -> str:
        block = int(np.searchsorted(starts, node, side="right")) - 1
        return f"{names[block]}{node - int(starts[block])}"

    return label
