"""netsim beside SimGrid in one run on one machine: print the table of seconds and ratios, and keep it in benchmarks/README.md.

python benchmarks/peers/run.py [words of a case's name]      the whole table, or the cases named, printed only

SimGrid runs speed.cpp (patterns built in, fewest dependencies): of it only the time inside Engine::run counts, not loading the
platform nor making the messages. netsim's is the whole simulation, routing included; the fabric and the schedule are made
beforehand. Both get the same links, routes (d-mod-k) and rank maps, and the same way of sharing (CM02; `sharing:
inverse-latency`), so their simulated times must agree. Medians of five rounds after one for warming up, the two taking turns.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from cases import LINK, MIB  # noqa: E402
from tables import clock, keep, machine  # noqa: E402

from collectives import ALGORITHMS  # noqa: E402
from collectives.collective import Collective, Op  # noqa: E402
from collectives.placement import identity, random  # noqa: E402
from netsim.engine.flow import flow  # noqa: E402
from topologies.clos import clos  # noqa: E402
from topologies.routing import router  # noqa: E402

FLAGS = ["--cfg=network/model:CM02", "--cfg=network/TCP-gamma:0", "--cfg=network/crosstraffic:0", "--log=root.thresh:error"]
ROUNDS = 5
PATIENCE = 40.0  # seconds after which a run of SimGrid is given up; one that takes more than a tenth of this is timed once
INSTALL = "apt-get install g++ libsimgrid-dev libboost-dev"

QUOTED = """\
Quoted, other run, other machine, on which SimGrid was faster than in the table above (no ratios are made of these):

| simulator | case | seconds |
|---|---|---|
| LogGOPSim, no fabric at all | ring, 1,024 ranks | 0.98 |
| LogGOPSim, no fabric at all | halving-doubling, 1,024 ranks | 0.03 |
| ASTRA-sim analytical, one crossbar | halving-doubling, 1,024 ranks | 0.54 |
| ASTRA-sim analytical, one crossbar | all-to-all, 1,024 ranks x 1 MiB per pair | 6.2 |
| SimGrid DAG, natural order | halving-doubling, 1,024 ranks | 0.47 |
| SimGrid DAG, random map | halving-doubling, 1,024 ranks | 0.87 |
| SimGrid SMPI, natural order | ring, 1,024 ranks x 1 MiB | 17 |
| SimGrid DAG, natural order | ring, 256 ranks | 45 |
| SimGrid DAG, natural order | halving-doubling, 4,096 ranks | 16 |
| SimGrid DAG | all-to-all, 1,024 ranks x 1 MiB per pair | not done in 108 |"""


@dataclass(frozen=True)
class Match:
    """One collective on one folded Clos, in natural order (no seeds) or under the random rank maps of these seeds in turn."""

    name: str
    pattern: str  #: speed.cpp's word for it
    algorithm: str
    ranks: int
    nbytes: int
    children: list[int]
    parents: list[int]
    seeds: tuple[int, ...] = ()
    bar: float | None = None  #: netsim must be at least so many times faster


@dataclass
class Score:
    """Seconds of each round, and the simulated times of the first."""

    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    simulated: tuple[float, float] | None = None
    gave_up: bool = False


K16: dict[str, Any] = {"children": [8, 8, 16], "parents": [1, 8, 8]}
CUBE: dict[str, Any] = {"children": [16, 16, 16], "parents": [1, 16, 16]}
PLANE: dict[str, Any] = {"children": [8, 8], "parents": [1, 8]}
HD: dict[str, Any] = {"pattern": "hd", "algorithm": "halving-doubling", "nbytes": 100 * MIB}
RING: dict[str, Any] = {"pattern": "ring", "algorithm": "ring", "nbytes": 64 * MIB}
MAPS = (0, 1, 2, 3, 4)

MATCHES = [
    Match("halving-doubling, 1,024 ranks, fat-tree k=16", ranks=1024, bar=50, **HD, **K16),
    Match("halving-doubling, 1,024 ranks, fat-tree k=16, random maps", ranks=1024, bar=20, seeds=MAPS, **HD, **K16),
    Match("halving-doubling, 4,096 ranks, Clos 16x16x16", ranks=4096, **HD, **CUBE),
    Match("halving-doubling, 4,096 ranks, Clos 16x16x16, random maps", ranks=4096, seeds=MAPS, **HD, **CUBE),
    Match("ring, 64 ranks, leaf-spine 8x8", ranks=64, **RING, **PLANE),
    Match("ring, 64 ranks, leaf-spine 8x8, random maps", ranks=64, seeds=MAPS, **RING, **PLANE),
]


def platform(match: Match) -> str:
    """The fabric as SimGrid reads it."""
    shape = ";".join([str(len(match.children)), *(",".join(map(str, level)) for level in (match.children, match.parents))])
    hosts, once = 1, ",".join("1" for _ in match.children)
    for count in match.children:
        hosts *= count
    return f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="ft" prefix="h" radical="0-{hosts - 1}" suffix="" speed="1Gf" bw="{LINK["link"]:.0f}Bps" lat="{LINK["latency"]}s"
    topology="FAT_TREE" topo_parameters="{shape};{once}" sharing_policy="SPLITDUPLEX" loopback_bw="1000GBps" loopback_lat="0"/>
</platform>
"""


