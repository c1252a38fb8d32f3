"""The page about algorithms: the contract of each, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kind_sections import kind_section, own_kinds, yaml

from collectives import ALGORITHMS
from collectives.algorithm import ops_of
from collectives.collective import Collective, Op
from netsim.build import default_algorithm
from netsim.scenario.kinds import Kind
from topologies.errors import InputError

#: parameters for 16 ranks, for algorithms that need some or show little without
PARAMETERS: dict[str, dict[str, Any]] = {
    "multi-ring": {"channels": 4, "server_size": 4},
    "hierarchical": {"server_size": 4},
    "reduce-ring-broadcast": {"server_size": 4},
    "torus-2d": {"x": 4, "y": 4},
    "blueconnect": {"factors": [4, 2, 2]},
    "parameter-server": {"servers": 4},
}

#: the rank counts of algorithms whose parameters decide
RANKS = {
    "multi-ring": "multiples of `server_size`",
    "hierarchical": "`server_size` times what `inter` takes",
    "reduce-ring-broadcast": "multiples of `server_size`",
    "torus-2d": "`x` times `y`",
    "blueconnect": "the product of `factors`",
    "parameter-server": "`servers` and more",
}


def algorithms_page() -> str:
    intro = """# Algorithms

What `algorithm:` can be. Without it, the operation decides, and whether the ranks are a power of two:

DEFAULTS

Each algorithm states its contract: steps, and bytes that a rank sends, for p ranks and a collective of M bytes
(M as nccl-tests prints it: see [glossary.md](glossary.md)). The tests hold every algorithm to its contract for many rank
counts, odd ones included, and prove for each that every rank ends with every contribution exactly once. How to add one:
[add-an-algorithm.md](add-an-algorithm.md).

The table is measured on the schedules, for 16 ranks and the parameters of the example below: steps, and the bytes that
the rank sends that sends most, as a multiple of M. The formulas are in the sections.
"""
    defaults = ["| operation | ranks | algorithm |", "|---|---|---|", *_default_rows()]
    intro = intro.replace("DEFAULTS", "\n".join(defaults))
    rows = ["| algorithm | operation | ranks | steps | bytes / M |", "|---|---|---|---|---|"]
    kinds = own_kinds(ALGORITHMS)
    rows += [row for kind in kinds for row in _contract_rows(kind)]
    sections = [kind_section(ALGORITHMS, kind, _algorithm_example) for kind in kinds]
    return "\n".join([intro, "\n".join(rows) + "\n", *sections])


def _default_rows() -> Iterator[str]:
    for op in Op:
        kinds = {"powers of two": default_algorithm(op, 16), "others": default_algorithm(op, 12)}
        for ranks, kind in kinds.items() if len(set(kinds.values())) > 1 else [("any", kinds["others"])]:
            yield f"| {op.value} | {ranks} | [`{kind}`](#{kind}) |"


def _contract_rows(name: str) -> Iterator[str]:
    """A row for the operations that take the same ranks, steps and bytes."""
    algorithm, given = ALGORITHMS.load(name), PARAMETERS.get(name, {})
    ops_with: dict[tuple[str, int, float], list[str]] = {}
    for op in ops_of(algorithm):
        schedule = algorithm(Collective(op, 16, 1.0), **given)
        measured = (_rank_counts(name, op), schedule.n_steps, float(schedule.bytes_sent().max()))
        ops_with.setdefault(measured, []).append(op.value)
    for (ranks, steps, most), ops in ops_with.items():
        yield f"| [`{name}`](#{name}) | {', '.join(ops)} | {ranks} | {steps} | {most:g} |"


def _rank_counts(name: str, op: Op) -> str:
    """Which rank counts the algorithm takes: those of its parameters, or what is found by asking for 2 to 17."""
    if name in RANKS:
        return RANKS[name]
    taken = [p for p in range(2, 18) if _takes(ALGORITHMS.load(name), Collective(op, p, 1.0))]
    known = {tuple(range(2, 18)): "any", (2, 4, 8, 16): "powers of two", tuple(range(2, 18, 2)): "even"}
    return known[tuple(taken)]


def _takes(algorithm: Callable[..., Any], collective: Collective) -> bool:
    try:
        algorithm(collective)
    except InputError:
        return False
    return True


def _algorithm_example(name: str, kind: Kind) -> str:
    op = ops_of(kind.function)[0].value
    spec = yaml({"kind": name, **PARAMETERS[name]} if name in PARAMETERS else name)
    return f"```yaml\nranks: 16\ncollective: {{op: {op}, size: 64MiB}}\nalgorithm: {spec}\n```\n"
