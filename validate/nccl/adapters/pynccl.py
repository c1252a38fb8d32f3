"""NCCL by pynccl 0.1.2 (ctypes, written for NCCL 2.7.8); memory, sums and events by numba.cuda, which it stands on."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from validate.nccl.library import Floats, Library, version_of

_FLOAT32, _SUM = 7, 0  # ncclFloat32, ncclSum of nccl.h
_ID_BYTES = 128  # of nccl.h; pynccl's structure has 512, of which NCCL reads these
_THREADS = 256


def pynccl(gpu: int) -> Library:
    """It looks for libnccl.so.2 in the folder that NUMBA_NCCLLIB names."""
    return _Pynccl(gpu)


class _Pynccl:
    def __init__(self, gpu: int) -> None:
        self._cuda: Any = import_module("numba.cuda")
        self._cuda.select_device(gpu)
        try:
            from pynccl import Nccl
            from pynccl.binding import NcclV2Error

            self._nccl = Nccl()
        except Exception as error:  # it raises Exception itself where it finds no library
            raise OSError(f"{' '.join(str(error).split())}: set NUMBA_NCCLLIB to the folder of libnccl.so.2") from error
        self._stream = self._cuda.stream()
        handle = getattr(self._stream.handle, "value", self._stream.handle)  # numba's own ctypes, or NVIDIA's CUstream
        self._handle = ctypes.c_void_p(int(handle or 0))
        self._comm = self._nccl.get_comm()
        self._kernel = self._cuda.jit(_add(self._cuda))
        number = ctypes.c_int()
        self._nccl.get_version(ctypes.byref(number))
        self.name = f"pynccl {version('pynccl')}"
        self.version = version_of(number.value)
        # codes that NCCL has got since 2.7.8 miss in its table of names: KeyError
        self.errors: tuple[type[Exception], ...] = (NcclV2Error, KeyError, self._cuda.cudadrv.driver.CudaAPIError)

    def unique_id(self) -> bytes:
        return bytes(self._nccl.get_unique_id())[:_ID_BYTES]

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        from pynccl.binding import ncclUniqueId

        whole = ncclUniqueId.from_buffer_copy(unique_id.ljust(ctypes.sizeof(ncclUniqueId), b"\0"))
        self._comm = self._nccl.get_comm()
        self._nccl.comm_init_rank(ctypes.byref(self._comm), ranks, whole, rank)

    def close(self) -> None:
        self._nccl.comm_destroy(self._comm)
        self._comm = self._nccl.get_comm()

    def abort(self) -> None:
        if self._comm.value:
            self._nccl.comm_abort(self._comm)

    def array(self, count: int) -> Any:
        return self._cuda.device_array(count, np.float32)

    def write(self, array: Any, values: Floats) -> None:
        array[: len(values)].copy_to_device(np.ascontiguousarray(values), stream=self._stream)
        self._stream.synchronize()

    def read(self, array: Any) -> Floats:
        values = array.copy_to_host(stream=self._stream)
        self._stream.synchronize()
        return np.asarray(values, np.float32)

    def copy(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        target[to : to + count].copy_to_device(source[begin : begin + count], stream=self._stream)

    def add(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        blocks = min(1024, -(-count // _THREADS))
        self._kernel[blocks, _THREADS, self._stream](target, to, source, begin, count)

    @contextmanager
    def group(self) -> Iterator[None]:
        self._nccl.group_start()
        try:
            yield
        finally:
            self._nccl.group_end()

    def send(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._nccl.pp_send(_address(array, begin), count, _FLOAT32, peer, self._comm, self._handle)

    def receive(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._nccl.pp_recv(_address(array, begin), count, _FLOAT32, peer, self._comm, self._handle)

    def all_reduce(self, array: Any, count: int) -> None:
        at = _address(array, 0)
        self._nccl.all_reduce(at, at, count, _FLOAT32, _SUM, self._comm, self._handle)

    def mark(self) -> Any:
        event = self._cuda.event(timing=True)
        event.record(self._stream)
        return event

    def done(self, mark: Any) -> bool:
        return bool(mark.query())

    def seconds(self, begin: Any, end: Any) -> float:
        return float(begin.elapsed_time(end)) * 1e-3


def _add(cuda: Any) -> Any:
    def add(target: Any, to: int, source: Any, begin: int, count: int) -> None:  # numba compiles it for the GPU
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            target[to + i] += source[begin + i]

    return add


def _address(array: Any, begin: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(int(array.__cuda_array_interface__["data"][0]) + 4 * begin)
