"""The plain way to check routes: networkx, and walking along them."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np

from topologies.fabric import Fabric
from topologies.paths import Paths


def all_pairs(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(src, dst, key) of every pair of n endpoints; keys differ from pair to pair."""
    src, dst = np.divmod(np.arange(n * n, dtype=np.int32), np.int32(n))
    src, dst = src[src != dst], dst[src != dst]
    return src, dst, (src * 3 + dst) % 5


def some_pairs(n: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `count` of all pairs, the same ones every time."""
    flows = all_pairs(n)
    chosen = np.sort(np.random.default_rng(1).permutation(len(flows[0]))[:count])
    return flows[0][chosen], flows[1][chosen], flows[2][chosen]


def walk(fabric: Fabric, links: np.ndarray, s: int, d: int) -> list[int]:
    """The nodes of a path, checked: from s to d, every link starting where the last ended, no node twice, no endpoint forwarding
    where there are switches."""
    nodes = [s]
    for link in links:
        assert fabric.src[link] == nodes[-1]
        nodes.append(int(fabric.dst[link]))
    assert nodes[-1] == d
    assert len(set(nodes)) == len(nodes)
    if fabric.n_nodes > fabric.n_endpoints:
        assert min(nodes[1:-1], default=fabric.n_endpoints) >= fabric.n_endpoints
    return nodes


def between(fabric: Fabric, s: int, d: int) -> nx.MultiDiGraph:
    """What a message from s to d may use: all that forwards, and the two."""
    graph = fabric.to_networkx()
    if fabric.n_nodes > fabric.n_endpoints:
        graph.remove_nodes_from([v for v in range(fabric.n_endpoints) if v not in (s, d)])
    return graph


def split_by_hop(fabric: Fabric, s: int, d: int) -> dict[int, float]:
    """Fraction of each link under an even split at each hop over all shortest paths that networkx lists."""
    graph = between(fabric, s, d)
    steps = {pair for path in nx.all_shortest_paths(nx.DiGraph(graph), s, d) for pair in pairwise(path)}
    dag = nx.MultiDiGraph([(a, b, {"link": data["link"]}) for a, b, data in graph.edges(data=True) if (a, b) in steps])
    part, use = {s: 1.0}, {}
    for v in nx.topological_sort(dag):
        for _, u, data in dag.out_edges(v, data=True):
            use[data["link"]] = part[v] / dag.out_degree(v)
            part[u] = part.get(u, 0.0) + use[data["link"]]
    return use


def loads(fabric: Fabric, paths: Paths) -> np.ndarray:
    """Flows on each link."""
    return np.bincount(paths.links, minlength=fabric.n_links)
