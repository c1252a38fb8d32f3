"""The table of targets: where a replay can run, and what may be chosen there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from topologies.registry import Table

#: name -> "module:function" of `Request -> Outcome`; imported when asked for
TARGETS = Table(
    "target",
    {
        "emulated": "validate.emulated.target:emulated",
        "mpi": "validate.mpi.target:mpi",
        "nccl": "validate.nccl.target:nccl",
    },
    group="netsim.targets",
)

#: target -> the module with its `Options`, and the function there that checks what was given for them
_OPTIONS = {
    "emulated": ("validate.emulated.options", "read_options"),
    "mpi": ("validate.mpi.options", "read_options"),
    "nccl": ("validate.nccl.options", "options_of"),
}


def options_of_target(on: str) -> tuple[list[str], Callable[[Mapping[str, Any]], Any]]:
    """The names of a target's options, and what checks their values before anything runs. A third party's checks its own."""
    if on not in _OPTIONS:
        return [], lambda given: given
    place, check = _OPTIONS[on]
    module = import_module(place)
    return [f.name for f in fields(module.Options)], getattr(module, check)
