"""An emulated fabric as a value with a life: built on entry, gone on exit.

    with emulation(plan) as fabric:
        code = fabric.run(command, environment, limit=30)

Whatever starts ranks meanwhile, on this machine and by the same user, can put them on it: `python enter.py FOLDER COMMAND…` moves
to the endpoint of the rank that the launcher tells it (PMI_RANK, SLURM_PROCID, …) and becomes COMMAND.
"""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from topologies.errors import BackendUnavailable, NetsimError
from validate.emulated.blueprint import Blueprint
from validate.emulated.namespaces import die_with_parent
from validate.emulated.purge import run_name

MARK = "NETSIM_RUN"  #: in the environment of every process of a run, the name of its folder
_MODULES = "; the kernel needs veth, sch_htb, sch_tbf and cls_bpf (modprobe them as root)"
#: what it says of kinds of links, queues and filters that it does not know
_MISSING = (errno.EOPNOTSUPP, errno.ENOENT, errno.ENODEV)
_ANSWER = 120.0  # seconds that a request may take: a fabric of 254 endpoints is up sooner


@dataclass(frozen=True, eq=False)
class Emulation:
    """A fabric that is up."""

    plan: Blueprint
    folder: Path  #: of this run; gone with it. `entrance` in it is what enter.py reads, `launch.log` what the job said
    holder: subprocess.Popen[str] = field(repr=False)

    def run(
        self,
        command: list[str],
        environment: dict[str, str],
        limit: float,
        *,
        watch: bool = False,
        outside: bool = False,
        at: int = -1,
        look: Callable[[], None] | None = None,
    ) -> int | None:
        """Run a job: its exit code, None where it was not done after `limit` seconds and was ended.

        `watch`: note its connections, for `ways`. `outside`: in the caller's own namespaces, for launchers that talk to others;
        its ranks come in by `enter.py`. `at`: the node whose network the launcher is in, else in one of its own. `look`: called
        now and then.
        """
        environment = environment | {MARK: self.folder.name}
        (self.folder / "died").unlink(missing_ok=True)
        job = self._outside(command, environment) if outside else None
        if job is None:
            self.ask("launch", command=command, environment=environment, at=at)
        end = time.monotonic() + limit
        try:
            while time.monotonic() < end:
                if watch:
                    self.ask("watch")
                if look:
                    look()
                code = self.ask("wait", seconds=0.3) if job is None else _waited(job, 0.3)
                if code is not None:
                    return int(code)
            return None
        finally:
            if job is not None:
                _ended(job)

    def _outside(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / "launch.log").open("wb") as log:
            try:
                return subprocess.Popen(
                    command,
                    env=dict(os.environ) | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=partial(die_with_parent, signal.SIGTERM),  # so that srun ends its step
                )
            except OSError as error:
                raise BackendUnavailable(
                    f"{command[0]}: {error.strerror}; launcher= takes what starts ranks, like srun"
                ) from None

    def counters(self) -> list[tuple[int, int]]:
        """Of each link: bytes sent, packets dropped."""
        return [(b, d) for b, d in self.ask("counters")]

    def ways(self) -> dict[tuple[int, int], set[tuple[int, ...]]]:
        """The links that the kernel sent the connections of each pair over, where `run` watched."""
        return {(s, d): set(map(tuple, ways)) for s, d, ways in self.ask("ways")}

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
            raise NetsimError(f"emulated fabric: {told['error']}" + (_MODULES if told.get("netlink") in _MISSING else ""))
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
            raise BackendUnavailable(str(error)) from None
        yield fabric
    finally:
        if holder:
            end(holder)
        shutil.rmtree(folder, ignore_errors=True)


def _holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "validate.emulated.holder", str(folder), str(os.getpid())]  # -P: nothing of the user's
    home = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {MARK: folder.name, "PYTHONPATH": home + (os.pathsep + known if known else "")}
    with (folder / "holder.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )


def _waited(job: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return job.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _ended(job: subprocess.Popen[Any]) -> None:
    with suppress(OSError):
        job.terminate()
    try:
        job.wait(5)
    except subprocess.TimeoutExpired:
        job.kill()
        job.wait()


def end(holder: subprocess.Popen[str]) -> None:
    """End the holder, and with it everything that it holds."""
    _ended(holder)
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
    if os.geteuid():
        what = "run as root, or let users make them: sysctl kernel.unprivileged_userns_clone=1 "
        what += "kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=15000"
    else:
        what = "this root is a container's; start it with --privileged, or run outside"
    return f"emulated fabric: this machine allows no namespaces ({why}); {what}"
