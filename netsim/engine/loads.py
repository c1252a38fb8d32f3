"""The `loads` engine: how many flows cross each link in each round. No time passes; a million endpoints fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.engine.blocks import Block, Traffic, link_classes
from netsim.result import Contention, HotLink, Result
from topologies.fabric import Fabric, Floats, frozen
from topologies.jit import kernel
from topologies.paths import Paths, Router

_HOTTEST = 10
_PAIRS = 8


def loads(fabric: Fabric, router: Router, schedule: Schedule, placement: Placement, *, overhead: float = 0.0) -> Result:
    """Contention, and the time the schedule would take with a barrier after each step.

    T = sum over steps of (overhead + latency + max over links of bytes_e / c_e): exact where a round is congestion-free and its
    messages alike, a ranking of maps and routes elsewhere (bigraph-hdrm: T(π) with α and load_t(e; π)).
    """
    traffic = Traffic(fabric, router, schedule, placement)
    contention = measure(traffic)
    step = contention.step_seconds + overhead
    block_end = np.cumsum(step * contention.repeat)
    hops = int(sum(len(block.paths.links) for block in traffic)) if len(traffic) <= 64 else 0
    time = float(block_end[-1]) if len(block_end) else 0.0
    return Result(schedule.collective, time, "loads", contention, frozen(block_end, np.float64), {"flow_hops": hops})


@dataclass
class _Ledger:
    """What is added up while the blocks go by."""

    count: Floats
    bytes: Floats
    touched: NDArray[np.int32]
    total: Floats
    hot: dict[int, tuple[float, int, float, float]] = field(default_factory=dict)  # link: (weight, block, load, seconds)


def measure(traffic: Traffic) -> Contention:
    """The contention of a schedule: one pass over the hops of every block."""
    fabric = traffic.fabric
    classes, class_names = link_classes(fabric)
    n = fabric.n_links
    ledger = _Ledger(np.zeros(n), np.zeros(n), np.zeros(n, np.int32), np.zeros(n))
    rows = []
    class_load = np.zeros((len(traffic), len(class_names)))
    for i, block in enumerate(traffic):
        found = _one_block(i, block, fabric, classes, class_load[i], ledger)
        rows.append((block.first_step, block.repeat, len(block.src), *found))
    first, repeat, messages, largest, top, link, slowdown, seconds = zip(*rows, strict=True) if rows else ((),) * 8
    return Contention(
        first_step=frozen(first, np.int32),
        repeat=frozen(repeat, np.int32),
        messages=frozen(messages, np.int32),
        largest=frozen(largest, np.float64),
        max_load=frozen(top, np.float64),
        max_link=frozen(link, np.int32),
        slowdown=frozen(slowdown, np.float64),
        class_names=class_names,
        class_load=frozen(class_load, np.float64),
        link_bytes=frozen(ledger.total, np.float64),
        hottest=_hottest(traffic, ledger),
        step_seconds=frozen(seconds, np.float64),
    )


def _one_block(
    index: int, block: Block, fabric: Fabric, classes: NDArray[np.int16], class_load: Floats, ledger: _Ledger
) -> tuple[float, float, int, float, float]:
    """Add one block to the ledger; (largest message, fullest link's load, that link, slowdown, seconds of a step)."""
    paths = block.paths
    n, top, link, drain, alone = _count(
        paths.offsets,
        paths.links,
        frozen([] if paths.use is None else paths.use, np.float64),
        frozen([] if paths.share is None else paths.share, np.float64),
        block.row_bytes(),
        fabric.capacity,
        classes,
        class_load,
        ledger.count,
        ledger.bytes,
        ledger.touched,
    )
    touched = ledger.touched[:n]
    seconds = ledger.bytes[touched] / fabric.capacity[touched]
    _keep_hottest(ledger, index, block.repeat, touched, seconds)
    ledger.total[touched] += block.repeat * ledger.bytes[touched]
    ledger.count[touched] = 0
    ledger.bytes[touched] = 0
    latency = float(paths.latency.max()) if paths.n_rows else 0.0
    return float(block.bytes.max()), top, link, drain / alone if alone else 1.0, latency + drain


@kernel
def _count(
    offsets: Any,
    links: Any,
    use: Any,
    share: Any,
    row_bytes: Any,
    capacity: Any,
    classes: Any,
    class_load: Any,
    count: Any,
    nbytes: Any,
    touched: Any,
) -> Any:
    """Add a block's flows to `count` and `nbytes` (float64[links]) and list the links in `touched`.

    Returns (links touched, highest count, its link, the longest drain time of a link, the longest time of a message alone).
    """
    n, alone = 0, 0.0
    for row in range(len(offsets) - 1):
        weight = share[row] if len(share) else 1.0
        for e in range(offsets[row], offsets[row + 1]):
            link = links[e]
            u = use[e] if len(use) else 1.0
            if count[link] == 0.0:
                touched[n] = link
                n += 1
            count[link] += weight * u
            nbytes[link] += row_bytes[row] * u
            alone = max(alone, row_bytes[row] * u / capacity[link])
    top, top_link, drain = 0.0, -1, 0.0
    for i in range(n):
        link = touched[i]
        if count[link] > top:
            top, top_link = count[link], link
        drain = max(drain, nbytes[link] / capacity[link])
        class_load[classes[link]] = max(class_load[classes[link]], count[link])
    return n, top, top_link, drain, alone


def _keep_hottest(ledger: _Ledger, index: int, repeat: int, touched: NDArray[np.int32], seconds: Floats) -> None:
    """Remember the links that need longest for a round, repetitions counted; ties go to the earlier block and the lower link."""
    worst = seconds.max(initial=0.0) * repeat
    floor = min((weight for weight, *_ in ledger.hot.values()), default=0.0)
    if len(ledger.hot) >= _HOTTEST and worst <= floor:
        return
    candidates = np.flatnonzero(seconds * repeat > (floor if len(ledger.hot) >= _HOTTEST else 0.0))
    if len(candidates) > _HOTTEST:
        order = np.lexsort((touched[candidates], -seconds[candidates]))
        candidates = candidates[order[:_HOTTEST]]
    for c in candidates.tolist():
        link, weight = int(touched[c]), float(seconds[c]) * repeat
        if weight > ledger.hot.get(link, (0.0,))[0]:
            ledger.hot[link] = (weight, index, float(ledger.count[link]), float(seconds[c]))
    keep = sorted(ledger.hot.items(), key=lambda item: (-item[1][0], item[1][1], item[0]))[:_HOTTEST]
    ledger.hot = dict(keep)


def _hottest(traffic: Traffic, ledger: _Ledger) -> tuple[HotLink, ...]:
    """The remembered links with their names and the ranks that meet there."""
    ranks = traffic.schedule.collective.ranks
    found = []
    blocks = {index: traffic[index] for index in {entry[1] for entry in ledger.hot.values()}}
    for link, (_, index, load, seconds) in ledger.hot.items():
        block = blocks[index]
        flows = flows_on(block.paths, link)
        pairs = tuple((int(block.src[f]) % ranks, int(block.dst[f]) % ranks) for f in flows[:_PAIRS])
        found.append(HotLink(link, traffic.fabric.link_label(link), index, load, seconds, pairs, len(flows)))
    return tuple(found)


def flows_on(paths: Paths, link: int) -> NDArray[np.int64]:
    """The flows with a row over this link, each once."""
    entries = np.flatnonzero(paths.links == link)
    rows = np.searchsorted(paths.offsets, entries, side="right") - 1
    return np.unique(rows if paths.flow is None else paths.flow[rows])
