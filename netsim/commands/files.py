"""Where verbs write what they print and draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def file_of(output: str | None, suffix: str, scenario: str) -> Path | None:
    """The file that is meant: `output`, or in it if it is a folder. Raises NetsimError for a folder that is not there."""
    from topologies.errors import NetsimError

    if output is None:
        return None
    if Path(output).is_dir():
        return Path(output) / f"{Path(scenario).stem}.{suffix}"
    if output.endswith("/"):  # which a Path would forget
        raise NetsimError(f"{output}: cannot be written: no such folder; make it first, or leave out the last / to name a file")
    return Path(output)


def deliver(text: str, output: Path | None) -> None:
    """Print it, or write it whole and say so."""
    from netsim.output import say, tell, write_whole

    if output is None:
        say(text)
        return
    write_whole(output, lambda path: path.write_bytes(text.encode()))
    tell(f"wrote {output}")


def plot_targets(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths. Raises InputError for a name that no picture can have."""
    from topologies.errors import InputError

    for path in paths:
        if path.suffix not in (".svg", ".png"):
            raise InputError(f"--plot {path}: the name must end in .svg or .png")
    return paths
