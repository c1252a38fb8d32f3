"""Every example prints what stands beside it, to the byte (`make golden` writes it anew)."""

from pathlib import Path

import pytest

from netsim.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example(path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    assert main(["run", f"examples/{path.name}"]) == 0
    assert capsys.readouterr().out == path.with_suffix(".out").read_text()


def test_the_schema_beside_the_examples_is_the_one_printed(capsys) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == (EXAMPLES / "scenario.schema.json").read_text()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example_names_its_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=scenario.schema.json\n")
