"""Which rank ended first: launchers end all others at once, and do not tell."""

from __future__ import annotations

import os
import select
from pathlib import Path


class Deaths:
    """Watches the ranks that `enter.py` notes in `ranks`, a process id and a name a line; leaves the first to end in `died`."""

    def __init__(self, folder: Path) -> None:
        self._ranks, self._died = folder / "ranks", folder / "died"
        self._poll = select.poll()
        self._name: dict[int, str] = {}  # by pidfd
        self._known = 0

    def look(self, seconds: float) -> None:
        """Look for as long as that, or until a rank ends."""
        gone = self._new()
        for fd, _ in self._poll.poll(0 if gone else 1e3 * seconds):
            gone.append(self._name.pop(fd))
            self._poll.unregister(fd)
            os.close(fd)
        if gone and not self._died.exists():
            self._died.write_text(" or ".join(gone))

    def close(self) -> None:
        for fd in self._name:
            os.close(fd)
        self._name = {}

    def _new(self) -> list[str]:
        """Take in ranks that have come since; the names of those that went meanwhile."""
        gone = []
        lines = self._ranks.read_text().split("\n")[:-1] if self._ranks.exists() else []
        for line in lines[self._known :]:
            pid, _, name = line.partition(" ")
            try:
                fd = os.pidfd_open(int(pid))
            except ProcessLookupError:
                gone.append(name)
                continue
            self._name[fd] = name
            self._poll.register(fd, select.POLLIN)
        self._known = len(lines)
        return gone
