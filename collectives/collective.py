"""What a collective is: an operation, ranks, bytes; which chunks every rank has before and must have after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from topologies.errors import InputError
from topologies.registry import did_you_mean


class Op(StrEnum):
    """The collective operations, named as nccl-tests names them."""

    ALL_REDUCE = "all-reduce"
    REDUCE_SCATTER = "reduce-scatter"
    ALL_GATHER = "all-gather"
    BROADCAST = "broadcast"
    REDUCE = "reduce"
    ALL_TO_ALL = "all-to-all"


@dataclass(frozen=True)
class Collective:
    """An operation over `ranks` ranks.

    `bytes` is what nccl-tests prints as size: all-reduce, broadcast, reduce: the vector; reduce-scatter, all-gather: the whole
    (scattered or gathered) vector; all-to-all: what one rank holds, bytes/ranks for each peer. `root` for broadcast and reduce.
    """

    op: Op
    ranks: int
    bytes: float
    root: int = 0

    def __post_init__(self) -> None:
        if self.ranks != int(self.ranks) or self.ranks < 1:
            raise InputError(f"{self.op.value}: {self.ranks} ranks: at least 1 is needed")
        if not 0 < self.bytes < math.inf:
            raise InputError(f"{self.op.value}: size {self.bytes:g} B: must be positive and finite")
        if not 0 <= self.root < self.ranks:
            raise InputError(f"{self.op.value}: root {self.root}: must be a rank, 0..{self.ranks - 1}")

    @property
    def payload(self) -> float:
        """Bytes of all distinct data: `bytes`, for all-to-all `ranks * bytes`. A chunk is an equal part of it."""
        return self.bytes * (self.ranks if self.op is Op.ALL_TO_ALL else 1)

    @property
    def bus_factor(self) -> float:
        """busbw / algbw as nccl-tests has it: all-reduce 2(n-1)/n, broadcast and reduce 1, else (n-1)/n."""
        n = self.ranks
        if self.op is Op.ALL_REDUCE:
            return 2 * (n - 1) / n
        return 1.0 if self.op in (Op.BROADCAST, Op.REDUCE) else (n - 1) / n


def op_named(name: str) -> Op:
    """The operation of this name. Raises InputError with the nearest one."""
    try:
        return Op(name)
    except ValueError:
        raise InputError(f"unknown collective {name!r}{did_you_mean(name, [op.value for op in Op])}") from None
