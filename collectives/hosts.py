"""Hosts by name: which endpoints a host has, and the host files that job launchers read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.formats.hostlist import expand
from topologies.registry import did_you_mean


class Named(NamedTuple):
    """A host that somebody asked for: how many of its endpoints (None: all), and where that was written."""

    name: str
    slots: int | None
    where: str


def host_name(label: str) -> str:
    """The host that an endpoint belongs to, by its label: what stands before a `/`, else before the last dot.

    >>> host_name("a06-dgx-02/mlx5_5"), host_name("server3.gpu0"), host_name("h12")
    ('a06-dgx-02', 'server3', 'h12')
    """
    if "/" in label:
        return label.split("/", 1)[0]
    return label.rsplit(".", 1)[0] if re.search(r"\.\D", label) else label


def endpoints_of(fabric: Fabric, hosts: Sequence[Named]) -> list[int]:
    """The endpoints of these hosts, host by host, each host's in order. A name may also be that of a single endpoint.

    Raises InputError for a host that is not known, named twice, or has fewer endpoints than slots are asked for.
    """
    by_host: dict[str, list[int]] = {}
    for e in range(fabric.n_endpoints):
        label = fabric.label_of(e)
        by_host.setdefault(host_name(label), []).append(e)
        if host_name(label) != label:
            by_host[label] = [e]
    first: dict[int, Named] = {}
    for host in hosts:
        found = by_host.get(host.name)
        if found is None:
            raise InputError(f"{host.where}: no host {host.name!r} in {fabric.name}{_nearest(host.name, by_host)}")
        if host.slots is not None and host.slots > len(found):
            has = f"{len(found)} endpoint{'s' * (len(found) > 1)}"
            raise InputError(f"{host.where}: host {host.name!r} has {has}, not the {host.slots} that slots asks for")
        for e in found[: host.slots]:
            if e in first:
                before = f" (first at {first[e].where})" if first[e].where != host.where else ""
                raise InputError(f"{host.where}: host {host.name!r} is named twice{before}")
            first[e] = host
    return list(first)


def named(hosts: str | Sequence[str]) -> list[Named]:
    """Hosts from a Slurm host list, or from a list of such."""
    lists = [hosts] if isinstance(hosts, str) else hosts
    return [Named(name, None, f"hosts {text!r}") for text in lists for name in expand(text)]


def read_host_file(path: str | Path) -> list[Named]:
    """Hosts from a host file: one host or Slurm host list a line, `slots=8` or `:8` behind it, comments after `#`.

    Other `key=value` words (`max_slots=8`) are passed over. Raises InputError with file:line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no text file"
        raise InputError(f"{path}: host file: {reason}; give the path of a text file") from None
    found = [host for n, line in enumerate(text.splitlines(), 1) for host in _line(line, f"{path}:{n}")]
    if not found:
        raise InputError(f"{path}: host file names no host; one host a line is needed")
    return found


def _line(line: str, where: str) -> Iterator[Named]:
    words = line.split("#", 1)[0].split()
    if not words:
        return
    names, slots = words[0], None
    if ":" in names:
        names, _, count = names.partition(":")
        slots = _slots(count, where)
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{where}: {word!r} is not understood; a line is `host`, `host:8` or `host slots=8`")
        if key == "slots":
            slots = _slots(value, where)
    try:
        hosts = expand(names)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    yield from (Named(host, slots, where) for host in hosts)


def _slots(text: str, where: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise InputError(f"{where}: {text!r} slots: must be a whole number, at least 1")
    return int(text)


def _nearest(name: str, known: dict[str, list[int]]) -> str:
    if len(known) > 20000:  # the search compares every name
        return ""
    text = did_you_mean(name, dict.fromkeys(known, ""))
    return text if len(known) <= 12 or text.startswith(",") else f"; {len(known)} are known, such as {next(iter(known))!r}"
