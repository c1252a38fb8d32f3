"""Job files: what is written, that shells and schemas take it, and that it says what the rows say.

`python tests/validate/test_jobs.py` accepts what is written now as the golden files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.hosts import host_name
from netsim.api import fabric as make_fabric
from netsim.build import build_all
from netsim.provenance import provenance
from netsim.scenario import load
from topologies.errors import InputError, UnknownKind
from topologies.formats.hostlist import expand
from validate.jobs import JOBS, write_job
from validate.jobs.hostlist import fold
from validate.jobs.rank_files import mpich_machinefile, openmpi_rankfile
from validate.jobs.slurm_topology import tree
from validate.predict import predict
from validate.request import rows

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden_jobs"
OPTIONS: dict[str, dict[str, Any]] = {
    "slurm": {"ranks_per_node": 2, "hostfile": "nodes.txt", "native": "mpich:ring"},
    "slurm-emulated": {"on": "emulated", "rate": "20Mbit/s", "repeat": 5},
    "mpijob": {"ranks_per_node": 4, "image": "registry.example/netsim:1", "mpi": "openmpi"},
    "torchrun": {"ranks_per_node": 8, "maps": 2, "time": "1500ms"},
}
JOB = {
    "fabric": {"kind": "fat-tree", "k": 4},
    "placement": {"kind": "random", "seed": 1},
    "collective": {"op": "all-reduce", "size": "64MiB"},
}


def written(name: str, folder: Path) -> list[Path]:
    """The golden job of this name."""
    nodes = folder.parent / "nodes.txt"
    nodes.write_text("n[0-7]  # the whole partition\n")
    options = {k: str(nodes) if k == "hostfile" else v for k, v in OPTIONS[name].items()}
    scenario = load(JOB)
    return write_job(name.partition("-")[0], scenario, rows(scenario), folder, options)


def job(folder: Path, kind: str = "slurm", scenario: Any = JOB, **options: Any) -> list[Path]:
    loaded = load(scenario)
    return write_job(kind, loaded, rows(loaded), folder, options)


@pytest.mark.parametrize("name", OPTIONS)
def test_jobs_are_the_golden_ones(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path / "job")
    assert {str(p.relative_to(tmp_path / "job")): p.read_text() for p in paths} == {
        str(p.relative_to(GOLDEN / name)): p.read_text() for p in (GOLDEN / name).rglob("*") if p.is_file()
    }
    assert paths[0].name in ("job.sbatch", "mpijob.yaml", "torchrun.sh")


def test_what_is_asked_of_the_run_is_asked_of_the_job(tmp_path: Path) -> None:
    """A limit on errors, and time for longer runs: two rows of 4 runs, each thrice at most, of 50 s and 2 more."""
    twice = JOB | {"collective": {"op": "all-reduce", "size": ["1MiB", "64MiB"]}}
    text = job(tmp_path / "job", scenario=twice, on="emulated", seconds="50s", max_error="5%")[0].read_text()
    assert " --max-error 5% " in text
    assert f"#SBATCH --time={(300 + 2 * 4 * 3 * 52) // 60 + 1:02}" in text.replace("--time=00:", "--time=")


# -- scripts ----------------------------------------------------------------------------------------------------------


def run_script(script: Path, tools: Path, **environment: str) -> list[str]:
    """Run a job script with stand-ins for launchers, each of which prints its arguments; returns what the last one was given."""
    tools.mkdir(exist_ok=True)
    for name in ("srun", "torchrun", "netsim"):
        (tools / name).write_text(
            '#!/bin/bash\nprintf "%s\\n" "$0" "$@" > "$TOLD"\n'
            '[ -z "${SLURM_HOSTFILE-}" ] || cat "$SLURM_HOSTFILE" > "$TOLD.hosts"\n'
        )
        (tools / name).chmod(0o755)
    (tools / "scontrol").write_text("#!/bin/bash\nprintf '%s\\n' node7 node8 node9\n")
    (tools / "scontrol").chmod(0o755)
    told = tools.parent / "told"
    environment = {"SLURM_JOB_NODELIST": "node[7-9]"} | environment
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "TOLD": str(told)} | environment
    words = environment.get("ARGUMENTS", "").split()
    done = subprocess.run(
        ["bash", str(script), *words], cwd=script.parent, env=env, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return told.read_text().splitlines()


@pytest.mark.parametrize("name", [n for n in OPTIONS if n != "mpijob"])
def test_bash_can_read_the_scripts(name: str, tmp_path: Path) -> None:
    script = written(name, tmp_path / "job")[0]
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_strange_names_reach_netsim_as_they_are(tmp_path: Path) -> None:
    strange = "a b;$(touch oops)`touch oops`'\"\n#SBATCH --nodes=999.yaml"
    file = tmp_path / strange
    file.write_text((ROOT / "examples" / "smallest.yaml").read_text())
    script = job(tmp_path / "job", scenario=file, native="mpich:ring,x'; touch oops;'", maps=2)[0]
    words = run_script(script, tmp_path / "tools", NETSIM_MPI="pmi 2")
    assert words[1:3] == ["--mpi=pmi 2", "--distribution=arbitrary"]
    assert words[words.index("netsim") :] == [
        *("netsim", "validate", "scenario.yaml", "--on", "mpi", "--repeat", "3"),
        *("--maps", "2", "--native", "mpich:ring", "--native", "x'; touch oops;'", "--save", "result.json"),
    ]
    assert not list(tmp_path.rglob("oops"))
    assert [line for line in script.read_text().splitlines() if "nodes=" in line and line.startswith("#SBATCH")] == [
        "#SBATCH --nodes=128"
    ]


def test_nodes_that_slurm_chooses_stand_for_hosts_in_order(tmp_path: Path) -> None:
    ring = JOB | {"ranks": 5, "placement": "identity", "collective": {"op": "all-reduce", "size": "5MiB"}}
    script = job(tmp_path / "job", scenario=ring, ranks_per_node=2)[0]
    assert "#SBATCH --nodes=3\n" in script.read_text()
    assert "nodelist" not in script.read_text()
    run_script(script, tmp_path / "tools")
    assert (tmp_path / "told.hosts").read_text().split() == ["node7", "node7", "node8", "node8", "node9"]


def test_torchrun_numbers_its_nodes(tmp_path: Path) -> None:
    script = job(tmp_path / "job", "torchrun", ranks_per_node=8)[0]
    words = run_script(script, tmp_path / "tools", ARGUMENTS="1", MASTER_ADDR="10.0.0.1")
    assert words[1:8] == [
        *(
            "--nnodes=2",
            "--node-rank=1",
            "--nproc-per-node=8",
            "--rdzv-backend=static",
            "--rdzv-endpoint=10.0.0.1:29500",
            "-m",
            "netsim",
        ),
    ]


# -- Kubernetes -------------------------------------------------------------------------------------------------------


def documents(text: str) -> list[Any]:
    from ruamel.yaml import YAML

    return list(YAML(typ="safe", pure=True).load_all(text))


def strict(schema: Any) -> Any:
    """The schema with keys that it does not know forbidden, as the API server's strict validation has it."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: strict(value) for key, value in schema.items()}
    return out | {"additionalProperties": False} if "properties" in schema and isinstance(schema["properties"], dict) else out


