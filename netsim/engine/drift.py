"""Blocks without contention: ranks drift apart, yet no message ever slows another, so times follow a max-plus recursion.

If all messages of a block could flow at full speed at once without filling any link beyond its capacity, each runs as if alone
whatever the drift: T'[w] = max over its messages of max(T[src], T[dst]) + wait + bytes/rate. A block repeated often is solved at
once (cruise.py); another is walked, and skipped forward when all times advance alike from one repetition to the next.

Messages of different blocks meet only if a block starts on a link before an earlier one has left it. `Wires` keeps the books for
that; as long as every rank has passed the end of everything so far, there is nothing to look up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netsim.engine.blocks import Block
from netsim.engine.cruise import cruise
from topologies.fabric import Floats, frozen
from topologies.jit import allocating_kernel, kernel

EARLIER = 1 - 1e-12  # a time before `t * EARLIER` is before t; nearer ones are the same time
FULL = 1 + 1e-12

_WALK = 16  # repetitions that are walked rather than solved

BOOK = np.dtype(
    [
        ("capacity", "f8"),
        ("demand", "f8"),  # rates of the rows of the block at hand; zero between calls
        ("claimed", "f8"),  # rates of all rows entered since the link was last surely idle
        ("busy_until", "f8"),  # when the last row entered leaves
    ]
)


@dataclass(frozen=True, eq=False)
class _Stay:
    """A block on the wires: the rate of each of its rows, from when and until when."""

    block: Block
    wait: Floats
    rate: Floats
    ready: Floats  #: the walkers' times before its first repetition
    before_last: Floats  #: and before its last


class Wires:
    """What earlier blocks have left on the links."""

    def __init__(self, capacity: Floats) -> None:
        self._books = np.zeros(len(capacity), BOOK)
        self._books["capacity"] = capacity
        self._horizon = 0.0  # when everything so far is off the wires
        self._unentered: _Stay | None = None

    def busy_until(self) -> Floats:
        """When each link is left by what is on it so far: float64[links], seconds."""
        self._enter()
        busy: Floats = self._books["busy_until"].copy()
        return busy

    def advance(self, block: Block, ready: Floats, overhead: float) -> tuple[Floats, int] | None:
        """The walkers' times after a block, and the repetitions walked one by one; None where messages would meet."""
        paths = block.paths
        wait, rate = block.row_wait(overhead), np.empty(paths.n_rows)
        clear = _claim(paths.offsets, paths.links, _or_none(paths.use, np.float64), self._books, rate)
        if clear and ready.min() < self._horizon * EARLIER:
            # some walker may reach back into what is still on the wires
            _release(paths.links, self._books)
            self._enter()
            _claim(paths.offsets, paths.links, _or_none(paths.use, np.float64), self._books, rate)
            clear = _finds_room(paths.offsets, paths.links, *_ends(block), wait, ready, self._books)
        _release(paths.links, self._books)
        if not clear:
            return None
        alone = wait + block.row_bytes() / rate
        if paths.flow is not None:  # a message is through when its last row is
            alone = np.maximum.reduceat(alone, np.searchsorted(paths.flow, np.arange(len(block.src))))
        before, after, walked = _walk(block, alone, ready)
        self._unentered = _Stay(block, wait, rate, ready, before)
        self._horizon = max(self._horizon, float(after.max()))
        return after, walked

    def _enter(self) -> None:
        """Write the last block into the books."""
        stay = self._unentered
        if stay is None:
            return
        self._unentered = None
        paths, ends = stay.block.paths, _ends(stay.block)
        _claim(paths.offsets, paths.links, _or_none(paths.use, np.float64), self._books, np.empty_like(stay.rate))
        nbytes = stay.block.row_bytes()
        _occupy(paths.offsets, paths.links, *ends, stay.wait, nbytes, stay.rate, stay.ready, stay.before_last, self._books)


def _or_none(array: NDArray[Any] | None, dtype: Any) -> NDArray[Any]:
    """Kernels take an empty array for None, always of one type, so that they are compiled once."""
    return frozen([] if array is None else array, dtype)


def _ends(block: Block) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return _or_none(block.paths.flow, np.int32), block.src, block.dst


def _walk(block: Block, alone: Floats, ready: Floats) -> tuple[Floats, Floats, int]:
    """(times before the last repetition, times after it, repetitions walked)."""
    after = ready.copy()
    if block.repeat == 1:
        _once(block.src, block.dst, alone, ready, after)
        return ready, after, 1
    first, meets = _meetings(block.src, block.dst, len(ready))
    if block.repeat > _WALK:
        cruised = cruise(block, alone, first, meets, ready)
        if cruised:
            return *cruised, 0
    before = ready.copy()
    walked, odd = _repeat(block.src, block.dst, alone, first, meets, block.repeat, before, after)
    return (after, before, walked) if odd else (before, after, walked)


