"""NCCL by NVIDIA's nccl4py; memory, stream and events by cuda-core, which it brings.

Communicators come from its public `nccl.core`. Messages go through `nccl.bindings`, one call for each of nccl.h: on every call
`nccl.core` looks at what its buffer is, and where torch is not installed that alone takes half a millisecond (0.6.0), as long as
many a round.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Any

import numpy as np

from topologies.errors import BackendUnavailable
from validate.nccl.library import INSTALL, Floats, Library

_FLOAT32, _SUM = 7, 0  # ncclFloat32, ncclSum of nccl.h
_THREADS = 256

#: target[i] += source[i]. PTX, because the driver reads it: no compiler (NVRTC) has to be installed beside nccl4py.
ADD = """
.version 6.4
.target sm_70
.address_size 64
.visible .entry netsim_add(.param .u64 target, .param .u64 source, .param .u64 count)
{
    .reg .pred %end;
    .reg .b32 %block, %blocks, %thread, %threads;
    .reg .b64 %t, %s, %n, %i, %step, %at, %from;
    .reg .f32 %a, %b;
    ld.param.u64 %t, [target];
    ld.param.u64 %s, [source];
    ld.param.u64 %n, [count];
    cvta.to.global.u64 %t, %t;
    cvta.to.global.u64 %s, %s;
    mov.u32 %block, %ctaid.x;
    mov.u32 %blocks, %nctaid.x;
    mov.u32 %thread, %tid.x;
    mov.u32 %threads, %ntid.x;
    mul.wide.u32 %i, %block, %threads;
    mul.wide.u32 %step, %blocks, %threads;
    cvt.u64.u32 %at, %thread;
    add.u64 %i, %i, %at;
next:
    setp.ge.u64 %end, %i, %n;
    @%end bra done;
    shl.b64 %at, %i, 2;
    add.u64 %from, %s, %at;
    add.u64 %at, %t, %at;
    ld.global.f32 %b, [%from];
    ld.global.f32 %a, [%at];
    add.f32 %a, %a, %b;
    st.global.f32 [%at], %a;
    add.u64 %i, %i, %step;
    bra next;
done:
    ret;
}
"""


def nccl4py(gpu: int) -> Library:
    """Raises BackendUnavailable where it finds no libnccl."""
    import nccl.core as core

    if core.get_version().libnccl is None:
        raise BackendUnavailable(f"NCCL: nccl4py finds no libnccl.so.2; {INSTALL}")
    return _Nccl4py(gpu)


class _Nccl4py:
    def __init__(self, gpu: int) -> None:
        import nccl.bindings.nccl as bindings
        import nccl.core as core
        from cuda.core import Device, LegacyPinnedMemoryResource, ObjectCode
        from cuda.core._utils.cuda_utils import CUDAError

        self._core, self._nccl = core, bindings
        self._device = Device(gpu)
        self._device.set_current()
        self._stream = self._device.create_stream()
        self._handle = int(self._stream.handle)
        self._add = ObjectCode.from_ptx(ADD.encode()).get_kernel("netsim_add")
        self._pinned = LegacyPinnedMemoryResource()
        self._communicator: Any = None
        self.name = f"nccl4py {version('nccl4py')}"
        self.version = _three(core.get_version().libnccl.version)
        self.errors: tuple[type[Exception], ...] = (bindings.NCCLError, core.NcclInvalid, CUDAError)

    def unique_id(self) -> bytes:
        return bytes(self._core.get_unique_id())

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        self._communicator = self._core.Communicator.init(ranks, rank, self._core.UniqueId.from_bytes(unique_id))
        self._comm = self._nccl.Comm(self._communicator.ptr)

    def close(self) -> None:
        self._communicator.destroy()

    def abort(self) -> None:
        if self._communicator is not None:
            self._communicator.abort()

    def array(self, count: int) -> Any:
        return self._core.mem_alloc(4 * count, self._device)

    def write(self, array: Any, values: Floats) -> None:
        staged = self._pinned.allocate(values.nbytes)
        np.from_dlpack(staged).view(np.float32)[:] = values
        self._part(array, 0, len(values)).copy_from(staged, stream=self._stream)
        self._stream.sync()

    def read(self, array: Any) -> Floats:
        staged = self._pinned.allocate(array.size)
        staged.copy_from(array, stream=self._stream)
        self._stream.sync()
        return np.array(np.from_dlpack(staged).view(np.float32))

    def copy(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        self._part(target, to, count).copy_from(self._part(source, begin, count), stream=self._stream)

    def add(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        from cuda.core import LaunchConfig, launch

        config = LaunchConfig(grid=min(1024, -(-count // _THREADS)), block=_THREADS)
        launch(self._stream, config, self._add, _address(target, to), _address(source, begin), count)

    def group(self) -> AbstractContextManager[None]:
        group: AbstractContextManager[None] = self._core.group()
        return group

    def send(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._nccl.send(_address(array, begin), count, _FLOAT32, peer, self._comm, self._handle)

    def receive(self, array: Any, begin: int, count: int, peer: int) -> None:
        self._nccl.recv(_address(array, begin), count, _FLOAT32, peer, self._comm, self._handle)

    def all_reduce(self, array: Any, count: int) -> None:
        at = _address(array, 0)
        self._nccl.all_reduce(at, at, count, _FLOAT32, _SUM, self._comm, self._handle)

    def mark(self) -> Any:
        from cuda.core import EventOptions

        return self._stream.record(self._device.create_event(EventOptions(timing_enabled=True)))

    def done(self, mark: Any) -> bool:
        return bool(mark.is_done)

    def seconds(self, begin: Any, end: Any) -> float:
        return float(end - begin) * 1e-3

    def _part(self, array: Any, begin: int, count: int) -> Any:
        from cuda.core import Buffer

        return Buffer.from_handle(_address(array, begin), 4 * count, owner=array)


def _address(array: Any, begin: int) -> int:
    return int(array.handle) + 4 * begin


def _three(version: Any) -> tuple[int, int, int]:
    return version.major, version.minor, version.micro
