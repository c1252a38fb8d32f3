"""What the wires are: fabrics, routing, and the formats that describe real ones. Knows numpy, and nothing of the rooms above.

A new topology is one file and one row here (docs/add-a-topology.md).
"""

from topologies.registry import Table

#: kind -> function(**parameters) -> Fabric
TOPOLOGIES = Table(
    "topology",
    {
        "fat-tree": "topologies.fat_tree:fat_tree",
        "leaf-spine": "topologies.clos:leaf_spine",
        "clos": "topologies.clos:clos",
        "bigraph": "topologies.bigraph:bigraph",
        "rail-optimised": "topologies.rails:rail_optimised",
        "rail-only": "topologies.rails:rail_only",
        "torus": "topologies.torus:torus",
        "mesh": "topologies.torus:mesh",
        "dragonfly": "topologies.dragonfly:dragonfly",
        "ring": "topologies.ring:ring",
        "single-switch": "topologies.single_switch:single_switch",
        "ibnetdiscover": "topologies.formats.ibnetdiscover:ibnetdiscover",
    },
    group="netsim.topologies",
)

#: kind -> factory(fabric, **parameters) -> Router
ROUTERS = Table(
    "routing",
    {
        "d-mod-k": "topologies.routing.modulo:d_mod_k",
        "s-mod-k": "topologies.routing.modulo:s_mod_k",
        "ecmp": "topologies.routing.ecmp:ecmp",
        "spray": "topologies.routing.spray:spray",
        "min-hop": "topologies.routing.tables:min_hop",
        "up-down": "topologies.routing.tables:up_down",
        "forwarding-tables": "topologies.routing.tables:forwarding_tables",
        "dimension-order": "topologies.routing.dimension_order:dimension_order",
        "minimal": "topologies.routing.dragonfly:minimal",
        "valiant": "topologies.routing.dragonfly:valiant",
    },
    group="netsim.routers",
)
