"""Write the pages of docs/ that the program itself can write: `make docs`. A test fails where one of them is stale.

Kinds, parameters, bounds and defaults come from the tables and signatures, the words from the docstrings, steps and bytes from
schedules that are built here. Nothing is asked of the terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from algorithm_page import algorithms_page
from cli_page import cli_page
from kind_pages import engines_page, placements_page, routing_page, topologies_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
HEAD = "<!-- Written by tools/gen_docs.py from the program: change that, and run `make docs`. -->\n"


def pages() -> dict[str, str]:
    """Name of each generated page -> its text."""
    return {
        "topologies.md": HEAD + topologies_page(),
        "algorithms.md": HEAD + algorithms_page(),
        "routing.md": HEAD + routing_page(),
        "placements.md": HEAD + placements_page(),
        "engines.md": HEAD + engines_page(),
        "cli.md": HEAD + cli_page(),
    }


def main() -> None:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
