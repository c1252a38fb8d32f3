"""`--on mpi`: one rank speaks for all, every refusal is one line and one exit code, whoever started it."""

import json
import os
import subprocess
import sys
import time

import pytest
from mpi_launch import launch, needs_mpi

from netsim.scenario import load
from topologies.errors import BackendUnavailable, InputError
from validate.measurement import from_json
from validate.mpi.options import Options, read_options
from validate.mpi.quiet import is_leader
from validate.mpi.seats import seats
from validate.mpi.target import mpi
from validate.request import Request, rows

FABRIC = {"kind": "fat-tree", "k": 4}
SCENARIO = """\
fabric: {kind: fat-tree, k: 4}
ranks: 4
placement: {kind: random, seed: 1}
collective: {op: all-reduce, size: [1KiB, 256KiB]}
"""
NETSIM = "from netsim.cli import main; raise SystemExit(main())"


def job_of(size: str) -> dict[str, object]:
    placed = {"kind": "random", "seed": 1}
    return {"fabric": FABRIC, "ranks": 4, "placement": placed, "collective": {"op": "all-reduce", "size": size}}


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "four.yaml"
    path.write_text(SCENARIO)
    return str(path)


@needs_mpi
def test_one_rank_prints_what_all_measured(scenario, tmp_path):
    kept = tmp_path / "kept.json"
    words = ["validate", scenario, "--on", "mpi", "--save", str(kept), "--native", "mpich:ring", "--repeat", "2"]
    done = launch(4, "-c", NETSIM, *words)
    assert done.returncode in (0, 3)  # 3: a machine at work, where ranks start late and say so
    assert done.stdout.count("# measured on: mpi") == 1
    measurement = from_json(json.loads(kept.read_text()), "kept.json")
    assert [(row.by, row.bytes, row.ranks, row.wrong, len(row.seconds)) for row in measurement.rows] == [
        (by, size, 4, 0, 2) for by in ("halving-doubling", "mpich:ring") for size in (1 << 10, 256 << 10)
    ]
    assert measurement.where["machines"] == 1


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "words", "code", "message"),
    [
        (3, [], 2, "--on mpi: 3 MPI ranks for 4 endpoints; start it with mpiexec -n 4\n"),
        (2, ["--option", "host=auto"], 2, "--on mpi: unknown option 'host', did you mean 'hosts'?\n"),
        (
            2,
            ["--native", "mpich:ring", "--native", "mpich:tree"],
            2,
            "mpich:ring, mpich:tree: an MPI library reads its settings once",
        ),
        (4, ["--native", "openmpi:ring"], 4, "openmpi:ring: the library at hand is MPICH"),
        (4, ["--set", "fabric.k=3"], 2, "fabric"),
    ],
)
def test_a_refusal_is_told_once(scenario, ranks, words, code, message):
    done = launch(ranks, "-c", NETSIM, "validate", scenario, "--on", "mpi", *words, limit=30)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@needs_mpi
def test_without_a_launcher_it_says_how_to_start_it(scenario):
    words = [sys.executable, "-c", NETSIM, "validate", scenario, "--on", "mpi"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "mpiexec -n 4 netsim validate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@needs_mpi
def test_a_run_beyond_its_limit_ends_all(scenario):
    began = time.monotonic()
    done = launch(4, "-c", NETSIM, "validate", scenario, "--on", "mpi", "--option", "limit=1ns", limit=30)
    assert done.returncode not in (0, 3)
    assert "the limit of a run" in done.stderr
    assert time.monotonic() - began < 30


def test_no_mpi_is_exit_code_4(monkeypatch, scenario):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    request = Request(load(scenario), rows(load(scenario)))
    with pytest.raises(BackendUnavailable, match=r"--on mpi: no MPI: .*pip install"):
        mpi(request)


def test_a_launchers_other_setting_is_not_overridden(monkeypatch, scenario):
    from validate.native import native_rows

    loaded = load(scenario)
    monkeypatch.setattr(os, "environ", {**os.environ, "MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM": "tree"})
    with pytest.raises(InputError, match="MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM: the launcher set 'tree'; unset it, or set 'ring'"):
        mpi(Request(loaded, native_rows(rows(loaded), ["mpich:ring"])))
    with pytest.raises(InputError, match="nccl:ring: is NCCL's; use --on nccl"):
        mpi(Request(loaded, native_rows(rows(loaded), ["nccl:ring"])))


def test_ranks_sit_where_machines_are_called_like_hosts():
    (row,) = rows(load(job_of("1MiB")))
    used = row.placement.endpoint.tolist()
    label = row.job.fabric.label_of
    machines = [f"{label(e)}.cluster.local" for e in used]  # rank r of the launcher is on the machine of logical rank r
    assert seats([row], machines, "auto").of_row == [[0, 1, 2, 3]]
    assert seats([row], machines[::-1], "auto").of_row == [[3, 2, 1, 0]]
    in_order = [[sorted(used).index(e) for e in used]]
    assert seats([row], machines, "order").of_row == in_order
    strangers = seats([row], ["a", "b", "c", "d"], "auto")
    assert strangers.of_row == in_order
    assert "knows no host 'a'" in strangers.how
    crowded = seats([row], [machines[0]] * 4, "auto")  # four ranks where the fabric has one endpoint
    assert crowded.of_row == in_order
    with pytest.raises(InputError, match="5 MPI ranks for 4 endpoints; start it with mpiexec -n 4"):
        seats([row], ["a"] * 5, "auto")


def test_several_ranks_of_a_server_sit_on_its_gpus_in_order():
    spec = {"fabric": FABRIC, "server": {"gpus": 2, "nics": 2}, "ranks": 4}
    (row,) = rows(load(spec | {"collective": {"op": "all-reduce", "size": "1MiB"}}))
    hosts = [row.job.fabric.label_of(e).split(".")[0].split("/")[0] for e in row.placement.endpoint.tolist()]
    assert hosts[0] == hosts[1] != hosts[2] == hosts[3]
    assert seats([row], [hosts[2], hosts[0], hosts[2], hosts[0]], "auto").of_row == [[1, 3, 0, 2]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hosts": "any"}, "hosts: 'any'; one of: auto, order"),
        ({"poll": "2s"}, "poll: 2s; must be from 0s to 1s"),
        ({"limit": "0s"}, "limit: 0s; must be more than 0s"),
        ({"rate": "1Gbit/s"}, "--on mpi: unknown option 'rate'"),
    ],
)
def test_options_are_checked(given, message):
    with pytest.raises(InputError, match=message):
        read_options(given)
    assert read_options({"hosts": "auto", "poll": "0s"}) == Options("auto", 0.0)


def test_the_leader_is_known_by_the_launchers_word():
    assert not is_leader({"OMPI_COMM_WORLD_RANK": "2", "SLURM_PROCID": "0"})
    assert is_leader({"PMIX_RANK": "0", "SLURM_PROCID": "0"})
