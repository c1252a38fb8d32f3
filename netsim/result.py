"""What came out: immutable, with its bound and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

from collectives.collective import Collective
from topologies.fabric import Floats, Ints


@dataclass(frozen=True)
class HotLink:
    """A link that decides: where, in which round, how many meet there, and who."""

    link: int
    label: str
    block: int  #: row of Contention in which it is worst
    load: float  #: flows that cross it in one repetition of that round (sprayed flows count by their fraction)
    seconds: float  #: time the link needs for its bytes of one repetition of that round, at full rate
    pairs: tuple[tuple[int, int], ...]  #: (sending rank, receiving rank) of up to eight flows that meet there
    n_pairs: int  #: how many there are


@dataclass(frozen=True, eq=False)
class Contention:
    """Who meets where, round by round. One row per block: steps in which every channel repeats one round.

    Channels are counted as if they walked in lock step. `load` is flows per directed link; all arrays have one entry per block
    unless said.
    """

    first_step: Ints  #: number of the block's first step
    repeat: Ints  #: steps in the block, all alike
    messages: Ints  #: messages in one step
    largest: Floats  #: bytes of the largest message
    max_load: Floats  #: flows on the fullest link
    max_link: Ints  #: that link (of a cable that is not full duplex: its first direction)
    slowdown: (
        Floats  #: what the busiest link needs, over what the endpoints' links or the longest message need; 1: congestion-free
    )
    class_names: tuple[str, ...]  #: link classes, "host→leaf" …
    class_load: Floats  #: float64[blocks, classes]: flows on the fullest link of each class
    link_bytes: Floats  #: float64[links]: bytes over the whole schedule
    hottest: tuple[HotLink, ...]  #: up to ten links, the worst first
    step_seconds: Floats  #: longest wait plus drain time of the busiest link: a step, were there a barrier after each

    @property
    def congestion_free(self) -> bool:
        """In no round does the network take longer than the servers' own links or the longest message would alone."""
        return bool((self.slowdown <= 1 + 1e-9).all())


@dataclass(frozen=True, eq=False)
class Result:
    """Time of one collective of one size, and why."""

    collective: Collective
    time: float  #: seconds
    engine: str
    contention: Contention
    block_end: Floats  #: when the last rank finished the last repetition of each of Contention's blocks (nan where unknown)
    counters: dict[str, int] = field(default_factory=dict)  #: events, flow-hops, … : deterministic work counts

    @property
    def algbw(self) -> float:
        """Bytes per second: size / time; 0 where nothing had to move (one rank)."""
        return self.collective.bytes / self.time if self.time > 0 else 0.0

    @property
    def busbw(self) -> float:
        """algbw times the factor that makes it comparable with link speed (nccl-tests)."""
        return self.algbw * self.collective.bus_factor

    def __repr__(self) -> str:
        c, us = self.collective, self.time * 1e6
        return f"<Result {c.op.value} of {c.bytes:.0f} B over {c.ranks} ranks: {us:.2f} us, busbw {self.busbw / 1e9:.2f} GB/s>"
