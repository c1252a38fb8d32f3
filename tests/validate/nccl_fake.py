"""NCCL and a GPU made of numpy and queues: calls are recorded, bytes really move between ranks that are threads."""

import ctypes
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

PATIENCE = 60.0  #: seconds after which a group that does not end is a deadlock


class FakeError(Exception):
    """What the fake's calls raise."""


class Wires:
    """What the ranks of a fake have in common. A send is done when it is received, as NCCL's may be: no hidden buffering."""

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks
        self.messages: dict[tuple[int, int], queue.Queue[Any]] = defaultdict(queue.Queue)
        self.meeting = threading.Barrier(ranks)
        self.given: list[Any] = [None] * ranks


class Fake:
    """A `validate.nccl.library.Library`. `calls`: what was asked for, in order; a group is one list of sends and receives."""

    name, version, errors = "fake 1.0", (2, 30, 0), (FakeError,)

    def __init__(self, wires: Wires, spoil: bool = False) -> None:
        self.wires, self.spoil = wires, spoil
        self.calls: list[Any] = []
        self.communicators: list[tuple[int, int, bytes]] = []
        self.rank = -1
        self._group: list[Any] | None = None
        self.aborted = threading.Event()

    def unique_id(self) -> bytes:
        return bytes(range(128))

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        self.communicators.append((ranks, rank, unique_id))
        self.rank = rank

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.aborted.set()

    def array(self, count: int) -> Any:
        return np.full(count, np.nan, np.float32)

    def write(self, array: Any, values: Any) -> None:
        array[: len(values)] = values

    def read(self, array: Any) -> Any:
        return array.copy()

    def copy(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        assert self._group is None
        self.calls.append("copy")
        target[to : to + count] = source[begin : begin + count]

    def add(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        assert self._group is None
        self.calls.append("add")
        target[to : to + count] += source[begin : begin + count]

    @contextmanager
    def group(self) -> Iterator[None]:
        assert self._group is None
        self._group = []
        yield
        group, self._group = self._group, None
        self.calls.append([(what, peer, len(part)) for what, part, peer in group])
        taken = []
        for what, part, peer in group:
            if what == "send":
                done = threading.Event()
                self.wires.messages[self.rank, peer].put((part.copy(), done))
                taken.append(done)
        for what, part, peer in group:
            if what == "receive":
                try:
                    came, done = self.wires.messages[peer, self.rank].get(timeout=PATIENCE)
                except queue.Empty:
                    raise FakeError(f"deadlock: rank {self.rank} waits for {peer}") from None
                assert len(came) == len(part), f"rank {peer} sends {len(came)} elements, rank {self.rank} wants {len(part)}"
                part[:] = came + self.spoil
                done.set()
        if not all(done.wait(PATIENCE) for done in taken):
            raise FakeError(f"deadlock: nobody takes what rank {self.rank} sends")

    def send(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._message("send", array, begin, count, peer)

    def receive(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._message("receive", array, begin, count, peer)

    def _message(self, what: str, array: Any, begin: int, count: int, peer: int) -> None:
        assert self._group is not None, "outside of a group"
        assert count > 0
        assert 0 <= begin <= begin + count <= len(array)
        self._group.append((what, array[begin : begin + count], peer))

    def all_reduce(self, array: Any, count: int) -> None:
        self.calls.append(("all-reduce", count))
        self.wires.given[self.rank] = array[:count].copy()
        self.wires.meeting.wait(PATIENCE)
        total = sum(self.wires.given)
        self.wires.meeting.wait(PATIENCE)
        array[:count] = total

    def mark(self) -> Any:
        return time.monotonic()

    def done(self, mark: Any) -> bool:
        return True

    def seconds(self, begin: Any, end: Any) -> float:
        return max(1e-9, float(end - begin))

    @property
    def groups(self) -> list[Any]:
        """The groups among the calls."""
        return [call for call in self.calls if isinstance(call, list)]


def in_threads(work: list[Any], limit: float = 120.0) -> list[Any]:
    """What each of the functions gives or raises, all run at once."""
    out: list[Any] = [None] * len(work)

    def run(n: int) -> None:
        try:
            out[n] = work[n]()
        except BaseException as error:
            out[n] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit)
        assert not thread.is_alive(), "a rank hangs"
    return out


class Driver:
    """libcuda, as far as it is asked."""

    def __init__(self, count: int = 2, code: int = 0) -> None:
        self.count, self.code = count, code

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDeviceGetCount(self, count: Any) -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int))[0] = self.count
        return 0

    def cuDeviceGetName(self, text: Any, length: int, device: int) -> int:
        text.value = b"GPU"
        return 0

    def cuDeviceGetPCIBusId(self, text: Any, length: int, device: int) -> int:
        text.value = f"0000:{device:02x}:00.0".encode()
        return 0
