"""Write the pages of docs/ that the program itself can write: `make docs`. A test fails where one of them is stale.

Kinds, parameters, bounds and defaults come from the tables and signatures, the words from the docstrings, steps and bytes from
schedules that are built here. Nothing is asked of the terminal.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from collectives import ALGORITHMS, PLACEMENTS
from collectives.algorithm import ops_of
from collectives.collective import Collective, Op
from netsim import cli
from netsim.build import default_algorithm
from netsim.engine import ENGINES
from netsim.scenario.kinds import Kind, kind_of, kind_of_function
from topologies import ROUTERS, TOPOLOGIES
from topologies.errors import InputError
from topologies.registry import Table
from topologies.server import with_servers

DOCS = Path(__file__).resolve().parent.parent / "docs"
OWN = ("topologies", "collectives", "netsim")
FIXTURES = DOCS.parent / "tests" / "fixtures"
#: a real fabric, without its forwarding tables and with them
DUMPS: list[dict[str, Any] | None] = [
    {"file": FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt"},
    {"file": FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt", "tables": FIXTURES / "opensm_ftree_dump_fts_8x4x4.txt"},
]
HEAD = "<!-- Written by tools/gen_docs.py from the program: change that, and run `make docs`. -->\n"

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

#: what a scenario says for kinds that do not go with every fabric, or need parameters
SCENARIOS: dict[str, str] = {
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


def pages() -> dict[str, str]:
    """Name of each generated page -> its text."""
    return {
        "topologies.md": topologies_page(),
        "algorithms.md": algorithms_page(),
        "routing.md": routing_page(),
        "placements.md": placements_page(),
        "engines.md": engines_page(),
        "cli.md": cli_page(),
    }


# --- kinds ---------------------------------------------------------------------------------------------------------------------


def own_kinds(table: Table) -> list[str]:
    """The kinds that netsim brings; what is installed beside it is no part of its documentation."""
    return [kind for kind in table if table[kind].split(".")[0] in OWN]


def topologies_page() -> str:
    intro = """# Topologies

What `fabric:` can be, and the servers that `server:` puts around it. A parameter without a default must be given. Counts are
formulas in the parameters; a cable is two links, one for each direction; a diameter counts the cables between the two
endpoints farthest apart. How to add one: [add-a-topology.md](add-a-topology.md). How to read a real cluster:
[import.md](import.md).
"""
    parts = [_kind_section(TOPOLOGIES, kind, _fabric_example) for kind in own_kinds(TOPOLOGIES)]
    server = kind_of_function(with_servers)
    text = f"## Servers\n\nWhat `server:` says; any server goes with any network.\n\n{_about(server)}\n{_parameters(server)}"
    example = (
        "```yaml\nfabric: {kind: leaf-spine, leaves: 2, hosts_per_leaf: 8, spines: 8}\nserver: {gpus: 8, nvlink: 450GB/s}\n```\n"
    )
    return HEAD + "\n".join([intro, *parts, f"{text}\n{example}"])


def routing_page() -> str:
    intro = """# Routing

What `routing:` can be. Without it, a fabric has the routing named in the last column.
"""
    rows = ["| topology | its own routing |", "|---|---|"]
    for kind in own_kinds(TOPOLOGIES):
        calls = [_doctest_call(TOPOLOGIES.load(kind))] if kind != "ibnetdiscover" else DUMPS
        own = {TOPOLOGIES.load(kind)(**call).default_router: " with `tables`" * ("tables" in call) for call in calls if call}
        rows.append(f"| `{kind}` | {', '.join(f'`{name}`{when}' for name, when in own.items())} |")
    sections = [_kind_section(ROUTERS, kind, _scenario_for("routing")) for kind in own_kinds(ROUTERS)]
    return HEAD + "\n".join([intro, "\n".join(rows) + "\n", *sections])


def placements_page() -> str:
    intro = """# Placements

