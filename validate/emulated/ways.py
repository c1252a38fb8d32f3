"""The ways between the endpoints of a job: asked from the simulator's router, and the routes of each node that make them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from collectives.schedule import Schedule
from topologies.errors import InputError, Unroutable
from topologies.fabric import Fabric, Ints
from topologies.paths import Paths, Router

Pair = tuple[int, int]  #: from, to
Flow = tuple[int, int, int]  #: and the channel


@dataclass(frozen=True, eq=False)
class Ways:
    """A router that knows one way for each pair: its links in order."""

    fabric: Fabric
    links: Mapping[Pair, tuple[int, ...]]

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        """Raises Unroutable for a pair without a way."""
        try:
            rows = [self.links[pair] for pair in zip(src.tolist(), dst.tolist(), strict=True)]
        except KeyError as error:
            a, b = error.args[0]
            raise Unroutable(f"{self.fabric.label_of(a)}→{self.fabric.label_of(b)}: no way between them was asked for") from None
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return Paths.single(self.fabric, offsets, np.array([link for row in rows for link in row], dtype=np.int32))


def ways_between(fabric: Fabric, router: Router, endpoints: Ints, flows: set[Flow], routing: str) -> dict[Pair, tuple[int, ...]]:
    """The links from each of these endpoints to each other one; those of `flows` are what schedules send.

    Raises InputError where a flow is split, or where the channels of a pair go different ways: a TCP connection has one way.
    """
    pairs = {(a, b) for a in endpoints.tolist() for b in endpoints.tolist() if a != b}
    others = {(a, b, 0) for a, b in pairs - {(a, b) for a, b, _ in flows}}
    asked = sorted(flows | others)
    src, dst, key = np.array(asked, dtype=np.int32).T
    paths = router.paths(np.ascontiguousarray(src), np.ascontiguousarray(dst), np.ascontiguousarray(key)).unbundled()
    if paths.n_rows != len(asked) or (paths.use is not None and (paths.use != 1).any()):
        what = "splits a flow over several ways, which TCP connections do not"
        raise InputError(f"{routing}: {what}; emulate another routing, like d-mod-k")
    out: dict[Pair, tuple[int, ...]] = {}
    for n, (a, b, _) in enumerate(asked):
        way = tuple(paths.row(n).tolist())
        if out.setdefault((a, b), way) != way:
            what = f"channels of {fabric.label_of(a)}→{fabric.label_of(b)} go different ways, which one TCP connection cannot"
            raise InputError(f"{routing}: {what}; emulate another routing, like d-mod-k")
    return out


def shortest_between(fabric: Fabric, endpoints: Ints) -> dict[int, dict[int, tuple[int, ...]]]:
    """For each of these endpoints, the links over which every node on a shortest way gets nearer to it: {to: {node: links}}."""
    offsets, links = fabric.out_links
    out: dict[int, dict[int, tuple[int, ...]]] = {}
    for to in endpoints.tolist():
        far = _distances(fabric, to)
        if (far[endpoints] < 0).any():
            a = fabric.label_of(int(endpoints[far[endpoints] < 0][0]))
            raise Unroutable(f"{a}→{fabric.label_of(to)}: no way between them")
        nearer: dict[int, tuple[int, ...]] = {}
        todo = endpoints[endpoints != to].tolist()
        while todo:
            node = todo.pop()
            if node in nearer or node == to:
                continue
            own = links[offsets[node] : offsets[node + 1]]
            own = own[far[fabric.dst[own]] == far[node] - 1]
            nearer[node] = tuple(own.tolist())
            todo += fabric.dst[own].tolist()
        out[to] = nearer
    return out


def _distances(fabric: Fabric, to: int) -> Ints:
    """Hops from each node to one; -1 from where there is no way."""
    far = np.full(fabric.n_nodes, -1, dtype=np.int32)
    far[to] = 0
    hops = 0
    while True:
        near = (far[fabric.dst] == hops) & (far[fabric.src] < 0)
        if not near.any():
            return far
        hops += 1
        far[fabric.src[near]] = hops


def flows_of(schedules: Iterable[tuple[Schedule, Ints]]) -> set[Flow]:
    """Who sends to whom in which channel, as the places of ranks: (schedule, place of each rank)."""
    out: set[Flow] = set()
    for schedule, place in schedules:
        for number, channel in enumerate(schedule.channels):
            for r in channel.rounds:
                out |= {(a, b, number) for a, b in zip(place[r.src].tolist(), place[r.dst].tolist(), strict=True)}
    return out


def routes(fabric: Fabric, ways: Mapping[Pair, tuple[int, ...]]) -> Iterator[tuple[int, int, tuple[int, ...], int]]:
    """Tables that make these ways, as Blueprint.routes has them: by destination; by source too where that does not decide."""
    asked: dict[Pair, dict[int, int]] = defaultdict(dict)
    for (source, to), way in ways.items():
        for link in way:
            asked[int(fabric.src[link]), to][source] = link
    for (node, to), by_source in asked.items():
        usual = Counter(by_source.values()).most_common(1)[0][0]
        yield node, to, (usual,), -1
        for source, link in by_source.items():
            if link != usual:
                yield node, to, (link,), source
