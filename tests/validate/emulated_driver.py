"""A run that can be killed: `emulated_driver.py SECONDS` builds a switch with four hosts, puts a sleeper on each, says `up`.

Needs nothing but the standard library and the rooms.
"""

from __future__ import annotations

import os
import sys

from topologies.errors import BackendUnavailable
from validate.emulated.blueprint import Blueprint
from validate.emulated.emulation import emulation
from validate.emulated.launch import ENTER

HOSTS = 4
RATE = 125e6
SLEEPERS = "for r in 0 1 2 3; do PMI_RANK=$r {python} -I -S {enter} {folder} /bin/sleep {seconds} & done; echo up; wait"


def star() -> Blueprint:
    """Four hosts on one switch."""
    down = [(HOSTS, to, (2 * to + 1,), -1) for to in range(HOSTS)]
    up = [(host, to, (2 * host,), -1) for host in range(HOSTS) for to in range(HOSTS) if to != host]
    leaves = [(link, a, b) for a in range(HOSTS) for b in range(HOSTS) if a != b for link in (2 * a, 2 * b + 1)]
    ends = tuple((host, HOSTS) for host in range(HOSTS))
    return Blueprint(("h0", "h1", "h2", "h3", "s0"), HOSTS, ends, (RATE,) * 8, (*down, *up), tuple(leaves), "fair", -1)


def main(seconds: str) -> int:
    try:
        with emulation(star()) as fabric:
            script = SLEEPERS.format(python=sys.executable, enter=ENTER, folder=fabric.folder, seconds=seconds)
            print("up", flush=True)
            return fabric.run(["/bin/sh", "-c", script], dict(os.environ), limit=60) or 0
    except BackendUnavailable as error:
        print(error, file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