What `placement:` can be: which endpoint each rank sits on. Without it, `identity`.
"""
    return HEAD + "\n".join([intro, *(_kind_section(PLACEMENTS, k, _scenario_for("placement")) for k in own_kinds(PLACEMENTS))])


def engines_page() -> str:
    intro = """# Engines

What `engine:` can be: what is computed. Without it, `flow`. Each reports the contention of every round and link; they differ in
what they say about time. What they leave out: [validity.md](validity.md).
"""
    return HEAD + "\n".join([intro, *(_kind_section(ENGINES, kind, _scenario_for("engine")) for kind in own_kinds(ENGINES))])


def _kind_section(table: Table, name: str, example: Callable[[str, Kind], str]) -> str:
    kind = kind_of(table, name)
    return f"## {name}\n\n{_about(kind)}\n{_parameters(kind)}\n{example(name, kind)}"


def _about(kind: Kind) -> str:
    """The docstring as paragraphs, without its doctest."""
    text = (inspect.getdoc(kind.function) or "").partition("\n>>> ")[0]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return "".join(f"{_escaped(p)}\n\n" for p in paragraphs if p).removesuffix("\n")


def _escaped(text: str) -> str:
    """Plain text as Markdown: what stands in backquotes as it is, elsewhere signs that Markdown would read."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]|\\])", r"\\\1", part) for part in parts)


def _parameters(kind: Kind) -> str:
    fields = kind.model.model_json_schema().get("properties", {})
    if not fields:
        return "No parameters.\n"
    rows = ["| parameter | what it is | default |", "|---|---|---|"]
    for name, schema in fields.items():
        field = kind.model.model_fields[name]
        default = "" if field.is_required() else f"`{_yaml(kind.write({name: field.default})[name])}`"
        rows.append(f"| `{name}` | {_bounds(schema, kind.units[name], name in kind.files)} | {default} |")
    return "\n".join(rows) + "\n"


