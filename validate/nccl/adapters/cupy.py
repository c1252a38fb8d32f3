"""NCCL by cupy.cuda.nccl; memory, sums and events by cupy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from topologies.errors import BackendUnavailable
from validate.nccl.library import Floats, Library, version_of


def cupy(gpu: int) -> Library:
    """Raises BackendUnavailable where cupy finds no libnccl."""
    from cupy.cuda import nccl

    if not nccl.available:
        raise BackendUnavailable("NCCL: cupy finds no libnccl.so.2; pip install nvidia-nccl-cu12 (or cu13, as cupy is)")
    return _Cupy(gpu)


class _Cupy:
    def __init__(self, gpu: int) -> None:
        import cupy
        from cupy.cuda import nccl

        self._cupy, self._nccl = cupy, nccl
        cupy.cuda.Device(gpu).use()
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._comm: Any = None
        self.name = f"cupy {cupy.__version__}"
        self.version = version_of(nccl.get_version())
        self.errors: tuple[type[Exception], ...] = (nccl.NcclError, cupy.cuda.runtime.CUDARuntimeError)

    def unique_id(self) -> bytes:
        return bytes(byte % 256 for byte in self._nccl.get_unique_id())  # before cupy 14 a tuple of signed numbers

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        made = self._nccl.NcclCommunicator
        if int(self._cupy.__version__.split(".")[0]) >= 14:
            self._comm = made(ranks, unique_id, rank)
        else:
            self._comm = made(ranks, tuple(byte - 256 * (byte > 127) for byte in unique_id), rank)

    def close(self) -> None:
        self._comm.destroy()

    def abort(self) -> None:
        if self._comm is not None:
            self._comm.abort()

    def array(self, count: int) -> Any:
        return self._cupy.empty(count, np.float32)

    def write(self, array: Any, values: Floats) -> None:
        array[: len(values)].set(np.ascontiguousarray(values), stream=self._stream)
        self._stream.synchronize()

    def read(self, array: Any) -> Floats:
        values = array.get(stream=self._stream)
        self._stream.synchronize()
        return np.asarray(values, np.float32)

    def copy(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        (target[to : to + count]).data.copy_from_device_async(source[begin : begin + count].data, 4 * count, self._stream)

    def add(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        part = target[to : to + count]
        with self._stream:
            self._cupy.add(part, source[begin : begin + count], out=part)

    @contextmanager
    def group(self) -> Iterator[None]:
        self._nccl.groupStart()
        try:
            yield
        finally:
            self._nccl.groupEnd()

    def send(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._comm.send(_address(array, begin), count, self._nccl.NCCL_FLOAT32, peer, self._stream.ptr)

    def receive(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._comm.recv(_address(array, begin), count, self._nccl.NCCL_FLOAT32, peer, self._stream.ptr)

    def all_reduce(self, array: Any, count: int) -> None:
        at = _address(array, 0)
        self._comm.allReduce(at, at, count, self._nccl.NCCL_FLOAT32, self._nccl.NCCL_SUM, self._stream.ptr)

    def mark(self) -> Any:
        event = self._cupy.cuda.Event()
        event.record(self._stream)
        return event

    def done(self, mark: Any) -> bool:
        return bool(mark.done)

    def seconds(self, begin: Any, end: Any) -> float:
        return float(self._cupy.cuda.get_elapsed_time(begin, end)) * 1e-3


def _address(array: Any, begin: int) -> int:
    return int(array.data.ptr) + 4 * begin
