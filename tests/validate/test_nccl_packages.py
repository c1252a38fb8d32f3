"""The driver and the packages that bind NCCL: which is taken, what is said of a broken one, that they are as we call them."""

import ctypes
import inspect
from typing import Any

import numpy as np
import pytest
from nccl_fake import Driver

from topologies.errors import BackendUnavailable, InputError
from validate.nccl import library as library_module
from validate.nccl.gpu import visible_gpus
from validate.nccl.library import LIBRARIES, choose, open_library, version_of


def test_what_the_driver_says_of_its_gpus() -> None:
    assert [(g.number, g.name, g.bus) for g in visible_gpus(lambda _: Driver())] == [
        (0, "GPU", "0000:00:00.0"),
        (1, "GPU", "0000:01:00.0"),
    ]
    with pytest.raises(BackendUnavailable, match="no CUDA device: the driver shows none"):
        visible_gpus(lambda _: Driver(count=0))
    with pytest.raises(BackendUnavailable, match="no CUDA device: the driver says error 100"):
        visible_gpus(lambda _: Driver(code=100))


def test_the_first_package_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(library_module, "_found", lambda module: module in there)
    with pytest.raises(BackendUnavailable, match="none of nccl4py, pynccl, cupy is installed; pip install"):
        choose(None)
    there |= {"cupy", "pynccl"}
    assert choose(None) == "pynccl"
    assert choose("cupy") == "cupy"
    with pytest.raises(BackendUnavailable, match="NCCL: nccl4py is not installed; pip install"):
        choose("nccl4py")
    there.add("nccl.core")
    assert choose(None) == "nccl4py"
    with pytest.raises(InputError, match="did you mean 'nccl4py'"):
        choose("nccl4pi")


def test_a_package_that_does_not_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(gpu: int) -> Any:
        raise OSError("libnccl.so.2: cannot open\nshared object")

    monkeypatch.setattr(LIBRARIES, "load", lambda name: broken)
    with pytest.raises(BackendUnavailable, match=r"NCCL: cupy does not work here: libnccl.so.2: cannot open; pip") as caught:
        open_library("cupy", 0)
    assert "\n" not in str(caught.value)


def test_nccl4py_is_called_as_it_is() -> None:
    core = pytest.importorskip("nccl.core", reason="nccl4py is not installed")
    bindings = pytest.importorskip("nccl.bindings.nccl")
    cuda = pytest.importorskip("cuda.core")
    for name, arguments in (
        ("send", ["sendbuff", "count", "datatype", "peer", "comm", "stream"]),
        ("recv", ["recvbuff", "count", "datatype", "peer", "comm", "stream"]),
        ("all_reduce", ["sendbuff", "recvbuff", "count", "datatype", "op", "comm", "stream"]),
    ):
        assert list(inspect.signature(getattr(bindings, name)).parameters) == arguments
    assert (int(core.FLOAT32), int(core.SUM)) == (7, 0)
    assert list(inspect.signature(core.Communicator.init).parameters) == ["nranks", "rank", "unique_id", "config"]
    assert bytes(core.UniqueId.from_bytes(bytes(range(128)))) == bytes(range(128))
    assert bindings.Comm(core.Communicator(5).ptr).handle == 5
    for name in ("abort", "destroy"):
        assert list(inspect.signature(getattr(core.Communicator, name)).parameters) == ["self"]
    assert list(inspect.signature(core.mem_alloc).parameters) == ["size", "device"]
    assert {"owner"} <= set(inspect.signature(cuda.Buffer.from_handle).parameters)
    assert {"src", "stream"} <= set(inspect.signature(cuda.Buffer.copy_from).parameters)
    assert list(inspect.signature(cuda.launch).parameters) == ["stream", "config", "kernel", "kernel_args"]
    cuda.EventOptions(timing_enabled=True)
    cuda.LaunchConfig(grid=1, block=256)
    assert issubclass(bindings.NCCLError, Exception)


def test_cupy_is_called_as_it_is() -> None:
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    from cupy.cuda import nccl

    if not nccl.available:
        pytest.skip("cupy finds no libnccl.so.2")
    said = {name: getattr(nccl.NcclCommunicator, name).__doc__ for name in ("send", "recv", "allReduce")}
    assert "send(self, intptr_t sendbuf, size_t count, int datatype, int peer, intptr_t stream)" in said["send"]
    assert "recv(self, intptr_t recvbuf, size_t count, int datatype, int peer, intptr_t stream)" in said["recv"]
    assert "size_t count, int datatype, int op, intptr_t stream)" in said["allReduce"]
    assert (nccl.NCCL_FLOAT32, nccl.NCCL_SUM) == (7, 0)
    wanted = bytes if int(cupy.__version__.split(".")[0]) >= 14 else tuple
    assert isinstance(nccl.get_unique_id(), wanted)


def test_pynccl_is_called_as_it_is() -> None:
    binding = pytest.importorskip("pynccl.binding", reason="pynccl is not installed")
    for name, arguments in (("ncclSend", 6), ("ncclRecv", 6), ("ncclAllReduce", 7), ("ncclCommInitRank", 4)):
        assert len(getattr(binding.libnccl, name).argtypes) == arguments
    assert ctypes.sizeof(binding.ncclUniqueId) >= 128
    from pynccl import Nccl

    assert {"get_version", "get_unique_id", "get_comm", "comm_init_rank", "comm_abort", "pp_send", "pp_recv"} <= set(dir(Nccl))


def test_the_sum_of_pynccl_is_one() -> None:
    """Its kernel walks a grid: here a grid of one thread, of which numpy is the memory."""
    from validate.nccl.adapters.pynccl import _add

    class Grid:
        grid = staticmethod(lambda _: 0)
        gridsize = staticmethod(lambda _: 1)

    target, source = np.zeros(8, np.float32), np.arange(8, dtype=np.float32)
    _add(Grid)(target, 2, source, 3, 4)
    assert target.tolist() == [0, 0, 3, 4, 5, 6, 0, 0]


def test_versions_are_taken_apart() -> None:
    assert version_of(23000) == (2, 30, 0)
