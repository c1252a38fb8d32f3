"""Job files submitted to a real Slurm: eight virtual nodes on this machine, started and ended here."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import NODES, Cluster, cluster, why_not

from netsim.cli import main
from netsim.scenario import load
from validate.jobs import write_job
from validate.measured import read_measurement
from validate.measurement import Measurement
from validate.request import rows

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
needs_mpi = pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None, reason="no mpi4py: pip install mpi4py mpich")
JOB = {
    "fabric": {"kind": "fat-tree", "k": 4},
    "placement": {"kind": "explicit", "endpoints": [3, 1, 2, 0, 7, 6, 5, 4, 8, 15, 10, 13, 12, 11, 14, 9]},
    "collective": {"op": "all-reduce", "size": "64MiB"},
}
NOT_TRUSTWORTHY = 3


#: MPICH between processes of one machine that Slurm takes for several: over TCP, not by the shared memory that each looks for
OVER_TCP = {"NETSIM_MPI": "pmi2", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}


def written(folder: Path, ranks: int = 16, size: str = "64MiB", **options: object) -> list[Path]:
    nodes = folder / "nodes.txt"
    nodes.write_text("n[0-7]\n")
    scenario = load(JOB, {"ranks": ranks, "collective.size": size})
    own = {"hostfile": str(nodes), "ranks_per_node": ranks // NODES, **options}
    return write_job("slurm", scenario, rows(scenario), folder / "job", own)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, with the fabric as its topology."""
    folder = tmp_path_factory.mktemp("topology")
    written(folder)
    with cluster((folder / "job" / "topology.conf").read_text()) as made:
        yield made


def submitted(slurm: Cluster, folder: Path) -> Measurement:
    """What the job in this folder left, trustworthy or, where this machine was busy, not."""
    code = slurm.submit("job.sbatch", folder, NETSIM=f"{sys.executable} -m netsim", **OVER_TCP)
    log = "\n".join(log.read_text() for log in folder.glob("job-*.log"))
    assert code in (0, NOT_TRUSTWORTHY), f"exit code {code}\n{log}\n{slurm.said()}"
    with chdir(folder):
        assert main(["validate", "scenario.yaml", "--on", "result.json"]) in (0, NOT_TRUSTWORTHY)
    return read_measurement(folder / "result.json")


def test_slurm_takes_the_topology(slurm: Cluster) -> None:
    told = slurm.call("scontrol", "show", "topology").stdout
    nodes = [dict(word.split("=") for word in line.split()) for line in told.splitlines()]
    # two ranks on a node, two hosts on a leaf: every leaf has one node, every pod two of these
    assert [(s["Level"], s["Nodes"]) for s in nodes] == [
        *(("0", f"n{n}") for n in range(8)),
        *(("1", f"n[{n}-{n + 1}]") for n in range(0, 8, 2)),
        ("2", "n[0-7]"),
    ]


@pytest.mark.parametrize("file", ["processes.hosts", "ranks.slurm"])
def test_every_rank_is_on_the_node_of_its_line(file: str, slurm: Cluster, tmp_path: Path) -> None:
    written(tmp_path)
    command = ("srun", "--distribution=arbitrary", "-n16", "sh", "-c", "echo $SLURM_PROCID $SLURMD_NODENAME")
    done = slurm.call(*command, SLURM_HOSTFILE=str(tmp_path / "job" / file))
    at = dict(line.split() for line in done.stdout.splitlines())
    assert [at[str(rank)] for rank in range(16)] == (tmp_path / "job" / file).read_text().split(), done.stderr


@needs_mpi
def test_a_job_of_processes_on_all_nodes_leaves_a_measurement(slurm: Cluster, tmp_path: Path, capsys: Any) -> None:
    written(tmp_path, ranks=NODES, size="1MiB", repeat=2)
    left = submitted(slurm, tmp_path / "job")
    assert (left.on, len(left.rows)) == ("mpi", 1)
    assert (left.rows[0].ranks, left.rows[0].wrong, len(left.rows[0].seconds)) == (NODES, 0, 2)
    assert "# measured on: mpi" in capsys.readouterr().out


@needs_mpi
def test_a_job_on_the_emulated_fabric_leaves_a_measurement(slurm: Cluster, tmp_path: Path) -> None:
    written(tmp_path, on="emulated", repeat=1, seconds="500ms")
    left = submitted(slurm, tmp_path / "job")
    assert (left.on, len(left.rows)) == ("emulated", 1)
    assert (left.rows[0].ranks, left.rows[0].wrong) == (16, 0)


@needs_mpi
def test_srun_starts_the_ranks_of_an_emulated_fabric(slurm: Cluster, tmp_path: Path) -> None:
    """From outside the namespaces: each process that srun starts finds its endpoint, and meets the others by PMI-2."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(json.dumps(JOB))
    how = ("--seconds", "500ms", "--repeat", "1", "--format", "json", "--option", "launcher=srun --mpi=pmi2 -n16")
    done = slurm.call(sys.executable, "-m", "netsim", "validate", str(scenario), *how, limit=180)
    assert done.returncode in (0, NOT_TRUSTWORTHY), f"{done.stderr}\n{slurm.said()}"
    (row,) = json.loads(done.stdout)["results"]
    assert (row["ranks"], row["measured"]["nwrong"]) == (16, 0)
