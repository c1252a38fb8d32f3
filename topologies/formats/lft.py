"""Forwarding tables of InfiniBand switches, from the text that `dump_fts` writes (infiniband-diags, rdma-core's dump_fts.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from topologies.errors import InputError
from topologies.fabric import Fabric, frozen
from topologies.formats.ibshape import IbShape
from topologies.formats.ibtext import read_lines

_HEAD = re.compile(r"Unicast lids \[0x[0-9a-f]+-0x[0-9a-f]+\] of switch .*guid 0x([0-9a-f]{1,16}) \((.*)\):")
_PORT_GUID = re.compile(r": \((?:Channel Adapter|Switch|Router) portguid 0x([0-9a-f]{1,16}): ")
_FOOT = re.compile(r"(\d{1,9}) (?:valid )?lids dumped")
_AGAIN = "give the whole output of dump_fts"
_TOGETHER = "take ibnetdiscover and dump_fts together"
_TITLES = ("Lid  Out   Destination", "Port     Info")
_NO_PORT = 255  # what a switch answers for a lid that it has no way to


@dataclass(frozen=True, slots=True)
class SwitchTable:
    """The table of one switch: lid -> (out port, port guid of the destination or None, line)."""

    guid: int
    line: int
    rows: dict[int, tuple[int, int | None, int]] = field(default_factory=dict)


def read_tables(file: str | Path) -> Iterator[SwitchTable]:
    """The tables in the output of `dump_fts` (`-a` and `-n` too), each with as many rows as its last line says.

    Raises InputError `file:line: what, what to do`.
    """
    table: SwitchTable | None = None
    n_tables = 0
    for number, line in enumerate(read_lines(file), start=1):
        where = f"{file}:{number}"
        if found := _HEAD.fullmatch(line):
            if table:
                raise InputError(f"{where}: the table before, of line {table.line}, has no end; {_AGAIN}")
            table = SwitchTable(int(found[1], 16), number)
        elif line.startswith("Multicast"):
            raise InputError(f"{where}: multicast tables; give the output of dump_fts without -M")
        elif found := _FOOT.fullmatch(line):
            if table is None or len(table.rows) != int(found[1]):
                rows = len(table.rows) if table else 0
                raise InputError(f"{where}: {found[1]} lids dumped, but {rows} rows stand above it; {_AGAIN}")
            yield table
            table, n_tables = None, n_tables + 1
        elif line.startswith("0x") and table:
            _add_row(table, line, number, where)
        elif line and line.strip() not in _TITLES:
            raise InputError(f"{where}: {line[:60]!r} is no line of dump_fts; {_AGAIN}")
    if table or not n_tables:
        raise InputError(f"{file}: {'ends inside a table' if table else 'no table in it'}; {_AGAIN}")


def _add_row(table: SwitchTable, line: str, number: int, where: str) -> None:
    found = re.match(r"0x([0-9a-f]{1,4}) (\d{3})(?= |$)", line)
    if not found:
        raise InputError(f"{where}: {line[:60]!r} is damaged; {_AGAIN}")
    lid = int(found[1], 16)
    if lid in table.rows:
        raise InputError(f"{where}: lid {found[1]} stands at line {table.rows[lid][2]} already; {_AGAIN}")
    guid = _PORT_GUID.search(line)
    table.rows[lid] = int(found[2]), int(guid[1], 16) if guid else None, number


def attach(fabric: Fabric, file: str | Path) -> Fabric:
    """The fabric of an ibnetdiscover dump with these tables as its routes: switches matched by guid, destinations by lid.

    Raises InputError where the tables are not of this fabric: switches missing or unknown, lids of other ports, ports that no
    cable is on or that lead to another host.
    """
    from topologies.routing.tables import ForwardingTables

    shape: IbShape = fabric.shape
    n = fabric.n_endpoints
    _check_lids(fabric)
    behind: list[dict[int, int]] = [{} for _ in range(fabric.n_nodes)]
    for link, (node, port) in enumerate(zip(fabric.src.tolist(), shape.port.tolist(), strict=True)):
        behind[node][port] = link
    next_link = np.full((fabric.n_nodes, n), -1, dtype=np.int32)  # an endpoint has one cable: no entry needed
    switch = {int(guid): n + i for i, guid in enumerate(shape.guid[n:])}
    missing = dict(switch)
    for table in read_tables(file):
        node = missing.pop(table.guid, -1)
        if node < 0:
            why = "stands twice" if table.guid in switch else f"is none of {fabric.name}"
            raise InputError(f"{file}:{table.line}: switch 0x{table.guid:016x} {why}; {_TOGETHER}")
        next_link[node] = _row(fabric, table, node, behind[node], file)
    if missing:
        node = next(iter(missing.values()))
        raise InputError(f"{file}: no table of switch {fabric.label_of(node)} ({len(missing)} missing); {_AGAIN}")
    return replace(
        fabric, shape=replace(shape, tables=ForwardingTables(frozen(next_link, np.int32))), default_router="forwarding-tables"
    )


def _row(fabric: Fabric, table: SwitchTable, node: int, behind: dict[int, int], file: str | Path) -> list[int]:
    """The links that a switch takes towards each endpoint, checked to be able to lead there; -1 where its table has none."""
    links = [-1] * fabric.n_endpoints
    for d, lid in enumerate(fabric.shape.lid.tolist()):
        port, guid, line = table.rows.get(lid, (_NO_PORT, None, 0))
        if port == _NO_PORT:
            continue
        end = int(fabric.dst[behind[port]]) if port in behind else -1
        if guid is not None and guid != int(fabric.shape.guid[d]):
            fault = f"but lid {lid} is port 0x{guid:016x} here"
        elif end < 0:
            fault = "where no host or switch is cabled"
        elif end < fabric.n_endpoints and end != d:
            fault = f"where {fabric.label_of(end)} is"
        else:
            links[d] = behind[port]
            continue
        says = f"{fabric.label_of(node)} sends to {fabric.label_of(d)} by port {port}"
        raise InputError(f"{file}:{line}: {says}, {fault}; {_TOGETHER}")
    return links


def _check_lids(fabric: Fabric) -> None:
    lids, counts = np.unique(fabric.shape.lid, return_counts=True)
    if wrong := [int(lid) for lid in lids[(counts > 1) | (lids == 0)]]:
        raise InputError(f"{fabric.name}: lid {wrong[0]} on no or several ports; no subnet manager had run, take the dump again")
