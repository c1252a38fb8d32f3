"""The key `calibration`: parameters in the scenario or in a file that it names, every fault at its place."""

from pathlib import Path

import pytest

import netsim as ns
from netsim.build import build_all, resolved
from netsim.scenario import load
from netsim.table import table
from topologies.errors import InputError

SMALLEST = "fabric: {kind: fat-tree, k: 4}\ncollective: {op: all-reduce, size: 1MiB}\n"
PARAMETERS = """\
date: 2026-01-31T12:00:00Z
source: emulated
where: {cores: 2, kernel: "6.1"}
overhead:
  - {up_to: 1KiB, time: 1us, time_interval: [0.9us, 1.1us]}
  - {time: 3us, rate: 100GB/s}
efficiency: {leaf-agg: 0.9, all: {value: 0.95, interval: [0.94, 0.96]}}
duplex: {all: 1.8}
reduction: {value: 40GB/s, interval: [30GB/s, 50GB/s]}
residuals: {median: 0.1%, worst: 2%}
fitted_on:
  - [h0 h1, ping-pong, 1MiB]
"""


def scenario(tmp_path: Path, parameters: str, name: str = "params.yaml") -> Path:
    """A scenario that names a parameter file beside it."""
    (tmp_path / name).write_text(parameters, encoding="utf-8")
    path = tmp_path / "s.yaml"
    path.write_text(f"{SMALLEST}calibration: {name}\n", encoding="utf-8")
    return path


def told(tmp_path: Path, parameters: str) -> list[str]:
    """The faults, without the folder that they name."""
    with pytest.raises(InputError) as error:
        build_all(load(scenario(tmp_path, parameters)))
    return str(error.value).replace(f"{tmp_path}/", "").splitlines()


def test_a_file_is_what_it_says_written_out(tmp_path: Path) -> None:
    named = ns.run(scenario(tmp_path, PARAMETERS))
    job = named.runs[0].job
    assert job.calibration is not None
    assert job.calibration.fitted_on == (("h0 h1", "ping-pong", 2**20),)
    again = resolved([job])
    assert again["calibration"] == {
        "overhead": [{"up_to": "1KiB", "time": "1us"}, {"time": "3us", "rate": "800Gbit/s"}],
        "efficiency": {"leaf-agg": 0.9, "all": 0.95},
        "duplex": {"all": 1.8},
        "reduction": "320Gbit/s",
    }
    assert "\n# calibration: params.yaml\n" in table(named)
    written_out = ns.run(again)
    assert written_out.result.time == named.result.time > ns.run(load(SMALL)).result.time
    assert written_out.provenance == named.provenance


SMALL = {"fabric": {"kind": "fat-tree", "k": 4}, "collective": {"op": "all-reduce", "size": "1MiB"}}


def test_the_id_changes_with_the_parameters_and_not_with_what_is_known_about_them(tmp_path: Path) -> None:
    def scenario_id(parameters: str) -> str:
        return ns.run(scenario(tmp_path, parameters)).provenance.scenario_id

    first = scenario_id(PARAMETERS)
    assert scenario_id(PARAMETERS.replace("2026", "2025")) == first
    assert len({first, scenario_id(PARAMETERS.replace("1.8", "1.7")), ns.run(SMALL).provenance.scenario_id}) == 3


def test_all_engines_and_jobs_that_share_a_fabric_honour_it(tmp_path: Path) -> None:
    half = SMALL | {"calibration": {"duplex": {"all": 1.0}, "overhead": [{"time": "1ms"}]}}
    for more in ({"engine": "flow"}, {"engine": "loads"}, {"jobs": [{"ranks": 8}], "engine": "flow"}):
        plain, calibrated = (ns.run(keys | more).result.time for keys in (SMALL, half))
        assert calibrated > 1.5 * plain + 6e-3


def test_faults_of_a_file_are_told_at_their_places_in_it(tmp_path: Path) -> None:
    wrong = PARAMETERS.replace("1us,", "-1us,").replace("100GB/s", "100").replace("0.95", "1.2").replace("date", "datum")
    assert told(tmp_path, wrong) == [
        "s.yaml:3:14: params.yaml:1:1: datum: unknown key, did you mean 'date'?",
        "s.yaml:3:14: params.yaml:5:25: overhead[0].time: '-1us': must be at least 0",
        "s.yaml:3:14: params.yaml:6:23: overhead[1].rate: 100: a rate needs a unit; write 100Gbit/s",
        "s.yaml:3:14: params.yaml:7:42: efficiency.all.value: 1.2: must be at most 1",
    ]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("", "params.yaml: empty; a parameter file has keys such as overhead: and efficiency:"),
        ("[1]", "params.yaml:1:1: a parameter file is a mapping of keys such as overhead: and efficiency:"),
        ("overhead: [{time: 1us}, {time: 2us}]", "params.yaml:1:12: overhead[0]: up_to: missing"),
        ("overhead: [{up_to: 1B}]", "params.yaml:1:12: overhead[0]: up_to: the last piece is for all larger messages"),
        ("overhead: [{up_to: 2B}, {up_to: 2B}, {}]", "params.yaml:1:33: overhead[1].up_to: 2B: must be more than that of the"),
        ("overhead: []", "params.yaml:1:11: overhead: an empty list: give at least one piece"),
        ("duplex: {all: 0.5}", "params.yaml:1:15: duplex.all: 0.5: must be at least 1"),
        ("reduction: fast", "params.yaml:1:12: reduction: 'fast': not a rate"),
        ("efficiency: {host→leef: 1}", "efficiency: no links 'host→leef' in fat-tree(k=4), did you mean 'host→leaf'?"),
        ("fitted_on: [[a, b]]", "params.yaml:1:13: fitted_on[0][2]: missing"),
        ("fitted_on: [[a, b, 3]]", "params.yaml:1:20: fitted_on[0][2]: 3: a size needs a unit; write 3B"),
        ("efficiency: {all: 1", "params.yaml:1:20: not YAML"),
    ],
)
def test_one_fault(tmp_path: Path, parameters: str, says: str) -> None:
    (line,) = told(tmp_path, parameters)
    assert says in line


def test_an_engine_that_knows_no_calibration_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from netsim.engine import ENGINES

    monkeypatch.setitem(ENGINES._own, "plain", f"{__name__}:plain")
    with pytest.raises(InputError, match="engine plain: takes no calibration; leave it out, or take engine: flow"):
        build_all(load(SMALL | {"engine": "plain", "calibration": {"duplex": {"all": 1.5}}}))


def plain(fabric: object, router: object, schedule: object, placement: object, *, overhead: float = 0.0) -> None:
    """An engine of others."""


def test_what_is_neither_a_file_nor_parameters(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="calibration: 3: must be the name of a parameter file, or a mapping of parameters"):
        load(SMALL | {"calibration": 3})
    with pytest.raises(InputError, match=r"calibration.duplx: unknown key, did you mean 'duplex'\?"):
        load(SMALL | {"calibration": {"duplx": {}}})
    with pytest.raises(InputError, match=r"s\.yaml:3:14: .*nowhere\.yaml: No such file or directory"):
        build_all(load(_naming(tmp_path, "nowhere.yaml")))


def _naming(tmp_path: Path, name: str) -> Path:
    path = scenario(tmp_path, "{}", "other.yaml")
    path.write_text(path.read_text().replace("other.yaml", name))
    return path
