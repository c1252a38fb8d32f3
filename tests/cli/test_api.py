"""`import netsim as ns`: few names, lazily imported, the same answers as the command line."""

import subprocess
import sys

import pytest

import netsim as ns

JOB = {"fabric": {"kind": "fat-tree", "k": 4}, "collective": {"op": "all-reduce", "size": "1MiB"}}


def test_at_most_a_dozen_public_names_all_there() -> None:
    assert len(ns.__all__) <= 12
    assert ns.__all__ == sorted(ns.__all__) == dir(ns)
    assert all(getattr(ns, name) is not None for name in ns.__all__)


def test_importing_netsim_imports_nothing() -> None:
    code = "import sys, netsim; sys.exit(str([m for m in ('numpy', 'numba', 'pydantic', 'typer') if m in sys.modules]))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == "[]"


def test_run_takes_mappings_and_settings() -> None:
    result = ns.run(JOB, {"fabric.k": 8, "overhead": "1us"}).result
    assert result.collective.ranks == 128
    with pytest.raises(ns.InputError, match=r"set fabric.k: fabric\.k: 7: must be a multiple of 2"):
        ns.run(JOB, {"fabric.k": 7})
    with pytest.raises(ns.NetsimError, match="several results"):
        _ = ns.run(JOB, {"collective.size": ["1MiB", "2MiB"]}).result


def test_an_explicit_placement_has_as_many_ranks_as_it_lists() -> None:
    assert ns.placement(ns.fabric("fat-tree", k=4), "explicit", endpoints=[0, 5, 3]).endpoint.tolist() == [0, 5, 3]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ns.fabric("fat-tree"), "fat-tree: k: missing"),
        (lambda: ns.placement(ns.fabric("fat-tree", k=4), "random", seed="a"), "seed='a': must be a whole number"),
        (lambda: ns.schedule("all-reduce", ranks=4, size=float("nan")), "size nan B: must be positive and finite"),
        (lambda: ns.schedule("all-reduce", ranks=2.5, size=1), "2.5 ranks"),
    ],
)
def test_parts_refuse_what_they_cannot_use(make, told: str) -> None:
    with pytest.raises(ns.InputError, match=told):
        make()


def test_reprs_are_one_line() -> None:
    report = ns.run(JOB)
    for value in (report, report.runs[0], report.result, report.scenario):
        assert "\n" not in repr(value)
        assert len(repr(value)) < 200


def test_a_sweep_gives_the_times_of_single_runs() -> None:
    sizes = ["64KiB", "1MiB", "16MiB"]
    job = JOB | {"placement": {"kind": "random", "seed": 2}, "routing": "ecmp"}
    swept = [result.time for result in ns.run(job, {"collective.size": sizes}).runs[0].results]
    assert swept == [ns.run(job, {"collective.size": size}).result.time for size in sizes]


def test_a_sweep_asks_for_every_path_once(monkeypatch) -> None:
    from topologies.routing.pgft import PgftRouter

    asked = []
    plain = PgftRouter.paths
    monkeypatch.setattr(PgftRouter, "paths", lambda self, *flows: asked.append(len(flows[0])) or plain(self, *flows))
    ns.run(JOB)
    once, asked[:] = len(asked), []
    ns.run(JOB, {"collective.size": ["1KiB", "1MiB", "1GiB"]})
    assert len(asked) == once > 0


def test_the_parts_one_by_one_make_the_same_run() -> None:
    from netsim.engine.flow import flow

    fabric = ns.fabric("fat-tree", k=4)
    seats = ns.placement(fabric, "random", seed=3)
    schedule = ns.schedule("all-reduce", ranks=16, size="1MiB", algorithm="ring")
    result = flow(fabric, ns.router(fabric, "ecmp", seed=1), schedule, seats)
    job = JOB | {"placement": {"kind": "random", "seed": 3}, "routing": {"kind": "ecmp", "seed": 1}, "algorithm": "ring"}
    assert result.time == ns.run(job).result.time
    assert result.time >= ns.lower_bound(fabric, schedule.collective, seats).time


def test_the_id_changes_with_whatever_changes_the_result_and_with_nothing_else() -> None:
    def scenario_id(**keys) -> str:
        return ns.run(JOB | keys).provenance.scenario_id

    assert scenario_id() == scenario_id(placement="identity", engine="flow", seed=0)
    assert len({scenario_id(), scenario_id(overhead="1ns"), scenario_id(routing="ecmp"), scenario_id(seed=1)}) == 4
