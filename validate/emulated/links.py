"""Links, addresses, routes and rules as netlink messages. Interface numbers are chosen by the caller, so nothing is looked up.

All interfaces have one hardware address and no ARP (IFF_NOARP): what is sent over a veth is for whoever is at its other end, so
that routes need no gateways and switches no addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from validate.emulated.netlink import CREATE, DUMP, EXCL, Message, Netlink, attribute

MTU = 4500
_NEWLINK, _GETLINK, _NEWADDR, _NEWROUTE, _GETROUTE, _NEWRULE = 16, 18, 20, 24, 26, 32
_UP, _RUNNING, _NOARP = 0x1, 0x40, 0x80
_HARDWARE = bytes.fromhex("020000000001")
_MAIN, _STATIC, _SCOPE_LINK, _UNICAST = 254, 4, 253, 1
_QUEUE = 1000  # packets that a leaf queue holds: more than a connection has under way


def veth(number: int, peer_number: int, peer_network: int) -> Message:
    """A veth pair: `p<number - 2>` here and `p<peer_number - 2>` in the namespace behind the descriptor `peer_network`."""
    peer = attribute(1, _interface(peer_number), attribute(28, struct.pack("=I", peer_network)))
    info = attribute(18, attribute(1, b"veth\0"), attribute(2, peer))
    return Message(_NEWLINK, CREATE | EXCL, _interface(number) + info)


def _interface(number: int) -> bytes:
    """Name, MTU, hardware address, and segments of one packet each: bursts of a whole window would queue before the ACKs."""
    head = struct.pack("=BxHiII", 0, 0, number, _NOARP, _NOARP)
    parts = [
        attribute(3, f"p{number - 2}".encode() + b"\0"),
        attribute(4, struct.pack("=I", MTU)),
        attribute(1, _HARDWARE),
        attribute(13, struct.pack("=I", _QUEUE)),
        attribute(40, struct.pack("=I", 1)),  # IFLA_GSO_MAX_SEGS
    ]
    return head + b"".join(parts)


def up(interface: int) -> Message:
    """Bring an interface up; 1 is the loopback."""
    return Message(_NEWLINK, 0, struct.pack("=BxHiII", 0, 0, interface, _UP, _UP))


def running(netlink: Netlink) -> set[int]:
    """The interfaces that are up and whose operational state is so too (IFF_RUNNING, netdevice(7))."""
    heads = (struct.unpack_from("=BxHiI", body) for body in netlink.ask(_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0), DUMP))
    return {number for _, _, number, flags in heads if flags & _RUNNING}


def address(ip: bytes, interface: int) -> Message:
    """`ip`/32 on an interface."""
    return Message(_NEWADDR, CREATE, struct.pack("=BBBBi", 2, 32, 0, 0, interface) + attribute(2, ip) + attribute(1, ip))


def route(ip: bytes, interfaces: Sequence[int], table: int = _MAIN) -> Message:
    """To `ip`/32 over an interface, or over several by the kernel's hash of each connection."""
    head = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, min(table, 252) if table != _MAIN else _MAIN, _STATIC, _SCOPE_LINK, _UNICAST, 0)
    parts = attribute(1, ip) + attribute(15, struct.pack("=I", table))
    if len(interfaces) == 1:
        return Message(_NEWROUTE, CREATE | EXCL, head + parts + attribute(4, struct.pack("=i", interfaces[0])))
    hops = b"".join(struct.pack("=HBBi", 8, 0, 0, i) for i in interfaces)
    return Message(_NEWROUTE, CREATE | EXCL, head + parts + attribute(9, hops))


def rule(source: bytes, table: int) -> Message:
    """What comes from `source` looks into this table first; what that does not have, into the main one."""
    head = struct.pack("=BBBBBBBBI", 2, 0, 32, 0, 0, 0, 0, 1, 0)
    return Message(_NEWRULE, CREATE | EXCL, head + attribute(2, source) + attribute(6, struct.pack("=I", 100)) + _table(table))


def _table(table: int) -> bytes:
    return attribute(15, struct.pack("=I", table))


def which_way(source: bytes, to: bytes, ports: tuple[int, int], arriving: int | None) -> tuple[int, bytes]:
    """The question (type, body) over which interface a connection's packets go on. `arriving`: interface; None at the source."""
    parts = [attribute(1, to), attribute(2, source), attribute(27, b"\6")]  # RTA_IP_PROTO: TCP
    parts += [attribute(28, struct.pack("!H", ports[0])), attribute(29, struct.pack("!H", ports[1]))]
    if arriving is not None:
        parts.append(attribute(3, struct.pack("=i", arriving)))
    return _GETROUTE, struct.pack("=BBBBBBBBI", 2, 32, 32, 0, 0, 0, 0, 0, 0) + b"".join(parts)
