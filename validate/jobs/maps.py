"""The scenario's rank maps, for launching programs of one's own under them."""

from __future__ import annotations

from validate.jobs.plan import Plan
from validate.jobs.rank_files import mpich_machinefile, openmpi_rankfile, slurm_hostfile


def maps(plan: Plan) -> dict[str, str]:
    """`ranks.slurm`, `ranks.openmpi`, `ranks.mpich` for every placement of the rows, `ranks-2.slurm` and so on for the second."""
    placements = {row.placement.endpoint.tobytes(): row.placement for row in plan.rows}
    files = {}
    for n, placement in enumerate(placements.values()):
        machines = plan.seats.ranks(placement)
        name = f"ranks-{n + 1}" if n else "ranks"
        files[f"{name}.slurm"] = slurm_hostfile(machines)
        files[f"{name}.openmpi"] = openmpi_rankfile(machines)
        files[f"{name}.mpich"] = mpich_machinefile(machines)
    return files
