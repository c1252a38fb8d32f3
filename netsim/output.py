"""Where text goes: to stdout, whose reader may have left, or to a file, whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from topologies.errors import NetsimError


def say(text: str) -> None:
    """Write to stdout. A reader that has left (`| head`) has seen all that it wanted."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, AttributeError) as error:  # AttributeError: closed before we began, sys.stdout is None
        raise NetsimError(f"stdout: cannot be written: {getattr(error, 'strerror', None) or 'it is closed'}") from None


def tell(text: str) -> None:
    """A line of talk on stderr, if anybody listens; on a terminal it takes the place of a line of progress, drawn again below."""
    if sys.stderr is not None:
        print("\r\x1b[K" * sys.stderr.isatty() + text, file=sys.stderr, flush=True)


def check_target(path: Path) -> None:
    """Raise NetsimError where `write_whole` could not write, before hours of work are lost to it."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise NetsimError(f"{path}: cannot be written: no folder {folder}; make it first")
    if not (os.access(folder, os.W_OK) or _is_device(path)):
        raise NetsimError(f"{path}: cannot be written: the folder {folder} is read-only")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path` (same suffix), then move it there: no half-written file is ever seen.

    A link stays one and its file is replaced; what is no file, such as /dev/null or a named pipe, is written to and stays.
    Raises NetsimError where the folder cannot be written to.
    """
    device = _is_device(path)
    target = path if device else path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=None if device else target.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise NetsimError(f"{path}: cannot be written: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        if device:
            with target.open("wb") as stream:
                stream.write(temporary.read_bytes())
        else:
            temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
            temporary.replace(target)
    except OSError as error:
        raise NetsimError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    """Whether it is there and neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
