"""The `loads` engine: how many flows cross each link in each round. No time passes; a million endpoints fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.engine.blocks import Block, Traffic
from netsim.engine.calibration import Calibration
from netsim.result import Contention, HotLink, Result
from topologies.fabric import Fabric, Floats, frozen
from topologies.jit import kernel
from topologies.paths import Paths, Router

_HOTTEST = 10
_PAIRS = 8


def loads(
    fabric: Fabric,
    router: Router,
    schedule: Schedule,
    placement: Placement,
    *,
    overhead: float = 0.0,
    calibration: Calibration | None = None,
) -> Result:
    """Contention, and the time the schedule would take with a barrier after each step.

    T = sum over steps of (overhead + latency + max over links of bytes_e / c_e): exact where a round is congestion-free and its
    messages alike, a ranking of maps and routes elsewhere. With a `calibration`: the longest wait of a step's messages in
    place of the latency, and what links and cables were measured to carry.
    """
    traffic = Traffic(fabric, router, schedule, placement, calibration)
    ledger = contention_of(traffic)
    contention = ledger.contention()
    block_end = np.cumsum((contention.step_seconds + overhead) * contention.repeat)
    time = float(block_end[-1]) if len(block_end) else 0.0
    return Result(schedule.collective, time, "loads", contention, frozen(block_end, np.float64), {"flow_hops": ledger.hops})


LOAD = np.dtype(
    [
        ("capacity", "f8"),
        ("count", "f8"),  # flows in one repetition of the block at hand; zero between blocks
        ("bytes", "f8"),  # their bytes
        ("total", "f8"),  # bytes of all blocks so far
        ("width", "i8"),  # cables that it stands for (Paths.width); 0 and 1: itself
    ]
)


class Ledger:
    """The contention of a schedule, added up block by block: one pass over the paths of each."""

    def __init__(self, traffic: Traffic) -> None:
        numbers = len(traffic.capacity)
        self.traffic = traffic
        self.hops = 0
        self.links = np.zeros(numbers, LOAD)
        self.links["capacity"] = traffic.capacity
        self.touched = np.empty(numbers, np.int32)  # links that the block at hand uses
        self.seconds = np.empty(numbers)  # how long each of those needs for it
        self.hot: dict[int, tuple[float, int, float, float]] = {}  # link: (weight, block, load, seconds)
        self._classes, self._class_names = traffic.wiring.classes
        self._class_load = np.zeros((len(traffic), len(self._class_names)))
        self._rows: list[tuple[float, ...]] = []

    def add(self, index: int) -> None:
        """Count a block; each once, in order."""
        block = self.traffic[index]
        paths = block.paths
        use = frozen([] if paths.use is None else paths.use, np.float64)
        share = frozen([] if paths.share is None else paths.share, np.float64)
        width = frozen([] if paths.width is None else paths.width, np.int32)
        n, alone = _count(paths.offsets, paths.links, use, share, width, block.row_bytes(), self.links, self.touched)
        top, link, drain, own = _sum_up(
            self.links,
            self.touched,
            n,
            block.repeat,
            self._classes,
            self._class_load[index],
            self.traffic.wiring.own,
            self.seconds,
        )
        _keep_hottest(self, index, block.repeat, n, drain)
        _clear(self.links, self.touched, n)
        waits = paths.latency if block.wait is None else block.row_wait(0.0)
        wait = float(waits.max()) if paths.n_rows else 0.0
        least = max(alone, own, _at_the_ends(block, self.traffic))
        slowdown = drain / least if least else 1.0
        counts = block.first_step, block.repeat, len(block.src), float(block.bytes.max())
        self._rows.append((*counts, top, self.traffic.wiring.link(int(link)), slowdown, wait + drain))
        self.hops += len(paths.links)

    def contention(self) -> Contention:
        """What has come together, once every block has been added."""
        first, repeat, messages, largest, top, link, slowdown, seconds = (
            zip(*self._rows, strict=True) if self._rows else ((),) * 8
        )
        return Contention(
            first_step=frozen(first, np.int32),
            repeat=frozen(repeat, np.int32),
            messages=frozen(messages, np.int32),
            largest=frozen(largest, np.float64),
            max_load=frozen(top, np.float64),
            max_link=frozen(link, np.int32),
            slowdown=frozen(slowdown, np.float64),
            class_names=self._class_names,
            class_load=frozen(self._class_load, np.float64),
            link_bytes=frozen(_of_every_link(self.links)[: self.traffic.fabric.n_links], np.float64),
            hottest=_hottest(self.traffic, self),
            step_seconds=frozen(seconds, np.float64),
        )


def contention_of(traffic: Traffic) -> Ledger:
    """The ledger with every block in it."""
    ledger = Ledger(traffic)
    for index in range(len(traffic)):
        ledger.add(index)
    return ledger


def _of_every_link(load: NDArray[np.void]) -> Floats:
    """The bytes of each link, those of bundles given to all their cables."""
    total: Floats = load["total"].copy()
    first = np.flatnonzero(load["width"] > 1)
    width = load["width"][first]
    nth = np.arange(int(width.sum())) - np.repeat(np.cumsum(width) - width, width)
    total[np.repeat(first, width) + 2 * nth] = np.repeat(load["total"][first], width)
    return total


def _at_the_ends(block: Block, traffic: Traffic) -> float:
    """Where endpoints are joined without switches: bytes that the busiest sends, or receives, over the speed of its links."""
    longest = 0.0
    if traffic.wiring.own.any():
        return longest
    ends = [(*each, block.bytes) for each in zip((block.src, block.dst), traffic.end_capacity, strict=True)]
    if len(traffic.wiring.cables):
        either = frozen(np.concatenate([block.src, block.dst]), np.int32)
        ends.append((either, traffic.both_capacity, frozen(np.tile(block.bytes, 2), np.float64)))
    for walkers, capacity, nbytes in ends:
        endpoint = traffic.endpoint[walkers % traffic.schedule.collective.ranks]
        load = np.bincount(endpoint, weights=nbytes, minlength=len(capacity))
        longest = max(longest, float((load / capacity).max()))
    return longest


@kernel
def _count(offsets: Any, links: Any, use: Any, share: Any, width: Any, row_bytes: Any, load: Any, touched: Any) -> Any:
    """Add a block's flows to the links' counts and bytes and list the links in `touched`.

    Returns (links touched, the longest time of a message alone).
    """
    n, alone = 0, 0.0
    for row in range(len(row_bytes)):
        weight, nbytes = (share[row] if len(share) else 1.0), row_bytes[row]
        for e in range(offsets[row], offsets[row + 1]):
            link = load[links[e]]
            u = use[e] if len(use) else 1.0
            if link.count == 0.0:
                touched[n] = links[e]
                n += 1
                if len(width):
                    link.width = width[e]
            link.count += weight * u
            link.bytes += nbytes * u
            if nbytes * u > alone * link.capacity:
                alone = nbytes * u / link.capacity
    return n, alone


@kernel
def _sum_up(load: Any, touched: Any, n: Any, repeat: Any, classes: Any, class_load: Any, own: Any, seconds: Any) -> Any:
    """Enter the block in the totals and class maxima.

    Returns (highest count, its link, longest drain time of a link, longest drain time of a link of `own`).
    """
    top, top_link, drain, own_drain = 0.0, -1, 0.0, 0.0
    for i in range(n):
        link = load[touched[i]]
        if link.count > top or (link.count == top and touched[i] < top_link):
            top, top_link = link.count, touched[i]
        seconds[i] = link.bytes / link.capacity
        drain = max(drain, seconds[i])
        if own[touched[i]]:
            own_drain = max(own_drain, seconds[i])
        link.total += repeat * link.bytes
        kind = classes[touched[i]]
        class_load[kind] = max(class_load[kind], link.count)
    return top, top_link, drain, own_drain


@kernel
def _clear(load: Any, touched: Any, n: Any) -> None:
    for i in range(n):
        load[touched[i]].count = 0.0
        load[touched[i]].bytes = 0.0


def _keep_hottest(ledger: Ledger, index: int, repeat: int, n: int, drain: float) -> None:
    """Remember the links that need longest for a round, repetitions counted; ties go to the earlier block and the lower link."""
    floor = min((weight for weight, *_ in ledger.hot.values()), default=0.0) if len(ledger.hot) >= _HOTTEST else 0.0
    if drain * repeat <= floor:
        return
    touched, seconds = ledger.touched[:n], ledger.seconds[:n]
    candidates = np.flatnonzero(seconds * repeat > floor)
    if len(candidates) > _HOTTEST:
        least = -np.partition(-seconds[candidates], _HOTTEST - 1)[_HOTTEST - 1]
        candidates = candidates[seconds[candidates] >= least]
        order = np.lexsort((touched[candidates], -seconds[candidates]))
        candidates = candidates[order[:_HOTTEST]]
    for c in candidates.tolist():
        link, weight = int(touched[c]), float(seconds[c]) * repeat
        if weight > ledger.hot.get(link, (0.0,))[0]:
            ledger.hot[link] = (weight, index, float(ledger.links[link]["count"]), float(seconds[c]))
    keep = sorted(ledger.hot.items(), key=lambda item: (-item[1][0], item[1][1], item[0]))[:_HOTTEST]
    ledger.hot = dict(keep)


def _hottest(traffic: Traffic, ledger: Ledger) -> tuple[HotLink, ...]:
    """The remembered links with their names and the ranks that meet there."""
    ranks = traffic.schedule.collective.ranks
    found = []
    blocks = {index: traffic[index] for index in {entry[1] for entry in ledger.hot.values()}}
    for link, (_, index, load, seconds) in ledger.hot.items():
        block = blocks[index]
        flows = flows_on(block.paths, link)
        pairs = tuple((int(block.src[f]) % ranks, int(block.dst[f]) % ranks) for f in flows[:_PAIRS])
        found.append(HotLink(traffic.wiring.link(link), traffic.wiring.label(link), index, load, seconds, pairs, len(flows)))
    return tuple(found)


def flows_on(paths: Paths, link: int) -> NDArray[np.int64]:
    """The flows with a row over this link, each once."""
    entries = np.flatnonzero(paths.links == link)
    rows = np.searchsorted(paths.offsets, entries, side="right") - 1
    return np.unique(rows if paths.flow is None else paths.flow[rows])
