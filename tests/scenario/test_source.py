"""The text of scenarios: YAML 1.2 without its traps, every fault with its place."""

import pytest

from netsim.scenario.source import MAX_BYTES, parse, read, with_setting
from topologies.errors import InputError


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as error:
        parse(text, "f.yaml")
    return str(error.value).splitlines()


def test_plain_words_and_numbers_are_those_of_yaml_1_2() -> None:
    source = parse("a: [no, 012, 4e11, 0x1f, ~, true, 1:30, 2020-01-01]\n", "f.yaml")
    assert source.data == {"a": ["no", 12, 4e11, 31, None, True, "1:30", "2020-01-01"]}


def test_places_of_keys_and_values() -> None:
    source = parse("a:\n  b: {c: 1}\n", "f.yaml")
    assert source.place(("a", "b", "c"), key=True) == "f.yaml:2:7"
    assert source.place(("a", "b", "c")) == "f.yaml:2:10"
    assert source.place(("a", "b", "missing")) == "f.yaml:2:6"


def test_a_key_twice_names_both_places_and_the_rest_is_still_read() -> None:
    assert faults("a: 1\nb: {c: 1, c: 2}\na: 2\n") == [
        "f.yaml:2:11: b.c: given twice, first in line 2; keep one",
        "f.yaml:3:1: a: given twice, first in line 1; keep one",
    ]


def test_what_is_inside_a_mapping_given_twice_is_told_once() -> None:
    assert faults("a: {b: 1, c: 2}\na: {b: 1, c: 2, c: 3}\n") == [
        "f.yaml:2:1: a: given twice, first in line 1; keep one",
        "f.yaml:2:17: a.c: given twice, first in line 2; keep one",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml: empty"),
        ("# nothing\n", "f.yaml: empty"),
        ("- 1\n", "f.yaml:1:1: a scenario is a mapping"),
        ("fabric\n", "f.yaml:1:1: a scenario is a mapping"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document"),
        ("a: &x 1\n", "f.yaml:1:4: anchor &x"),
        ("a: !!python/name:os.system\n", "f.yaml:1:4: tag"),
        ("a:\n\t- 1\n", "f.yaml:2:1: not YAML"),
        ("a: [1, 2\n", "not YAML"),
        ("a: 'open\n", "not YAML"),
        ("\x00", "not YAML"),
        ("? [1]\n: 2\n", "f.yaml:1:3: a key must be a plain word"),
        ("a: " + "9" * 5000, "too long for a number"),
        ("[" * 100_000, "nested more than 32 deep"),
        ("a: [" + "1," * 50_000 + "]", "more than 20000 values"),
    ],
)
def test_what_is_no_scenario_is_told_in_one_line(text: str, told: str) -> None:
    (line,) = faults(text)
    assert told in line


def test_a_bomb_of_aliases_is_not_expanded() -> None:
    levels = "\n".join(f"l{i + 1}: &l{i + 1} [{', '.join([f'*l{i}'] * 9)}]" for i in range(20))
    assert "scenarios have no anchors and aliases" in faults(f"l0: &l0 [x]\n{levels}\n")[0]


def test_files_that_are_no_text(tmp_path) -> None:
    big, binary = tmp_path / "big.yaml", tmp_path / "binary.yaml"
    big.write_bytes(b"#" * (MAX_BYTES + 1))
    binary.write_bytes(b"\x7fELF\x02\x01\xff\xfe")
    for path, told in (
        (big, "larger than 1MiB"),
        (binary, "byte 6 is not UTF-8"),
        (tmp_path, "a folder"),
        (tmp_path / "none.yaml", "No such file"),
    ):
        with pytest.raises(InputError, match=told):
            read(path)


def test_settings_reach_into_mappings_lists_and_bare_kinds() -> None:
    source = parse("routing: ecmp\nfabric: [{kind: ring, n: 3}, torus]\n", "f.yaml")
    for setting in ("routing.seed=3", "fabric.0.n=8", "ranks=4", "placement={kind: random, seed: 1}"):
        source = with_setting(source, setting)
    assert source.data == {
        "routing": {"kind": "ecmp", "seed": 3},
        "fabric": [{"kind": "ring", "n": 8}, "torus"],
        "ranks": 4,
        "placement": {"kind": "random", "seed": 1},
    }
    assert source.place(("fabric", 0, "n")) == "--set fabric.0.n=8"
    assert source.place(("fabric", 0, "kind")) == "f.yaml:2:17"


@pytest.mark.parametrize("setting", ["fabric", "=3", "a..b=3", "fabric.n=3", "fabric.7.n=3", "ranks.x=3", "a=[1", "a=*x"])
def test_settings_that_cannot_be_done(setting: str) -> None:
    with pytest.raises(InputError, match=r"^--set "):
        with_setting(parse("fabric: [ring]\nranks: 3\n", "f.yaml"), setting)
