"""Micro-measurements as schedules: whoever can replay a collective can run them.

ping-pong: there and back, one after the other; exchange: both at once; incast: k senders to one receiver; pairs: k pairs over one
link between switches; exchanging pairs: as many the other way at the same time; adding ping-pong: what arrives is added;
sendrecv: every rank to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from collectives.collective import Collective, Op
from collectives.placement import Placement
from collectives.schedule import Round, Schedule, one_channel
from netsim.build import Job
from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.paths import Paths
from validate.request import Row

_MOST_ENDPOINTS = 48  # among which pairs are looked for
_SENDERS = 3  # of an incast
_PAIRS = 4  # over one link


class Messages(NamedTuple):
    """Ranks that send and ranks that receive."""

    src: tuple[int, ...]
    dst: tuple[int, ...]


@dataclass(frozen=True)
class Pattern:
    """Rounds between a few endpoints, and what they tell about: the cables `between` two tiers."""

    kind: str
    between: str  #: class of cables that set the pace, "host-leaf"
    endpoints: tuple[int, ...]  #: of each rank
    rounds: tuple[Messages, ...]
    both: bool = False  #: both directions of a cable are busy at once
    added: bool = False
    tells: bool = True  #: False: other cables are as slow by capacity, so that nothing is learnt; it keeps ranks busy

    @property
    def senders(self) -> int:
        """Messages that one receiver gets in a round."""
        return max(r.dst.count(d) for r in self.rounds for d in r.dst)

    def schedule(self, nbytes: float, times: int = 1) -> Schedule:
        """Every message carries `nbytes`; all rounds are done `times` times. As a broadcast, the operation that promises least:
        messages to one rank are chunks of their own, those to different ranks the same."""
        rounds = [Round(r.src, r.dst, _chunks(r.dst), 1, self.added) for r in self.rounds]
        whole = Collective(Op.BROADCAST, len(self.endpoints), nbytes * self.senders)
        return one_channel(whole, rounds * times, self.senders, self.kind)

    def row(self, job: Job, nbytes: float, times: int = 1) -> Row:
        """A row for `nbytes` a message; nothing is calibrated in it."""
        schedule = self.schedule(nbytes, times)
        size = round(schedule.collective.bytes)
        asked = job.case.collective.model_copy(update={"op": Op.BROADCAST, "size": (size,), "root": 0})
        case = replace(job.case, collective=asked, overhead=0.0)
        place = Placement(np.array(self.endpoints), "pattern")
        micro = replace(
            job,
            case=case,
            schedule=schedule,
            placement=place,
            titles={**job.titles, "algorithm": self.kind},
            calibration=None,
        )
        return Row(micro, size, self.name(job.fabric))

    def name(self, fabric: Fabric) -> str:
        """Its endpoints in the order of ranks."""
        return " ".join(fabric.label_of(e) for e in self.endpoints)


def _chunks(dst: Sequence[int]) -> list[int]:
    """For each message how many before it go to the same rank."""
    return [dst[:n].count(d) for n, d in enumerate(dst)]


def patterns(job: Job) -> tuple[Pattern, ...]:
    """What tells about each class of cables that messages between the job's ranks cross, as far as it can be made the slowest.

    Raises InputError where there are less than two endpoints.
    """
    endpoints = job.placement.endpoint[:_MOST_ENDPOINTS]
    if len(endpoints) < 2:
        raise InputError(f"{job.fabric.name}: {len(endpoints)} rank: calibration needs two endpoints at least")
    ways = _Ways(job, [(int(s), int(d)) for s in endpoints for d in endpoints if s != d])
    a = int(endpoints[0])
    near = sorted((int(e) for e in endpoints[1:]), key=lambda e: len(ways.uses[a, e]))  # fewer links, fewer that might be slowest
    b = near[0]
    there, back = Messages((0,), (1,)), Messages((1,), (0,))
    at_once = Messages((0, 1), (1, 0))
    own = ways.slowest([(a, b)])
    found = [
        Pattern("ping-pong", own, (a, b), (there, back)),
        Pattern("exchange", own, (a, b), (at_once,), both=True),
        Pattern("adding ping-pong", own, (a, b), (there, back), added=True),
    ]
    senders = near[:_SENDERS]
    if (k := len(senders)) > 1:
        slow = ways.slowest([(s, a) for s in senders])
        found.append(Pattern("incast", slow, (a, *senders), (Messages(tuple(range(1, k + 1)), (0,) * k),)))
    for between in ways.classes:
        if between != own:
            found += _over_one_link(ways, between)
    return tuple(found)


def around(job: Job) -> Pattern:
    """Every rank of the job sends to the next while it receives from the one before, as nccl-tests' sendrecv does."""
    endpoints = [int(e) for e in job.placement.endpoint]
    n = len(endpoints)
    following = [(endpoints[r], endpoints[(r + 1) % n]) for r in range(n)]
    messages = Messages(tuple(range(n)), tuple((r + 1) % n for r in range(n)))
    ways = _Ways(job, following)
    alone = len(set(ways.all_slowest(following))) == 1
    return Pattern("sendrecv", ways.slowest(following), tuple(endpoints), (messages,), both=True, tells=alone)


