"""A Slurm batch script, the host file that it starts its processes by, rank maps, and the fabric as Slurm's topology."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from validate.jobs.hostlist import fold
from validate.jobs.maps import maps
from validate.jobs.plan import RESULT, SCENARIO, Plan
from validate.jobs.rank_files import slurm_hostfile
from validate.jobs.slurm_topology import topology_conf, topology_yaml, tree

_SCRIPT, _HOSTS = "job.sbatch", "processes.hosts"
_HOW = {
    "mpi": "by MPI, {processes} processes on {nodes} nodes",
    "nccl": "by NCCL, {processes} processes on {nodes} nodes, one for each GPU",
    "emulated": "on a fabric emulated on one node, {processes} ranks",
}


def slurm(plan: Plan) -> dict[str, str]:
    """File name -> text: `job.sbatch` first. Where the fabric is emulated on one node, the others have nothing to say."""
    script = "".join(f"{line}\n" for line in _script(plan))
    if plan.options.on == "emulated":
        return {_SCRIPT: script}
    switches = tree(max((row.job.fabric for row in plan.rows), key=lambda f: f.n_endpoints), plan.seats.of_fabric)
    topology = {"topology.conf": topology_conf(switches), "topology.yaml": topology_yaml(switches)} if switches else {}
    return {_SCRIPT: script, _HOSTS: slurm_hostfile(plan.seats.machines), **maps(plan), **topology}


def _script(plan: Plan) -> Iterator[str]:
    yield "#!/bin/bash"
    yield from _about(plan)
    yield from _resources(plan)
    yield ""
    yield "set -euo pipefail"
    yield 'cd "${SLURM_SUBMIT_DIR:-.}"'
    yield f'[ -f {SCENARIO} ] || {{ echo "job.sbatch: no {SCENARIO} in $PWD: submit from its folder" >&2; exit 2; }}'
    yield "export OMP_NUM_THREADS=1"
    if plan.options.on == "emulated":
        yield from _emulated(plan)
    else:
        yield from _spread(plan)


def _about(plan: Plan) -> Iterator[str]:
    yield f"# netsim: {plan.name} replayed {_HOW[plan.options.on].format(processes=plan.processes, nodes=len(plan.seats.hosts))}"
    yield "#"
    yield "#   submit, in this folder, which all nodes must see:     sbatch job.sbatch"
    yield f"#   it leaves {RESULT} there; predicted beside measured:  netsim validate {SCENARIO} --on {RESULT}"
    yield "#"
    yield "# Settings from the environment:"
    yield "#   NETSIM      the program; default: netsim"
    if plan.options.on == "mpi":
        yield "#   NETSIM_MPI  how srun speaks with your MPI (srun --mpi=list): pmix, the default, for Open MPI; pmi2 for MPICH"
    if plan.options.on != "emulated" and not plan.seats.named:
        yield "# The fabric is no real one, so its hosts have no machines: the nodes that Slurm gives stand for them, in order."
        yield "# To say which: netsim validate … --job slurm --option hostfile=FILE, a machine a line."


def _resources(plan: Plan) -> Iterator[str]:
    hosts, emulated = plan.seats.hosts, plan.options.on == "emulated"
    yield f"#SBATCH --job-name={plan.slug}"
    yield f"#SBATCH --nodes={1 if emulated else len(hosts)}"
    if not emulated:
        yield f"#SBATCH --ntasks={plan.processes}"
    if plan.seats.named and not emulated:
        yield f"#SBATCH --nodelist={fold(hosts)}"
    if plan.options.on == "nccl":
        yield f"#SBATCH --gpus-per-node={max(hosts.values())}"
    yield f"#SBATCH --time={_clock(plan.minutes)}"
    yield "#SBATCH --exclusive"
    yield "#SBATCH --output=job-%j.log"


def _spread(plan: Plan) -> Iterator[str]:
    """Process i on the machine in line i of the host file. Rank maps are the replay's business, not the launcher's."""
    yield f"export SLURM_HOSTFILE=$PWD/{_HOSTS}"
    if not plan.seats.named:
        yield "SLURM_HOSTFILE=$(mktemp)"
        yield "trap 'rm -f \"$SLURM_HOSTFILE\"' EXIT"
        yield 'nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")'
        yield (
            "awk 'FNR == NR { node[NR] = $1; next } !($1 in at) { at[$1] = node[++n] } { print at[$1] }' "
            f'- {_HOSTS} <<< "$nodes" > "$SLURM_HOSTFILE"'
        )
    mpi = '"--mpi=${NETSIM_MPI:-pmix}"'
    if plan.options.on == "nccl":
        mpi = "--mpi=none"
        yield 'MASTER_ADDR=$(head -n 1 "$SLURM_HOSTFILE")'
        yield "export MASTER_ADDR"
    yield f"srun {mpi} --distribution=arbitrary --ntasks={plan.processes} \\"
    yield f"  ${{NETSIM:-netsim}} {shlex.join(plan.arguments)}"


def _emulated(plan: Plan) -> Iterator[str]:
    """Everything on one machine: the fabric of network namespaces, and one rank in each of its hosts."""
    yield f"${{NETSIM:-netsim}} {shlex.join(plan.arguments)}"


def _clock(minutes: int) -> str:
    """Minutes as Slurm takes them.

    >>> _clock(5), _clock(1505)
    ('00:05:00', '1-01:05:00')
    """
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:00" if days else f"{hours:02}:{minutes:02}:00"
