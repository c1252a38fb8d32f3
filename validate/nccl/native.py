"""NCCL's own all-reduce, in place of a schedule's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from topologies.errors import InputError
from validate.native import NATIVES, environment
from validate.nccl.replay import Part
from validate.replay.data import buffers
from validate.replay.steps import Message, Step


def settings_of(native: str) -> Mapping[str, str]:
    """What NCCL must find in the environment when it makes a communicator for `native`, such as "nccl:ring"; "" replays.

    Raises InputError for what another library does.

    >>> settings_of("nccl:tree"), settings_of("")
    ({'NCCL_ALGO': 'Tree'}, {})
    """
    if native and not native.startswith("nccl:"):
        known = ", ".join(name for name in NATIVES if name.startswith("nccl:"))
        raise InputError(f"--native {native}: --on nccl runs NCCL's own: {known}")
    return environment(native) if native else {}


def whole(row: Mapping[str, Any], rank: int) -> Part:
    """A rank's data for it; no messages. `row`: as for `replay.part`."""
    everything = Message(0, np.arange(1), np.zeros(1, np.bool_))
    return Part(buffers(row, [1], [[Step((everything,), ())]], rank), (), 0)
