"""`netsim validate` from the command line: exit codes, what is told, what is written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netsim.cli import main
from topologies.errors import BackendUnavailable
from validate.measurement import Measured, Measurement
from validate.predict import predict
from validate.request import Outcome, Request
from validate.targets import TARGETS

ROOT = Path(__file__).parents[2]
NCCL = ROOT / "tests" / "fixtures" / "nccl_tests_all_reduce.txt"
SMALL = "fabric: {kind: fat-tree, k: 4}\nranks: 4\ncollective: {op: all-reduce, size: [1MiB, 2MiB]}\n"

Target = Callable[[Request], Outcome]


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture
def target(monkeypatch):
    """Puts a target of our own in the place of all; returns the requests that it gets."""

    def put(slower: float = 1.01, **changes) -> list[Request]:
        asked: list[Request] = []

        def replayed(request: Request) -> Outcome:
            asked.append(request)
            predicted = tuple(predict(row) for row in request.rows)
            rows = tuple(
                Measured(row.name, row.by, "all-reduce", row.size, 4, (seconds * slower,) * request.repeat, 0)
                for row, seconds in zip(request.rows, predicted, strict=True)
            )
            return Outcome(Measurement("mpi", (replace(rows[0], **changes), *rows[1:])), predicted)

        monkeypatch.setattr(TARGETS, "load", lambda kind: replayed)
        return asked

    return put


def test_all_is_well(small: str, target, capsys):
    asked = target()
    assert main(["validate", small, "--max-error", "1.1%", "--repeat", "2", "--rate", "5Mbit/s", "--option", "hosts=order"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "# median |error| 1.00 % of 2 rows" in told.out
    (request,) = asked
    assert (request.repeat, request.options) == (2, {"rate": "5Mbit/s", "hosts": "order"})


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "told"),
    [
        ({"wrong": 3}, [], 1, "fat-tree(k=4): halving-doubling at 1MiB: 3 elements came out wrong"),
        ({"doubts": ("disturbed", "late")}, [], 3, "fat-tree(k=4): halving-doubling at 1MiB: disturbed; 1 more: not trustworthy"),
        (
            {"seconds": (1.0,)},
            ["--max-error", "100000%"],
            3,
            "fat-tree(k=4): halving-doubling at 1MiB: error +1844529.29 %, more than --max-error 100000%",
        ),
        ({"wrong": 1}, [], 1, "fat-tree(k=4): halving-doubling at 1MiB: 1 element came out wrong"),
        ({"wrong": 3, "doubts": ("late",)}, [], 1, "fat-tree(k=4): halving-doubling at 1MiB: 3 elements came out wrong"),
    ],
)
def test_what_is_wrong_has_its_exit_code_and_line(small: str, target, capsys, changes, arguments, code: int, told: str):
    target(**changes)
    assert main(["validate", small, *arguments]) == code
    captured = capsys.readouterr()
    assert told.partition("+")[0] in captured.err.splitlines()[0]
    assert "# netsim" in captured.out


def test_a_limit_on_errors_needs_a_row_that_counts(small: str, target, capsys):
    target(doubts=("late",))
    assert main(["validate", small, "--set", "collective.size=1MiB", "--max-error", "5%"]) == 3
    assert "--max-error 5%: no row counts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["validate"], "netsim validate: Missing argument 'SCENARIO' (netsim --help)"),
        (
            ["validate", "{small}", "--on", "emulatd"],
            "--on emulatd: neither a target nor a file that is there, did you mean 'emulated'?",
        ),
        (["validate", "{small}", "--on", "/"], "--on /: a folder; name the file with the measurement"),
        (["validate", "{small}", "--on", "{nccl}", "--repeat", "3"], "a file is read, nothing is run: leave out --repeat"),
        (
            ["validate", "{small}", "--on", "{nccl}", "--rate", "1Mbit/s"],
            "a file is read, nothing is run: leave out the option rate",
        ),
        (["validate", "{small}", "--on", "{nccl}", "--set", "ranks=8"], "ranks: 4 in the file, 8 in"),
        (["validate", "{small}", "--on", "{small}"], ":1: not a measurement; known: "),
        (["validate", "{small}", "--max-error", "5"], "--max-error 5: write it like 5%"),
        (["validate", "{small}", "--repeat", "0"], "--repeat 0: must be at least 1"),
        (["validate", "{small}", "--maps", "-1"], "--maps -1: must be at least 1"),
        (["validate", "{small}", "--maps", "30", "--set", "ranks=2"], "--maps 30: 2 ranks have no more than 2 rank maps"),
        (["validate", "{small}", "--native", "mpich:rng"], "native 'mpich:rng': not known, did you mean 'mpich:ring'?"),
        (["validate", "{small}", "--option", "hosts"], "--option hosts: write it like hosts=order"),
        (["validate", "{small}", "--rate", "1Mbit/s", "--option", "rate=2Mbit/s"], "--option rate=2Mbit/s: rate is given twice"),
        (["validate", "{small}", "--plot", "x.pdf"], "--plot x.pdf: the name must end in .svg or .png"),
        (
            ["validate", "{small}", "--job", "slurm", "--dry-run"],
            "--job slurm: a job is written, nothing is run: leave out --dry-run",
        ),
        (["validate", "{small}", "--job", "slurm", "--save", "x.json"], "nothing is run: leave out --save"),
        (["validate", "{small}", "--on", "mpi", "--option", "bogus=1", "--dry-run"], "--on mpi: unknown option 'bogus'"),
        (["validate", "{small}", "--on", "nccl", "--option", "bogus=1", "--dry-run"], "--option bogus: the target nccl has none"),
        (["validate", "{small}", "--job", "slurm"], "--job slurm: writes several files; say where with -o DIR"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(small: str, target, capsys, arguments: list[str], told: str):
    asked = target()
    assert main([a.format(small=small, nccl=NCCL) for a in arguments]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert told in line
    assert (captured.out, asked) == ("", [])


def test_a_backend_that_is_missing(small: str, capsys, monkeypatch):
    def missing(request: Request) -> Outcome:
        raise BackendUnavailable("no MPI: pip install 'netsim-codesign[mpi]'")

    monkeypatch.setattr(TARGETS, "load", lambda kind: missing)
    assert main(["validate", small]) == 4
    assert capsys.readouterr().err == "no MPI: pip install 'netsim-codesign[mpi]'\n"


def test_what_is_saved_is_compared_again(small: str, target, tmp_path: Path, capsys):
    """With the maps and native collectives that it was measured with, though nobody says so again."""
    target()
    kept = str(tmp_path / "kept.json")
    assert main(["validate", small, "--maps", "3", "--native", "mpich:ring", "--save", kept, "-o", str(tmp_path)]) == 0
    table = (tmp_path / "small.txt").read_text()
    assert capsys.readouterr().err == f"wrote {kept}\nwrote {tmp_path / 'small.txt'}\n"
    assert main(["validate", small, "--on", kept]) == 0
    assert capsys.readouterr().out == table
    assert table.count("  random(") == 4 + 4
    assert "contests" in table
    assert "Kendall tau" in table


def test_a_file_of_nccl_tests(small: str, tmp_path: Path, capsys):
    out = tmp_path / "out.json"
    assert main(["validate", small, "--on", str(NCCL), "-o", str(out), "--plot", str(tmp_path / "x.svg")]) == 0
    report = json.loads(out.read_text())
    assert [result["size"] for result in report["results"]] == [2**20, 2**20, 2**21, 2**21, 2**22, 2**22]
    assert report["results"][1]["in_place"]["time"] == pytest.approx(50.1)
    assert (tmp_path / "x.svg").exists()


def test_a_dry_run_runs_nothing(small: str, target, capsys):
    asked = target()
    assert main(["validate", small, "--maps", "2", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would replay on emulated, 3 timed runs of each row" in told
    assert [line.split()[-4:-1] for line in told.splitlines() if not line.startswith("#")] == [
        ["halving-doubling", "4", "1MiB"],
        ["halving-doubling", "4", "2MiB"],
    ] * 2
    assert asked == []


def test_nothing_is_run_where_nothing_can_be_written(small: str, target, tmp_path: Path, capsys):
    asked = target()
    for option in ("-o", "--save", "--plot"):
        assert main(["validate", small, option, str(tmp_path / "none" / "x.svg")]) == 1
        assert "x.svg: cannot be written: no folder" in capsys.readouterr().err
    assert asked == []


def test_help_imports_nothing_heavy():
    heavy = ["numpy", "numba", "matplotlib", "mpi4py", "pyroute2", "ruamel.yaml", "netsim.scenario", "validate.request"]
    ran = "import sys; from netsim.cli import main; main(['validate', '--help'])"
    code = f"{ran}; sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.stderr.splitlines()[-1] == "[]"


def test_an_interrupt_ends_it_at_once(small: str, tmp_path: Path):
    """While a target runs: nothing is printed, nothing half written."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\nfrom netsim.cli import main\nfrom validate.targets import TARGETS\n"
        "def slow(request):\n    print('started', file=sys.stderr, flush=True)\n    time.sleep(60)\n"
        "TARGETS.load = lambda kind: slow\nsys.exit(main(sys.argv[1:]))\n"
    )
    kept = tmp_path / "kept.json"
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "slow.py"), "validate", small, "--save", str(kept)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert time.monotonic() - begin < 30  # a limit against hangs: a second on a quiet machine
    assert not kept.exists()
