"""The tables whose kinds a scenario can name."""

from collectives import ALGORITHMS, PLACEMENTS
from netsim.engine import ENGINES
from topologies import ROUTERS, TOPOLOGIES
from topologies.registry import Table

TABLES: dict[str, Table] = {
    "topologies": TOPOLOGIES,
    "algorithms": ALGORITHMS,
    "placements": PLACEMENTS,
    "routings": ROUTERS,
    "engines": ENGINES,
}