@kernel
def _claim(offsets: Any, links: Any, use: Any, books: Any, rate: Any) -> Any:
    """The rate of each row alone, summed up per link in `demand`; returns whether all fit at once."""
    fits = True
    for row in range(len(rate)):
        best = np.inf
        for e in range(offsets[row], offsets[row + 1]):
            best = min(best, books[links[e]].capacity / (use[e] if len(use) else 1.0))
        rate[row] = best
        for e in range(offsets[row], offsets[row + 1]):
            book = books[links[e]]
            book.demand += best * (use[e] if len(use) else 1.0)
            fits = fits and book.demand <= book.capacity * FULL
    return fits


@kernel
def _release(links: Any, books: Any) -> None:
    for e in range(len(links)):
        books[links[e]].demand = 0.0


@kernel
def _finds_room(offsets: Any, links: Any, flow: Any, src: Any, dst: Any, wait: Any, ready: Any, books: Any) -> Any:
    """Whether every row comes on after earlier blocks have left its links, or finds room beside all that they may still send."""
    for row in range(len(wait)):
        m = flow[row] if len(flow) else row
        start = max(ready[src[m]], ready[dst[m]]) + wait[row]
        for e in range(offsets[row], offsets[row + 1]):
            book = books[links[e]]
            if start < book.busy_until * EARLIER and book.claimed + book.demand > book.capacity * FULL:
                return False
    return True


@kernel
def _occupy(
    offsets: Any,
    links: Any,
    flow: Any,
    src: Any,
    dst: Any,
    wait: Any,
    nbytes: Any,
    rate: Any,
    ready: Any,
    before_last: Any,
    books: Any,
) -> None:
    """Enter a block: when it leaves each link, and what it may send at once until then; `demand` becomes zero.

    `ready` and `before_last`: the walkers' times before the first and the last repetition.
    """
    for row in range(len(rate)):
        m = flow[row] if len(flow) else row
        start = max(ready[src[m]], ready[dst[m]]) + wait[row]
        for e in range(offsets[row], offsets[row + 1]):
            book = books[links[e]]
            if book.demand > 0.0 and start < book.busy_until * EARLIER:
                book.claimed += book.demand
                book.demand = 0.0
    for row in range(len(rate)):
        m = flow[row] if len(flow) else row
        end = max(before_last[src[m]], before_last[dst[m]]) + wait[row] + nbytes[row] / rate[row]
        for e in range(offsets[row], offsets[row + 1]):
            book = books[links[e]]
            if book.demand > 0.0:  # nothing of the block came on early: the link was idle
                book.claimed = book.demand
                book.demand = 0.0
            book.busy_until = max(book.busy_until, end)


@kernel
def _once(src: Any, dst: Any, alone: Any, before: Any, after: Any) -> None:
    """One repetition, message by message; `after` starts as a copy of `before`."""
    for m in range(len(src)):
        end = max(before[src[m]], before[dst[m]]) + alone[m]
        after[src[m]] = max(after[src[m]], end)
        after[dst[m]] = max(after[dst[m]], end)


@allocating_kernel
def _meetings(src: Any, dst: Any, walkers: Any) -> Any:
    """The messages of each walker as CSR: (first int64[walkers + 1], messages int32)."""
    first = np.zeros(walkers + 1, np.int64)
    for m in range(len(src)):
        first[src[m] + 1] += 1
        first[dst[m] + 1] += 1
    first = np.cumsum(first)
    at = first.copy()
    meets = np.empty(first[-1], np.int32)
    for m in range(len(src)):
        for w in (src[m], dst[m]):
            meets[at[w]] = m
            at[w] += 1
    return first, meets


@kernel
def _repeat(src: Any, dst: Any, alone: Any, first: Any, meets: Any, repeat: Any, before: Any, after: Any) -> Any:
    """Walk the repetitions, walker by walker, until all times advance alike; then jump to the last.

    The two arrays take turns. Returns (repetitions walked, whether they have changed places in the end).
    """
    walkers = len(before)
    for rep in range(1, repeat + 1):
        old, new = (before, after) if rep % 2 else (after, before)
        least, most, last = np.inf, -np.inf, 0.0
        for w in range(walkers):
            if first[w] == first[w + 1]:
                continue
            latest = 0.0
            for i in range(first[w], first[w + 1]):
                m = meets[i]
                latest = max(latest, max(old[src[m]], old[dst[m]]) + alone[m])
            new[w] = latest
            step = latest - old[w]
            least, most, last = min(least, step), max(most, step), max(last, latest)
        if rep == repeat or most - least <= 4 * 2.3e-16 * last:  # alike to the last bits of the times themselves
            jump = (repeat - rep) * most
            for w in range(walkers):
                if first[w] < first[w + 1]:
                    old[w] += jump
                    new[w] += jump
            return rep, rep % 2 == 0
    return repeat, repeat % 2 == 0
