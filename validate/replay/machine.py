"""What a rank sees of the machine it runs on: whether others share its clock and its network, how idle it is, what TCP lost."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path


def clock_id() -> str:
    """The same for processes that see the same CLOCK_MONOTONIC: one boot, one time namespace."""
    return f"{_text('/proc/sys/kernel/random/boot_id') or socket.gethostname()} {_link('/proc/self/ns/time')}"


def network_id() -> str:
    """The same for processes whose TCP counters are the same: one boot, one network namespace."""
    return f"{_text('/proc/sys/kernel/random/boot_id') or socket.gethostname()} {_link('/proc/self/ns/net')}"


def processors() -> set[int]:
    """The numbers of those that this process may run on; all where the system cannot tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def described(count: int) -> str:
    """The system and so many processors, as measurements name where they were made: `Linux 6.18.0, 2 processors`."""
    return f"{platform.system()} {platform.release()}, {count} processors"


def jiffies() -> tuple[int, int] | None:
    """Idle and all time, since boot, of the processors that this process may run on; None: not told.

    proc(5): idle and iowait of the lines cpuN of /proc/stat. A quota of their time (cgroups' cpu.max) is not seen there.
    """
    own = {f"cpu{n}" for n in processors()}
    lines = [line.split() for line in _text("/proc/stat").splitlines() if line.startswith("cpu")]
    spent = [[int(value) for value in words[1:9]] for words in lines if words[0] in own]  # guest time is in user time already
    if not spent or min(map(len, spent)) < 5:
        return None
    return sum(cpu[3] + cpu[4] for cpu in spent), sum(map(sum, spent))


def idle_share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """The part of the time between that processors were idle.

    >>> idle_share((100, 1000), (150, 1100))
    0.5
    """
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def retransmitted() -> int | None:
    """TCP segments sent again in this network namespace, since it was made (RFC 4022, tcpRetransSegs); None: not told."""
    lines = [line.split() for line in _text("/proc/self/net/snmp").splitlines() if line.startswith("Tcp:")]
    if len(lines) != 2 or "RetransSegs" not in lines[0]:
        return None
    return int(lines[1][lines[0].index("RetransSegs")])


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
