"""A job's files into their folder: all or none, and never over what somebody may have edited."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from netsim.output import write_whole
from topologies.errors import InputError, NetsimError


def write_all(folder: Path, files: Mapping[str, str | bytes], *, overwrite: bool) -> list[Path]:
    """Write each file whole; those that are there already with these contents are left alone. Returns all paths in order.

    Raises InputError where one is there with other contents and `overwrite` is not set, NetsimError where one cannot be written.
    """
    contents = {folder / name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    stale = [path for path, wanted in contents.items() if _differs(path, wanted)]
    edited = [path for path in stale if path.exists()]
    if edited and not overwrite:
        raise InputError(f"{edited[0]}: is there with other contents; take another folder, or set overwrite=true to replace it")
    for path in stale:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NetsimError(f"{path.parent}: cannot be made: {error.strerror}") from None
        write_whole(path, partial(Path.write_bytes, data=contents[path]))
    return list(contents)


def _differs(path: Path, wanted: bytes) -> bool:
    try:
        return path.read_bytes() != wanted
    except FileNotFoundError:
        return True
    except OSError as error:
        raise NetsimError(f"{path}: cannot be read: {error.strerror}; take another folder") from None
