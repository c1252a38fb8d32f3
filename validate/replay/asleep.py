"""Waiting without spinning: asleep until bytes arrive on one of this process's TCP connections, or a while has passed."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Callable

_AGAIN = 4  #: a while has so many parts; one is slept where bytes lie there that the library has not taken


def sleeper(poll: float) -> Callable[[], None]:
    """What sleeps `poll` seconds at most, less where a connection that is open now has something to read; 0: not at all.

    MPI tells nobody when a message has come; over TCP the kernel does. Connections made later are not looked at.
    """
    if not poll:
        return lambda: None
    sockets = (
        [int(name) for name in os.listdir("/proc/self/fd") if _is_socket(int(name))] if os.path.isdir("/proc/self/fd") else []
    )
    if not sockets:
        return lambda: time.sleep(poll)
    arrivals = select.epoll()  # asked once a wake-up: the time must not grow with the number of connections
    for number in sockets:
        arrivals.register(number, select.EPOLLIN)

    def asleep() -> None:
        if arrivals.poll(0, 1):
            time.sleep(poll / _AGAIN)
        else:
            arrivals.poll(poll, 1)

    return asleep


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
