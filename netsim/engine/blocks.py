"""A schedule, placed and routed: what every engine reads.

The steps of all channels are cut into blocks in which each channel repeats one round, so that an engine meets every distinct set
of messages once. A *walker* is one rank in one channel: number channel * ranks + rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from collectives.placement import Placement
from collectives.schedule import Round, Schedule
from topologies.errors import InputError
from topologies.fabric import Fabric, Floats, Ints, NodeKind, frozen
from topologies.paths import Paths, Router

_CACHED_HOPS = 40_000_000  # paths kept between blocks, in link ids: 160 MB


@dataclass(frozen=True, eq=False)
class Block:
    """`repeat` steps with the same messages: walkers `src → dst` int32[messages], `bytes` float64[messages], their paths."""

    first_step: int
    repeat: int
    src: Ints
    dst: Ints
    bytes: Floats
    paths: Paths

    def row_bytes(self) -> Floats:
        """Bytes of each row of the paths."""
        flow, share = self.paths.flow, self.paths.share
        per_row = self.bytes if flow is None else self.bytes[flow]
        return frozen(per_row if share is None else per_row * share, np.float64)


class Traffic:
    """The blocks of a schedule on a fabric. Index it or iterate; paths are made when asked for and a bounded number is kept."""

    def __init__(self, fabric: Fabric, router: Router, schedule: Schedule, placement: Placement) -> None:
        ranks = schedule.collective.ranks
        if placement.ranks < ranks:
            raise InputError(f"placement {placement.kind}: places {placement.ranks} ranks, the schedule has {ranks}")
        self.fabric, self.router, self.schedule = fabric, router, schedule
        self.endpoint = placement.endpoint
        self.n_walkers = ranks * len(schedule.channels)
        self._cuts = _aligned(schedule)
        self._paths: dict[bytes, Paths] = {}
        self._kept = 0
        self._latest: tuple[int, Block] | None = None  # too large a block for the cache is often asked for twice in a row

    @cached_property
    def own_links(self) -> NDArray[np.bool_]:
        """Which links belong to hosts and servers (their NICs' cables included) and not to the network; none without switches."""
        switch = self.fabric.kind == NodeKind.SWITCH
        own = ~(switch[self.fabric.src] & switch[self.fabric.dst])
        return own if switch.any() else np.zeros_like(own)

    @cached_property
    def end_capacity(self) -> tuple[Floats, Floats]:
        """Bytes/s that each endpoint can send, and receive, over all its links: float64[n_endpoints] each."""
        n = self.fabric.n_endpoints
        ends = (self.fabric.src, self.fabric.dst)
        sums = [np.bincount(end[end < n], weights=self.fabric.capacity[end < n], minlength=n) for end in ends]
        return frozen(sums[0], np.float64), frozen(sums[1], np.float64)

    def __len__(self) -> int:
        return len(self._cuts)

    def __iter__(self) -> Iterator[Block]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Block:
        if self._latest is None or self._latest[0] != index:
            self._latest = None  # let go of the old one before the new one is made
            self._latest = index, self._made(index)
        return self._latest[1]

    def _made(self, index: int) -> Block:
        first_step, repeat, rounds = self._cuts[index]
        ranks = self.schedule.collective.ranks
        chunk = self.schedule.chunk_bytes
        parts = [(channel, *r.messages) for channel, r in rounds]
        if len(parts) == 1:
            channel, src, dst, chunks = parts[0]
            key = np.full(len(src), channel, dtype=np.int32)
        else:
            key = np.concatenate([np.full(len(p[1]), p[0], dtype=np.int32) for p in parts])
            src, dst, chunks = (np.concatenate([p[i] for p in parts]) for i in (1, 2, 3))
        paths = self._routed(self.endpoint[src], self.endpoint[dst], key)
        walker = key * np.int32(ranks)
        ends = frozen(src + walker, np.int32), frozen(dst + walker, np.int32)
        return Block(first_step, repeat, *ends, frozen(chunks * chunk, np.float64), paths)

    def _routed(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        name = b"".join(a.tobytes() for a in (src, dst, key)) if len(src) <= 1 << 17 else b""
        if name in self._paths and name:
            return self._paths[name]
        paths = self.router.paths(src, dst, key)
        if name and self._kept + len(paths.links) <= _CACHED_HOPS:
            self._paths[name] = paths
            self._kept += len(paths.links)
        return paths


def _aligned(schedule: Schedule) -> list[tuple[int, int, list[tuple[int, Round]]]]:
    """(first step, steps, [(channel, round)]) of each block, the channels taken to walk in lock step."""
    ends = [np.cumsum([r.repeat for r in channel.rounds], dtype=np.int64) for channel in schedule.channels]
    edges = np.unique(np.concatenate([[0], *ends]).astype(np.int64))
    blocks = []
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        current = [
            (c, channel.rounds[int(np.searchsorted(ends[c], start, side="right"))])
            for c, channel in enumerate(schedule.channels)
            if len(ends[c]) and start < ends[c][-1]
        ]
        blocks.append((start, stop - start, current))
    return blocks


def link_classes(fabric: Fabric) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """The class (tier → tier) of every link, and the names of the classes, host side first."""
    tiers = int(fabric.tier.max()) + 1
    code = fabric.tier[fabric.src].astype(np.int64) * tiers + fabric.tier[fabric.dst]
    present = np.flatnonzero(np.bincount(code, minlength=tiers * tiers))
    number = np.zeros(tiers * tiers, dtype=np.int16)
    number[present] = np.arange(len(present))
    names = tuple(f"{fabric.tier_name(c // tiers)}→{fabric.tier_name(c % tiers)}" for c in present.tolist())
    return number[code], names
