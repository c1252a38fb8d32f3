"""Who sends what, when, from where: collectives, schedules, rank maps, checkers. Stands on `topologies`.

A new algorithm or placement is one file and one row here.
"""

from topologies.registry import Table

#: kind -> function(collective, **parameters) -> Schedule
ALGORITHMS = Table(
    "algorithm",
    {
        "ring": "collectives.ring:ring",
        "bidirectional-ring": "collectives.ring:bidirectional_ring",
        "multi-ring": "collectives.ring:multi_ring",
        "halving-doubling": "collectives.halving_doubling:halving_doubling",
        "recursive-doubling": "collectives.recursive_doubling:recursive_doubling",
        "rabenseifner": "collectives.rabenseifner:rabenseifner",
        "swing": "collectives.swing:swing",
        "binomial-tree": "collectives.trees:binomial_tree",
        "double-binary-tree": "collectives.trees:double_binary_tree",
        "hierarchical": "collectives.hierarchical:hierarchical",
        "reduce-ring-broadcast": "collectives.hierarchical:reduce_ring_broadcast",
        "torus-2d": "collectives.torus_2d:torus_2d",
        "blueconnect": "collectives.blueconnect:blueconnect",
        "parameter-server": "collectives.parameter_server:parameter_server",
        "direct": "collectives.all_to_all:direct",
        "pairwise-xor": "collectives.all_to_all:pairwise_xor",
        "bruck": "collectives.all_to_all:bruck",
    },
    group="netsim.algorithms",
)

#: kind -> function(fabric, ranks, **parameters) -> Placement
PLACEMENTS = Table(
    "placement",
    {
        "identity": "collectives.placement:identity",
        "random": "collectives.placement:random",
        "round-robin": "collectives.placement:round_robin",
        "explicit": "collectives.placement:explicit",
        "hdrm": "collectives.hdrm:hdrm",
        "pow2-packed": "collectives.placement:pow2_packed",
    },
    group="netsim.placements",
)
