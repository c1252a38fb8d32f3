"""The processes of a replay, tied together by TCP beside NCCL: for the unique id, for meeting, and to hear when one has died."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

from topologies.errors import NetsimError
from validate.nccl.launched import Launched

_HELLO = "netsim-replay/1"
_MOST = 1 << 24  #: bytes of one line; none of ours is near
_BETWEEN = 0.1  #: seconds between two tries to reach rank 0, and between two looks at all while one is waited for
_RANK_0_FIRST = 5.0  # seconds beyond the limit: rank 0 waits for the missing as long, and tells who it was


class Party:
    """Rank 0 holds a line to each of the others; lines carry one JSON value each. Made by `party`."""

    def __init__(self, own: Launched, lines: dict[int, _Line], limit: float) -> None:
        self.rank, self.size, self.limit = own.rank, own.size, limit
        self._lines = lines  # rank -> line: on rank 0 to all others, elsewhere to rank 0

    def exchange(self, value: Any = None) -> list[Any]:
        """What each rank gave, by rank, to all; nobody leaves before all have come. Values are JSON.

        Raises NetsimError where a rank has gone, has failed (its own words) or does not come within the limit.
        """
        deadline = time.monotonic() + self.limit
        if self.rank:
            deadline += _RANK_0_FIRST
            self._lines[0].put({"value": value}, deadline)
            all_values: list[Any] = self._lines[0].get(deadline)["values"]
            return all_values
        values = [json.loads(json.dumps(value))] + [self._value_of(rank, deadline) for rank in range(1, self.size)]
        for rank in range(1, self.size):
            self._lines[rank].put({"values": values}, deadline)
        return values

    def _value_of(self, rank: int, deadline: float) -> Any:
        """With an ear to the others: one of them may have died meanwhile."""
        line = self._lines[rank]
        while not line.waiting(_BETWEEN):
            self.check()
            if time.monotonic() > deadline:
                break  # the line says it
        return line.get(deadline)["value"]

    def check(self) -> None:
        """Raises NetsimError where a rank has gone or has failed; waits for nothing."""
        for line in self._lines.values():
            line.check()

    def fail(self, why: str) -> None:
        """Tell the others why this rank ends, as far as they still listen."""
        for line in self._lines.values():
            with contextlib.suppress(NetsimError):
                line.put({"failed": why}, time.monotonic() + 1.0)

    def close(self) -> None:
        for line in self._lines.values():
            line.close()


@contextlib.contextmanager
def party(own: Launched, limit: float) -> Iterator[Party]:
    """All processes, tied together. What goes wrong inside is told to the others; the lines are closed in any case.

    `limit`: seconds that the others may take to come, now and at each exchange. Raises NetsimError where they take longer.
    """
    made = Party(own, _reach(own, limit) if own.rank else _listen(own, limit), limit)
    try:
        yield made
    except BaseException as error:
        made.fail(str(error) or type(error).__name__)
        raise
    finally:
        made.close()


def _listen(own: Launched, limit: float) -> dict[int, _Line]:
    lines: dict[int, _Line] = {}
    if own.size == 1:
        return lines
    deadline = time.monotonic() + limit
    host = own.address if _is_loopback(own.address) else ""
    try:
        server = socket.create_server((host, own.port), backlog=own.size)
    except OSError as error:
        raise NetsimError(
            f"rank 0: port {own.port}: {error.strerror}; choose another: MASTER_PORT={own.port - 1} is this one"
        ) from None
    with server:
        try:
            while len(lines) < own.size - 1:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                _welcome(_accepted(server, own, limit, lines), own, lines)
        except BaseException as error:
            Party(own, lines, limit).fail(str(error) or type(error).__name__)
            for line in lines.values():
                line.close()
            raise
    return lines


def _accepted(server: socket.socket, own: Launched, limit: float, lines: dict[int, _Line]) -> socket.socket:
    try:
        return server.accept()[0]
    except TimeoutError:
        missing = sorted(set(range(1, own.size)) - set(lines))
        others = f" (nor have {len(missing) - 1} others)" if len(missing) > 1 else ""
        raise NetsimError(
            f"rank {missing[0]}: has not come to rank 0 at {own.address}:{own.port} within {limit:g} s{others}; "
            "was it started, and does it reach that address?"
        ) from None


def _welcome(connection: socket.socket, own: Launched, lines: dict[int, _Line]) -> None:
    """A stranger, or one that says nothing, is sent away; it is not ours to fail for."""
    line = _Line(connection, "a newcomer")
    try:
        hello = line.get(time.monotonic() + 5.0)
        rank, size = int(hello["rank"]), int(hello["size"])
        known = hello["hello"] == _HELLO and 0 < rank < own.size
    except (NetsimError, KeyError, TypeError, ValueError):
        line.close()
        return
    if not known or rank in lines or size != own.size:
        with contextlib.suppress(NetsimError):
            line.put(
                {"failed": f"rank {rank} of {size} is none of the {own.size} processes, or is here already"},
                time.monotonic() + 1.0,
            )
        line.close()
        return
    line.who = f"rank {rank}"
    lines[rank] = line


def _reach(own: Launched, limit: float) -> dict[int, _Line]:
    deadline = time.monotonic() + limit
    while True:
        try:
            connection = socket.create_connection((own.address, own.port), timeout=max(0.01, deadline - time.monotonic()))
            break
        except OSError as error:
            if time.monotonic() + _BETWEEN > deadline:
                why = error.strerror or error
                raise NetsimError(
                    f"rank {own.rank}: rank 0 does not answer at {own.address}:{own.port} within {limit:g} s ({why}); "
                    "set MASTER_ADDR and MASTER_PORT"
                ) from None
            time.sleep(_BETWEEN)
    line = _Line(connection, "rank 0")
    try:
        line.put({"hello": _HELLO, "rank": own.rank, "size": own.size}, deadline)
    except NetsimError:
        line.close()
        raise
    return {0: line}


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False


class _Line:
    """JSON values, a line each, over one socket."""

    def __init__(self, connection: socket.socket, who: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket, self.who, self._read = connection, who, b""

    def put(self, value: dict[str, Any], deadline: float) -> None:
        rest = memoryview(json.dumps(value).encode() + b"\n")
        while rest:
            self._wait(deadline, reading=False)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError:
                self._take()  # what it said before it went is worth more than that it went
                self._raise_failed()
                raise NetsimError(f"{self.who}: has gone; its own message says why") from None

    def get(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._read:
            self._wait(deadline, reading=True)
            if not self._take() and b"\n" not in self._read:  # its last words may come together with its end
                raise NetsimError(f"{self.who}: has gone; its own message says why")
        line, _, self._read = self._read.partition(b"\n")
        value = _decoded(line)
        if value is None:
            raise NetsimError(f"{self.who}: sends what is none of ours; does another program use this port?")
        _raise_failed(self.who, value)
        return value

    def waiting(self, seconds: float) -> bool:
        """Whether a value is there, or comes within so many seconds."""
        if b"\n" not in self._read and self._ready(seconds, select.POLLIN):
            self._take()
        return b"\n" in self._read

    def check(self) -> None:
        there = self._take()
        self._raise_failed()
        if not there:
            raise NetsimError(f"{self.who}: has gone; its own message says why")

    def close(self) -> None:
        self._socket.close()

    def _take(self) -> bool:
        """Read what has come; whether the other end is still there."""
        with contextlib.suppress(BlockingIOError):
            try:
                while came := self._socket.recv(1 << 16):
                    self._read += came
                    if len(self._read) > _MOST:
                        return False
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
            return False
        return True

    def _raise_failed(self) -> None:
        for line in self._read.split(b"\n")[:-1]:
            _raise_failed(self.who, _decoded(line) or {})

    def _wait(self, deadline: float, *, reading: bool) -> None:
        if not self._ready(max(0.0, deadline - time.monotonic()), select.POLLIN if reading else select.POLLOUT):
            raise NetsimError(f"{self.who}: nothing is heard of it; it hangs, or is not there")

    def _ready(self, seconds: float, what: int) -> bool:
        ready = select.poll()
        ready.register(self._socket, what)
        return bool(ready.poll(seconds * 1e3))


def _decoded(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        value = json.loads(line)
        if isinstance(value, dict):
            return value
    return None


def _raise_failed(who: str, value: dict[str, Any]) -> None:
    if "failed" in value:
        told = str(value["failed"])
        raise NetsimError(told if told.startswith("rank ") else f"{who}: {told}")
