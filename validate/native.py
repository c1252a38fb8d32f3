"""The libraries' own collectives: how to have them take an algorithm by name, and which schedule netsim takes that to be.

| name | the library's own word | netsim's |
|---|---|---|
| mpich:recursive_doubling | MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM | recursive-doubling |
| mpich:ring | the same | ring |
| mpich:reduce_scatter_allgather | the same | halving-doubling, nearest first; folded where p is no power of two |
| mpich:tree | the same; knomial_1, k = 2, in one piece: the defaults | binomial tree; down to all children at once |
| openmpi:recursive_doubling | coll_tuned_allreduce_algorithm 3 | recursive-doubling |
| openmpi:ring | 4 | ring |
| openmpi:rabenseifner | 6 | halving-doubling, nearest first; powers of two only |
| nccl:ring | NCCL_ALGO | ring |
| nccl:tree | NCCL_ALGO | double-binary-tree in pieces of 512 KiB |

Sources: MPICH, src/mpi/coll/allreduce/*.c and algorithms/treealgo/treeutil.c; Open MPI, ompi/mca/coll/base/coll_base_allreduce.c
and ompi/mca/coll/tuned/coll_tuned_allreduce_decision.c; NCCL's documentation of NCCL_ALGO and NCCL_BUFFSIZE (4 MiB, in 8 steps).
What a library chooses by itself ("auto") follows tables that change with its version: measurable, not predictable, no row here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from collectives.collective import Collective, Op
from collectives.compose import folded
from collectives.halving_doubling import halving_doubling
from collectives.recursive_doubling import recursive_doubling
from collectives.ring import ring
from collectives.schedule import Round, Schedule, one_channel
from collectives.trees import double_binary_tree
from topologies.errors import InputError
from topologies.registry import did_you_mean
from validate.request import Row

_NCCL_PIECE = (4 << 20) // 8  # bytes: NCCL_BUFFSIZE over its steps


@dataclass(frozen=True, eq=False)
class Native:
    """An all-reduce of a library: the environment that selects it, and what it does."""

    variables: dict[str, str]
    schedule: Callable[[Collective], Schedule]


def rabenseifner_nearest_first(collective: Collective) -> Schedule:
    """Halving with distances 1, 2 .. p'/2, doubling backwards, for p' = 2^floor(log2 p); the others folded onto a neighbour.

    steps 2 log2 p', plus 2 where p > p'; bytes sent per rank 2 M (p'-1)/p', plus M for who has another folded onto it.
    """
    power = 1 << (collective.ranks.bit_length() - 1)
    core = halving_doubling(Collective(Op.ALL_REDUCE, power, collective.bytes), nearest_first=True)
    return one_channel(collective, folded(core, collective.ranks), power, "rabenseifner, nearest first")


def preorder_tree(collective: Collective) -> Schedule:
    """MPICH's tree all-reduce: up a binomial tree whose ranks are numbered in preorder, then down, to all children at once.

    With d = ceil(log2 p): steps 2 d at most; bytes sent by the root d M. A parent takes its children in one by one, as they come
    ready: the smallest subtrees first. On the way down it starts all its sends together, so that they share its link.

    >>> [sorted(zip(r.src.tolist(), r.dst.tolist())) for r in preorder_tree(Collective(Op.ALL_REDUCE, 4, 8.0)).channels[0].rounds]
    [[(2, 1), (3, 0)], [(1, 0)], [(0, 1), (0, 3)], [(1, 2)]]
    """
    p = collective.ranks
    depth_of = {0: 0}
    up: dict[int, list[tuple[int, int]]] = {}
    down: dict[int, list[tuple[int, int]]] = {}
    open_nodes = [(0, (p - 1).bit_length())]  # a rank, and log2 of the span that its subtree is numbered in
    while open_nodes:
        parent, span = open_nodes.pop()
        child = parent + 1
        for size in reversed(range(span)):
            if child < p:
                depth_of[child] = depth_of[parent] + 1
                up.setdefault(size, []).append((child, parent))
                down.setdefault(depth_of[parent], []).append((parent, child))
                open_nodes.append((child, size))
            child += 1 << size
    edges = [(up[size], True) for size in sorted(up)] + [(down[depth], False) for depth in sorted(down)]
    rounds = []
    for pairs, reduce in edges:
        src, dst = np.array(sorted(pairs), np.int32).T
        rounds.append(Round(src, dst, 0, 1, reduce))
    return one_channel(collective, rounds, 1, "tree in preorder")


def _powers_only(collective: Collective) -> Schedule:
    """Other counts Open MPI folds in halves, by pairs that exchange: no schedule here does."""
    return halving_doubling(collective, nearest_first=True)


def _nccl_tree(collective: Collective) -> Schedule:
    return double_binary_tree(collective, chunks=max(1, ceil(collective.bytes / 2 / _NCCL_PIECE)))


def _mpich(algorithm: str) -> dict[str, str]:
    return {"MPIR_CVAR_DEVICE_COLLECTIVES": "none", "MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM": algorithm}


def _openmpi(algorithm: int) -> dict[str, str]:
    """coll/tuned before coll/han, which would cut the collective in two levels by machine."""
    forced = {"use_dynamic_rules": "1", "allreduce_algorithm": str(algorithm), "priority": "100"}
    return {f"OMPI_MCA_coll_tuned_{name}": value for name, value in forced.items()}


NATIVES: dict[str, Native] = {
    "mpich:recursive_doubling": Native(_mpich("recursive_doubling"), recursive_doubling),
    "mpich:reduce_scatter_allgather": Native(_mpich("reduce_scatter_allgather"), rabenseifner_nearest_first),
    "mpich:ring": Native(_mpich("ring"), ring),
    "mpich:tree": Native(_mpich("tree"), preorder_tree),
    "openmpi:recursive_doubling": Native(_openmpi(3), recursive_doubling),
    "openmpi:ring": Native(_openmpi(4), ring),
    "openmpi:rabenseifner": Native(_openmpi(6), _powers_only),
    "nccl:ring": Native({"NCCL_ALGO": "Ring"}, ring),
    "nccl:tree": Native({"NCCL_ALGO": "Tree"}, _nccl_tree),
}


#: what has a rank that waits let others have its core, by library: MPICH sleeps a moment after ten looks, Open MPI yields
_YIELDING = {
    "mpich": {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1", "MPIR_CVAR_POLLS_BEFORE_YIELD": "10"},
    "openmpi": {"OMPI_MCA_mpi_yield_when_idle": "1"},
}


def environment(native: str, *, crowded: bool = False) -> dict[str, str]:
    """The variables that have the library take this algorithm; they must be set before MPI or NCCL is initialised.

    `crowded`: there are more ranks than cores, and those that wait shall not spin (MPICH, 8 ranks on 2 cores, a ring of 4 MiB:
    54 to 58 ms instead of 120 to 180). Raises InputError for a name that is not known.

    >>> environment("nccl:ring")
    {'NCCL_ALGO': 'Ring'}
    """
    yielding = _YIELDING.get(native.partition(":")[0], {}) if crowded else {}
    return _known(native).variables | yielding


def native_rows(rows: Iterable[Row], names: Sequence[str]) -> tuple[Row, ...]:
    """For each job and size, whatever algorithms it comes with, one row per name: done by the library itself.

    Raises InputError for an unknown name, an operation that is no all-reduce, and ranks that the algorithm does not do.
    """
    out: dict[tuple[str, bytes, float, str], Row] = {}
    for row in rows:
        same = json.dumps({key: value for key, value in row.job.specs.items() if key != "algorithm"}, sort_keys=True, default=str)
        for name in names:
            key = same, row.placement.endpoint.tobytes(), row.size, name
            if key not in out:
                out[key] = _row(row, name)
    return tuple(out.values())


def _row(row: Row, name: str) -> Row:
    collective = row.schedule.collective
    if collective.op is not Op.ALL_REDUCE:
        raise InputError(f"{name}: {collective.op.value}: a library's own is known for all-reduce; leave it out")
    schedule = _known(name).schedule(collective)
    job = replace(row.job, schedule=schedule, titles={**row.job.titles, "algorithm": schedule.algorithm})
    return Row(job, row.size, row.name, name)


def _known(name: str) -> Native:
    if name not in NATIVES:
        raise InputError(f"native {name!r}: not known{did_you_mean(name, list(NATIVES))}; known: {', '.join(NATIVES)}")
    return NATIVES[name]
