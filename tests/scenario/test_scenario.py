"""Scenarios: all faults at once, each with its place; cases side by side; nothing but InputError whatever the bytes."""

from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Ge, Unit
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netsim.build import build, build_all, resolved
from netsim.scenario import load
from netsim.scenario.kinds import kind_of_function
from netsim.scenario.model import read_scenario
from netsim.scenario.schema import json_schema
from netsim.scenario.source import parse
from netsim.scenario.tables import TABLES
from topologies.errors import InputError

SMALLEST = "fabric: {kind: fat-tree, k: 4}\ncollective: {op: all-reduce, size: 1MiB}\n"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def faults(text: str) -> list[str]:
    """What is told of a scenario, of its text or of what it builds."""
    with pytest.raises(InputError) as error:
        _build_all(text)
    return str(error.value).splitlines()


def _build_all(text: str) -> None:
    build_all(read_scenario(parse(text, "f.yaml")))


def test_all_faults_at_once_in_the_order_of_the_file() -> None:
    text = """\
fabric: {kind: fat-tree, kk: 8, link: 400, latency: 5m}
routing: [ecmpp, {kind: d-mod-k, seed: 3}]
rank: 3
ranks: 0
collective: {op: all-reduc, size: 0B, foo: 1}
engine: flo
overhead: 3
faults: [leaf0-agg1, {count: 0}, 3]
compare:
  - {name: x, fabric: [fat-tree, {kind: fat-tree, k: 3}]}
  - 5
"""
    assert faults(text) == [
        "f.yaml:1:9: fabric.k: missing",
        "f.yaml:1:26: fabric.kk: unknown key, did you mean 'k'?",
        "f.yaml:1:39: fabric.link: 400: a rate needs a unit; write 400Gbit/s",
        "f.yaml:1:53: fabric.latency: 5m: 'm' is not a unit of a time; write it like 500ns",
        "f.yaml:2:11: routing[0]: unknown routing 'ecmpp', did you mean 'ecmp'?",
        "f.yaml:2:34: routing[1].seed: unknown key; it takes no parameters",
        "f.yaml:3:1: rank: unknown key, did you mean 'ranks'?",
        "f.yaml:4:8: ranks: 0: must be at least 1",
        "f.yaml:5:18: collective.op: unknown collective 'all-reduc', did you mean 'all-reduce'?",
        "f.yaml:5:35: collective.size: 0B: a size must be at least 1B",
        "f.yaml:5:39: collective.foo: unknown key; one of: op, root, size",
        "f.yaml:6:9: engine: unknown engine 'flo', did you mean 'flow'?",
        "f.yaml:7:11: overhead: 3: a time needs a unit; write 3ns",
        "f.yaml:8:30: faults[1].count: 0: must be at least 1",
        "f.yaml:8:34: faults[2]: 3: must be a cable's name, such as leaf0-spine1, or {count: …}",
        "f.yaml:10:24: compare[0].fabric[0].k: missing",
        "f.yaml:10:54: compare[0].fabric[1].k: 3: must be a multiple of 2",
        "f.yaml:11:5: compare[1]: 5: must be a mapping of keys",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fabric: {kind: ring, n: 3}\n", "f.yaml:1:1: collective: missing; for example"),
        (SMALLEST + "ranks: 17\n", "f.yaml:3:8: ranks: 17 do not fit on the 16 endpoints"),
        (SMALLEST + "algorithm: swingg\n", "f.yaml:3:12: algorithm: unknown algorithm 'swingg', did you mean 'swing'?"),
        (SMALLEST + "algorithm: {kind: hierarchical, inter: rin}\n", "f.yaml:3:40: algorithm.inter: unknown algorithm 'rin'"),
        (SMALLEST + "algorithm: {kind: reduce-ring-broadcast, local: 3}\n", "f.yaml:3:49: algorithm.local: 3: must be a word"),
        (SMALLEST + "ranks: 3\nalgorithm: halving-doubling\n", "f.yaml:4:12: halving-doubling: 3 ranks: needs a power of two"),
        (SMALLEST + "faults: [h1-leaf0, h0-leaf0]\n", "f.yaml:3:9: "),
        (SMALLEST + "server: {gpus: 0}\n", "f.yaml:3:16: server.gpus: 0: must be at least 1"),
        (SMALLEST + "placement: {kind: explicit, hosts: [h1, h2, h1]}\n", "f.yaml:3:12: "),
        (SMALLEST + "placement: {kind: explicit, hosts: 'h[0-99]'}\n", "f.yaml:3:12: "),
        (SMALLEST.replace("fat-tree, k: 4", "bigraph, m: 8, n: 8") + "placement: hdrm\n", "f.yaml:3:12: "),
        (SMALLEST + "placement: hdrm\n", "f.yaml:3:12: "),
        (SMALLEST + "placement: {kind: explicit, hosts: [1]}\n", "f.yaml:3:37: placement.hosts[0]: 1: must be a word"),
        (SMALLEST.replace("1MiB", "1MiB..1KiB"), "f.yaml:2:36: collective.size: '1MiB..1KiB': the range ends below its start"),
        (SMALLEST.replace("1MiB", "1B..1GiB*1.0000001"), "does not move"),
        (SMALLEST.replace("1MiB", "1"), "collective.size: 1: a size needs a unit; write 1B"),
        (SMALLEST.replace("1MiB", "[]"), "an empty list"),
        (SMALLEST.replace("1MiB", "1MiB, root: 16"), "f.yaml:2:13: all-reduce: root 16: must be a rank"),
        ("fabric: {k: 4}\ncollective: {op: all-reduce, size: 1B}\n", "f.yaml:1:9: fabric.kind: missing; one of: "),
        (SMALLEST.replace("k: 4", "k: true"), "fabric.k: true: must be a whole number"),
        (SMALLEST.replace("k: 4", "k: 4.0"), "fabric.k: 4.0: must be a whole number"),
        (SMALLEST.replace("k: 4", "k: '4'"), "fabric.k: '4': must be a whole number"),
        (SMALLEST.replace("fabric", "fabric: []\n#"), "an empty list"),
    ],
)
def test_one_fault(text: str, told: str) -> None:
    (line,) = faults(text)
    assert told in line