@pytest.fixture(scope="module")
def mpijobs() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "tests" / "fixtures" / "mpijob_v2beta1_schema.json").read_text())
    return jsonschema.Draft202012Validator(strict(schema))


@pytest.mark.parametrize("options", [{}, {"mpi": "openmpi", "on": "nccl"}, {"hostfile": "w[1-4]"}])
def test_an_mpijob_is_what_the_operator_takes(options: dict[str, str], mpijobs: Any, tmp_path: Path) -> None:
    if "hostfile" in options:
        (tmp_path / "hosts").write_text(options["hostfile"])
        options = {"hostfile": str(tmp_path / "hosts")}
    text = job(tmp_path / "job", "mpijob", ranks_per_node=4, image="netsim:1", **options)[0].read_text()
    config, asked = documents(text)
    strict_metadata = {**asked, "metadata": {}}  # the schema leaves metadata to the API server
    assert [e.message for e in mpijobs.iter_errors(strict_metadata)] == []
    assert config["metadata"]["name"] == asked["metadata"]["name"]
    spec = asked["spec"]
    workers = spec["mpiReplicaSpecs"]["Worker"]["replicas"]
    assert (workers, spec["slotsPerWorker"]) == (4, 4)
    arguments = spec["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("-n") + 1] == str(workers * spec["slotsPerWorker"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "mpiImplementation"), "mpich"),
        (("spec", "slotsPerWorker"), "4"),
        (("spec", "slots"), 4),
        (("spec", "mpiReplicaSpecs", "Worker", "replicas"), 2.5),
        (("spec", "mpiReplicaSpecs", "Worker", "template", "spec", "containers"), {}),
        (("spec", "runPolicy", "activeDeadlineSeconds"), "1h"),
    ],
)
def test_the_schema_catches_what_is_wrong(path: tuple[str, ...], value: Any, mpijobs: Any, tmp_path: Path) -> None:
    asked = documents(job(tmp_path / "job", "mpijob", image="netsim:1")[0].read_text())[1]
    inside = asked
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    assert [tuple(e.absolute_path)[:2] for e in mpijobs.iter_errors({**asked, "metadata": {}})]


