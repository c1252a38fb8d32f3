"""From where: which endpoint each rank sits on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.hosts import endpoints_of, named, read_host_file
from topologies.errors import InputError
from topologies.fabric import Fabric, Ints, NodeKind, frozen
from topologies.params import Seed
from topologies.registry import did_you_mean
from topologies.server import ServerShape


@dataclass(frozen=True, eq=False, init=False)
class Placement:
    """`endpoint[r]` is the endpoint of rank r: int32[ranks], no endpoint twice."""

    endpoint: Ints
    kind: str

    def __init__(self, endpoint: ArrayLike, kind: str = "explicit") -> None:
        endpoint = frozen(endpoint, np.int32)
        if len(endpoint) and len(np.unique(endpoint)) < len(endpoint):
            seen, counts = np.unique(endpoint, return_counts=True)
            twice = int(seen[counts > 1][0])
            ranks = np.flatnonzero(endpoint == twice)[:2]
            raise InputError(f"placement: endpoint {twice} is given to ranks {ranks[0]} and {ranks[1]}; one rank per endpoint")
        object.__setattr__(self, "endpoint", endpoint)
        object.__setattr__(self, "kind", kind)

    @property
    def ranks(self) -> int:
        return len(self.endpoint)


def room(fabric: Fabric, ranks: int, free: Ints | None) -> Ints:
    """The endpoints that ranks may be put on, in order: `free`, what other jobs have left, or all of them where that is None.

    Raises InputError where the job is larger.
    """
    given = np.arange(fabric.n_endpoints, dtype=np.int32) if free is None else free
    if ranks > len(given):
        left = "" if free is None else " that other jobs leave free"
        raise InputError(f"ranks: {ranks} do not fit on the {len(given)} endpoints of {fabric.name}{left}")
    return given


def identity(fabric: Fabric, ranks: int, free: Ints | None = None) -> Placement:
    """Rank r on endpoint r, or on the r-th that other jobs leave free: the natural order."""
    return Placement(room(fabric, ranks, free)[:ranks], "identity")


def random(fabric: Fabric, ranks: int, free: Ints | None = None, *, seed: Seed = 0) -> Placement:
    """Ranks on endpoints drawn without replacement: the first `ranks` of numpy's default_rng(seed).permutation(endpoints).

    Beside other jobs: of a permutation of the endpoints that they leave free.
    """
    endpoints = room(fabric, ranks, free)
    return Placement(endpoints[np.random.default_rng(seed).permutation(len(endpoints))[:ranks]], "random")


def round_robin(
    fabric: Fabric, ranks: int, free: Ints | None = None, *, over: Literal["leaf", "server", "rail", "group"] = "leaf"
) -> Placement:
    """Ranks dealt out like cards: rank r to the next free endpoint of the r-th leaf, cyclically; full ones are passed over.

    `over`: deal to leaves, to servers, to rails (endpoints with the same number in their server), or to groups (pods, dragonfly
    groups, parts: what the topology calls so). Raises InputError where the fabric has none of these.
    """
    endpoints = room(fabric, ranks, free)
    part = _parts(fabric, over)[endpoints]
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(part[order]) != 0])
    turn = np.empty(len(part), dtype=np.int64)
    turn[order] = np.arange(len(part)) - np.repeat(starts, np.diff(np.r_[starts, len(part)]))
    dealt = np.lexsort((part, turn))
    return Placement(endpoints[dealt[:ranks]], f"round-robin over {over}")


def pow2_packed(fabric: Fabric, ranks: int, free: Ints | None = None) -> Placement:
    """Powers of two on odd trees: 2^a ranks on each leaf used, 2^b such leaves in each pod used, slots and leaves in order.

    The largest 2^a, then 2^b, with which the ranks fit, on the first leaves that have the endpoints; where no 2^b does, leaves of
    all pods in a row. Every step of a hypercube then maps whole leaves onto whole leaves slot by slot and whole pods onto whole
    pods, so that d-mod-k sends at most one flow over each link of a full-bisection Clos (Zahavi 2012: a step is free of
    contention if every leaf's ranks go to different slots). Raises InputError where the ranks do not fit so.
    """
    endpoints = room(fabric, ranks, free)
    leaf = _parts(fabric, "leaf")
    size = np.bincount(leaf[endpoints], minlength=int(leaf.max()) + 1)
    powers = [1 << a for a in reversed(range(int(size.max()).bit_length()))]
    widths = [1 << b for b in reversed(range(len(size).bit_length()))]
    usable = {power: np.flatnonzero(size >= power) for power in powers}
    choices = [(_whole_pods(fabric, leaf, usable[power], width), power) for power in powers for width in widths]
    choices += [(usable[power], power) for power in powers]
    for leaves, power in choices:
        if power * len(leaves) >= ranks:
            first = np.cumsum(size) - size
            slots = first[leaves][:, None] + np.arange(power)
            in_order = endpoints[np.argsort(leaf[endpoints], kind="stable")]
            return Placement(in_order[slots.ravel()[:ranks]], "pow2-packed")
    best = max(powers, key=lambda power: power * len(usable[power]))
    raise InputError(
        f"pow2-packed: {ranks} ranks do not fit on the leaves of {fabric.name}: "
        f"at most {best * len(usable[best])}, {best} on each of {len(usable[best])} leaves"
    )


def _whole_pods(fabric: Fabric, leaf: NDArray[np.int64], usable: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The first `width` of the usable leaves in each group that has as many; none where the fabric is not grouped."""
    pod_of_leaf = np.full(int(leaf.max()) + 1, -1)
    pod_of_leaf[leaf] = fabric.group[: fabric.n_endpoints]
    pods = pod_of_leaf[usable]
    order = np.argsort(pods, kind="stable")
    starts = np.flatnonzero(np.diff(pods[order], prepend=-2))
    counts = np.diff(np.append(starts, len(pods)))
    position = np.arange(len(pods)) - np.repeat(starts, counts)
    taken = (position < width) & (np.repeat(counts, counts) >= width) & (pods[order] >= 0)
    return usable[order[taken]]


def _parts(fabric: Fabric, over: str) -> NDArray[np.int64]:
    """The number of the leaf, server, rail or group of each endpoint: int64[endpoints], counted from 0 without gaps."""
    if over not in ("leaf", "server", "rail", "group"):
        raise InputError(f"placement over {over!r}: no such thing{did_you_mean(over, ['leaf', 'server', 'rail', 'group'])}")
    endpoint = np.arange(fabric.n_endpoints)
    part: NDArray[np.signedinteger[Any]]
    if over in ("server", "rail") and fabric.server_size < 2:
        raise InputError(f"placement over {over}: {fabric.name} has one endpoint per server; use over: leaf")
    if over == "server":
        part = endpoint // fabric.server_size
    elif over == "rail":
        part = endpoint % fabric.server_size
    elif over == "group":
        part = fabric.group[: fabric.n_endpoints]
    else:
        part = leaf_switches(fabric)
    if (part < 0).any():
        lone = fabric.label_of(int(np.argmax(part < 0)))
        raise InputError(f"placement over {over}: {lone} of {fabric.name} is in no {over}; choose another placement")
    return np.asarray(np.unique(part, return_inverse=True)[1], dtype=np.int64)


def leaf_switches(fabric: Fabric) -> Ints:
    """The switch by which each endpoint (a GPU: its NIC) reaches the network, -1 for none: int32[endpoints]."""
    shape, network, port = fabric.shape, fabric, np.arange(fabric.n_endpoints)
    if isinstance(shape, ServerShape):
        network, port = shape.network, shape.nic_of(port)
    leaf = network.leaf_of[port]
    return np.where(network.kind[leaf] == NodeKind.SWITCH, leaf, -1).astype(np.int32)


def explicit(
    fabric: Fabric,
    ranks: int | None = None,
    *,
    endpoints: list[int] | None = None,
    hosts: str | list[str] | None = None,
    file: str | None = None,
) -> Placement:
    """Ranks where a list says, in its order: one of `endpoints` (numbers), `hosts` (names), `file` (a host file).

    A host stands for all its endpoints in order (`host/mlx5_0`, `server3.gpu0`: what comes before the slash or the last dot); a
    full label for that endpoint. `hosts` are Slurm host lists, `n[0-3,7]`. A line of the file is a host or a host list, with
    `slots=8` or `:8` behind it to take only so many endpoints; `#` starts a comment. Without `ranks` every endpoint listed gets
    one, else the first `ranks` of them.

    Raises InputError for unknown hosts, a host named twice, and fewer endpoints than ranks.
    """
    given = [name for name, value in (("endpoints", endpoints), ("hosts", hosts), ("file", file)) if value is not None]
    if len(given) != 1:
        raise InputError(f"explicit placement: {' and '.join(given) or 'nothing'} given; give one of endpoints, hosts, file")
    if endpoints is not None:
        found = _numbers(fabric, endpoints)
    elif hosts is not None:
        found = endpoints_of(fabric, named(hosts))
    else:
        found = endpoints_of(fabric, read_host_file(str(file)))
    wanted = len(found) if ranks is None else ranks
    if wanted > len(found):
        raise InputError(
            f"explicit placement: {len(found)} endpoints listed for {wanted} ranks; list more or ask for fewer ranks"
        )
    return Placement(found[:wanted], "explicit")


def _numbers(fabric: Fabric, endpoints: list[int]) -> list[int]:
    for e in endpoints:
        if not 0 <= e < fabric.n_endpoints:
            raise InputError(f"explicit placement: endpoint {e}: {fabric.name} has 0..{fabric.n_endpoints - 1}")
    return endpoints
