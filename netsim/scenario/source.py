"""Text of a scenario into plain data, every key and value with its place; nothing here knows what the keys mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topologies.errors import InputError

Where = tuple[str | int, ...]  #: ("fabric", "k") or ("compare", 0, "fabric")

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_FAULTS = 20


@dataclass(frozen=True)
class Source:
    """Plain data (dict, list, str, int, float, bool, None) and where in which file each of its keys and values stands."""

    data: dict[str, Any]
    name: str  #: as messages show it
    folder: Path = Path()  #: what relative file names in it are relative to
    keys: Mapping[Where, str] = field(default_factory=dict)  #: place of the key, "file.yaml:4:3"
    values: Mapping[Where, str] = field(default_factory=dict)

    def has(self, where: Where) -> bool:
        """Whether anything but null is written there."""
        inside: Any = self.data
        for part in where:
            if isinstance(inside, dict):
                inside = inside.get(str(part))
            else:
                inside = inside[part] if isinstance(inside, list) and isinstance(part, int) and part < len(inside) else None
        return inside is not None

    def place(self, where: Where, *, key: bool = False) -> str:
        """`file.yaml:4:3` of the value (or key) at `where`, or of the nearest thing around it that was written down."""
        table = self.keys if key else self.values
        while where and where not in table:
            where, table = where[:-1], self.values
        return table.get(where, self.name)


def read(path: str | Path, noun: str = "a scenario", keys: str = "fabric: and collective:") -> Source:
    """The scenario in a file, or what else is written like one: `noun` is what messages call it, `keys` some that it has.

    Raises InputError with one line per fault: not there, not a file, too big, not text, not YAML, a key twice.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder; name {noun} in it")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: larger than 1MiB; {noun} is a page of text (name big inputs by `file:` instead)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8 text; {noun} is a YAML file") from None
    return parse(text, str(path), path.parent, noun, keys)


def parse(text: str, name: str, folder: Path = Path(), noun: str = "a scenario", keys: str = "fabric: and collective:") -> Source:
    """The scenario in a text; raises InputError as `read` does."""
    reader = _Reader(name, noun)
    data = reader.document(text)
    if data is None and not reader.faults:
        raise InputError(f"{name}: empty; {noun} has keys such as {keys}")
    if not isinstance(data, dict) and not reader.faults:
        raise InputError(f"{reader.values.get((), name)}: {noun} is a mapping of keys such as {keys}")
    if reader.faults:
        raise InputError("\n".join(reader.faults))
    return Source(data, name, folder, reader.keys, reader.values)


