"""How the engines' hot kernels are compiled, and where the machine code is kept.

`kernel` kernels work on arrays that they are given and allocate none, so numba's reference counting is switched off for them:
with it, every call that passes arrays pays two atomic operations per array, which made the event loop four times slower
(docs/adr/0003-kernels.md). `allocating_kernel` is for those that return new arrays.

Machine code is cached in a folder named after the engines' source text. Numba checks a cached kernel against its own file only,
and fails on one whose argument types have gone; with a folder per source text, no version ever reads another's kernels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba


@cache
def cache_folder() -> Path:
    """Where machine code is kept: a folder per source text in $NUMBA_CACHE_DIR, $XDG_CACHE_HOME/netsim or ~/.cache/netsim."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netsim"
    return base / f"kernels-{digest}"


def is_cold() -> bool:
    """Whether kernels have yet to be compiled on this machine."""
    return not any(cache_folder().glob("**/*.nbc"))


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that allocates nothing; cached on disk, runs without the GIL."""
    options: dict[str, Any] = {"nogil": True, "_nrt": False}
    return _cached(numba.njit(**options)(function))


def allocating_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that returns new arrays; cached on disk, runs without the GIL."""
    return _cached(numba.njit(nogil=True)(function))


def _cached(dispatcher: Any) -> Callable[..., Any]:
    """Give a kernel its place in our folder: numba reads its setting at this moment, and falls back where it cannot write."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        dispatcher.enable_caching()
    finally:
        config.CACHE_DIR = before
    compiled: Callable[..., Any] = dispatcher
    return compiled
