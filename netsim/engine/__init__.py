"""What happens: engines of one signature.

engine(fabric, router, schedule, placement, *, overhead=0.0) -> Result; `overhead` is seconds per message at its ends.
"""

from topologies.registry import Table

ENGINES = Table(
    "engine",
    {
        "loads": "netsim.engine.loads:loads",
        "flow": "netsim.engine.flow:flow",
    },
    group="netsim.engines",
)
