"""Making and entering Linux namespaces (Python has os.setns and os.unshare only from 3.12 on), and dying with one's parent."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones. Raises OSError."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int = 0) -> None:
    """Enter the namespace behind a file descriptor. Raises OSError."""
    _checked(_libc.setns(fd, flags), "setns")


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel for this signal when the parent dies. The caller looks afterwards whether it lives still."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def become_root_of_a_user_namespace() -> None:
    """Enter a new user namespace in which the caller is root: what an unprivileged user needs to own networks. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def hide_mounts() -> None:
    """Keep what is mounted from here on to this mount namespace, and give it a /dev/shm of its own, which goes with it."""
    _checked(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
    if Path("/dev/shm").is_dir():
        _checked(_libc.mount(b"none", b"/dev/shm", b"tmpfs", 0, b"mode=1777"), "mount")


def new_network() -> int:
    """A new network namespace, entered, as a file descriptor that keeps it alive."""
    unshare(NEWNET)
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(network: int) -> Iterator[None]:
    """Be in a network namespace for a while."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(network, NEWNET)
        yield
    finally:
        setns(home, NEWNET)
        os.close(home)


def _checked(result: int, call: str) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), call)
