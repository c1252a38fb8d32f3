"""Every scenario on a page is right, every command on it does what the page shows, every link leads somewhere."""

import re
import shutil
from pathlib import Path

import pytest
from doc_pages import ADDING, PAGES, ROOT, Block, blocks, commands, first_missing

from netsim.commands.check import faults_of
from netsim.scenario.source import parse
from netsim.scenario.text import Keys, ScenarioText

#: names that pages use for a reader's own files -> something of that sort
FILES = {
    "cluster.ibnetdiscover": "ibnetdiscover_leafspine_8x4x4.txt",
    "cluster.fts": "opensm_ftree_dump_fts_8x4x4.txt",
}
YAML = [block for page in PAGES for block in blocks(page, "yaml")]
COMMANDS = [command for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module", params=PAGES, ids=lambda page: page.stem)
def folder(request, tmp_path_factory) -> Path:
    """Where the commands of a page run: the examples, the reader's files, the files that blocks of the page are."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    (folder / "examples").symlink_to(ROOT / "examples")
    for name, fixture in FILES.items():
        if (ROOT / "tests/fixtures" / fixture).exists():
            shutil.copy(ROOT / "tests/fixtures" / fixture, folder / name)
    for block in blocks(request.param, "yaml"):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    return folder


def whole(block: Block) -> str:
    """An excerpt as a scenario: what it leaves out, a fabric or a collective, is the plainest there is."""
    if block.info == "wrong":
        return block.text
    data = parse(block.text, str(block)).data
    assert set(data) <= set(ScenarioText.model_fields), f"{block}: not a scenario; fence what is none as text"
    cases = data.get("compare", [])
    text = block.text
    for key, plain in (("fabric", "{kind: single-switch, hosts: 16}"), ("collective", "{op: all-reduce, size: 1MiB}")):
        if key not in data and not (cases and all(key in case for case in cases)):
            text += f"\n{key}: {plain}"
    return text


def test_pages_have_scenarios_and_commands():
    assert YAML
    assert COMMANDS


@pytest.mark.parametrize("folder", sorted({block.page for block in YAML}), indirect=True, ids=lambda page: page.stem)
def test_scenarios_have_no_faults(folder, request):
    page = request.node.callspec.params["folder"]
    faults = []
    for block in blocks(page, "yaml"):
        file = folder / f"{page.stem}-{block.line}.yaml"
        file.write_text(whole(block), encoding="utf-8")
        found = faults_of(file)
        faults += [f"{block}: no fault, but marked wrong"] * (not found) if block.info == "wrong" else found
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("folder", sorted({c.block.page for c in COMMANDS}), indirect=True, ids=lambda page: page.stem)
def test_commands_say_what_the_page_shows(folder, request, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    for command in commands(request.node.callspec.params["folder"]):
        code, said = command.run(folder)
        assert code == command.code, f"{command.block}: $ {command.text}: exit {code}:\n{said}"
        missing = first_missing(command.shown, said)
        assert missing is None, f"{command.block}: $ {command.text}: does not say {missing!r} but:\n{said}"


def test_a_line_that_a_command_does_not_say_is_found():
    assert first_missing(["a", "…", "c"], "a\nb\nc\n") is None
    assert first_missing(["c", "a"], "a\nb\nc\n") == "a"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *ADDING], ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not re.match(r"\w+:", link) and not (target.exists() and (not anchor or anchor in anchors(target))):
            missing.append(link)
    assert not missing


def test_the_scenario_page_has_every_key_and_no_other():
    page = (ROOT / "docs/scenario.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == [*Keys.model_fields, "compare"]
