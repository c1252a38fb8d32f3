"""Jobs that share a fabric, from the file to what is told of them."""

import json
from pathlib import Path

import pytest

import netsim as ns
from netsim.build import build_all
from netsim.cli import main
from netsim.meetings import meetings
from netsim.scenario import load
from netsim.scenario.model import read_scenario
from netsim.scenario.source import parse
from topologies.errors import InputError

#: two leaves joined by one link each way: 1 GB/s, and 4 us over the four links between hosts of different leaves
WIRES = "fabric: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 4, spines: 1, link: 1GB/s, latency: 1us}\n"
JOBS = """\
jobs:
  - {name: early, placement: {kind: explicit, hosts: 'h[0,4]'}, collective: {op: broadcast, size: 3000000B}}
  - {name: late, placement: {kind: explicit, hosts: 'h[1,5]'}, collective: {op: broadcast, size: 1000000B}, start: 1ms}
"""
COLLECTIVE = "collective: {op: all-reduce, size: 1MiB}\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "jobs.yaml"
    path.write_text(WIRES + JOBS)
    return str(path)


def test_two_messages_share_a_link_while_both_are_there(file: str) -> None:
    """One has the link for 1 ms, both have half of it for 2 ms, and the first the whole of it for its last 1 ms."""
    early, late = ns.run(file)
    assert early.results[0].time == pytest.approx(4e-3 + 4e-6, rel=1e-12)
    assert late.results[0].time == pytest.approx(2e-3 + 4e-6, rel=1e-12)
    assert [run.end for run in (early, late)] == pytest.approx([4.004e-3, 3.004e-3], rel=1e-12)
    assert [run.alone.time for run in (early, late)] == pytest.approx([3.004e-3, 1.004e-3], rel=1e-12)
    assert [run.bounds[0].time for run in (early, late)] == [run.alone.time for run in (early, late)]


def test_they_meet_where_both_send_and_only_while_both_run(file: str) -> None:
    up, down = meetings(ns.run(file).runs)
    assert [up.label, down.label] == ["leaf0→spine0", "spine0→leaf1"]
    assert (up.bytes, up.seconds) == ({0: 3e6, 1: 1e6}, 4e-3)
    assert meetings(ns.run(file, {"jobs.1.start": "3005us"}).runs) == ()


def test_a_single_job_is_as_if_it_were_alone_but_later() -> None:
    job = {"name": "only", "start": "2ms", "algorithm": "ring"}
    around = {"fabric": {"kind": "fat-tree", "k": 4}, "collective": {"op": "all-reduce", "size": "1MiB"}}
    (run,) = ns.run(around | {"jobs": [job]})
    plain = ns.run(around | {"algorithm": "ring"}).result
    assert run.results[0].time == pytest.approx(plain.time, rel=1e-9)
    assert run.results[0].block_end == pytest.approx(plain.block_end, rel=1e-9)
    assert run.end == run.results[0].time + 2e-3


def test_jobs_take_from_the_top_what_they_leave_out() -> None:
    text = WIRES + COLLECTIVE + "ranks: 2\nrouting: spray\njobs:\n  - {ranks: 3, algorithm: ring}\n  - {routing: d-mod-k}\n"
    (jobs,) = build_all(read_scenario(parse(text, "f.yaml")))
    assert [job.case.job for job in jobs] == ["job 1", "job 2"]
    assert [job.placement.endpoint.tolist() for job in jobs] == [[0, 1, 2], [3, 4]]
    assert [job.specs["routing"]["kind"] for job in jobs] == ["spray", "d-mod-k"]
    assert [job.specs["algorithm"]["kind"] for job in jobs] == ["ring", "halving-doubling"]


def test_the_last_job_takes_what_is_left_if_not_told_how_many() -> None:
    text = WIRES + COLLECTIVE + "jobs:\n  - {placement: {kind: explicit, hosts: [h6, h1]}}\n  - {placement: round-robin}\n"
    (jobs,) = build_all(read_scenario(parse(text, "f.yaml")))
    assert jobs[1].placement.endpoint.tolist() == [0, 4, 2, 5, 3, 7]


