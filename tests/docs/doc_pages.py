"""The pages of the documentation as data: fenced blocks, the commands in them, and how commands are run and compared."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from netsim.cli import main

ROOT = Path(__file__).parents[2]
#: pages whose code adds something to netsim; test_adding.py makes a netsim that has it
ADDING = sorted((ROOT / "docs").glob("add-*.md"))
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists() and page not in ADDING]

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = ("…", "...")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else stands on the fence, its text."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name in a first line `# job.yaml`: the block is that file for the commands of the page."""
        found = re.match(r"# (\S+\.\w+)\n", self.text)
        return found[1] if found else None


def blocks(page: Path, language: str) -> list[Block]:
    """The fenced blocks of a page in one language, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2].strip(), m[3]) for m in _FENCE.finditer(text)]
    return [block for block in found if block.language == language]


@dataclass(frozen=True)
class Command:
    """`$ netsim …` in a console block, the lines shown under it, and the exit code it must have (`exit=2` on the fence)."""

    block: Block
    text: str
    shown: tuple[str, ...]

    @property
    def code(self) -> int:
        found = re.search(r"exit=(\d+)", self.block.info)
        return int(found[1]) if found else 0

    def run(self, folder: Path) -> tuple[int, str]:
        """Exit code, and what it says: stderr, then stdout. `> FILE` writes stdout there."""
        words = shlex.split(self.text, comments=True)
        assert words[0] == "netsim", self.text
        target = words[words.index(">") + 1] if ">" in words else None
        out, err = io.StringIO(), io.StringIO()
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            code = main(words[1 : words.index(">")] if target else words[1:])
        if target:
            (folder / target).write_text(out.getvalue(), encoding="utf-8")
            return code, err.getvalue()
        return code, err.getvalue() + out.getvalue()


def commands(page: Path) -> Iterator[Command]:
    """The netsim commands of a page; other commands are not for this test, nor are those fenced as `replay`, which measure: what
    they show is of one day and one machine (tests/validate/test_example.py runs them)."""
    for block in blocks(page, "console"):
        if block.info == "replay":
            continue
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            first, *shown = part.replace("\\\n", " ").splitlines()
            if first.split()[0] == "netsim":
                yield Command(block, first, tuple(shown))


def first_missing(shown: Sequence[str], said: str) -> str | None:
    """The first of the lines that the output does not have in this order; None: it has all. `…` stands for lines left out."""
    said_lines = iter(line.rstrip() for line in said.splitlines())
    for line in shown:
        if line.strip() and line.strip() not in _LEFT_OUT and line.rstrip() not in said_lines:
            return line
    return None