class _Reader:
    """Walks the events of one YAML document. Not the library's own loader: that one expands aliases and forgets places."""

    def __init__(self, name: str, noun: str = "a scenario") -> None:
        self.name = name
        self.noun = noun
        self.faults: list[str] = []
        self.keys: dict[Where, str] = {}
        self.values: dict[Where, str] = {}

    def document(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        yaml = YAML(typ="safe", pure=True)
        self.yaml = yaml
        try:
            events = iter(yaml.parse(text))
            value = None
            for event in events:
                if type(event).__name__ == "DocumentStartEvent":
                    if self.values:
                        self._fault(event, f"a second document; {self.noun} is one")
                        break
                    self._count = 0
                    value = self._value(next(events), events, ())
            return value
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.faults.append(f"{self._place(mark)}: not YAML: {error.problem or error.context}".replace("\n", " "))
        except YAMLError as error:
            self.faults.append(f"{self.name}: not YAML: {' '.join(str(error).split())[:120]}")
        except _Stop:
            pass
        return None

    def _value(self, event: Any, events: Iterator[Any], where: Where) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            self._stop(event, f"more than {MAX_VALUES} values; {self.noun} is a page of text")
        self.values[where] = self._place(event.start_mark)
        sort = type(event).__name__
        if sort == "AliasEvent":
            self._fault(event, f"alias *{event.anchor}: scenarios have no anchors and aliases; write the value out")
            return None
        if event.anchor is not None:
            self._fault(event, f"anchor &{event.anchor}: scenarios have no anchors and aliases; write the value out")
        if event.tag is not None:
            self._fault(event, f"tag {event.tag}: scenarios have no tags; write the plain value")
        if sort == "ScalarEvent":
            return self._scalar(event)
        if len(where) >= MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} deep")
        return self._mapping(events, where) if sort == "MappingStartEvent" else self._sequence(events, where)

    def _sequence(self, events: Iterator[Any], where: Where) -> list[Any]:
        out: list[Any] = []
        while type(event := next(events)).__name__ != "SequenceEndEvent":
            out.append(self._value(event, events, (*where, len(out))))
        return out

    def _mapping(self, events: Iterator[Any], where: Where) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent":
                self._stop(event, "a key must be a plain word")
            key = str(event.value)
            path = (*where, key)
            self._once(event, path)
            self.keys[path] = self._place(event.start_mark)
            out[key] = self._value(next(events), events, path)
        return out

    def _once(self, event: Any, path: Where) -> None:
        """Say it where a key stands here for the second time; what is inside the first is then no reason to say it again."""
        if path in self.keys and len(self.faults) < MAX_FAULTS:
            line = self.keys[path].removeprefix(self.name + ":").partition(":")[0]
            self._fault(event, f"{dotted(path)}: given twice, first in line {line}; keep one")
            self.keys = {known: place for known, place in self.keys.items() if known[: len(path)] != path}

    def _scalar(self, event: Any) -> Any:
        """A plain scalar read by the core rules of YAML 1.2: `no` is a word, `4e11` a number."""
        from ruamel.yaml.nodes import ScalarNode

        tag = str(self.yaml.resolver.resolve(ScalarNode, event.value, event.implicit)).rpartition(":")[2]
        if tag not in ("null", "bool", "int", "float"):
            return event.value
        if len(event.value) > 64:
            self._fault(event, f"{event.value[:20]}...: too long for a number")
            return None
        return self.yaml.constructor.construct_object(ScalarNode(f"tag:yaml.org,2002:{tag}", event.value))

    def _place(self, mark: Any) -> str:
        return f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else self.name

    def _fault(self, event: Any, message: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(f"{self._place(event.start_mark)}: {message}")

    def _stop(self, event: Any, message: str) -> None:
        self._fault(event, message)
        raise _Stop


class _Stop(Exception):
    """The rest of the document is not worth reading."""


def dotted(where: Where) -> str:
    """`fabric.k`, `compare[0].fabric`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def with_setting(source: Source, setting: str) -> Source:
    """The source with one value replaced as the command line has it: `fabric.k=16`, the value read as YAML. Raises InputError."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise InputError(f"--set {setting}: write it as key=value, for example fabric.k=16")
    return override(source, key, parse_value(text, f"--set {setting}"), f"--set {setting}")


def override(source: Source, key: str, value: Any, name: str | None = None) -> Source:
    """The source with the value of a dotted key replaced; messages call the change `name`.

    A key into a bare kind (`routing: ecmp` and `routing.seed`) turns it into a mapping. Raises InputError.
    """
    name = name or f"set {key}"
    path: Where = tuple(int(p) if p.isascii() and p.isdecimal() and len(p) < 9 else p for p in key.strip().split("."))
    if "" in path or isinstance(path[0], int):
        raise InputError(f"{name}: not a key; for example fabric.k")
    data = _replaced(source.data, path, value, name)
    tables = []
    for table in (source.keys, source.values):
        kept = {where: place for where, place in table.items() if where[: len(path)] != path}
        tables.append({path[:n]: name for n in range(1, len(path) + 1)} | kept | {path: name})
    return Source(data, source.name, source.folder, *tables)


def parse_value(text: str, name: str) -> Any:
    """One YAML value, as after `--set key=`. Raises InputError."""
    reader = _Reader(name)
    value = reader.document(text)
    if reader.faults:
        raise InputError("\n".join(f"{name}: {fault.rpartition(': ')[2]}" for fault in reader.faults))
    return value


def _replaced(inside: Any, path: Where, value: Any, name: str) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(inside, list):
        if not isinstance(head, int) or head >= len(inside):
            raise InputError(f"{name}: a list of {len(inside)}; say which one by its number from 0")
        return [*inside[:head], _replaced(inside[head], rest, value, name), *inside[head + 1 :]]
    if isinstance(inside, str):
        inside = {"kind": inside}
    if inside is not None and not isinstance(inside, dict):
        raise InputError(f"{name}: {inside!r} has no keys")
    inside = inside or {}
    return {**inside, str(head): _replaced(inside.get(str(head)), rest, value, name)}
