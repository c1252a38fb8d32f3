"""Which GPUs the driver shows to this process; asked of the driver itself: no package is needed to hear that there is none."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from topologies.errors import BackendUnavailable

_WHAT_TO_DO = "netsim validate --on nccl needs an NVIDIA GPU and its driver; --on emulated needs neither"


@dataclass(frozen=True)
class Gpu:
    """A GPU as CUDA numbers those that are visible."""

    number: int
    name: str
    bus: str  #: PCI bus id: by it NCCL tells whether two ranks share a GPU (MIG instances have their GPU's)


def visible_gpus(load: Callable[[str], Any] = ctypes.CDLL) -> tuple[Gpu, ...]:
    """At least one. Raises BackendUnavailable, one line, where there is no driver or no device."""
    try:
        driver = load("libcuda.so.1")
    except OSError:
        raise BackendUnavailable(f"no CUDA device: libcuda.so.1 is not there; {_WHAT_TO_DO}") from None
    code, count = driver.cuInit(0), ctypes.c_int()
    if not code:
        code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        why = f"the driver says error {code}" if code else "the driver shows none (CUDA_VISIBLE_DEVICES?)"
        raise BackendUnavailable(f"no CUDA device: {why}; {_WHAT_TO_DO}")
    return tuple(Gpu(n, _text(driver.cuDeviceGetName, n), _text(driver.cuDeviceGetPCIBusId, n)) for n in range(count.value))


def _text(ask: Any, number: int) -> str:
    text = ctypes.create_string_buffer(128)
    code = ask(text, len(text), number)
    if code:
        raise BackendUnavailable(f"CUDA device {number}: the driver says error {code}; {_WHAT_TO_DO}")
    return text.value.decode()