def test_every_entry_of_a_list_is_told_at_its_place() -> None:
    assert faults(SMALLEST.replace("1MiB", "[1MiB, 0B, 3, 2GiB..1GiB]")) == [
        "f.yaml:2:43: collective.size[1]: 0B: a size must be at least 1B",
        "f.yaml:2:47: collective.size[2]: 3: a size needs a unit; write 3B",
        "f.yaml:2:50: collective.size[3]: '2GiB..1GiB': the range ends below its start",
    ]
    told = faults(SMALLEST + "faults: [leaf0-agg9, leaf0-agg0, h1-core0, {count: 99}, {count: 1, between: leaf-cor}]\n")
    assert [line.partition(": ")[0] for line in told] == [f"f.yaml:3:{column}" for column in (10, 34, 44, 57)]
    assert all(word in line for word, line in zip(("agg9", "h1-core0", "count=99", "leaf-cor"), told, strict=True))


def test_bounds_quote_what_was_written() -> None:
    text = SMALLEST.replace("k: 4", "k: 4, link: 0Gbit/s, latency: -1us") + "overhead: -2us\n"
    assert faults(text) == [
        "f.yaml:1:38: fabric.link: '0Gbit/s': must be more than 0",
        "f.yaml:1:56: fabric.latency: '-1us': must be at least 0",
        "f.yaml:3:11: overhead: '-2us': must be at least 0",
    ]


def test_faults_between_tiers() -> None:
    scenario = read_scenario(parse(SMALLEST + "faults: [{count: 16, between: agg-core}]\n", "f.yaml"))
    with pytest.raises(InputError, match="cut off"):
        build(scenario, scenario.cases[0])
    scenario = read_scenario(parse(SMALLEST + "faults: [{count: 5, between: core-agg}]\n", "f.yaml"))
    job = build(scenario, scenario.cases[0])
    assert job.specs["faults"] == [{"count": 5, "seed": 0, "between": "core-agg"}]
    tiers = [job.fabric.link_class(link) for link in range(0, job.fabric.n_links, 2)]
    assert (tiers.count("agg→core"), tiers.count("leaf→agg")) == (11, 16)


