"""The command of the README: four designs replayed by sixteen real ranks each, in a fraction of the usual time."""

import json
from pathlib import Path

import pytest
from mpi_launch import needs_mpi

from netsim.cli import main

ROOT = Path(__file__).parents[2]


@needs_mpi
def test_the_example_replays_right(tmp_path: Path, capsys) -> None:
    kept = tmp_path / "kept.json"
    asked = ["--seconds", "600ms", "--repeat", "1", "--save", str(kept)]
    code = main(["validate", str(ROOT / "examples/validate.yaml"), *asked])
    told = capsys.readouterr()
    if code == 4:
        pytest.skip(told.err.strip())
    rows = json.loads(kept.read_text())["rows"]
    assert [row["wrong"] for row in rows] == [0, 0, 0, 0], told.err
    assert [row["name"] for row in rows] == ["fat-tree", "fat-tree, polarised hashing", "bigraph, hdrm", "bigraph, natural order"]
    if code == 3:
        pytest.skip(f"this machine is too busy to measure on: {told.err.splitlines()[-1]}")
    assert code == 0, told.err
    free, hashed, hdrm, natural = (row["seconds"][0] for row in rows)
    assert 3 < hashed / free < 4  # netsim: 3.53
    assert 1.7 < natural / hdrm < 2.1  # netsim: 1.93
