"""An end to calls that may wait for ever inside NCCL."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from topologies.errors import NetsimError

GRACE = 10.0  #: seconds that a call may take to return once the communicator has been aborted


@contextlib.contextmanager
def limited(what: str, seconds: float, abort: Callable[[], None], grace: float = GRACE) -> Iterator[None]:
    """Let what is inside take `seconds`; then abort, and raise NetsimError when it comes back, whatever it came back with.

    Where it does not come back even then (a communicator that is not yet made cannot be aborted), say the same line and end the
    process with code 1.
    """
    done, late = threading.Event(), threading.Event()
    told = f"{what}: not done after {seconds:g} s; a rank has died or waits for another (NCCL_DEBUG=INFO; limit= gives longer)"

    def watch() -> None:
        if done.wait(seconds):
            return
        late.set()
        threading.Thread(target=_quietly, args=(abort,), daemon=True).start()
        if not done.wait(grace):
            print(told, file=sys.stderr, flush=True)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except Exception:
        if late.is_set():
            raise NetsimError(told) from None
        raise
    finally:
        done.set()
    if late.is_set():
        raise NetsimError(told)


def _quietly(abort: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):  # whatever it says, the line about the limit is what matters
        abort()
