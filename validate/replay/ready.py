"""The word that a receiver has reached a round: a datagram beside MPI, for ranks that share one machine.

It could be an MPI message without elements; but that goes over the connection that carries data the same way, and waits behind
what is under way there. A datagram waits for nothing: on an emulated fabric it is a matter of control and passes by the queues.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections import Counter
from typing import Any

_WORD = struct.Struct("=II")  # rank, channel
_SIOCGIFADDR = 0x8915
_FIRST = b"p0"  # the first interface of an emulated endpoint; elsewhere ranks of one machine meet on loopback


class Ready:
    """One rank's socket, and whom it has heard. Made by all ranks of a communicator together."""

    def __init__(self, comm: Any) -> None:
        self.rank = comm.rank
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # words that wait while this rank sleeps
        self._socket.bind((_own_address(self._socket), 0))
        self._peers: list[tuple[str, int]] = comm.allgather(self._socket.getsockname())
        self._heard: Counter[tuple[int, int]] = Counter()

    def say(self, peer: int, channel: int) -> None:
        """Tell a rank that its next message of a channel may come."""
        self._socket.sendto(_WORD.pack(self.rank, channel), self._peers[peer])

    def listen(self) -> None:
        """Take in what has come. Done once before words are asked for one after the other, so that the first who asks gets it."""
        while True:
            try:
                word = self._socket.recv(_WORD.size)
            except BlockingIOError:
                return
            self._heard[_WORD.unpack(word)] += 1

    def heard(self, peer: int, channel: int) -> bool:
        """Whether a rank has said so once more than this was asked and true."""
        if not self._heard[peer, channel]:
            return False
        self._heard[peer, channel] -= 1
        return True

    def close(self) -> None:
        self._socket.close()


def _own_address(any_socket: socket.socket) -> str:
    try:
        told = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("=16s24x", _FIRST))
    except OSError:
        return "127.0.0.1"
    return socket.inet_ntoa(told[20:24])
