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
