"""The pages about topologies, routing, placements and engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kind_sections import about, doctest_call, kind_section, own_kinds, parameters, yaml

from collectives import PLACEMENTS
from netsim.engine import ENGINES
from netsim.scenario.kinds import Kind, kind_of_function
from topologies import ROUTERS, TOPOLOGIES
from topologies.server import with_servers

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"

#: a real fabric, without its forwarding tables and with them
DUMPS: list[dict[str, Any] | None] = [
    {"file": FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt"},
    {"file": FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt", "tables": FIXTURES / "opensm_ftree_dump_fts_8x4x4.txt"},
]

#: what a scenario says for kinds that do not go with every fabric, or need parameters
SCENARIOS: dict[str, str] = {
    "rail-only": "fabric: {kind: rail-only, servers: 32, rails: 8}\nserver: {gpus: 8}",
    "ibnetdiscover": "fabric: {kind: ibnetdiscover, file: cluster.ibnetdiscover}",
    "ecmp": "fabric: {kind: fat-tree, k: 4}\nrouting: {kind: ecmp, seed: 1, queue_pairs: 4}",
    "forwarding-tables": (
        "fabric: {kind: ibnetdiscover, file: cluster.ibnetdiscover, tables: cluster.fts}\nrouting: forwarding-tables"
    ),
    "dimension-order": "fabric: {kind: torus, dims: [4, 4]}\nrouting: dimension-order",
    "minimal": "fabric: {kind: dragonfly, routers_per_group: 4, hosts_per_router: 2, global_links: 2}\nrouting: minimal",
    "valiant": (
        "fabric: {kind: dragonfly, routers_per_group: 4, hosts_per_router: 2, global_links: 2}\nrouting: {kind: valiant, seed: 1}"
    ),
    "random": "placement: {kind: random, seed: 1}",
    "explicit": "placement: {kind: explicit, endpoints: [0, 2, 4, 6]}",
    "flow": "engine: {kind: flow, sharing: inverse-latency}",
    "hdrm": "fabric: {kind: bigraph, m: 4, n: 8}\nplacement: hdrm",
    "pow2-packed": "fabric: {kind: leaf-spine, leaves: 8, hosts_per_leaf: 18, spines: 18}\nranks: 128\nplacement: pow2-packed",
}


def topologies_page() -> str:
    intro = """# Topologies

What `fabric:` can be, and the servers that `server:` puts around it. A parameter without a default must be given. Counts are
formulas in the parameters; a cable is two links, one for each direction; a diameter counts the cables between the two
endpoints farthest apart. How to add one: [add-a-topology.md](add-a-topology.md). How to read a real cluster:
[import.md](import.md).
"""
    parts = [kind_section(TOPOLOGIES, kind, _fabric_example) for kind in own_kinds(TOPOLOGIES)]
    server = kind_of_function(with_servers)
    text = f"## Servers\n\nWhat `server:` says; any server goes with any network.\n\n{about(server)}\n{parameters(server)}"
    example = (
        "```yaml\nfabric: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 8, spines: 8}\nserver: {gpus: 8, nvlink: 450GB/s}\n```\n"
    )
    return "\n".join([intro, *parts, f"{text}\n{example}"])


def routing_page() -> str:
    intro = """# Routing

What `routing:` can be. Without it, a fabric has its own; with `faults`, where cables are missing, that of the last column.
"""
    rows = ["| topology | its own routing | with cables missing |", "|---|---|---|"]
    for kind in own_kinds(TOPOLOGIES):
        calls = [doctest_call(TOPOLOGIES.load(kind))] if kind != "ibnetdiscover" else DUMPS
        fabrics = [(TOPOLOGIES.load(kind)(**call), " with `tables`" * ("tables" in call)) for call in calls if call]
        own = ", ".join(f"`{fabric.default_router}`{when}" for fabric, when in fabrics)
        faulted = ", ".join(f"`{fabric.faulted_router}`" for fabric, _ in fabrics if fabric.faulted_router) or "the same"
        rows.append(f"| `{kind}` | {own} | {faulted} |")
    sections = [kind_section(ROUTERS, kind, _scenario_for("routing")) for kind in own_kinds(ROUTERS)]
    return "\n".join([intro, "\n".join(rows) + "\n", *sections])


def placements_page() -> str:
    intro = """# Placements

What `placement:` can be: which endpoint each rank sits on. Without it, `identity`.
"""
    return "\n".join([intro, *(kind_section(PLACEMENTS, k, _scenario_for("placement")) for k in own_kinds(PLACEMENTS))])


def engines_page() -> str:
    intro = """# Engines

What `engine:` can be: what is computed. Without it, `flow`. Each reports the contention of every round and link; they differ in
what they say about time. What they leave out: [validity.md](validity.md).
"""
    return "\n".join([intro, *(kind_section(ENGINES, kind, _scenario_for("engine")) for kind in own_kinds(ENGINES))])


def _fabric_example(name: str, kind: Kind) -> str:
    """The call in the docstring's doctest as a scenario says it, and what it builds."""
    call = doctest_call(kind.function)
    if call is None:
        return f"```yaml\n{SCENARIOS[name]}\n```\n"
    scenario = SCENARIOS.get(name, f"fabric: {yaml({'kind': name, **kind.write(call)})}")
    built = repr(kind.function(**call)).partition(": ")[2].removesuffix(">")
    return f"```yaml\n{scenario}\n```\n\n{built}{', without the servers' * ('server:' in scenario)}\n"


def _scenario_for(key: str) -> Callable[[str, Kind], str]:
    def example(name: str, kind: Kind) -> str:
        return f"```yaml\n{SCENARIOS.get(name, f'{key}: {name}')}\n```\n"

    return example
