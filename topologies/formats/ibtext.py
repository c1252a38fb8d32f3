"""The text that `ibnetdiscover` writes, as nodes and ports: what stands in it and whether it agrees with itself.

Line forms after infiniband-diags' ibnetdiscover.c (rdma-core), with and without `-f` and `-g`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from topologies.errors import InputError

#: Data rate of one lane in Gbit/s: signalling rate less the line coding (8b/10b up to QDR; 64b/66b from FDR10 to EDR; from HDR on
#: PAM-4 with 256b/257b and RS(544,514)), as InfiniBand Architecture Specification vol. 2 has the signalling rates: 2.5, 5, 10,
#: 10.3125, 14.0625, 25.78125, 53.125, 106.25, 212.5 Gbit/s. So 4xQDR carries 32 Gbit/s, 4xFDR 54.55, 4xEDR 100, 4xNDR 400.
LANE_GBITS = {
    "SDR": 2.0,
    "DDR": 4.0,
    "QDR": 8.0,
    "FDR10": 10.0,
    "FDR": 14.0625 * 64 / 66,
    "EDR": 25.0,
    "HDR": 50.0,
    "NDR": 100.0,
    "XDR": 200.0,
}
WIDTHS = {"1x": 1, "2x": 2, "4x": 4, "8x": 8, "12x": 12}

_BLOCK = re.compile(
    r'(Switch|Ca|Rt)\s+(\d{1,5}) "([SHR])-([0-9a-f]{1,16})"\s+# "(.*)"(?: (?:base|enhanced) port 0 lid (\d{1,5}) .*| .*)?'
)
_PORT = re.compile(
    r"\[(\d{1,5})\](?:\[ext \d+\])?(?:\(([0-9a-f]{1,16})\))?\s+"  # own port, own port guid (hosts)
    r'"([SHR]-[0-9a-f]{1,16})"\[(\d{1,5})\](?:\[ext \d+\])?(?: ?\(([0-9a-f]{1,16})\))?\s+'  # the other end
    r'# (?:lid (\d{1,5}) lmc \d+ )?"(.*)" lid (\d{1,5}) (\d+x|\?\?)(\w+|\?\?\?)(?: .*)?'
)
_IDENTITY = re.compile(r"\w+=0x[0-9a-f]+(?:\([0-9a-f]+\))?(?:\s+#.*)?")
_PROSE = re.compile(r"Chassis \d+.*|Hostname: .*")  # what `-g` adds
_LETTER = {"Switch": "S", "Ca": "H", "Rt": "R"}


@dataclass(frozen=True, slots=True)
class Port:
    """One cabled port as its own node states it. `guid` and `lid` are None where this side does not say them (switches)."""

    number: int
    guid: int | None
    lid: int | None
    peer: str  #: id of the node at the other end
    peer_port: int
    peer_guid: int | None
    peer_lid: int
    width: str
    speed: str
    line: int


@dataclass(frozen=True, slots=True)
class Node:
    """A block of the dump: `id` is `S-…`, `H-…` or `R-…` for switches, host adapters and routers; `lid` is that of a switch."""

    id: str
    name: str
    n_ports: int
    lid: int | None
    line: int
    ports: dict[int, Port] = field(default_factory=dict)

    @property
    def guid(self) -> int:
        return int(self.id[2:], 16)


def read_lines(file: str | Path) -> list[str]:
    """The lines of a text file without their ends. Raises InputError if it cannot be read, is empty or is not text."""
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise InputError(f"{file}: binary data, not text; unpack it if it is compressed")
    if not data.strip():
        raise InputError(f"{file}: empty file")
    # Node descriptions are bytes that people set: what is not UTF-8 in them must not stop the reading.
    return [line.rstrip() for line in data.decode("utf-8", errors="replace").split("\n")]


def read_dump(file: str | Path) -> dict[str, Node]:
    """All nodes by id, in the order of the file; every cable is stated by both of its ends, in agreement.

    Raises InputError `file:line: what, what to do` for lines of another form, things stated twice, and cables of which one end
    is missing or says something else: that is how a dump that was cut short shows.
    """
    nodes: dict[str, Node] = {}
    node: Node | None = None
    for number, line in enumerate(read_lines(file), start=1):
        where = f"{file}:{number}"
        if line.startswith("["):
            if node is None:
                raise InputError(f"{where}: a port before the first Switch or Ca; the head of the dump is missing")
            _add_port(node, line, number, where)
        elif line.startswith(("Switch", "Ca\t", "Ca ", "Rt")):
            node = _node(line, number, where)
            if node.id in nodes:
                raise InputError(
                    f"{where}: node {node.id} stands at line {nodes[node.id].line} already; give one dump, not several"
                )
            nodes[node.id] = node
        elif line and line[0] != "#" and not _IDENTITY.fullmatch(line) and not _PROSE.fullmatch(line):
            raise InputError(f"{where}: {_short(line)} is no line of ibnetdiscover; give its plain output (no -l, -p, -S, -H)")
    if not nodes:
        raise InputError(f"{file}: no Switch and no Ca in it; give the output of ibnetdiscover")
    for a, port, end in cables(nodes, file):
        _check_agreement(file, a, port, end)
    return nodes


def cables(nodes: dict[str, Node], file: str | Path = "dump") -> Iterator[tuple[Node, Port, Port]]:
    """Each cable once: (node, its port, the port at the other end), seen from the end that comes first in the file."""
    seen: set[tuple[str, int]] = set()
    for node in nodes.values():
        for port in node.ports.values():
            far = nodes.get(port.peer)
            end = far.ports.get(port.peer_port) if far else None
            if end is None:
                cable = f"{node.id}[{port.number}] to {port.peer}[{port.peer_port}]"
                raise InputError(
                    f"{file}:{port.line}: cable {cable} is stated by this end only; the dump is cut short or edited: take it anew"
                )
            if (node.id, port.number) not in seen:
                seen.add((port.peer, port.peer_port))
                yield node, port, end


def _node(line: str, number: int, where: str) -> Node:
    found = _BLOCK.fullmatch(line)
    if not found or _LETTER[found[1]] != found[3] or (found[3] == "S" and found[6] is None):
        raise InputError(f"{where}: {_short(line)} is damaged; take the dump again")
    lid = None if found[6] is None else int(found[6])
    return Node(f"{found[3]}-{found[4]}", found[5].strip(), int(found[2]), lid, number)


def _add_port(node: Node, line: str, number: int, where: str) -> None:
    found = _PORT.fullmatch(line)
    if not found:
        raise InputError(f"{where}: {_short(line)} is damaged; take the dump again")
    own, guid, peer, peer_port, peer_guid, lid, _, peer_lid, width, speed = found.groups()
    if not 1 <= int(own) <= node.n_ports:
        raise InputError(f"{where}: port [{own}] of {node.id}, which has ports 1 to {node.n_ports}")
    if int(own) in node.ports:
        raise InputError(f"{where}: port [{own}] of {node.id} stands at line {node.ports[int(own)].line} already")
    if (guid is None) != node.id.startswith("S"):
        raise InputError(f"{where}: {_short(line)} is damaged; take the dump again")
    node.ports[int(own)] = Port(
        number=int(own),
        guid=None if guid is None else int(guid, 16),
        lid=None if lid is None else int(lid),
        peer=peer,
        peer_port=int(peer_port),
        peer_guid=None if peer_guid is None else int(peer_guid, 16),
        peer_lid=int(peer_lid),
        width=width,
        speed=speed,
        line=number,
    )


def _check_agreement(file: str | Path, node: Node, port: Port, end: Port) -> None:
    says = (port.peer_guid, port.peer_lid if end.lid is not None else None)
    back = (end.peer_guid, end.peer_lid if port.lid is not None else None)
    if (end.peer, end.peer_port) != (node.id, port.number):
        raise InputError(
            f"{file}:{end.line}: {port.peer}[{end.number}] goes to {end.peer}[{end.peer_port}], "
            f"but line {port.line} has {node.id}[{port.number}] there; take the dump again"
        )
    if says != (end.guid, end.lid) or back != (port.guid, port.lid):
        raise InputError(
            f"{file}:{end.line}: {port.peer}[{end.number}] has another guid or lid in line {port.line}; take the dump again"
        )


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
