"""The table of targets: where a replay can run."""

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
