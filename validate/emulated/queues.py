"""The queue at the head of each link: its rate, and how the flows that meet there share it.

fair: HTB whose root class has the link's rate and whose leaves, one for each (source, destination) that crosses the link, borrow
from it by deficit round robin, a packet a turn. Every flow that waits gets an equal share, whatever its round-trip time: max-min
fairness, packet by packet, which TCP in one FIFO has not (queues=fifo shows what it makes of random rank maps).
Acknowledgements without data and the word that a receiver is ready pass by the queue, as control packets do in lossless fabrics:
at every hop they would wait for the packet under way, and every round would be late by some of those.
fifo: a token bucket with one queue, the plain switch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from validate.emulated.links import MTU
from validate.emulated.netlink import CREATE, DUMP, EXCL, Message, Netlink, attribute, attributes

_NEWQDISC, _GETQDISC, _NEWCLASS, _NEWFILTER = 36, 38, 40, 44
_HANDLE = 1 << 16
_ROOT = 0xFFFFFFFF
_FRAME = MTU + 14  # bytes of a full packet as a queue counts them
_TICK = 64e-9  # seconds; the unit of the packet scheduler's clock
_LINE, _OTHERS, _CONTROL = 0x0101, 0x0202, 0x0303  # classes of no pair: the link's own, whatever is of no pair, control
_MOST = 4e9  # bytes/s: the kernel takes 32 bits
_CONTROL_RATE = 125e6  # bytes/s of the class that they have to themselves
SLACK = 3e-3  # seconds of the link's rate that a fair queue may catch up when a timer was late; 0.8 packets where that is more
BURST = 4e-3  # the same of a FIFO, whose bucket must hold a whole packet besides
_LIMIT = 16 << 20  # bytes in a FIFO: the send buffers of forty flows that meet


def leaf(source: int, to: int) -> int:
    """The class of the packets from endpoint number `source` to endpoint number `to` of the emulated fabric, each below 256."""
    return source << 8 | to


def fair(interface: int, rate: float, leaves: Iterable[int]) -> Iterator[Message]:
    """Messages that put a fair queue of `rate` bytes/s before an interface.

    A class may send while it has any credit, and owes the rest of the packet: SLACK is all it can have saved up. The rate is that
    of the root class alone; a second bucket of the same rate in each leaf would lose what its own timers are late.
    """
    yield _queue(interface, "htb", attribute(2, struct.pack("=5I", 3, 10, _OTHERS, 0, 0)))
    burst = max(0.8 * _FRAME, SLACK * rate)
    yield _class(interface, _HANDLE, _LINE, rate, rate, burst)
    yield _class(interface, _HANDLE, _CONTROL, _CONTROL_RATE, _CONTROL_RATE, 1 << 16)
    for minor in (_OTHERS, *leaves):
        yield _class(interface, _HANDLE | _LINE, minor, 1.0, min(10 * rate, _MOST), burst)
    program = b"".join(struct.pack("=HBBI", *step) for step in _BY_PAIR)
    body = attribute(4, struct.pack("=H", len(_BY_PAIR))) + attribute(5, program)
    head = struct.pack("=BxHiIII", 0, 0, interface, 0, _HANDLE, 1 << 16 | 0x0008)  # ETH_P_IP, network order
    yield Message(_NEWFILTER, CREATE | EXCL, head + attribute(1, b"bpf\0") + attribute(2, body))


#: classic BPF: control where it is a datagram or an acknowledgement without data; else
#: class = 1:(last byte of the source address << 8 | last byte of the destination address)
_BY_PAIR = (
    (0x30, 0, 0, 23),  # ldb [23]: protocol
    (0x15, 7, 0, 17),  # jeq UDP: to control
    (0x30, 0, 0, 46),  # ldb [46]: length of the TCP header, in its upper half
    (0x54, 0, 0, 0xF0),  # and
    (0x74, 0, 0, 2),  # rsh
    (0x07, 0, 0, 0),  # tax
    (0x28, 0, 0, 16),  # ldh [16]: length of the IP packet
    (0x1C, 0, 0, 0),  # sub x
    (0x15, 0, 1, 20),  # jeq: nothing behind the headers
    (0x06, 0, 0, _HANDLE | _CONTROL),  # ret
    (0x20, 0, 0, 26),  # ld [26]: source
    (0x54, 0, 0, 0xFF),  # and
    (0x64, 0, 0, 8),  # lsh
    (0x07, 0, 0, 0),  # tax
    (0x20, 0, 0, 30),  # ld [30]: destination
    (0x54, 0, 0, 0xFF),  # and
    (0x4C, 0, 0, 0),  # or x
    (0x44, 0, 0, _HANDLE),  # or
    (0x16, 0, 0, 0),  # ret a
)


def fifo(interface: int, rate: float) -> Iterator[Message]:
    """The message that puts a token bucket of `rate` bytes/s with one queue before an interface."""
    burst = max(_FRAME + 86, BURST * rate)
    parameters = _rate(rate) + _rate(0) + struct.pack("=3I", _LIMIT, _ticks(burst, rate), 0)
    yield _queue(interface, "tbf", attribute(1, parameters) + attribute(6, struct.pack("=I", round(burst))))


def _queue(interface: int, kind: str, options: bytes) -> Message:
    head = struct.pack("=BxHiIII", 0, 0, interface, _HANDLE, _ROOT, 0)
    return Message(_NEWQDISC, CREATE | EXCL, head + attribute(1, kind.encode() + b"\0") + attribute(2, options))


def _class(interface: int, parent: int, minor: int, rate: float, most: float, burst: float) -> Message:
    head = struct.pack("=BxHiIII", 0, 0, interface, _HANDLE | minor, parent, 0)
    numbers = struct.pack("=5I", _ticks(burst, rate), _ticks(burst, most), _FRAME, 0, 0)
    options = attribute(2, attribute(1, _rate(rate) + _rate(most) + numbers))
    return Message(_NEWCLASS, CREATE | EXCL, head + attribute(1, b"htb\0") + options)


def _rate(rate: float) -> bytes:
    """struct tc_ratespec; link layer 1: Ethernet, no table of transmission times needed."""
    return struct.pack("=BBHhHI", 0, 1, 0, 0, 0, round(rate))


def _ticks(burst: float, rate: float) -> int:
    return min(round(burst / rate / _TICK), 0xFFFFFFFF)


def counters(netlink: Netlink) -> dict[int, tuple[int, int]]:
    """Of each interface with a queue of ours: bytes sent, packets dropped."""
    out = {}
    for body in netlink.ask(_GETQDISC, struct.pack("=BxHiIII", 0, 0, 0, 0, 0, 0), DUMP):
        interface, handle, parent = struct.unpack_from("=iII", body, 4)
        parts = attributes(body[20:])
        if handle != _HANDLE or parent != _ROOT:
            continue
        told = attributes(parts[7])
        out[interface] = struct.unpack_from("=Q", told[1])[0], struct.unpack_from("=5I", told[3])[2]
    return out
