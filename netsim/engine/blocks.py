"""A schedule, placed and routed: what every engine reads.

The steps of all channels are cut into blocks in which each channel repeats one round, so that an engine meets every distinct set
of messages once. A *walker* is one rank in one channel: number channel * ranks + rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from collectives.placement import Placement
from collectives.schedule import Round, Schedule
from netsim.engine.calibration import Calibration
from netsim.engine.wiring import wiring
from topologies.errors import InputError
from topologies.fabric import Fabric, Floats, Ints, frozen
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
    wait: Floats | None = None  #: seconds that each message waits for its size (calibration), beside latency and overhead

    def row_wait(self, overhead: float) -> Floats:
        """Seconds that each row of the paths waits before it flows."""
        wait = self.paths.latency + overhead
        if self.wait is not None:
            wait = wait + (self.wait if self.paths.flow is None else self.wait[self.paths.flow])
        return frozen(wait, np.float64)

    def row_bytes(self) -> Floats:
        """Bytes of each row of the paths."""
        flow, share = self.paths.flow, self.paths.share
        per_row = self.bytes if flow is None else self.bytes[flow]
        return frozen(per_row if share is None else per_row * share, np.float64)


class Traffic:
    """The blocks of a schedule on a fabric. Index it or iterate; paths are made when asked for and a bounded number is kept.

    `capacity` float64: bytes/s of what the paths cross, numbered as in `wiring`: the links, and cables that are not full duplex.
    """

    def __init__(
        self,
        fabric: Fabric,
        router: Router,
        schedule: Schedule,
        placement: Placement,
        calibration: Calibration | None = None,
    ) -> None:
        ranks = schedule.collective.ranks
        if placement.ranks < ranks:
            raise InputError(f"placement {placement.kind}: places {placement.ranks} ranks, the schedule has {ranks}")
        self.fabric, self.router, self.schedule = fabric, router, schedule
        self.endpoint = placement.endpoint
        self.calibration = calibration
        self.wiring = wiring(fabric, calibration)
        self.capacity = self.wiring.capacity
        self.n_walkers = ranks * len(schedule.channels)
        self._cuts = _aligned(schedule)
        self._paths: dict[bytes, Paths] = {}
        self._kept = 0
        self._latest: tuple[int, Block] | None = None  # too large a block for the cache is often asked for twice in a row

    @cached_property
    def end_capacity(self) -> tuple[Floats, Floats]:
        """Bytes/s that each endpoint can send, and receive, over all its links: float64[n_endpoints] each."""
        n = self.fabric.n_endpoints
        ends, capacity = (self.fabric.src, self.fabric.dst), self.capacity[: self.fabric.n_links]
        sums = [np.bincount(end[end < n], weights=capacity[end < n], minlength=n) for end in ends]
        return frozen(sums[0], np.float64), frozen(sums[1], np.float64)

    @cached_property
    def both_capacity(self) -> Floats:
        """Bytes/s that each endpoint can send and receive together: float64[n_endpoints]."""
        n, cables = self.fabric.n_endpoints, self.wiring.cables
        both = self.capacity[: self.fabric.n_links].reshape(-1, 2).sum(axis=1)
        both[cables] = self.capacity[self.fabric.n_links :]
        ends = np.concatenate([self.fabric.src[::2], self.fabric.dst[::2]])
        capacity = np.bincount(ends[ends < n], weights=np.tile(both, 2)[ends < n], minlength=n)
        return frozen(capacity, np.float64)

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
        nbytes = frozen(chunks * chunk, np.float64)
        return Block(first_step, repeat, *ends, nbytes, paths, self._wait(rounds, nbytes))

    def _wait(self, rounds: list[tuple[int, Round]], nbytes: Floats) -> Floats | None:
        if self.calibration is None or not self.calibration.waits:
            return None
        added = np.concatenate([r.added_chunks for _, r in rounds]) * self.schedule.chunk_bytes
        return self.calibration.wait(nbytes, added)

    def _routed(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        name = b"".join(a.tobytes() for a in (src, dst, key)) if len(src) <= 1 << 17 else b""
        if name in self._paths and name:
            return self._paths[name]
        paths = self.wiring.crossed(self.router.paths(src, dst, key))
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
