"""The processes that own an emulated fabric, and with which it goes.

    netsim ──exec──▶ holder ──fork──▶ first process of a pid namespace ──▶ mpiexec, ranks
           (requests and answers: a JSON line each, over the holder's stdin and stdout)

Whoever is killed, the rest follows: the holder is told by the kernel when netsim dies, removes the run's folder and leaves; the
first process dies with the holder, with it (pid_namespaces(7)) every rank, and with the last process in a network its links and
queues. Nothing has a name outside, so nothing is left.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from validate.emulated import namespaces as ns
from validate.emulated.blueprint import Blueprint
from validate.emulated.build import Built, build, connections, way


def main(arguments: list[str]) -> int:
    """`holder FOLDER PARENT`: the folder of the run, the process id of netsim."""
    folder, parent = Path(arguments[0]), int(arguments[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        ns.die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return 0
        try:
            own_namespaces()
        except OSError as error:
            return answer({"refused": f"{error.filename or error.strerror}: {error.strerror}"})
        ns.die_with_parent(signal.SIGTERM)  # a change of credentials may have taken it back
        alive, _kept = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(_kept)
            first_process(folder, alive)
        os.close(alive)
        return _outlived(child)
    finally:
        if os.getppid() != parent:
            shutil.rmtree(folder, ignore_errors=True)


def own_namespaces() -> None:
    """Namespaces of every kind that the fabric needs; as root of a new user namespace for who is not root. Raises OSError."""
    kinds = ns.NEWPID | ns.NEWNS | ns.NEWIPC | ns.NEWNET | ns.NEWUTS
    try:
        ns.unshare(kinds)
    except PermissionError:
        ns.become_root_of_a_user_namespace()
        ns.unshare(kinds)
    ns.hide_mounts()


def _outlived(child: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and 1
    except SystemExit:  # by SIGTERM
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # the kernel ends it when all ranks are gone, which may leave files until then
        raise


def first_process(folder: Path, alive: int) -> None:
    """Serve requests until there are no more. `alive`: a pipe that ends with the holder. Does not return."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ns.die_with_parent(signal.SIGKILL)
        if not select.select([alive], [], [], 0)[0]:
            resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)  # 3 of each node
            serve(folder)
            code = 0
    finally:
        os._exit(code)


def serve(folder: Path) -> None:
    """Answer requests `[name, arguments]` line by line."""
    fabric = Served(folder)
    calls: dict[str, Callable[..., Any]] = {
        "build": fabric.build,
        "launch": fabric.launch,
        "wait": fabric.wait,
        "watch": fabric.watch,
        "counters": fabric.counters,
        "ways": fabric.ways,
        "way": fabric.way,
    }
    answer({"pid": int(os.readlink("/proc/self"))})  # as those outside see it
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer({"is": calls[name](**arguments)})
        except OSError as error:
            answer({"error": str(error)} | ({"netlink": error.errno} if error.filename == "netlink" else {}))
        except Exception as error:  # unsaid, it would look as if this process had been killed
            answer({"error": f"{name}: {type(error).__name__}: {error}"})


def answer(told: dict[str, Any]) -> int:
    print(json.dumps(told), flush=True)
    return 0


class Served:
    """One fabric and one job at a time, in the first process of the pid namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: Built | None = None
        self._job: subprocess.Popen[bytes] | None = None
        self._seen: dict[tuple[int, int], set[tuple[int, int]]] = {}

    @property
    def fabric(self) -> Built:
        assert self._built is not None
        return self._built

    def build(self, plan: str) -> None:
        """Build, and leave in the folder what `enter.py` reads."""
        self._built = build(Blueprint.from_json(plan))
        first = f"{os.readlink('/proc/self')} {self.fabric.plan.endpoints}"
        lines = [first, *(f"{fd} {label}" for fd, label in zip(self.fabric.networks, self.fabric.plan.labels, strict=True))]
        (self._folder / "entrance").write_text("\n".join(lines) + "\n")

    def launch(self, command: list[str], environment: dict[str, str], at: int = -1) -> None:
        """Start a job; what it says goes to `launch.log` in the folder. `at`: the node whose network its launcher is in."""
        place = ns.inside(self.fabric.networks[at]) if at >= 0 else nullcontext()
        with (self._folder / "launch.log").open("wb") as log, place:
            self._job = subprocess.Popen(
                command,
                env=environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int | None:
        """The job's exit code, None while it runs."""
        assert self._job is not None
        try:
            return self._job.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def watch(self) -> None:
        """Note the connections between endpoints that there are now."""
        for source, port, to, other in connections(self.fabric):
            self._seen.setdefault((source, to), set()).add((port, other))

    def counters(self) -> list[tuple[int, int]]:
        return self.fabric.counters()

    def ways(self) -> list[tuple[int, int, list[list[int]]]]:
        """The ways, as links, of all connections noted since this was asked: (source, destination, a way for each)."""
        seen, self._seen = self._seen, {}
        return [(s, d, [way(self.fabric, s, d, p) for p in sorted(ports)]) for (s, d), ports in sorted(seen.items())]

    def way(self, source: int, to: int, ports: tuple[int, int]) -> list[int]:
        """The links that a connection between these ports takes."""
        return way(self.fabric, source, to, ports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
