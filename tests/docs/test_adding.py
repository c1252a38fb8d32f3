"""docs/add-*.md, done: their files and rows in a copy of what they change, then the suite's checks and the page's commands.

Everything else is imported from where it is, in a process of its own: nothing that is added stays.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx as nx
import pytest
from doc_pages import ADDING, ROOT, blocks

import collectives
import topologies

COMMANDS = r"tests/docs/test_pages\.py::test_commands_say_what_the_page_shows\["
SCENARIOS = r"tests/docs/test_pages\.py::test_scenarios_have_no_faults\["
#: the package each page adds to, the kind it adds, and tests that must have passed for it
PAGES = {
    "add-a-topology": (
        topologies,
        "hyperx",
        [
            COMMANDS,
            SCENARIOS,
            r"tests/topologies/test_fabrics\.py::test_counts_ports_and_diameter_are_the_closed_forms\[hyperx-",
            r"tests/topologies/test_fabrics\.py::test_wiring_is_sound\[hyperx-",
            r"tests/topologies/test_fabrics\.py::test_any_parameters_within_the_bounds\w+\[hyperx\]",
            r"topologies/hyperx\.py::topologies\.hyperx\.hyperx",
        ],
    ),
    "add-an-algorithm": (
        collectives,
        "scatter-ring",
        [
            COMMANDS,
            SCENARIOS,
            *(rf"tests/collectives/\w+\.py::test_delivers_\w+\[scatter-ring-broadcast-{p}\]" for p in (1, 2, 7, 17, 32)),
            r"tests/collectives/\w+\.py::test_every_algorithm_has_a_contract",
            r"tests/collectives/\w+\.py::test_other_operations_are_refused_with_those_it_does\[scatter-ring\]",
            r"collectives/scatter_ring\.py::collectives\.scatter_ring\.scatter_ring",
        ],
    ),
}


def test_every_page_is_tested():
    assert {page.stem for page in ADDING} == set(PAGES)


def inserted(text: str, table: str, row: str) -> str:
    """The text with the row as first entry of the table that starts with `NAME =` or `NAME:` at the beginning of a line."""
    start = re.search(rf"^{table}\b[^\n]*=", text, re.MULTILINE)
    assert start, f"no table {table}"
    opened = re.compile(r"[{\[]\n").search(text, start.start())
    return text[: opened.end()] + row + text[opened.end() :]


def do(page: Path, package: ModuleType, folder: Path) -> list[str]:
    """A miniature of the repository in which what the page says is done; returns the new files in it."""
    home = folder / package.__name__ / "__init__.py"
    copied = [
        home,
        *(folder / "tests" / package.__name__ / file.name for file in (ROOT / "tests" / package.__name__).glob("*.py")),
    ]
    copied += [folder / "tests" / "docs" / name for name in ("doc_pages.py", "test_pages.py")]
    for file in copied:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file.relative_to(folder), file)
    home.write_text(f"__path__.append({package.__path__[0]!r})\n" + home.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "docs").mkdir()
    shutil.copy(page, folder / "docs" / page.name.removeprefix("add-"))  # there it is a page like any other
    new = []
    for block in blocks(page, "python"):
        first, _, code = block.text.partition("\n")
        path, _, table = first.removeprefix("# ").partition(", in ")
        target = folder / path
        assert target.exists() == bool(table), f"{block}: {path}"
        target.write_text(inserted(target.read_text(encoding="utf-8"), table, code) if table else code, encoding="utf-8")
        new += [] if table else [path]
    return new


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the folder, which comes before anything installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("page", ADDING, ids=lambda page: page.stem)
def test_doing_what_the_page_says_adds_a_kind_that_passes_the_suite(page, tmp_path):
    package, kind, expected = PAGES[page.stem]
    new = do(page, package, tmp_path)
    chosen = f"{kind} or {kind.replace('-', '_')} or contract or no_faults or page_shows"
    config = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-o", "addopts=--doctest-modules")
    done = run(tmp_path, "-m", "pytest", "-v", "-p", "no:cacheprovider", *config, "-k", chosen, "tests", *new)
    passed = re.findall(r"^(\S+) PASSED", done.stdout, re.MULTILINE)
    missed = [want for want in expected if not any(re.match(want, name) for name in passed)]
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not missed, done.stdout


@pytest.mark.parametrize(("rows", "columns", "hosts", "links"), [(2, 4, 3, 8), (2, 4, 1, 4), (3, 2, 4, 3)])
def test_the_cut_that_the_new_topology_claims_is_the_max_flow(rows, columns, hosts, links):
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "docs" / "add-a-topology.md", "python")[0].text, names)
    fabric = names["hyperx"](rows=rows, columns=columns, hosts_per_switch=hosts, link=1.0, latency=0.0)
    graph = nx.DiGraph()
    for a, b in zip(fabric.src.tolist(), fabric.dst.tolist(), strict=True):
        graph.add_edge(a, b, capacity=1.0)
    for host in range(fabric.n_endpoints):  # an edge without capacity is unbounded
        on_the_left = host // hosts % columns < columns // 2
        graph.add_edge(*(("source", host) if on_the_left else (host, "sink")))
    assert nx.maximum_flow_value(graph, "source", "sink") == links


def test_an_entry_point_adds_a_topology_from_another_package(tmp_path):
    page = ROOT / "docs" / "add-a-topology.md"
    (tmp_path / "netsim_hyperx.py").write_text(blocks(page, "python")[0].text, encoding="utf-8")
    info = tmp_path / "netsim_hyperx-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: netsim-hyperx\nVersion: 1.0\n", encoding="utf-8")
    groups = tomllib.loads(blocks(page, "toml")[0].text)["project"]["entry-points"]
    lines = [line for group, rows in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in rows.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "hyperx.yaml").write_text(blocks(page, "yaml")[0].text, encoding="utf-8")
    done = run(tmp_path, "-m", "netsim", "check", "hyperx.yaml")
    assert (done.returncode, done.stdout) == (0, "1 scenario: no faults\n"), done.stderr
    listed = run(tmp_path, "-m", "netsim", "list", "topologies").stdout
    assert "hyperx" in listed
    assert "Two-dimensional HyperX" in listed
