"""What a long run says on stderr: that kernels are being compiled, and how far it has come."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netsim.output import tell

if TYPE_CHECKING:
    from netsim.pipeline import Progress


@contextmanager
def announcing_compilation() -> Iterator[None]:
    """Say so once when numba compiles a kernel that its cache does not hold."""
    from numba.core import event

    with event.install_listener("numba:compile", _announcer(event.Listener)):
        yield


def _announcer(listener: type) -> Any:
    """A listener; made here because its class cannot exist before numba is imported."""

    class Announce(listener):  # type: ignore[misc]
        told = False

        def on_start(self, event: Any) -> None:
            if not self.told:
                self.told = True
                tell("compiling kernels, once: this takes some seconds; later runs load them from the cache")

        def on_end(self, event: Any) -> None:
            pass

    return Announce()


@contextmanager
def progress_line() -> Iterator[Progress | None]:
    """A callback that keeps one line on the terminal current, from one second on; None where stderr is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    state = {"text": ""}
    stop = threading.Event()
    thread = threading.Thread(target=_draw, args=(state, stop), daemon=True)

    def progress(done: int, of: int, what: str) -> None:
        state["text"] = f"result {done + 1} of {of}: {what}"

    thread.start()
    try:
        yield progress
    finally:
        stop.set()
        thread.join()


def _draw(state: dict[str, str], stop: threading.Event) -> None:
    shown = False
    while not stop.wait(0.2 if shown else 1.0):
        if state["text"]:
            sys.stderr.write(f"\r\x1b[K{state['text'][:78]}")
            sys.stderr.flush()
            shown = True
    if shown:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
