"""Tables of `kind -> "module:function"`: strings, so that nothing is imported before it is used.

A third party adds a row without touching netsim by an entry point in the group of the table
(`netsim.topologies`, `netsim.routers`, `netsim.algorithms`, `netsim.placements`, `netsim.engines`).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from topologies.errors import UnknownKind

_LISTED = 20  # names that a message lists at most


class Table(Mapping[str, str]):
    """One table of kinds. Behaves as a read-only mapping of kind to "module:function"; `load` imports the function."""

    def __init__(self, noun: str, rows: dict[str, str], group: str) -> None:
        self.noun = noun  #: what a row is, for messages: "topology", "algorithm"
        self.group = group  #: the entry-point group that may add rows
        self._own = rows
        self._all: dict[str, str] | None = None

    def _rows(self) -> dict[str, str]:
        if self._all is None:
            from importlib.metadata import entry_points

            found = {e.name: e.value for e in entry_points(group=self.group)}
            self._all = {**found, **self._own}  # a third party cannot replace a row of ours
        return self._all

    def __getitem__(self, kind: str) -> str:
        return self._rows()[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())

    def load(self, kind: str) -> Callable[..., Any]:
        """The function behind `kind`.

        Raises UnknownKind with the nearest name if there is none.
        """
        target = self._own.get(kind) or self._rows().get(kind)
        if target is None:
            raise UnknownKind(f"unknown {self.noun} {kind!r}{did_you_mean(kind, self)}")
        module, _, name = target.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function


@dataclass(frozen=True, eq=False)
class RowOf:
    """Marks a parameter that names a kind of a table: `Annotated[str, RowOf(ALGORITHMS)]`."""

    table: Table


def did_you_mean(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """`, did you mean 'fat-tree'?` or, where nothing is near, `; one of: …`.

    >>> did_you_mean("fattree", ["fat-tree", "ring"])
    ", did you mean 'fat-tree'?"
    >>> did_you_mean("xyz", ["fat-tree", "ring"])
    '; one of: fat-tree, ring'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word.lower().replace("_", "-"), names, n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]!r}?"
    return f"; one of: {', '.join(names[:_LISTED])}" + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
