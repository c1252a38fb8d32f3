"""What NCCL can do on this machine; run it first where there is a GPU:  python tools/nccl_probe.py [FOLDER]

Says which packages drive NCCL here, and whether several ranks can share the first GPU: as it is (plain), as NCCL 2.30 allows it
(multirank), each rank as a host of its own (hostid). Then replays halving-doubling and ring with 4 and 8 ranks on that GPU and
writes the tables to FOLDER, docs/measurements where it is left out. Exit code 4 without a GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from topologies.errors import BackendUnavailable, NetsimError
from validate.nccl.gpu import visible_gpus
from validate.nccl.launched import launched
from validate.nccl.library import INSTALL, installed, open_library
from validate.nccl.limited import limited
from validate.nccl.party import party
from validate.nccl.sharing import MULTIRANK_SINCE, sharing

LIMIT = 60.0  #: seconds for one start of a few ranks
ELEMENTS = 1 << 20
_SCENARIO = """\
fabric: {{kind: single-switch, hosts: {ranks}}}
compare:
  - {{name: halving-doubling, algorithm: halving-doubling}}
  - {{name: ring, algorithm: ring}}
collective: {{op: all-reduce, size: [1MiB, 16MiB, 64MiB]}}
"""


def main(folder: Path) -> int:
    """Everything in turn. Returns the exit code."""
    gpu = visible_gpus()[0]
    if not installed():
        raise BackendUnavailable(f"NCCL: no package for it is installed; {INSTALL}")
    print(f"GPU 0: {gpu.name}, {gpu.bus}")
    works = [name for name in installed() if _package(name)]
    if not works:
        raise BackendUnavailable("NCCL: no package that is installed works; see above")
    ways = [way for way in ("plain", "multirank", "hostid") if all(_way(works[0], way, ranks) for ranks in (2, 4, 8))]
    way = next((way for way in ways if way != "plain"), None)
    if way is None:
        raise NetsimError("NCCL: 8 ranks cannot share this GPU in any way that netsim knows; on several GPUs: docs/nccl.md")
    return max(_replay(folder, works[0], way, ranks, gpu.name) for ranks in (4, 8))


def _package(name: str) -> bool:
    ran = _started([sys.executable, __file__, "--open", name], [{}])[0]
    print(f"{name}: {ran[1].strip().splitlines()[-1] if ran[1].strip() else f'exit code {ran[0]}'}")
    return ran[0] == 0


def _way(name: str, way: str, ranks: int) -> bool:
    began = time.monotonic()
    ran = _started([sys.executable, __file__, "--rank", name, way], _places(ranks))
    good = all(code == 0 for code, _ in ran)
    last = next((text.strip().splitlines()[-1] for code, text in ran if code and text.strip()), "")
    print(f"{way}, {ranks} ranks: {'works' if good else f'fails: {last}'} ({time.monotonic() - began:.1f} s)", flush=True)
    return good


def _replay(folder: Path, name: str, way: str, ranks: int, gpu: str) -> int:
    stem = f"nccl-one-gpu-{ranks}-ranks-{datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        scenario = Path(temporary) / "scenario.yaml"
        scenario.write_text(_SCENARIO.format(ranks=ranks))
        command = [sys.executable, "-m", "netsim", "validate", str(scenario), "--on", "nccl", "--native", "nccl:ring"]
        command += ["--option", f"library={name}", "--option", f"share={way}", "--repeat", "10"]
        command += ["-o", str(folder / f"{stem}.txt"), "--save", str(folder / f"{stem}.json")]
        ran = _started(command, _places(ranks), 5 * LIMIT)
    for code, text in ran:
        if code:
            print(f"{ranks} ranks: exit code {code}: {text.strip().splitlines()[-1] if text.strip() else ''}")
    print(f"{ranks} ranks on one {gpu}: {folder / stem}.txt, .json")
    return max(abs(code) for code, _ in ran)


def _places(ranks: int) -> list[Mapping[str, str]]:
    """What torchrun would put into the environment of each rank."""
    port = 20000 + os.getpid() % 20000
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": "0"}
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def _started(command: Sequence[str], places: Sequence[Mapping[str, str]], limit: float = LIMIT) -> list[tuple[int, str]]:
    """Exit code and what was said, of each; those that are not done within the limit are ended."""
    with tempfile.TemporaryDirectory() as temporary:
        said = [Path(temporary) / str(n) for n in range(len(places))]
        running = []
        for place, path in zip(places, said, strict=True):
            with path.open("wb") as file:
                running.append(subprocess.Popen(command, env=os.environ | place, stdout=file, stderr=subprocess.STDOUT))
        deadline = time.monotonic() + limit
        try:
            for process in running:
                process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()
        return [(process.returncode, path.read_text(errors="replace")) for process, path in zip(running, said, strict=True)]


def rank_main(name: str, way: str) -> None:
    """One rank: a ring of messages over NCCL, checked."""
    own = launched(os.environ)
    library = open_library(name, 0)
    if way != "plain":
        version = library.version if way == "hostid" else max(library.version, MULTIRANK_SINCE)
        os.environ.update(sharing(own.size, version, way, own.rank).environment)
    with party(own, LIMIT / 2) as tied, limited(f"{way}, {own.size} ranks", LIMIT / 2, library.abort):
        unique_id = tied.exchange(library.unique_id().hex() if own.rank == 0 else "")[0]
        library.connect(own.size, own.rank, bytes.fromhex(unique_id))
        here, there = library.array(ELEMENTS), library.array(ELEMENTS)
        library.write(here, np.full(ELEMENTS, own.rank, np.float32))
        library.write(there, np.ones(ELEMENTS, np.float32))
        left, right = (own.rank - 1) % own.size, (own.rank + 1) % own.size
        with library.group():
            library.send(here, 0, ELEMENTS, right)
            library.receive(here if own.size == 1 else there, 0, ELEMENTS, left)
        library.add(there, 0, here, 0, ELEMENTS)
        if not (library.read(there) == left + own.rank).all():
            raise NetsimError(f"rank {own.rank}: wrong elements came from rank {left}")
        tied.exchange()
        library.close()


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["--open", name]:
                found = open_library(name, 0)
                print(f"{found.name}, NCCL {'.'.join(map(str, found.version))}")
            case ["--rank", name, way]:
                rank_main(name, way)
            case [*rest] if len(rest) <= 1:
                sys.exit(main(Path(rest[0] if rest else "docs/measurements")))
            case _:
                sys.exit("usage: nccl_probe.py [FOLDER]")
    except NetsimError as error:
        print(error, file=sys.stderr)
        sys.exit(4 if isinstance(error, BackendUnavailable) else 1)