def build(folder: Path) -> Path | None:
    """speed.cpp compiled, or None where SimGrid is missing."""
    if shutil.which("g++") is None or not Path("/usr/include/simgrid").exists():
        return None
    program = folder / "speed"
    subprocess.run(["g++", "-O2", "-std=c++17", str(HERE / "speed.cpp"), "-o", str(program), "-lsimgrid"], check=True)
    return program


def simgrid(program: Path, match: Match, hosts: list[int], folder: Path) -> tuple[float, float] | None:
    """(seconds that its solver took, seconds simulated); None where it takes too long."""
    (folder / "platform.xml").write_text(platform(match))
    (folder / "map.txt").write_text("\n".join(map(str, hosts)))
    command = [str(program), str(folder / "platform.xml"), match.pattern, str(match.ranks), str(match.nbytes), *FLAGS]
    environment = {**os.environ, "MAP": str(folder / "map.txt")}
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    except subprocess.TimeoutExpired:
        return None
    found = re.search(r"sim_time_s=(\S+) .*run_s=(\S+)", done.stdout)
    assert found, done.stdout
    return float(found[2]), float(found[1])


def play(match: Match, program: Path | None, folder: Path) -> Score:
    """All rounds of a match, the two taking turns."""
    fabric = clos(children=match.children, parents=match.parents, **LINK)
    schedule = ALGORITHMS.load(match.algorithm)(Collective(Op.ALL_REDUCE, match.ranks, match.nbytes))
    score, theirs_once = Score(), False
    for turn in range(-1, ROUNDS):  # turn -1 warms up
        seed = match.seeds[max(turn, 0) % len(match.seeds)] if match.seeds else None
        placement = identity(fabric, match.ranks) if seed is None else random(fabric, match.ranks, seed=seed)
        start = perf_counter()
        result = flow(fabric, router(fabric, "d-mod-k"), schedule, placement, sharing="inverse-latency")
        ours = perf_counter() - start
        found = None
        if program and not score.gave_up and not theirs_once:
            found = simgrid(program, match, placement.endpoint.tolist(), folder)
            score.gave_up = found is None
        if found and turn < 0:
            score.simulated = found[1], result.time
            theirs_once = found[0] > PATIENCE / 10
        if found and (turn >= 0 or theirs_once):
            score.theirs.append(found[0])
        if turn >= 0:
            score.ours.append(ours)
    return score


def row(match: Match, score: Score) -> str:
    """A line of the table; a ratio with > where SimGrid was given up."""
    ours, bar = statistics.median(score.ours), f"≥ {match.bar:g}x" if match.bar else ""
    if not score.theirs and not score.gave_up:
        return f"| {match.name} | skipped | {clock(ours)} | | {bar} | | |"
    theirs = statistics.median(score.theirs) if score.theirs else PATIENCE
    their_text = clock(theirs) + " (once)" * (len(score.theirs) == 1) if score.theirs else f"over {clock(PATIENCE)}"
    ratio = theirs / ours
    met = "" if match.bar is None else "yes" if ratio >= match.bar else "**no**"
    apart = f"{abs(score.simulated[0] / score.simulated[1] - 1):.0e}" if score.simulated else ""
    return f"| {match.name} | {their_text} | {clock(ours)} | {'> ' * score.gave_up}{ratio:.0f}x | {bar} | {met} | {apart} |"


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(folder)
        lines = [f"Machine: {machine()}." + (f" {simgrid_version()}." if program else ""), ""]
        if program is None:
            lines += [f"SimGrid skipped: not installed ({INSTALL}).", ""]
        lines += ["| case | SimGrid | netsim | ratio | bar | met | simulated times apart |", "|---|---|---|---|---|---|---|"]
        print("\n".join(lines), flush=True)
        for match in MATCHES:
            if all(word in match.name for word in words):
                lines.append(row(match, play(match, program, folder)))
                print(lines[-1], flush=True)
    if words:
        return
    if program is None:
        print("benchmarks/README.md keeps the table of the last run with SimGrid")
        return
    keep("peers", [*lines, "", QUOTED])


def simgrid_version() -> str:
    header = Path("/usr/include/simgrid/version.h").read_text()
    return "SimGrid " + ".".join(re.findall(r"define SIMGRID_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)", header)[:2])


if __name__ == "__main__":
    main(sys.argv[1:])
