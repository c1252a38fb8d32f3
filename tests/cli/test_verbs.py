"""The command line: what each verb prints, exit codes, and how failures are told."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netsim.cli import main
from netsim.verbs import VERBS

ROOT = Path(__file__).parents[2]
SMALL = "fabric: {kind: fat-tree, k: 4, link: 400Gbit/s}\ncollective: {op: all-reduce, size: 1MiB..4MiB*2}\n"


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


def netsim(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "netsim", *arguments], capture_output=True, text=True, cwd=ROOT, **options)


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["run", "--help"], ["run", "--no-such-option"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = ["numpy", "networkx", "numba", "scipy", "matplotlib", "simpy", "mpi4py", "ruamel.yaml", "rich", "netsim.scenario"]
    heavy += ["pydantic"] * (arguments[:1] != ["run"])  # which typer itself imports for the parameters of a command
    code = f"import sys; from netsim.cli import main; main({arguments}); sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.stderr.splitlines()[-1] == "[]"


def test_no_verb_is_imported_before_it_is_typed() -> None:
    code = "import sys; from netsim.cli import main; main(['--help']); sys.exit(str([m for m in sys.modules if 'commands' in m]))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.stderr.strip() == "[]"
    assert all(verb in told.stdout for verb in VERBS)


def test_the_table_reads_as_that_of_nccl_tests(small: str, capsys) -> None:
    assert main(["run", small]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line and not line.startswith("#")]
    sizes = [2**20, 2**21, 2**22]
    assert [row[:5] for row in rows] == [[str(n), str(n // 4), "float", "sum", "-1"] for n in sizes]
    for size, _, _, _, _, microseconds, algbw, busbw, wrong, bound, percent in rows:
        assert float(algbw) == pytest.approx(int(size) / float(microseconds) / 1e3, rel=0.01)
        assert float(busbw) == pytest.approx(float(algbw) * 2 * 15 / 16, rel=0.01)
        assert float(percent) == pytest.approx(100 * float(bound) / float(microseconds), abs=0.1)
        assert wrong == "0"
    titles = next(line for line in out.splitlines() if "algbw" in line)
    assert titles.split()[1:] == ["size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "bound", "%bound"]


def test_json_says_the_same_as_the_table(small: str, capsys) -> None:
    assert main(["run", small, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["run", small]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line and not line.startswith("#")]
    for result, row in zip(report["results"], rows, strict=True):
        place = result["out_of_place"]
        assert [result["size"], result["count"], result["type"], result["redop"]] == [int(row[0]), int(row[1]), row[2], row[3]]
        assert [f"{place['time']:.2f}", f"{place['alg_bw']:.2f}", f"{place['bus_bw']:.2f}", place["nwrong"]] == [*row[5:8], 0]
        assert result["seconds"] >= result["bound"]["seconds"]
    assert report["config"]["fabric"] == {"kind": "fat-tree", "k": 4, "link": "400Gbit/s", "latency": "500ns"}


@pytest.mark.parametrize(
    ("expected", "code"),
    [("busbw>=1GB/s", 0), ("busbw >= 400Gbit/s", 3), ("time<1s", 0), ("%bound>100%", 3), ("slowdown<=1", 0)],
)
def test_expectations(small: str, capsys, expected: str, code: int) -> None:
    assert main(["run", small, "--expect", expected]) == code
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == code  # three sizes, three lines
    assert told.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "netsim: unknown command 'rnu', did you mean 'run'? (netsim --help)"),
        (["run"], "netsim: Missing argument 'SCENARIO'"),
        (["run", "{small}", "--formt", "json"], "netsim: No such option: --formt"),
        (
            ["run", "{small}", "--expect", "busbww>=3GB/s"],
            "--expect busbww>=3GB/s: unknown metric 'busbww', did you mean 'busbw'?",
        ),
        (["run", "{small}", "--expect", "busbw>=3"], "--expect busbw>=3: 3: a rate needs a unit; write 3Gbit/s"),
        (["run", "{small}", "--plot", "x.pdf"], "--plot x.pdf: the name must end in .svg or .png"),
        (["run", "{small}", "--set", "fabric.k=7"], "--set fabric.k=7: fabric.k: 7: must be a multiple of 2"),
        (["run", "{small}", "--engine", "flo"], "--set engine=flo: engine: unknown engine 'flo', did you mean 'flow'?"),
        (["run", "none.yaml"], "none.yaml: No such file or directory"),
        (["list", "topology"], "netsim list: unknown table 'topology', did you mean 'topologies'?"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(small: str, capsys, arguments: list[str], told: str) -> None:
    assert main([a.replace("{small}", small) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert told in line


def test_a_setting_that_every_case_replaces_is_refused(tmp_path: Path, capsys) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(SMALL + "compare: [{ranks: 4}, {ranks: 8}]\n")
    assert main(["run", str(path), "--set", "ranks=16"]) == 2
    assert "every case gives its own ranks" in capsys.readouterr().err


def test_a_bug_is_told_in_one_line_and_shown_with_debug(small: str, capsys, monkeypatch) -> None:
    def broken(*_, **__):
        raise ValueError("no\nsense")

    monkeypatch.setattr("netsim.pipeline.run", broken)
    assert main(["run", small]) == 1
    assert capsys.readouterr().err == "netsim: ValueError: no sense: a bug, please report it (--debug shows the traceback)\n"
    with pytest.raises(ValueError, match="sense"):
        main(["run", small, "--debug"])


def test_output_goes_to_a_file_whole_or_not_at_all(small: str, tmp_path: Path, capsys, monkeypatch) -> None:
    target = tmp_path / "out.json"
    assert main(["run", small, "-o", str(target)]) == 0
    assert json.loads(target.read_text())["results"]
    assert main(["run", small, "-o", str(tmp_path)]) == 0
    assert (tmp_path / "small.txt").read_text().startswith("# netsim")
    assert capsys.readouterr().out == ""
    before = sorted(tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["run", small, "-o", str(tmp_path / "other.txt")]) == 1
    assert "No space left" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_link_a_mode_and_a_device_stay_what_they_are(small: str, tmp_path: Path, capsys) -> None:
    file, link, pipe = tmp_path / "file.txt", tmp_path / "link.txt", tmp_path / "pipe"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    assert main(["run", small, "-o", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text().startswith("# netsim")
    assert file.stat().st_mode & 0o777 == 0o600
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["run", small, "-o", str(pipe)]) == 0
    assert os.read(reader, 8) == b"# netsim"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("option", ["-o", "--plot"])
def test_a_folder_that_is_not_there_is_told_before_the_run(small: str, tmp_path: Path, capsys, monkeypatch, option: str) -> None:
    monkeypatch.setattr("netsim.pipeline.run", lambda *_, **__: pytest.fail("was run"))
    assert main(["run", small, option, str(tmp_path / "none" / "x.png")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "x.png: cannot be written: no folder" in line


def test_a_slash_at_the_end_means_a_folder(small: str, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "new"
    assert main(["run", small, "-o", f"{folder}/"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{folder}/: cannot be written: no such folder; make it first")
    assert not folder.exists()
    folder.mkdir()
    assert main(["run", small, "-o", f"{folder}/"]) == 0
    assert [file.name for file in folder.iterdir()] == ["small.txt"]


@pytest.mark.parametrize(("shell", "told"), [("> /dev/full", "No space left on device"), (">&-", "it is closed")])
def test_an_output_that_takes_nothing_is_a_failure_in_one_line(small: str, shell: str, told: str) -> None:
    ran = subprocess.run(f"{sys.executable} -m netsim list {shell}", shell=True, capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (1, f"stdout: cannot be written: {told}\n")


def test_where_nobody_listens_to_talk_the_exit_code_still_tells(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("fabric: {kind: fat-tree, k: 5}\ncollective: {op: all-reduce, size: 1MiB}\n")
    command = f"{sys.executable} -m netsim check {wrong}"
    heard, unheard = (
        subprocess.run(f"{command} {s}", shell=True, capture_output=True, text=True, cwd=ROOT) for s in ("", "2>&-")
    )
    assert (heard.returncode, unheard.returncode) == (2, 2)
    assert (heard.stderr.startswith(f"{wrong}:1:"), unheard.stderr) == (True, "")


def test_messages_without_a_way_are_told_with_their_place(tmp_path: Path, capsys) -> None:
    """By check and run alike: ranks that no cable joins, and OpenSM's tables with a loop in them."""
    apart = tmp_path / "apart.yaml"
    apart.write_text("fabric: {kind: rail-only, servers: 2, rails: 2}\ncollective: {op: all-reduce, size: 1MiB}\n")
    fixtures = ROOT / "tests" / "fixtures"
    lines = (fixtures / "opensm_ftree_dump_fts_8x4x4.txt").read_text().splitlines()
    for switch, port in (("leaf0", 5), ("spine0", 1)):  # leaf0 sends h004 up to spine0, which sends it back
        head = next(i for i, line in enumerate(lines) if line.endswith(f"({switch}):"))
        row = next(i for i in range(head, len(lines)) if "'h004'" in lines[i])
        lines[row] = f"{lines[row][:7]}{port:03}{lines[row][10:]}"
    (tmp_path / "tables").write_text("\n".join(lines) + "\n")
    loop = tmp_path / "loop.yaml"
    dump = fixtures / "ibnetdiscover_leafspine_8x4x4.txt"
    loop.write_text(
        f"fabric: {{kind: ibnetdiscover, file: {dump}, tables: tables}}\n"
        "collective: {op: all-reduce, size: 1MiB}\nrouting: forwarding-tables\n"
    )
    for verb in ("check", "run"):
        for path, told in ((apart, ":1:9: rail-only(2 servers x 2 rails): no way between rank 0"), (loop, ":3:10: h020→h004: ")):
            assert main([verb, str(path)]) == 2
            captured = capsys.readouterr()
            assert captured.out == ""
            (line,) = [line for line in captured.err.splitlines() if not line.startswith("compiling kernels")]
            assert line.startswith(f"{path}{told}")


