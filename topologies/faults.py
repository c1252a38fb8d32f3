"""Cables taken out of a fabric, by name or by a seeded draw, and what then can no longer be reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.fabric import Fabric, NodeKind
from topologies.params import Count, Seed, check
from topologies.rails import Rails
from topologies.registry import did_you_mean
from topologies.server import ServerShape


def apply_faults(fabric: Fabric, faults: Sequence[str | Mapping[str, Any]]) -> Fabric:
    """The fabric without these cables of its network. An entry is a name or a draw:

    - `leaf0-spine1` (all parallel cables between the two), `leaf0-spine1#0` (that one);
    - `{count: 3, seed: 1}`: so many cables between switches (in a network without switches: between endpoints), drawn without
      replacement from those that no entry before took; `between: leaf-spine` draws from the cables of these two tiers instead.

    Raises InputError, a line for each entry, where one is none of these, names a cable that is not there or lies inside a server,
    or asks for more cables than there are; and where endpoints end up cut off.

    >>> from topologies.clos import leaf_spine
    >>> apply_faults(leaf_spine(leaves=2, hosts_per_leaf=2, spines=2), ["leaf0-spine1", {"count": 1, "seed": 7}])
    <Fabric leaf-spine(2 leaves x 2 hosts, 2 spines) less 2 cables: 4 endpoints, 4 switches, 6 cables>
    """
    gone: set[int] = set()
    wrong = []
    for entry in faults:
        try:
            gone |= cables_of(fabric, entry, gone)
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError("\n".join(wrong))
    return pulled(fabric, gone)


def pulled(fabric: Fabric, cables: Collection[int]) -> Fabric:
    """The fabric without these cables. Raises InputError where endpoints end up cut off."""
    if not cables:
        return fabric
    left = fabric.without(sorted(cables))
    check_connected(left)
    return left


def check_connected(fabric: Fabric) -> None:
    """Raise InputError naming the endpoints, and their switches, that messages from most others cannot reach.

    In a fabric with servers this asks about the network between the NICs. On a rail-only network each rail is asked about for
    itself: what lies between rails is for the servers.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    network = _network(fabric)
    shape = (network.n_nodes, network.n_nodes)
    wires = coo_array((np.ones(network.n_links, dtype=np.int8), (network.src, network.dst)), shape=shape)
    piece = connected_components(wires.tocsr(), directed=False)[1]
    endpoints = np.arange(network.n_endpoints)
    separate = isinstance(network.shape, Rails) and not network.shape.joined
    for part in range(network.shape.rails if separate else 1):
        members = endpoints[endpoints % network.shape.rails == part] if separate else endpoints
        main = np.bincount(piece[members]).argmax()
        cut = members[piece[members] != main]
        if len(cut):
            raise InputError(_cut_off(network, cut, np.isin(piece, piece[cut])))


def _network(fabric: Fabric) -> Fabric:
    return fabric.shape.network if isinstance(fabric.shape, ServerShape) else fabric


def cables_of(fabric: Fabric, entry: Any, gone: Collection[int]) -> set[int]:
    """The cables that one entry of `apply_faults` means; draws are made from those not in `gone`. Raises InputError."""
    if isinstance(entry, str):
        named = set(fabric.cables_named(entry))
        if max(named) >= _network(fabric).n_cables:
            raise InputError(
                f"fault {entry!r}: lies inside a server, which has no way around it; leave the server out of the job"
            )
        return named
    if not isinstance(entry, Mapping):
        raise InputError(f"fault {entry!r}: give a cable like 'leaf0-spine1', or a count, seed and between")
    known = ["count", "seed", "between"]
    for key in entry:
        if key not in known:
            raise InputError(f"fault: unknown key {key!r}{did_you_mean(str(key), known)}")
    if "count" not in entry:
        raise InputError(f"fault {dict(entry)}: how many cables? give count")
    return random_cables(fabric, gone, **entry)


def random_cables(fabric: Fabric, gone: Collection[int], *, count: Count, seed: Seed = 0, between: str | None = None) -> set[int]:
    """`count` cables of the network drawn from those not in `gone`; see `apply_faults`."""
    check(random_cables, {"count": count, "seed": seed})
    pool = _between(fabric, between)
    pool = pool[~np.isin(pool, list(gone))]
    if count > len(pool):
        where = f"between {between}" if between else "between its switches"
        raise InputError(f"fault: count={count}: {fabric.name} has {len(pool)} cables {where} left; take fewer")
    return {int(c) for c in np.random.default_rng(seed).choice(pool, count, replace=False)}


def _between(fabric: Fabric, between: str | None) -> NDArray[Any]:
    """Cables of the network between two named tiers; between switches for None, or all where there are no switches."""
    n_cables = _network(fabric).n_cables
    low, high = fabric.src[: 2 * n_cables : 2], fabric.dst[: 2 * n_cables : 2]
    if between is None:
        switch = fabric.kind == NodeKind.SWITCH
        return np.flatnonzero(switch[low] & switch[high]) if switch.any() else np.arange(n_cables)
    tiers = np.stack([fabric.tier[low], fabric.tier[high]])
    classes, which = np.unique(np.sort(tiers, axis=0), axis=1, return_inverse=True)
    names = ["-".join(fabric.tier_name(int(t)) for t in pair) for pair in classes.T]
    wanted = between if between in names else "-".join(reversed(between.split("-")))
    if wanted not in names:
        raise InputError(f"fault: between={between!r}: no such tiers{did_you_mean(between, names)}")
    return np.flatnonzero(which.ravel() == names.index(wanted))


def _cut_off(network: Fabric, endpoints: NDArray[Any], off: NDArray[np.bool_]) -> str:
    switches = np.flatnonzero(off & (network.kind == NodeKind.SWITCH))
    of = f" (on {_some(network, switches)})" if len(switches) else ""
    verb = "is" if len(endpoints) == 1 else "are"
    return f"{network.name}: {_some(network, endpoints)}{of} {verb} cut off from the other endpoints; remove fewer cables"


def _some(network: Fabric, nodes: NDArray[Any], most: int = 6) -> str:
    names = ", ".join(network.label_of(int(v)) for v in nodes[:most])
    return names + (f" and {len(nodes) - most} more" if len(nodes) > most else "")
