"""Talking rtnetlink: as much of it as links, addresses, routes and queues need, many messages at a time.

A message is `(type, flags, body)`; a body is a fixed head and attributes (rtnetlink(7)). Batching is why this is not done by a
library call for each: a fabric of 64 hosts takes ten thousand messages, and a fraction of a second.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

REQUEST, MULTI, ACK, DUMP, EXCL, CREATE = 0x1, 0x2, 0x4, 0x300, 0x200, 0x400
_ERROR, _DONE = 2, 3
_HEAD = struct.Struct("=IHHII")
_BATCH = 100  # messages that are sent before their answers are read


class Message(NamedTuple):
    """What is asked of the kernel: a message type, flags beyond REQUEST, and head and attributes."""

    type: int
    flags: int
    body: bytes


def attribute(kind: int, *values: bytes) -> bytes:
    """One attribute; several values are attributes nested in it.

    >>> attribute(4, struct.pack("=I", 9000)).hex()
    '0800040028230000'
    """
    value = b"".join(values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by kind (without the flags in its upper bits); the last of a kind counts.

    >>> attributes(attribute(3, b"p0") + attribute(4, b"abcd"))
    {3: b'p0', 4: b'abcd'}
    """
    out = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        out[kind & 0x3FFF] = data[at + 4 : at + length]
        at += length + (-length % 4)
    return out


class Netlink:
    """A socket to the kernel about the network namespace that it was opened in; it stays there wherever its owner goes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.settimeout(10)
        self._socket.bind((0, 0))
        self._number = 0

    def do(self, messages: Iterable[Message]) -> None:
        """Have them all done, in order. Raises OSError with the first refusal."""
        waiting: list[Message] = []
        for message in messages:
            waiting.append(message)
            if len(waiting) == _BATCH:
                self._send(waiting)
                waiting = []
        self._send(waiting)

    def ask(self, kind: int, body: bytes, flags: int = 0) -> list[bytes]:
        """The bodies that answer a question; all of them with DUMP. Raises OSError."""
        self._number += 1
        self._socket.send(_HEAD.pack(_HEAD.size + len(body), kind, REQUEST | flags, self._number, 0) + body)
        out: list[bytes] = []
        while True:
            for told, many, answer in self._answers():
                if told == _ERROR:
                    _raise(answer)
                if told == _DONE:
                    return out
                out.append(answer)
                if not many:
                    return out

    def close(self) -> None:
        self._socket.close()

    def _send(self, messages: list[Message]) -> None:
        if not messages:
            return
        batch = []
        for kind, flags, body in messages:
            self._number += 1
            batch.append(_HEAD.pack(_HEAD.size + len(body), kind, REQUEST | ACK | flags, self._number, 0) + body)
        self._socket.send(b"".join(batch))
        left = len(messages)
        while left:
            for kind, _, answer in self._answers():
                if kind == _ERROR:
                    _raise(answer)
                    left -= 1

    def _answers(self) -> Iterator[tuple[int, bool, bytes]]:
        data = self._socket.recv(1 << 20)
        at = 0
        while at + _HEAD.size <= len(data):
            length, kind, flags, _, _ = _HEAD.unpack_from(data, at)
            yield kind, bool(flags & MULTI), data[at + _HEAD.size : at + length]
            at += length + (-length % 4)


def _raise(answer: bytes) -> None:
    number = -struct.unpack_from("=i", answer)[0]
    if number:
        raise OSError(number, os.strerror(number), "netlink")
