"""NCCL's own collective, in place of a schedule's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from collectives.collective import Collective, Op
from topologies.errors import InputError
from topologies.registry import did_you_mean
from validate.nccl.library import Library
from validate.nccl.replay import Part
from validate.replay.data import buffers
from validate.replay.steps import Message, Step

#: of `nccl:NAME`: NCCL_ALGO before the communicator is made, and the operations that NCCL has it for
_NATIVE: dict[str, tuple[Mapping[str, str], tuple[Op, ...]]] = {
    "auto": ({}, (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER, Op.BROADCAST, Op.REDUCE)),
    "ring": ({"NCCL_ALGO": "Ring"}, (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER, Op.BROADCAST, Op.REDUCE)),
    "tree": ({"NCCL_ALGO": "Tree"}, (Op.ALL_REDUCE,)),
}


def environment(native: str, op: Op) -> Mapping[str, str]:
    """What NCCL must find in the environment when it makes a communicator for `native`, such as "nccl:ring"; "" replays.

    >>> environment("nccl:tree", Op.ALL_REDUCE), environment("", Op.ALL_GATHER)
    ({'NCCL_ALGO': 'Tree'}, {})

    Raises InputError for collectives of another library, and for operations that NCCL has no such algorithm for.
    """
    if not native:
        return {}
    library, _, name = native.partition(":")
    known = [f"nccl:{algorithm}" for algorithm in _NATIVE]
    if library != "nccl" or name not in _NATIVE:
        raise InputError(f"--native {native}: the target nccl has none of this name{did_you_mean(native, known)}")
    settings, ops = _NATIVE[name]
    if op not in ops:
        raise InputError(f"--native {native}: {op.value}: NCCL has it for {', '.join(o.value for o in ops)}")
    return settings


def whole(collective: Collective, row: Mapping[str, Any], rank: int) -> Part:
    """A rank's data where NCCL has the vector in as many equal parts as ranks; no messages. `row`: as for `replay.part`."""
    ranks = collective.ranks
    everything = Message(0, np.arange(ranks), np.zeros(ranks, np.bool_))  # so that it holds all, as NCCL wants it
    return Part(buffers(row, [ranks], [[Step((everything,), ())]], rank), (), 0)


def call(collective: Collective, elements: int, library: Library, data: Any) -> None:
    """Put NCCL's own on the stream, in place."""
    library.collective(collective.op, data, elements, collective.root)
