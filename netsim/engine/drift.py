"""Blocks without contention: ranks drift apart, yet no message ever slows another, so times follow a max-plus recursion.

If all messages of a block could flow at full speed at once without filling any link beyond its capacity, each runs as if alone
whatever the drift: T'[w] = max over its messages of max(T[src], T[dst]) + wait + bytes/rate. A repeated block whose times all
advance alike from one repetition to the next is skipped forward (a max-plus system in its periodic regime: Baccelli et al.,
Synchronization and Linearity, 3.7).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from netsim.engine.blocks import Block
from topologies.fabric import Floats, frozen
from topologies.jit import allocating_kernel


class Wires(NamedTuple):
    """What earlier blocks have left on the links: float64[links] each."""

    capacity: Floats
    busy_until: Floats  #: when the last message so far leaves
    claimed: Floats  #: rates of all rows since the link was last surely idle
    demand: Floats  #: scratch: rates of this block's rows; zero between calls


def idle_wires(capacity: Floats) -> Wires:
    return Wires(capacity, *(np.zeros(len(capacity)) for _ in range(3)))


def advance(block: Block, ready: Floats, wires: Wires, overhead: float) -> tuple[Floats, int] | None:
    """The walkers' times after the block, and the repetitions walked one by one; None where messages would meet.

    None leaves `wires` as it was.
    """
    paths = block.paths
    flow = frozen([] if paths.flow is None else paths.flow, np.int32)
    after, reps, clear = _advance(
        paths.offsets,
        paths.links,
        frozen([] if paths.use is None else paths.use, np.float64),
        flow,
        block.row_bytes(),
        paths.latency + overhead,
        block.src,
        block.dst,
        block.repeat,
        ready,
        wires,
    )
    return (after, int(reps)) if clear else None


@allocating_kernel
def _advance(
    offsets: Any,
    links: Any,
    use: Any,
    flow: Any,
    row_bytes: Any,
    wait: Any,
    src: Any,
    dst: Any,
    repeat: Any,
    ready: Any,
    wires: Any,
) -> Any:
    rate = _claim(offsets, links, use, wires)
    clear = _fits(offsets, links, wires) and _no_overlap(offsets, links, flow, wait, src, dst, ready, wires)
    before, after, reps = ready, ready, 0
    if clear:
        alone = np.zeros(len(src))  # seconds of each message once both ends are there
        for row in range(len(row_bytes)):
            m = flow[row] if len(flow) else row
            alone[m] = max(alone[m], wait[row] + row_bytes[row] / rate[row])
        before, after, reps = _recur(src, dst, alone, repeat, ready)
        _occupy(offsets, links, flow, wait, row_bytes, rate, src, dst, before, ready, wires)
    for e in range(len(links)):
        wires.demand[links[e]] = 0.0
    return after, reps, clear


@allocating_kernel
def _claim(offsets: Any, links: Any, use: Any, wires: Any) -> Any:
    """The rate of each row alone, summed up per link in `demand`."""
    rate = np.empty(len(offsets) - 1)
    for row in range(len(rate)):
        best = np.inf
        for e in range(offsets[row], offsets[row + 1]):
            best = min(best, wires.capacity[links[e]] / (use[e] if len(use) else 1.0))
        rate[row] = best
        for e in range(offsets[row], offsets[row + 1]):
            wires.demand[links[e]] += best * (use[e] if len(use) else 1.0)
    return rate


@allocating_kernel
def _fits(offsets: Any, links: Any, wires: Any) -> Any:
    for e in range(len(links)):
        if wires.demand[links[e]] > wires.capacity[links[e]] * (1 + 1e-12):
            return False
    return True


@allocating_kernel
def _no_overlap(offsets: Any, links: Any, flow: Any, wait: Any, src: Any, dst: Any, ready: Any, wires: Any) -> Any:
    """Whether every row comes on after earlier blocks have left its links, or finds room beside all that they may still send."""
    for row in range(len(offsets) - 1):
        m = flow[row] if len(flow) else row
        start = max(ready[src[m]], ready[dst[m]]) + wait[row]
        for e in range(offsets[row], offsets[row + 1]):
            link = links[e]
            overlaps = start < wires.busy_until[link] * (1 - 1e-12)
            if overlaps and wires.claimed[link] + wires.demand[link] > wires.capacity[link] * (1 + 1e-12):
                return False
    return True


@allocating_kernel
def _recur(src: Any, dst: Any, alone: Any, repeat: Any, ready: Any) -> Any:
    """Walk the repetitions until all times advance alike, then jump. Returns (times before the last, times after it, walked)."""
    taking_part = np.zeros(len(ready), np.bool_)
    for m in range(len(src)):
        taking_part[src[m]] = True
        taking_part[dst[m]] = True
    part = np.flatnonzero(taking_part)
    before, after = ready.copy(), ready.copy()
    for rep in range(1, repeat + 1):
        for w in part:
            after[w] = 0.0
        for m in range(len(src)):
            end = max(before[src[m]], before[dst[m]]) + alone[m]
            after[src[m]] = max(after[src[m]], end)
            after[dst[m]] = max(after[dst[m]], end)
        if rep == repeat:
            break
        least, most, last = np.inf, -np.inf, 0.0
        for w in part:
            step = after[w] - before[w]
            least, most, last = min(least, step), max(most, step), max(last, after[w])
        if most - least <= 4 * 2.3e-16 * last:
            jump = (repeat - rep) * most
            for w in part:
                before[w] += jump
                after[w] += jump
            return before, after, rep
        before, after = after, before
    return before, after, repeat


@allocating_kernel
def _occupy(
    offsets: Any,
    links: Any,
    flow: Any,
    wait: Any,
    row_bytes: Any,
    rate: Any,
    src: Any,
    dst: Any,
    before: Any,
    ready: Any,
    wires: Any,
) -> Any:
    """Enter the block in the books: when its last repetition leaves each link, and what it may send at once until then."""
    for row in range(len(offsets) - 1):
        m = flow[row] if len(flow) else row
        start = max(ready[src[m]], ready[dst[m]]) + wait[row]
        for e in range(offsets[row], offsets[row + 1]):
            link = links[e]
            if wires.demand[link] > 0.0 and start < wires.busy_until[link] * (1 - 1e-12):
                wires.claimed[link] += wires.demand[link]
                wires.demand[link] = -1.0  # entered; the caller zeroes it
    for row in range(len(offsets) - 1):
        m = flow[row] if len(flow) else row
        end = max(before[src[m]], before[dst[m]]) + wait[row] + row_bytes[row] / rate[row]
        for e in range(offsets[row], offsets[row + 1]):
            link = links[e]
            if wires.demand[link] > 0.0:
                wires.claimed[link] = wires.demand[link]
                wires.demand[link] = -1.0
            wires.busy_until[link] = max(wires.busy_until[link], end)
