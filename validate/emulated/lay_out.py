"""From rows that share a fabric and its routes to what is built for them, and what netsim says they take on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from topologies.fabric import Fabric
from validate.emulated.blueprint import Blueprint
from validate.emulated.options import Options
from validate.emulated.scale import Excerpt, carried, check_count, excerpt, here, slower, usual_rate
from validate.emulated.ways import Pair, Ways, flows_of, routes, shortest_between, ways_between
from validate.predict import predict
from validate.request import Row


@dataclass(frozen=True, eq=False)
class Layout:
    """A fabric to be built."""

    part: Excerpt
    factor: float  #: rates of the scenario's links are scaled by it
    plan: Blueprint
    ways: Ways  #: that every pair takes; under kernel-ecmp one of those that it may take, until `taking` tells
    ecmp: bool

    @property
    def fabric(self) -> Fabric:
        """As MPI sees it: capacities of payload, no latency."""
        return self.ways.fabric

    def seconds(self, row: Row, size: float, ways: Ways | None = None) -> float:
        """What the row takes here for a size, as netsim predicts it."""
        return predict(here(row, self.part, self.fabric, ways or self.ways), size=size)

    def unsure(self, row: Row, seen: Mapping[Pair, set[tuple[int, ...]]]) -> str:
        """Why the ways that connections were seen to take do not tell those of a row's messages; "" where they do.

        A library's own collective is held to the pairs of the schedule that it is taken for.
        """
        pairs = sorted({(a, b) for a, b, _ in flows_of([(row.schedule, self.part.place(row.placement))])})
        a, b = next((pair for pair in pairs if len(seen.get(pair, ())) != 1), (-1, -1))
        if a < 0:
            return ""
        label = self.plan.labels
        return f"{label[a]}→{label[b]}: " + ("connections took several ways" if seen.get((a, b)) else "no connection was seen")

    def taking(self, seen: Mapping[Pair, set[tuple[int, ...]]]) -> Ways:
        """The ways with those that connections were seen to take in place of guesses."""
        return Ways(self.fabric, {**self.ways.links, **{pair: min(ways) for pair, ways in seen.items() if ways}})


def lay_out(rows: Sequence[Row], options: Options) -> Layout:
    """Lay out the fabric of rows that share fabric and router: the endpoints that any of them uses, and what is between them.

    Raises InputError for routes that cannot be emulated, and for too many endpoints; Unroutable where a pair has no way.
    """
    job = rows[0].job
    endpoints = np.unique(np.concatenate([row.placement.endpoint for row in rows])).astype(np.int32)
    check_count(len(endpoints))
    ecmp = options.routes == "kernel-ecmp"
    if ecmp:
        nearer = shortest_between(job.fabric, endpoints)
        links = sorted({link for to in nearer.values() for over in to.values() for link in over})
    else:
        flows = flows_of((row.schedule, row.placement.endpoint) for row in rows)
        found = ways_between(job.fabric, job.router, endpoints, flows, job.titles["routing"])
        links = sorted({link for way in found.values() for link in way})
    part = excerpt(job.fabric, endpoints, np.array(links, dtype=np.int32))
    factor = slower(part.fabric, options.rate or usual_rate(len(endpoints)))
    if ecmp:
        tables = {part.node[to]: {part.node[v]: _renumbered(over, part) for v, over in of.items()} for to, of in nearer.items()}
        ways = _any_way(part.fabric, tables)
        written = tuple((node, to, over, -1) for to, of in tables.items() for node, over in of.items())
    else:
        ways = {(part.node[a], part.node[b]): _renumbered(way, part) for (a, b), way in found.items()}
        tables, written = {}, tuple(routes(part.fabric, ways))
    pairs = sorted(_talking(rows, part))
    plan = Blueprint(
        labels=tuple(part.fabric.label_of(v) for v in range(part.fabric.n_nodes)),
        endpoints=len(endpoints),
        ends=tuple(zip(part.fabric.src[::2].tolist(), part.fabric.dst[::2].tolist(), strict=True)),
        rates=tuple((part.fabric.capacity * factor).tolist()),
        routes=written,
        leaves=tuple((link, a, b) for a, b in pairs for link in (_reached(part.fabric, tables[b], a) if ecmp else ways[a, b])),
        queues=options.queues,
        seed=job.case.seed if ecmp else -1,
    )
    return Layout(part, factor, plan, Ways(carried(part.fabric, factor, options.queues), ways), ecmp)


def _renumbered(links: Sequence[int], part: Excerpt) -> tuple[int, ...]:
    return tuple(part.link[link] for link in links)


def _talking(rows: Sequence[Row], part: Excerpt) -> set[Pair]:
    """Pairs that have a queue of their own: those that schedules send between, both ways, for what goes one way is acknowledged
    the other; all where a library's own collective may send as it likes."""
    if any(row.native for row in rows):
        n = len(part.endpoints)
        return {(a, b) for a in range(n) for b in range(n) if a != b}
    pairs = {(a, b) for a, b, _ in flows_of((row.schedule, part.place(row.placement)) for row in rows)}
    return pairs | {(b, a) for a, b in pairs}


def _any_way(fabric: Fabric, tables: Mapping[int, Mapping[int, tuple[int, ...]]]) -> dict[Pair, tuple[int, ...]]:
    """One of the shortest ways of each pair, d-mod-k-like: what sizes are chosen by before the kernel has chosen ways."""
    out = {}
    for to, table in tables.items():
        for source in (v for v in table if v < fabric.n_endpoints):
            way: list[int] = []
            node = source
            while node != to:
                way.append(table[node][(to + len(way)) % len(table[node])])
                node = int(fabric.dst[way[-1]])
            out[source, to] = tuple(way)
    return out


def _reached(fabric: Fabric, table: Mapping[int, tuple[int, ...]], source: int) -> list[int]:
    """The links that something from a source may be sent over by a table."""
    todo, seen = [source], set()
    while todo:
        for link in table.get(todo.pop(), ()):
            if link not in seen:
                seen.add(link)
                todo.append(int(fabric.dst[link]))
    return sorted(seen)
