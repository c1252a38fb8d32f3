"""How hot kernels are compiled, and where their machine code is kept.

`kernel` kernels work on arrays that they are given and allocate none, so numba's reference counting is switched off for them:
with it, every call that passes arrays pays two atomic operations per array, which made the event loop of the flow engine four
times slower (docs/adr/0003-kernels.md). `inner_kernel` is for those that only other kernels call, `allocating_kernel` for those
that return new arrays.

Machine code is cached in a folder named after the source text of all modules beside the kernel's own. Numba by itself checks a
cached kernel against its own file only: it would run on with a stale copy of a kernel that it calls from another file, and fails
on one whose argument types have gone. So a kernel may call kernels of its own folder, and no others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "error_model": "numpy"}


def cache_folder() -> Path:
    """Where machine code is kept: $NUMBA_CACHE_DIR, else netsim's folder in $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netsim"


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that allocates nothing; cached on disk, runs without the GIL."""
    return _cached(numba.njit(**_OPTIONS)(function))


def inner_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `kernel`, for a function that only kernels call: without the door for Python, which is a fourth of compiling."""
    options = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _cached(numba.njit(**options)(function))


def allocating_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that returns new arrays; cached on disk, runs without the GIL."""
    return _cached(numba.njit(nogil=True)(function))


@cache
def _version(folder: Path) -> str:
    """A name for the source text of a folder: `engine-3fa85f64b2c1`."""
    sources = sorted(folder.glob("*.py"))
    return f"{folder.name}-{hashlib.sha256(b''.join(path.read_bytes() for path in sources)).hexdigest()[:12]}"


def _cached(dispatcher: Any) -> Callable[..., Any]:
    """Give a kernel its place in our folder: numba reads its setting at this moment, and falls back where it cannot write."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder() / _version(Path(dispatcher.py_func.__code__.co_filename).parent))
    try:
        dispatcher.enable_caching()
    finally:
        config.CACHE_DIR = before
    compiled: Callable[..., Any] = dispatcher
    return compiled