def test_a_config_map_holds_the_files_that_a_scenario_names(tmp_path: Path) -> None:
    (tmp_path / "fabric.txt").write_bytes((ROOT / "tests/fixtures/ibnetdiscover_bigraph_n8_m4.txt").read_bytes())
    (tmp_path / "s.yaml").write_text(
        "fabric: {kind: ibnetdiscover, file: fabric.txt}\ncollective: {op: all-reduce, size: 1MiB}\n"
    )
    config, asked = documents(job(tmp_path / "job", "mpijob", tmp_path / "s.yaml", image="netsim:1")[0].read_text())
    worker = asked["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    for item in worker["volumes"][0]["configMap"]["items"]:
        assert config["data"][item["key"]] == (tmp_path / "job" / item["path"]).read_text()
    nodes = worker["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    built = build_all(load(tmp_path / "s.yaml"))[0][0].fabric
    assert nodes[0]["matchExpressions"][0]["values"] == [built.label_of(e) for e in range(built.n_endpoints)]


# -- what the files say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", ["validate", "rail-servers", "real-cluster", "faults", "torus", "dragonfly"])
def test_the_job_carries_the_very_scenario(example: str, tmp_path: Path) -> None:
    scenario = load(ROOT / "examples" / f"{example}.yaml", {"seed": 3})
    write_job("slurm", scenario, rows(scenario), tmp_path, {"time": 60})
    copy = load(tmp_path / "scenario.yaml")
    assert provenance(copy, build_all(copy)).scenario_id == provenance(scenario, build_all(scenario)).scenario_id
    assert copy.source.data == scenario.source.data or (tmp_path / "inputs").is_dir()


def test_the_job_carries_files_of_the_same_name_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "hosts").write_text("h1\nh0\n")
    (tmp_path / "hosts").write_text("h2\nh3\n")
    (tmp_path / "measured.yaml").write_text("overhead: [{time: 3us}]\n")
    cases = [{"name": name, "placement": {"kind": "explicit", "file": name}} for name in ("a/hosts", "hosts")]
    text = {k: v for k, v in JOB.items() if k != "placement"} | {"calibration": "measured.yaml", "compare": cases}
    (tmp_path / "s.yaml").write_text(json.dumps(text))
    scenario = load(tmp_path / "s.yaml")
    paths = job(tmp_path / "job", scenario=tmp_path / "s.yaml")
    copies = {p.relative_to(tmp_path / "job").as_posix() for p in paths if p.parent.name == "inputs"}
    assert copies == {"inputs/hosts", "inputs/1-hosts", "inputs/measured.yaml"}
    copy = load(tmp_path / "job" / "scenario.yaml")
    assert provenance(copy, build_all(copy)).scenario_id == provenance(scenario, build_all(scenario)).scenario_id
    assert [case.name for case in copy.cases] == ["a/hosts", "hosts"]


def test_the_limit_leaves_room_for_every_run(tmp_path: Path) -> None:
    scenario = load(JOB | {"collective": {"op": "all-reduce", "size": ["16GiB", "1TiB"]}})
    made = rows(scenario)
    text = write_job("slurm", scenario, made, tmp_path, {"repeat": 9})[0].read_text()
    clock = next(line for line in text.splitlines() if "--time" in line).partition("=")[2]
    hours, minutes, seconds = map(int, clock.split(":"))
    assert 3600 * hours + 60 * minutes + seconds >= 10 * sum(map(predict, made)) + 300


machines = st.lists(st.sampled_from(["n0", "n1", "gpu-07", "a.b"]), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(machines)
def test_rank_files_say_where_each_rank_is(machines: list[str]) -> None:
    assert [line.split("=")[1].split()[0] for line in openmpi_rankfile(machines).splitlines()] == machines
    slots = [tuple(line.split("=", 1)[1].split(" slot=")) for line in openmpi_rankfile(machines).splitlines()]
    assert len(set(slots)) == len(machines)
    lines = [line.rsplit(":", 1) for line in mpich_machinefile(machines).splitlines()]
    assert [name for name, count in lines for _ in range(int(count))] == machines


name = st.from_regex(r"[a-z]{1,2}-?[0-9]{0,3}", fullmatch=True)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.lists(name, min_size=1, max_size=30, unique=True))
def test_host_lists_fold_and_unfold(names: list[str]) -> None:
    assert sorted(expand(fold(names))) == sorted(names)


@pytest.mark.parametrize(
    ("fabric", "levels"),
    [
        (("fat-tree", {"k": 4}), [8, 4, 1]),
        (("leaf-spine", {"leaves": 3, "hosts_per_leaf": 2, "spines": 2}), [3, 1]),
        (("bigraph", {"m": 2, "n": 8}), [8, 1]),
        (("dragonfly", {"routers_per_group": 4, "hosts_per_router": 2, "global_links": 2}), [36, 9, 1]),
        (("rail-optimised", {"servers": 8, "rails": 2, "spines": 2, "servers_per_leaf": 4}), [2, 1]),
        (("torus", {"dims": [4, 4]}), []),
    ],
)
def test_the_tree_has_every_machine_once(fabric: tuple[str, dict[str, Any]], levels: list[int]) -> None:
    built = make_fabric(fabric[0], **fabric[1])
    hosts = [host_name(built.label_of(e)) for e in range(built.n_endpoints)]
    switches = tree(built, hosts)
    if not levels:
        assert switches == ()
        return
    below = [child for switch in switches for child in switch.below]
    assert sorted(below) == sorted({*hosts} | {s.name for s in switches[:-1]})
    depth = dict.fromkeys(hosts, 0)
    for switch in switches:
        depth[switch.name] = 1 + max(depth[child] for child in switch.below)
    counts = [sum(depth[s.name] == level for s in switches) for level in range(1, max(depth.values()) + 1)]
    assert counts == levels


# -- what is refused --------------------------------------------------------------------------------------------------


def test_what_somebody_may_have_edited_stays(tmp_path: Path) -> None:
    first = job(tmp_path)
    assert job(tmp_path) == first
    first[0].write_text("mine")
    with pytest.raises(InputError, match=r"job\.sbatch: is there with other contents"):
        job(tmp_path, repeat=7)
    assert first[0].read_text() == "mine"
    job(tmp_path, repeat=7, overwrite="true")
    assert "--repeat 7" in first[0].read_text()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("slum", {}, "unknown kind of job 'slum', did you mean 'slurm'"),
        ("slurm", {"repeats": 2}, "unknown option 'repeats', did you mean 'repeat'"),
        ("slurm", {"repeat": "0"}, "repeat: '0'; must be a whole number, at least 1"),
        ("slurm", {"time": 60 * 10**9}, "time: 60000000000; must be a time"),
        ("slurm", {"on": "gpu"}, "on: 'gpu'; such a job runs mpi or nccl or emulated"),
        ("slurm", {"rate": "1Gbit/s"}, "on mpi: unknown option 'rate'"),
        ("slurm", {"hosts": "nodes.txt"}, "--job slurm: hosts: 'nodes.txt'; one of: auto, order"),
        ("slurm", {"on": "emulated", "rate": "fast"}, "--job slurm: 'fast': not a rate"),
        ("torchrun", {"library": "rccl"}, "library=rccl: no such NCCL library"),
        ("torchrun", {"on": "emulated"}, "on: 'emulated'; such a job runs nccl"),
        ("mpijob", {}, "image: missing"),
        ("mpijob", {"image": "a b"}, "image: 'a b'; must be one word"),
        ("mpijob", {"image": "i", "mpi": "lam"}, "mpi: 'lam'; must be mpich or openmpi"),
        ("mpijob", {"image": "i", "ranks_per_node": 5}, "1 processes on one host, 5 on another"),
        ("slurm", {"hostfile": "/nowhere/hosts"}, "/nowhere/hosts: host file: No such file"),
        ("slurm", {"overwrite": "yes"}, "overwrite: 'yes'; must be true or false"),
    ],
)
def test_bad_options_are_told_in_one_line(kind: str, options: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, UnknownKind)) as caught:
        job(tmp_path / "job", kind, **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ("n[0-6]", "7 hosts; name the 16 that the job uses"),
        ("n[0-14],n3", "host 'n3' is named twice"),
        ("n[0-14],$(x)", "host '$(x)': no name of a machine"),
        ("n[0-15]:0", "slots"),
    ],
)
def test_host_files_that_do_not_fit(hosts: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"{hosts}\n")
    with pytest.raises(InputError) as caught:
        job(tmp_path / "job", hostfile=str(tmp_path / "hosts"))
    assert told in str(caught.value)


def test_cases_on_other_hosts_need_jobs_of_their_own(tmp_path: Path) -> None:
    servers = {"kind": "rail-optimised", "servers": 2, "rails": 8, "spines": 8, "servers_per_leaf": 2}
    two = {"collective": JOB["collective"], "compare": [{"name": "a", "fabric": JOB["fabric"]}, {"name": "b", "fabric": servers}]}
    with pytest.raises(InputError, match="a cluster is one fabric"):
        job(tmp_path / "job", scenario=two)


def test_every_kind_is_tested() -> None:
    assert {name.partition("-")[0] for name in OPTIONS} == set(JOBS)


if __name__ == "__main__":
    for golden in OPTIONS:
        shutil.rmtree(GOLDEN / golden, ignore_errors=True)
        written(golden, GOLDEN / golden)
    (GOLDEN / "nodes.txt").unlink()
    sys.exit(0)
