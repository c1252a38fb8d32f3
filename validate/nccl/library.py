"""What a replay needs of NCCL and of the GPU, and which Python package gives it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from topologies.errors import BackendUnavailable, InputError, NetsimError
from topologies.registry import Table, did_you_mean

Floats = NDArray[np.float32]

#: package -> "module:function" of `gpu -> Library`; the first that is installed is taken
LIBRARIES = Table(
    "NCCL library",
    {
        "nccl4py": "validate.nccl.adapters.nccl4py:nccl4py",
        "pynccl": "validate.nccl.adapters.pynccl:pynccl",
        "cupy": "validate.nccl.adapters.cupy:cupy",
    },
    group="netsim.nccl_libraries",
)

INSTALL = "pip install 'netsim-codesign[nccl]' (CUDA 12 driver) or 'netsim-codesign[nccl-cu13]'"


class Library(Protocol):
    """NCCL, and memory of one GPU, as one process sees them. Arrays are float32 on the GPU, of a kind that it alone knows.

    Everything but `read`, `write`, `unique_id`, `connect` and `close` is put on one stream and returns before it is done; what is
    put there is done in that order. Between `connect` and `close` there is one communicator.
    """

    name: str  #: of the package and its version: "nccl4py 0.6.0"
    version: tuple[int, int, int]  #: of NCCL
    errors: tuple[type[Exception], ...]  #: what its calls raise

    def unique_id(self) -> bytes:
        """128 bytes that all ranks of a communicator must have; made by one of them."""

    def connect(self, ranks: int, rank: int, unique_id: bytes) -> None:
        """Make a communicator together with the others; returns when all have come."""

    def close(self) -> None:
        """Give the communicator back, together with the others."""

    def abort(self) -> None:
        """Stop what is under way, without the others; may be called from another thread."""

    def array(self, count: int) -> Any:
        """`count` elements on the GPU, at least one; whatever lies there."""

    def write(self, array: Any, values: Floats) -> None:
        """Copy to the GPU."""

    def read(self, array: Any) -> Floats:
        """Copy from the GPU, when all is done."""

    def copy(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        """target[to : to + count] = source[begin : begin + count]"""

    def add(self, target: Any, to: int, source: Any, begin: int, count: int) -> None:
        """target[to : to + count] += source[begin : begin + count]"""

    def group(self) -> AbstractContextManager[None]:
        """ncclGroupStart and ncclGroupEnd: what is sent and received inside goes side by side."""

    def send(self, array: Any, begin: int, count: int, peer: int) -> None:
        """ncclSend"""

    def receive(self, array: Any, begin: int, count: int, peer: int) -> None:
        """ncclRecv"""

    def all_reduce(self, array: Any, count: int) -> None:
        """ncclAllReduce in place, a sum, of the first `count` elements."""

    def mark(self) -> Any:
        """An event that is there when all that was put on the stream before it is done."""

    def done(self, mark: Any) -> bool:
        """Whether the event is there."""

    def seconds(self, begin: Any, end: Any) -> float:
        """Between two events that are there."""


def installed() -> tuple[str, ...]:
    """The packages of the table that are here, in its order; those of other people's rows count as here."""
    return tuple(name for name in LIBRARIES if name not in _PACKAGE or _found(_PACKAGE[name]))


_PACKAGE = {"nccl4py": "nccl.core", "pynccl": "pynccl", "cupy": "cupy"}


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def choose(name: str | None) -> str:
    """The package of that name, or the first that is installed.

    Raises InputError for a name that the table has not, BackendUnavailable where it, or any, is not installed.
    """
    if name is not None and name not in LIBRARIES:
        raise InputError(f"library={name}: no such NCCL library{did_you_mean(name, LIBRARIES)}")
    here = installed()
    if name is not None and name not in here:
        raise BackendUnavailable(f"NCCL: {name} is not installed; {INSTALL if name == 'nccl4py' else f'pip install {name}'}")
    if not here:
        raise BackendUnavailable(f"NCCL: none of {', '.join(LIBRARIES)} is installed; {INSTALL}")
    return name or here[0]


def open_library(name: str, gpu: int) -> Library:
    """The library on a GPU, as CUDA numbers those that are visible. Raises BackendUnavailable where it does not work."""
    try:
        library: Library = LIBRARIES.load(name)(gpu)
    except NetsimError:
        raise
    except Exception as error:  # whatever a package of others raises while it looks for a library, a driver, a GPU
        told = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BackendUnavailable(f"NCCL: {name} does not work here: {told}; {INSTALL}, or choose another by library=") from error
    return library


def version_of(code: int) -> tuple[int, int, int]:
    """NCCL's number for its version, taken apart.

    >>> version_of(23203), version_of(2708)
    ((2, 32, 3), (2, 7, 8))
    """
    major = 10000 if code >= 10000 else 1000
    return code // major, code % major // 100, code % 100