def test_lists_and_cases_run_all_jobs_together_each_time(capsys, tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(
        WIRES + COLLECTIVE + "jobs: [{name: a, ranks: 4}, {name: b}]\nplacement: [identity, {kind: random, seed: 1}]\n"
    )
    report = ns.run(str(path))
    assert [run.name for run in report] == ["identity: a", "identity: b", "random(seed=1): a", "random(seed=1): b"]
    assert [len(runs) for runs in report.cases] == [2, 2]
    assert main(["run", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("# jobs on one fabric:\n") == 2
    assert "# side by side: a at 1MiB:\n" in out
    assert "# side by side: b at 1MiB:\n" in out


def test_a_case_may_have_jobs_of_its_own() -> None:
    text = WIRES + COLLECTIVE + "jobs: [{ranks: 4}]\ncompare: [{name: x}, {name: y, jobs: [{ranks: 2}, {ranks: 9}]}]\n"
    scenario = read_scenario(parse(text, "f.yaml"))
    assert [[case.ranks for case in jobs] for jobs in scenario.together] == [[4], [2, 9]]
    with pytest.raises(InputError, match=r"f\.yaml:4:59: ranks: 9 do not fit on the 6 endpoints"):
        build_all(scenario)


def test_json_has_the_jobs_and_where_they_meet(file: str, capsys) -> None:
    assert main(["run", file, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [job["job"] for job in told["jobs"]] == ["early", "late"]
    assert [job["end_seconds"] for job in told["jobs"]] == pytest.approx([4.004e-3, 3.004e-3])
    assert [job["vs_alone"] for job in told["jobs"]] == pytest.approx([4.004 / 3.004, 2.004 / 1.004])
    assert told["meetings"][0] == {"link": "leaf0→spine0", "seconds": 4e-3, "bytes": {"early": 3e6, "late": 1e6}}
    again = load(told["config"])
    assert [run.results[0].time for run in ns.run(again)] == [job["results"][0]["seconds"] for job in told["jobs"]]


def test_an_expectation_is_of_every_job(file: str, capsys) -> None:
    assert main(["run", file, "--expect", "time<3ms"]) == 3
    (miss,) = capsys.readouterr().err.splitlines()
    assert miss == "early: 2929.6875KiB: time is 4.004ms, expected time<3ms"


def test_show_and_plot_take_them(file: str, tmp_path: Path, capsys) -> None:
    assert main(["show", file]) == 0
    out = capsys.readouterr().out
    assert "# job:      early\n" in out
    assert "  start: 1ms\n" in out
    assert out.count("# fabric: ") == 1
    assert main(["run", file, "--plot", str(tmp_path / "jobs.svg")]) == 0


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ("jobs: []\n", "f.yaml:2:7: jobs: an empty list: name at least one"),
        (JOBS + "compare: [{jobs: null}]\n", "f.yaml:5:11: compare[0].collective: missing, here and at the top"),
        ("jobs: [{rank: 3}]\n", "f.yaml:2:9: jobs[0].rank: unknown key, did you mean 'ranks'?"),
        ("jobs: [{start: -1ms}]\n", "f.yaml:2:16: jobs[0].start: '-1ms': must be at least 0"),
        ("jobs: [{name: a}]\n", "f.yaml:2:8: jobs[0].collective: missing, here and around the jobs"),
        (JOBS + COLLECTIVE, "f.yaml:5:1: collective: has no effect: every job has its own"),
        (JOBS + "placement: random\n", "f.yaml:5:1: placement: has no effect: every job has its own"),
        (JOBS + "engine: loads\n", "f.yaml:5:9: engine: loads: jobs that share a fabric need the engine flow"),
        (JOBS.replace("late", "early"), "f.yaml:4:12: jobs[1].name: 'early' is the name of jobs[0] too"),
        (JOBS.replace("h[1,5]", "h[4,5]"), "f.yaml:4:29: late: h4 is taken by early; a job has its endpoints for itself"),
        (
            JOBS.replace("3000000B", "1MiB..2MiB"),
            "jobs[0].collective.size: 2 sizes; a job that shares the fabric with others has one",
        ),
        (COLLECTIVE.replace("1MiB", "[1B, 2B]") + "jobs: [{}]\n", "f.yaml:2:36: collective.size: 2 sizes; a job"),
        (
            COLLECTIVE + "jobs: [{ranks: 5}, {ranks: 4}]\n",
            "f.yaml:3:28: ranks: 4 do not fit on the 3 endpoints of leaf-spine(2 leaves x 4 hosts, 1 spines) that other jobs",
        ),
        (COLLECTIVE + "jobs: [{ranks: 8}, {}]\n", "job 2: no endpoint is left for it; give the jobs before it fewer ranks"),
        (
            COLLECTIVE + "jobs: [{ranks: 5}, {ranks: 2, placement: [identity]}]\n",
            "jobs[1].placement: a list of 1: must be a placement",
        ),
        (COLLECTIVE + "jobs: [{ranks: 4, placement: hdrm}]\n", "f.yaml:3:30: hdrm: leaf-spine"),
    ],
)
def test_faults(jobs: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        build_all(read_scenario(parse(WIRES + jobs, "f.yaml")))
    (line,) = str(error.value).splitlines()
    assert told in line


def test_a_mapping_is_read_as_a_file_is() -> None:
    job = {"collective": {"op": "broadcast", "size": "1B"}}
    with pytest.raises(InputError, match=r"compare\[0\]\.collective: has no effect: every job has its own"):
        load({"fabric": {"kind": "ring", "n": 4}, "compare": [job | {"jobs": [job]}]})
