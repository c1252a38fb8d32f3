"""A Slurm of eight virtual nodes on this machine: own daemons in a temporary folder, on loopback ports, ended by id."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NODES = 8
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
_CONF = """\
ClusterName=netsim
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
TopologyPlugin=topology/tree
NodeName=n[0-{last}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first_port}-{last_port}] CPUs=16
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    missing = [name for name in _PROGRAMS if not shutil.which(name, path=_path())]
    if missing:
        return f"no {missing[0]}: apt-get install --no-install-recommends slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd starts jobs as root only"


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@dataclass(frozen=True)
class Cluster:
    folder: Path

    def call(self, *command: str, cwd: Path | None = None, limit: float = 30, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands. Raises TimeoutExpired."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "PMI"))}
        env = clean | {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": _path()} | more
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=limit, check=False)

    def submit(self, script: str, cwd: Path, limit: float = 180, **more: str) -> int:
        """Submit a script and wait for it; its exit code. `sbatch --wait` would look after 2, 10, 42 seconds only.

        Raises RuntimeError where it is not done after `limit` seconds.
        """
        sent = self.call("sbatch", "--parsable", script, cwd=cwd, **more)
        job, end = sent.stdout.strip(), time.monotonic() + limit
        while time.monotonic() < end:
            told = dict(word.partition("=")[::2] for word in self.call("scontrol", "show", "job", job).stdout.split())
            if told.get("JobState", "") not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"):
                return int(told["ExitCode"].split(":")[0]) if "ExitCode" in told else -1
            time.sleep(0.2)
        raise RuntimeError(f"job {job} was not done after {limit} s: {sent.stderr}\n{self.said()}")

    def end_jobs(self) -> None:
        """End what still runs, while there are daemons to end it: a test that failed half-way leaves a job."""
        self.call("scancel", "--user=root")
        end = time.monotonic() + 20
        while self.call("squeue", "-h").stdout.strip() and time.monotonic() < end:
            time.sleep(0.2)

    def said(self) -> str:
        """The last lines of every log, for a failure's message."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()[-4:])


@contextmanager
def cluster(topology: str) -> Iterator[Cluster]:
    """Nodes n0..n7, idle. Raises RuntimeError with what the daemons said where they do not come up within 30 seconds."""
    folder = Path(tempfile.mkdtemp(prefix="netsim-slurm-"))
    daemons: list[subprocess.Popen[bytes]] = []
    made = Cluster(folder)
    try:
        _configure(folder, topology)
        env = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": _path()}
        for command in _daemons(folder):
            with (folder / f"{Path(command[-1]).name}.out.log").open("wb") as out:
                daemons.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
            if command[0] == "munged":
                _until((folder / "munge.socket").exists, made, 10)
        _until(lambda: made.call("sinfo", "-h", "-o", "%T %D").stdout.split() == ["idle", str(NODES)], made, 30)
        yield made
    finally:
        if len(daemons) > 2:
            made.end_jobs()
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, topology: str) -> None:
    folder.chmod(0o755)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    port = _free_ports(NODES + 1)
    conf = _CONF.format(
        host=socket.gethostname().split(".")[0],
        port=port,
        folder=folder,
        last=NODES - 1,
        first_port=port + 1,
        last_port=port + NODES,
    )
    (folder / "slurm.conf").write_text(conf)
    (folder / "topology.conf").write_text(topology)


def _free_ports(count: int) -> int:
    """The first of so many consecutive free ports, below those that the kernel gives out."""
    for _ in range(100):
        first = 20000 + secrets.randbelow(10000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _daemons(folder: Path) -> Iterator[Sequence[str]]:
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munge.seed"}
    yield ["munged", "--foreground", *(f"--{name}={folder}/{file}" for name, file in files.items())]
    yield ["slurmctld", "-D"]
    for n in range(NODES):
        yield ["slurmd", "-D", "-N", f"n{n}"]


def _until(true: object, made: Cluster, limit: float) -> None:
    end = time.monotonic() + limit
    while not true():  # type: ignore[operator]
        if time.monotonic() > end:
            raise RuntimeError(f"Slurm did not come up:\n{made.said()}")
        time.sleep(0.1)