def test_run_tells_the_faults_of_all_cases(tmp_path: Path, capsys) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(SMALL + "algorithm: ring\ncompare: [{ranks: 17}, {ranks: 18}, {ranks: 4}]\n")
    assert main(["run", str(path)]) == 2
    assert [line.partition(" do not")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"{path}:4:19: ranks: 17",
        f"{path}:4:32: ranks: 18",
    ]


@pytest.mark.parametrize("name", ["picture.svg", "picture.png"])
def test_plots(small: str, tmp_path: Path, capsys, name: str) -> None:
    assert main(["run", small, "--plot", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_size > 5000
    assert capsys.readouterr().err == f"wrote {tmp_path / name}\n"


def test_show_check_and_doctor(small: str, tmp_path: Path, capsys) -> None:
    assert main(["show", small]) == 0
    shown = capsys.readouterr().out
    for told in (
        "algorithm: {kind: halving-doubling, nearest_first: false}",
        "ranks: 16",
        "8 rounds, 128 messages",
        "NIC of every rank",
    ):
        assert told in shown
    (tmp_path / "bad.yaml").write_text(SMALL + "ranks: 17\n")
    assert main(["check", str(tmp_path)]) == 2
    (fault,) = capsys.readouterr().err.splitlines()
    assert fault.endswith("bad.yaml:3:8: ranks: 17 do not fit on the 16 endpoints of fat-tree(k=4)")
    assert main(["check", small]) == 0
    assert main(["doctor"]) == 0
    assert re.search(r"^engines +loads, flow", capsys.readouterr().out, re.MULTILINE)


def test_list_has_every_kind_and_a_line_about_it(capsys) -> None:
    from netsim.scenario.tables import TABLES

    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for table in TABLES.values():
        for kind in table:
            assert re.search(rf"^  {re.escape(kind)} +[A-Z`]\S*", out, re.MULTILINE), kind


def test_a_reader_that_leaves_is_no_error(small: str) -> None:
    told = subprocess.run(
        f"{sys.executable} -m netsim list | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        cwd=ROOT,
    )
    assert (told.returncode, told.stderr) == (0, b"")


def test_an_interrupt_is_one_line_and_exit_code_130(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(SMALL.replace("k: 4", "k: 16").replace("1MiB..4MiB*2", "1MiB..1GiB*1.01") + "placement: random\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "netsim", "run", str(path)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == "interrupted"
    assert "Traceback" not in err.decode()


def test_an_interrupt_while_the_command_line_is_imported_is_told_alike(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    told = netsim("list", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "interrupted\n")


def test_no_unicode_terminal_is_no_error() -> None:
    told = netsim("list", "topologies", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert told.returncode == 0
