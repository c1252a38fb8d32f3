"""The command line: what becomes of what was typed, and of what goes wrong.

Exit codes: 0 ok, 1 failure, 2 bad usage or scenario, 3 an expectation missed, 4 a backend is not available, 130 interrupted.
"""

from __future__ import annotations

import gc
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    gc.set_threshold(100_000)  # imports make objects that stay: looking through them every 700 takes a tenth of a run of a second
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # an arrow on a terminal that has none
    try:
        from netsim.verbs import call  # in here, so that Ctrl-C while it is imported is told like any other

        return call(arguments)
    except KeyboardInterrupt:
        return _told("interrupted", 130)
    except Exception as error:
        if debug:
            raise
        return _told(*_verdict(error))


def _told(message: str, code: int) -> int:
    """Say it on stderr, where anybody listens."""
    try:
        print(message, file=sys.stderr)
    except BrokenPipeError:
        sys.stderr = None  # nothing more to flush at exit
    return code


def _verdict(error: Exception) -> tuple[str, int]:
    """What is said of an error, and the exit code."""
    from topologies.errors import BackendUnavailable, InputError, NetsimError

    if isinstance(error, NetsimError):
        return str(error), 2 if isinstance(error, InputError) else 4 if isinstance(error, BackendUnavailable) else 1
    if hasattr(error, "format_message"):  # the command line's own: an unknown option, a missing argument
        return f"netsim: {error.format_message()} (netsim --help)", 2
    if isinstance(error, MemoryError):
        return "netsim: out of memory; take fewer ranks or a smaller fabric (netsim show says how much it needs)", 1
    if isinstance(error, OSError):
        return f"netsim: {error.filename or ''}: {error.strerror or error}", 1
    return f"netsim: {type(error).__name__}: {error}: a bug, please report it (--debug shows the traceback)".replace("\n", " "), 1