def _over_one_link(ways: _Ways, between: str) -> Iterator[Pattern]:
    """As many pairs as share one link of a class and make it the slowest; and as many over its other direction at once."""
    best: list[tuple[int, int]] = []
    cable = -1
    for link in ways.links_of(between):
        pairs = ways.disjoint(link)
        if len(pairs) > len(best) and ways.slowest(pairs) == between:
            best, cable = pairs, link
    if not best:
        return
    yield _of_pairs("pairs", between, best, [])
    back = ways.disjoint(cable ^ 1)[: len(best)]
    if len(back) == len(best) and ways.slowest(back) == between:
        yield _of_pairs("exchanging pairs", between, best, back)


def _of_pairs(kind: str, between: str, pairs: list[tuple[int, int]], back: list[tuple[int, int]]) -> Pattern:
    endpoints = tuple(dict.fromkeys(e for pair in (*pairs, *back) for e in pair))
    rank = {e: r for r, e in enumerate(endpoints)}
    every = [(rank[s], rank[d]) for s, d in (*pairs, *back)]
    messages = Messages(tuple(s for s, _ in every), tuple(d for _, d in every))
    return Pattern(kind, between, endpoints, (messages,), both=bool(back))


class _Ways:
    """The links that pairs of endpoints use."""

    def __init__(self, job: Job, pairs: Sequence[tuple[int, int]]) -> None:
        self.fabric = job.fabric
        src, dst = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
        paths = job.router.paths(src, dst, np.zeros(len(pairs), np.int32)).unbundled()
        self.uses = dict(zip(pairs, _uses(paths, len(pairs)), strict=True))
        self.crossed = sorted({link for use in self.uses.values() for link in use})
        self.classes = [*dict.fromkeys(self.of(link) for link in sorted(self.crossed, key=self._tiers))]

    def _tiers(self, link: int) -> tuple[int, int]:
        low, high = sorted(int(self.fabric.tier[end[link]]) for end in (self.fabric.src, self.fabric.dst))
        return low, high

    def of(self, link: int) -> str:
        """The class of a link's cable, the tier nearer the hosts first: "host-leaf"."""
        return "-".join(self.fabric.tier_name(tier) for tier in self._tiers(link))

    def links_of(self, between: str) -> list[int]:
        """Links of a class that messages cross."""
        return [link for link in self.crossed if self.of(link) == between]

    def disjoint(self, link: int) -> list[tuple[int, int]]:
        """Pairs that cross the link with all their bytes and have no endpoint in common, first come first served."""
        out: list[tuple[int, int]] = []
        taken: set[int] = set()
        for (s, d), use in self.uses.items():
            if len(out) < _PAIRS and use.get(link, 0.0) > 1 - 1e-9 and not {s, d} & taken:
                out.append((s, d))
                taken |= {s, d}
        return out

    def slowest(self, pairs: Sequence[tuple[int, int]]) -> str:
        """The class of the links that need longest if all pairs send alike; of several the one nearest the hosts."""
        return min(self.all_slowest(pairs), key=self.classes.index)

    def all_slowest(self, pairs: Sequence[tuple[int, int]]) -> list[str]:
        """The class of each link that needs longest."""
        load: dict[int, float] = {}
        for pair in pairs:
            for link, use in self.uses[pair].items():
                load[link] = load.get(link, 0.0) + use
        seconds = {link: n / float(self.fabric.capacity[link]) for link, n in load.items()}
        most = max(seconds.values())
        return [self.of(link) for link, t in seconds.items() if t >= most * (1 - 1e-9)]


def _uses(paths: Paths, flows: int) -> list[dict[int, float]]:
    """Of each flow the part of its bytes that crosses each link."""
    out: list[dict[int, float]] = [{} for _ in range(flows)]
    rows = paths.row_of_link()
    flow = rows if paths.flow is None else paths.flow[rows]
    part = np.ones(len(rows)) if paths.use is None else paths.use
    part = part * (1.0 if paths.share is None else paths.share[rows])
    for f, link, use in zip(flow.tolist(), paths.links.tolist(), part.tolist(), strict=True):
        out[f][link] = out[f].get(link, 0.0) + use
    return out
