"""netsim: simulate cluster networks and co-design the collectives that run on them.

    import netsim as ns
    report = ns.run("examples/smallest.yaml", {"fabric.k": 16})

Names are imported when they are first used, so that `import netsim` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netsim.api import fabric, placement, router, schedule
    from netsim.bounds import lower_bound
    from netsim.pipeline import Report, run
    from netsim.result import Result
    from netsim.scenario import Scenario, load
    from topologies.errors import InputError, NetsimError

__all__ = [
    "InputError",
    "NetsimError",
    "Report",
    "Result",
    "Scenario",
    "fabric",
    "load",
    "lower_bound",
    "placement",
    "router",
    "run",
    "schedule",
]

_HOMES = {
    "InputError": "topologies.errors",
    "NetsimError": "topologies.errors",
    "Report": "netsim.pipeline",
    "Result": "netsim.result",
    "Scenario": "netsim.scenario",
    "fabric": "netsim.api",
    "load": "netsim.scenario",
    "lower_bound": "netsim.bounds",
    "placement": "netsim.api",
    "router": "netsim.api",
    "run": "netsim.pipeline",
    "schedule": "netsim.api",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'netsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