def test_faults_change_a_default_that_knows_no_way_around_them() -> None:
    text = "fabric: {kind: torus, dims: [4, 4]}\ncollective: {op: all-reduce, size: 1MiB}\n"
    scenario = read_scenario(parse(text + "compare: [{}, {faults: [{count: 1}]}]\n", "f.yaml"))
    assert [build(scenario, case).titles["routing"] for case in scenario.cases] == ["dimension-order", "min-hop"]
    (told,) = faults(text + "faults: [{count: 1}]\nrouting: dimension-order\n")
    assert told.startswith("f.yaml:4:10: ")
    assert told.endswith("dimension-order cannot go around missing cables; route by min-hop or up-down")


def test_cases_have_names_of_their_own() -> None:
    text = SMALLEST + "compare:\n  - {name: a, ranks: 4}\n  - {name: b}\n  - {name: a}\n"
    assert faults(text) == ["f.yaml:6:12: compare[2].name: 'a' is the name of compare[0] too"]


def test_lists_multiply_out_and_cases_override() -> None:
    text = (
        SMALLEST
        + "algorithm: [ring, halving-doubling]\nseed: 5\ncompare:\n  - {name: a, placement: [identity, random]}\n  - {ranks: 8}\n"
    )
    cases = read_scenario(parse(text, "f.yaml")).cases
    assert [case.name for case in cases] == [
        "a + identity + ring",
        "a + identity + halving-doubling",
        "a + random + ring",
        "a + random + halving-doubling",
        "case 2 + ring",
        "case 2 + halving-doubling",
    ]
    assert [case.ranks for case in cases] == [None] * 4 + [8] * 2
    assert {case.seed for case in cases} == {5}


def test_the_seed_goes_to_whatever_takes_one_and_was_not_given_one() -> None:
    scenario = load(read_scenario(parse(SMALLEST + "seed: 7\n", "f.yaml")), ["placement=random", "routing={kind: ecmp, seed: 3}"])
    specs = build(scenario, scenario.cases[0]).specs
    assert specs["placement"] == {"kind": "random", "seed": 7}
    assert specs["routing"]["seed"] == 3


def test_what_show_prints_is_itself_a_scenario_with_the_same_resolution() -> None:
    for path in EXAMPLES:
        scenario = load(path)
        for jobs in build_all(scenario):
            specs = resolved(jobs)
            if specs["fabric"]["kind"] == "ibnetdiscover":
                specs["fabric"] = specs["fabric"] | {"file": str(path.parent / specs["fabric"]["file"])}
            again = load(specs)
            assert [resolved(jobs) for jobs in build_all(again)] == [specs]


def test_a_third_partys_function_needs_nothing_but_its_signature() -> None:
    def plane(
        *, radix: Annotated[int, Ge(2)], speeds: tuple[Annotated[float, Unit("B/s")], ...] = (1.0,), wide: bool = False
    ) -> None:
        """A function that no table here knows."""

    kind = kind_of_function(plane)
    model = kind.model.model_validate({"radix": 4, "speeds": ["8Gbit/s", "2GB/s"]})
    assert (model.radix, model.speeds, model.wide) == (4, (1e9, 2e9), False)
    assert kind.write({"speeds": model.speeds}) == {"speeds": ["8Gbit/s", "16Gbit/s"]}


def test_the_schema_knows_every_kind() -> None:
    defs = json_schema()["$defs"]
    for table in TABLES.values():
        told = {branch["properties"]["kind"]["const"] for branch in defs[table.noun]["anyOf"] if "properties" in branch}
        assert told == set(table)
    assert "x-" not in str(json_schema())


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"%YAML 1.1\n---\na: no\n")
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_an_input_error_or_a_scenario(raw: bytes) -> None:
    _only_input_errors(raw.decode("latin-1"))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_spoilt_examples_give_an_input_error_or_a_scenario(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES)).read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 12)))
        put = data.draw(
            st.one_of(st.sampled_from(["{", "]", ": ", "- ", "null", "-1", "1e99", "&a ", "*a", "\t", "'"]), st.text(max_size=4))
        )
        text = text[:start] + put + text[stop:]
    _only_input_errors(text)


def _only_input_errors(text: str) -> None:
    told = ["f.yaml: read"]
    try:
        assert read_scenario(parse(text, "f.yaml")).cases
    except InputError as error:
        told = str(error).splitlines()
    assert told
    assert all(line.startswith("f.yaml") for line in told)
