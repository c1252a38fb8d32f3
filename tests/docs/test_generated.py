"""The pages that tools/gen_docs.py writes are what it would write now."""

import re
import sys

import pytest
from doc_pages import ROOT

from collectives import ALGORITHMS, PLACEMENTS
from netsim.cli import main
from netsim.engine import ENGINES
from netsim.scenario.kinds import kind_of
from netsim.verbs import VERBS
from topologies import ROUTERS, TOPOLOGIES

sys.path.insert(0, str(ROOT / "tools"))
import gen_docs
from kind_sections import own_kinds

NAMES = ["algorithms.md", "cli.md", "engines.md", "placements.md", "routing.md", "topologies.md"]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return gen_docs.pages()


@pytest.mark.parametrize("name", NAMES)
def test_page_is_current(pages, name):
    page = ROOT / "docs" / name
    assert sorted(pages) == NAMES
    current = page.exists() and page.read_text(encoding="utf-8") == pages[name]
    assert current, f"docs/{name} is stale: run `make docs`"


def test_pages_do_not_depend_on_the_terminal(pages, monkeypatch):
    for name, value in (("COLUMNS", "40"), ("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("LANG", "C")):
        monkeypatch.setenv(name, value)
    assert gen_docs.pages()["cli.md"] == pages["cli.md"]
    assert not re.search(r"\x1b|0x[0-9a-f]{6}|/home/|/tmp/|site-packages", "".join(pages.values()))


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("topologies.md", TOPOLOGIES),
        ("algorithms.md", ALGORITHMS),
        ("routing.md", ROUTERS),
        ("placements.md", PLACEMENTS),
        ("engines.md", ENGINES),
    ],
)
def test_every_kind_has_a_section_with_its_parameters(pages, name, table):
    sections = re.split(r"^## ", pages[name], flags=re.MULTILINE)[1:]
    by_kind = {section.partition("\n")[0]: section for section in sections}
    for kind in own_kinds(table):
        for parameter in kind_of(table, kind).model.model_fields:
            assert f"\n| `{parameter}` |" in by_kind[kind], f"{kind}: {parameter}"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_the_command_line_page_has_every_option_that_help_shows(pages, verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*verb.split(), "--help"]) == 0
    shown = set(
        re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out.partition("Options:")[2].partition("Commands:")[0])
    )
    section = re.search(rf"^## {f'netsim {verb}'.strip()}\n(.*?)(?=^## |\Z)", pages["cli.md"], re.MULTILINE | re.DOTALL)[1]
    told = set(re.findall(r"--[a-z][a-z-]+", section)) | {"--help", "--install-completion", "--show-completion"}
    assert shown <= told
    assert told - shown <= {"--install-completion", "--show-completion"}
