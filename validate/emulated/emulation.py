"""An emulated fabric as a value with a life: built on entry, gone on exit.

    with emulation(plan) as fabric:
        fabric.start(command, environment)
        code = fabric.wait(limit=30)

For a launcher of one's own (`srun`), start it meanwhile with `enter.py` before the command and `fabric.folder` as its argument.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topologies.errors import BackendUnavailable, NetsimError
from validate.emulated.blueprint import Blueprint
from validate.emulated.purge import run_name

MARK = "NETSIM_RUN"  #: in the environment of every process of a run, the name of its folder
_ANSWER = 120.0  # seconds that a request may take: a fabric of 254 endpoints is up sooner


@dataclass(frozen=True, eq=False)
class Emulation:
    """A fabric that is up."""

    plan: Blueprint
    folder: Path  #: of this run; gone with it. `entrance` in it is what enter.py reads, `launch.log` what the job said
    holder: subprocess.Popen[str] = field(repr=False)

    def start(self, command: list[str], environment: dict[str, str], at: int = -1) -> None:
        """Start a job inside. `at`: the node whose network the launcher itself is in; its own empty one by default."""
        self.ask("launch", command=command, environment=environment | {MARK: self.folder.name}, at=at)

    def wait(self, limit: float, watch: bool = False) -> int | None:
        """The job's exit code; None where it was not done after `limit` seconds. `watch`: for `ways` to know its connections."""
        end = time.monotonic() + limit
        while (left := end - time.monotonic()) > 0:
            code = self.ask("wait", seconds=min(left, 0.5), watch=watch)
            if code is not None:
                return int(code)
        return None

    def counters(self) -> list[tuple[int, int]]:
        """Of each link: bytes sent, packets dropped."""
        return [(b, d) for b, d in self.ask("counters")]

    def ways(self) -> dict[tuple[int, int], set[tuple[int, ...]]]:
        """The links that the kernel sent the connections of each pair over, where `wait` watched."""
        return {(s, d): set(map(tuple, ways)) for s, d, ways in self.ask("ways")}

    def said(self) -> str:
        """The last line that the job said, if any."""
        with suppress(OSError):
            lines = (self.folder / "launch.log").read_text(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def ask(self, name: str, **arguments: Any) -> Any:
        """Have the holder do something. Raises NetsimError where it cannot."""
        try:
            assert self.holder.stdin is not None
            self.holder.stdin.write(json.dumps([name, arguments]) + "\n")
            self.holder.stdin.flush()
        except OSError:
            raise NetsimError("emulated fabric: the process that holds it was killed") from None
        told = heard(self.holder, _ANSWER)
        if "error" in told:
            raise NetsimError(f"emulated fabric: {told['error']}")
        return told["is"]


@contextmanager
def emulation(plan: Blueprint) -> Iterator[Emulation]:
    """Build the fabric of a blueprint. Raises BackendUnavailable where this machine does not allow it."""
    folder = Path(tempfile.mkdtemp(prefix=run_name()))
    holder = None
    try:
        holder = _holder(folder)
        told = heard(holder, _ANSWER)
        if "refused" in told:
            raise BackendUnavailable(refusal(told["refused"]))
        fabric = Emulation(plan, folder, holder)
        try:
            fabric.ask("build", plan=plan.as_json())
        except NetsimError as error:
            raise BackendUnavailable(
                f"{error}; the kernel needs veth, sch_htb, sch_tbf and cls_bpf (modprobe them as root)"
            ) from None
        yield fabric
    finally:
        if holder:
            end(holder)
        shutil.rmtree(folder, ignore_errors=True)


def _holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "validate.emulated.holder", str(folder), str(os.getpid())]
    home = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {MARK: folder.name, "PYTHONPATH": home + (os.pathsep + known if known else "")}
    with (folder / "holder.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )


def end(holder: subprocess.Popen[str]) -> None:
    """End the holder, and with it everything that it holds."""
    with suppress(OSError):
        holder.terminate()
    try:
        holder.wait(5)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.wait()
    for stream in (holder.stdin, holder.stdout):
        if stream:
            with suppress(OSError):
                stream.close()


def heard(holder: subprocess.Popen[str], limit: float) -> dict[str, Any]:
    """The next answer. Raises NetsimError where none comes."""
    assert holder.stdout is not None
    if not select.select([holder.stdout], [], [], limit)[0]:
        raise NetsimError(f"emulated fabric: the process that holds it says nothing for {limit:.0f} s")
    line = holder.stdout.readline()
    if not line:
        raise NetsimError("emulated fabric: the process that holds it was killed")
    told: dict[str, Any] = json.loads(line)
    return told


def refusal(why: str) -> str:
    """What to tell who may not make namespaces."""
    return (
        f"emulated fabric: this machine allows no namespaces ({why}); run as root, or let users make them: "
        "sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=15000"
    )