def _bounds(schema: dict[str, Any], unit: str | None, is_file: bool) -> str:
    """What a value must be, in words."""
    if "anyOf" in schema:
        return " or ".join(_bounds(s, unit, is_file) for s in schema["anyOf"] if s.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        most = f" of at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list{most}: {_bounds(schema['items'], unit, is_file)}"
    if schema["type"] == "string":
        quantity = {"B/s": "rate (`400Gbit/s`)", "s": "time (`500ns`)", "B": "size (`1MiB`)", None: "text"}[unit]
        return "name of a file" if is_file else quantity
    if schema["type"] == "boolean":
        return "`true` or `false`"
    words = {"integer": "whole number", "number": "number"}[schema["type"]]
    words += f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    words += f", at least {schema['minimum']}" if "minimum" in schema else ""
    words += f", at most {schema['maximum']}" if "maximum" in schema else ""
    return words + (f", more than {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else "")


def _yaml(value: Any) -> str:
    """A value as a scenario writes it, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(v) for v in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _doctest_call(function: Callable[..., Any]) -> dict[str, Any] | None:
    """The arguments of the call to the function in its doctest; None where it has none."""
    for line in re.findall(r"^>>> (.*)$", inspect.getdoc(function) or "", re.MULTILINE):
        for node in ast.walk(ast.parse(line)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function.__name__:
                return {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    return None


def _fabric_example(name: str, kind: Kind) -> str:
    """The call in the docstring's doctest as a scenario says it, and what it builds."""
    call = _doctest_call(kind.function)
    if call is None:
        return f"```yaml\n{SCENARIOS[name]}\n```\n"
    spec = _yaml({"kind": name, **kind.write(call)})
    built = repr(kind.function(**call)).partition(": ")[2].removesuffix(">")
    return f"```yaml\nfabric: {spec}\n```\n\n{built}\n"


def _scenario_for(key: str) -> Callable[[str, Kind], str]:
    def example(name: str, kind: Kind) -> str:
        return f"```yaml\n{SCENARIOS.get(name, f'{key}: {name}')}\n```\n"

    return example


# --- algorithms ----------------------------------------------------------------------------------------------------------------


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
    sections = [_kind_section(ALGORITHMS, kind, _algorithm_example) for kind in kinds]
    return HEAD + "\n".join([intro, "\n".join(rows) + "\n", *sections])


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
    spec = _yaml({"kind": name, **PARAMETERS[name]} if name in PARAMETERS else name)
    return f"```yaml\nranks: 16\ncollective: {{op: {op}, size: 64MiB}}\nalgorithm: {spec}\n```\n"


# --- the command line ----------------------------------------------------------------------------------------------------------


def cli_page() -> str:
    about = inspect.getdoc(cli._netsim) or ""
    codes = next(p for p in (cli.__doc__ or "").split("\n\n") if p.startswith("Exit codes:"))
    rows = [f"| [`netsim {verb}`](#netsim-{verb}) | {_escaped(words)} |" for verb, (_, words) in cli.VERBS.items()]
    parts = [
        f"# The command line\n\n{_escaped(' '.join(about.split()))}\n",
        "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n",
        "stdout is data, stderr is talk. " + " ".join(codes.split()) + "\n",
        "## netsim\n\n" + _options(cli._netsim),
        *(_verb(verb, target) for verb, (target, _) in cli.VERBS.items()),
    ]
    return HEAD + "\n".join(parts)


def _verb(verb: str, target: str) -> str:
    module, _, name = target.partition(":")
    function = getattr(__import__(module, fromlist=[name]), name)
    about = "".join(f"{_escaped(' '.join(p.split()))}\n\n" for p in (inspect.getdoc(function) or "").split("\n\n"))
    return f"## netsim {verb}\n\n{about}{_usage(verb, function)}\n{_options(function)}".rstrip("\n") + "\n"


def _inputs(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, type, typer's words about it) of each parameter of a command."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint, info = hints[name], parameter.default
        if typing.get_origin(hint) is typing.Annotated:
            hint, info = typing.get_args(hint)[:2]
        yield name, hint, info


def _usage(verb: str, function: Callable[..., Any]) -> str:
    words = ["netsim", verb]
    arguments = [(name, info) for name, _, info in _inputs(function) if isinstance(info, ArgumentInfo)]
    if any(isinstance(info, OptionInfo) for _, _, info in _inputs(function)):
        words.append("[OPTIONS]")
    words += [info.metavar or name.upper() for name, info in arguments]
    rows = [f"- `{info.metavar or name.upper()}`: {_escaped(info.help or '')}\n" for name, info in arguments]
    return f"```text\n{' '.join(words)}\n```\n" + "".join(["\n", *rows] if rows else [])


def _options(function: Callable[..., Any]) -> str:
    rows = []
    for name, hint, info in _inputs(function):
        if isinstance(info, OptionInfo):
            value = info.metavar or "\\|".join(_choices(hint))
            flags = _flags(name, info) + f" {value}".rstrip().replace("FILE|", "FILE\\|")
            about = info.help or ""
            many = ", may be repeated" if "list[" in str(hint) and "repeated" not in about else ""
            rows.append(f"| `{flags}` | {_escaped(about.removesuffix('.'))}{many} |")
    return "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n" if rows else ""


def _flags(name: str, info: OptionInfo) -> str:
    """`-o, --output`. In `Annotated[…, Option("-o", …)]` typer keeps the first one as the default."""
    given = [d for d in (info.default, *(info.param_decls or ())) if isinstance(d, str) and d.startswith("-")]
    return ", ".join(given) or f"--{name.replace('_', '-')}"


def _choices(hint: Any) -> list[str]:
    """The values of an enumeration in the hint."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [str(m.value) for h in options if isinstance(h, type) and issubclass(h, Enum) for m in h]


def main() -> None:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
