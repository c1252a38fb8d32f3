"""Every row of TOPOLOGIES against the closed forms of its docstring and the invariants of a fabric."""

import inspect
import sys
import types
from math import ceil, prod
from typing import Annotated, Union, get_args, get_origin, get_type_hints

import networkx as nx
import numpy as np
import pytest
from annotated_types import Ge, Gt, Len, MultipleOf
from hypothesis import given, settings
from hypothesis import strategies as st

from topologies import TOPOLOGIES
from topologies.errors import InputError
from topologies.fabric import Fabric, NodeKind

# kind -> (hosts, switches, cables, ports of the largest switch, diameter) by the docstring, from the parameters
CLOSED_FORMS = {
    "fat-tree": lambda k: (k**3 // 4, 5 * k**2 // 4, 3 * k**3 // 4, k, 6),
    "leaf-spine": lambda leaves, hosts_per_leaf, spines, cables=1, fill=None: (
        leaves * (fill or hosts_per_leaf),
        leaves + spines,
        leaves * ((fill or hosts_per_leaf) + spines * cables),
        max((fill or hosts_per_leaf) + spines * cables, leaves * cables),
        4,
    ),
    "clos": lambda children, parents, cables=None, fill=None: _clos(children, parents, cables or [1] * len(children), fill),
    "bigraph": lambda m, n, t=1: (m * n, n, m * n + t * (n // 2) ** 2, m + t * n // 2, 4 if n > 2 else 3),
    "rail-optimised": lambda servers, rails, spines, servers_per_leaf=None, cables=1: (
        servers * rails,
        ceil(servers / (servers_per_leaf or servers)) * rails + spines,
        rails * (servers + ceil(servers / (servers_per_leaf or servers)) * spines * cables),
        max((servers_per_leaf or servers) + spines * cables, ceil(servers / (servers_per_leaf or servers)) * rails * cables),
        4,
    ),
    "rail-only": lambda servers, rails, servers_per_leaf=None, spines=0, cables=1: (
        servers * rails,
        rails * (ceil(servers / (servers_per_leaf or servers)) + spines),
        rails * (servers + ceil(servers / (servers_per_leaf or servers)) * spines * cables),
        max((servers_per_leaf or servers) + spines * cables, ceil(servers / (servers_per_leaf or servers)) * cables),
        4 if spines else 2,
    ),
    "torus": lambda dims: (
        prod(dims),
        0,
        sum(prod(dims) // (2 if k == 2 else 1) for k in dims),
        sum(1 if k == 2 else 2 for k in dims),
        sum(k // 2 for k in dims),
    ),
    "mesh": lambda dims: (
        prod(dims),
        0,
        sum(prod(dims) * (k - 1) // k for k in dims),
        2 * len(dims),
        sum(k - 1 for k in dims),
    ),
    "dragonfly": lambda routers_per_group, hosts_per_router, global_links, groups=None: _dragonfly(
        groups or routers_per_group * global_links + 1, routers_per_group, hosts_per_router, global_links
    ),
    "ring": lambda n: (n, 0, n if n > 2 else 1, 2, n // 2),
    "single-switch": lambda hosts: (hosts, 1, hosts, hosts, 2),
}

SAMPLES = [
    ("fat-tree", {"k": 2}),
    ("fat-tree", {"k": 4}),
    ("fat-tree", {"k": 6}),
    ("leaf-spine", {"leaves": 4, "hosts_per_leaf": 3, "spines": 2}),
    ("leaf-spine", {"leaves": 3, "hosts_per_leaf": 6, "spines": 2, "cables": 3, "fill": 5}),
    ("clos", {"children": [5], "parents": [1]}),
    ("clos", {"children": [3, 4], "parents": [2, 3], "cables": [2, 1], "fill": 2}),
    ("clos", {"children": [3, 2, 4], "parents": [1, 2, 3], "cables": [1, 3, 2]}),
    ("clos", {"children": [2, 2, 2, 2], "parents": [1, 2, 2, 2]}),
    ("bigraph", {"m": 3, "n": 2}),
    ("bigraph", {"m": 4, "n": 8}),
    ("bigraph", {"m": 2, "n": 6, "t": 3}),
    ("rail-optimised", {"servers": 4, "rails": 3, "spines": 2}),
    ("rail-optimised", {"servers": 7, "rails": 2, "spines": 3, "servers_per_leaf": 3, "cables": 2}),
    ("rail-only", {"servers": 4, "rails": 3}),
    ("rail-only", {"servers": 7, "rails": 2, "servers_per_leaf": 3, "spines": 2, "cables": 2}),
    ("torus", {"dims": [4, 4]}),
    ("torus", {"dims": [2, 3, 5]}),
    ("mesh", {"dims": [3, 4]}),
    ("mesh", {"dims": [2, 3, 4]}),
    ("dragonfly", {"routers_per_group": 4, "hosts_per_router": 2, "global_links": 2}),
    ("dragonfly", {"routers_per_group": 3, "hosts_per_router": 1, "global_links": 3, "groups": 4}),
    ("ring", {"n": 2}),
    ("ring", {"n": 7}),
    ("single-switch", {"hosts": 1}),
    ("single-switch", {"hosts": 9}),
]


def _clos(m, w, p, fill):
    counts = [prod(m[level:]) * prod(w[:level]) for level in range(len(m) + 1)]
    counts[0] = counts[0] // m[0] * (fill or m[0])
    cables = sum(counts[level] * w[level] * p[level] for level in range(len(m)))
    down = [(fill or m[0]) * p[0], *(m[level] * p[level] for level in range(1, len(m)))]
    up = [*(w[level] * p[level] for level in range(1, len(m))), 0]
    return counts[0], sum(counts[1:]), cables, max(map(sum, zip(down, up, strict=True))), 2 * len(m)


def _dragonfly(g, a, p, h):
    trunks = a * h // (g - 1)
    cables = g * a * p + g * a * (a - 1) // 2 + trunks * g * (g - 1) // 2
    return g * a * p, g * a, cables, p + a - 1 + h, 5


def build(kind, parameters) -> Fabric:
    return TOPOLOGIES.load(kind)(**parameters)


def own_rows() -> list[str]:
    """The rows that are described rather than read from a file; one that is added is tested with them."""
    return [kind for kind in TOPOLOGIES if "file" not in inspect.signature(TOPOLOGIES.load(kind)).parameters]


@pytest.mark.parametrize(("kind", "parameters"), SAMPLES)
def test_counts_ports_and_diameter_are_the_closed_forms(kind, parameters):
    fabric = build(kind, parameters)
    hosts, switches, cables, ports, diameter = CLOSED_FORMS[kind](**parameters)
    assert (fabric.n_endpoints, fabric.n_switches, fabric.n_cables) == (hosts, switches, cables)
    degree = np.bincount(fabric.src, minlength=fabric.n_nodes)
    forwarding = degree[fabric.kind == NodeKind.SWITCH] if switches else degree
    assert forwarding.max() <= ports
    assert nx.number_connected_components(nx.Graph(fabric.to_networkx())) == (parameters["rails"] if kind == "rail-only" else 1)
    hops = dict(nx.all_pairs_shortest_path_length(nx.Graph(fabric.to_networkx())))
    longest = max((hops[a][b] for a in range(hosts) for b in range(hosts) if b in hops[a]), default=0)
    if "groups" in parameters:  # with several cables between two groups a dragonfly has 5 or fewer
        assert 3 <= longest <= diameter
    else:
        assert longest == (diameter if hosts > 1 else 0)


@pytest.mark.parametrize(("kind", "parameters"), SAMPLES)
def test_wiring_is_sound(kind, parameters):
    sound(build(kind, parameters))


def sound(fabric: Fabric) -> None:
    assert (fabric.src[0::2] == fabric.dst[1::2]).all()
    assert (fabric.dst[0::2] == fabric.src[1::2]).all()
    assert (fabric.src != fabric.dst).all()
    for array in (fabric.capacity, fabric.latency):
        assert (array[0::2] == array[1::2]).all()
    assert (fabric.capacity > 0).all()
    assert (fabric.kind[: fabric.n_endpoints] == NodeKind.ENDPOINT).all()
    assert (fabric.kind[fabric.n_endpoints :] != NodeKind.ENDPOINT).all()
    assert (fabric.tier[: fabric.n_endpoints] == 0).all()
    assert np.array_equal(np.unique(np.r_[fabric.src, fabric.dst]), np.arange(fabric.n_nodes)), "a node without a cable"
    for name in ("src", "dst", "capacity", "latency", "kind", "tier", "group"):
        assert not getattr(fabric, name).flags.writeable
    assert len(fabric.node_ids) == fabric.n_nodes, "labels that are not unique"
    cables = range(0, fabric.n_cables, max(1, fabric.n_cables // 50))
    assert [fabric.cables_named(fabric.cable_label(c)) for c in cables] == [[c] for c in cables]


@st.composite
def parameters_of(draw, kind):
    """Small parameters within the bounds of the signature; all lists of one length."""
    function = TOPOLOGIES.load(kind)
    length = draw(st.integers(1, 3))
    given = {}
    for name, hint in get_type_hints(function, include_extras=True).items():
        optional = (
            inspect.signature(function).parameters[name].default is not inspect.Parameter.empty if name != "return" else True
        )
        if name != "return" and not (optional and draw(st.booleans())):
            given[name] = draw(values(hint, length))
    return given


def values(hint, length):
    if get_origin(hint) in (Union, types.UnionType):
        return values(next(one for one in get_args(hint) if one is not type(None)), length)
    if get_origin(hint) is Annotated:
        base, *bounds = get_args(hint)
        if get_origin(base) is list:
            most = min((b.max_length for b in bounds if isinstance(b, Len)), default=length)
            return st.lists(values(get_args(base)[0], length), min_size=min(length, most), max_size=min(length, most))
        if base is int:
            unit = max((b.multiple_of for b in bounds if isinstance(b, MultipleOf)), default=1)
            least = ceil(max((b.ge for b in bounds if isinstance(b, Ge)), default=0) / unit)
            return st.integers(least, least + 3).map(lambda x: x * unit)
        return st.sampled_from([25e9, 50e9] if any(isinstance(b, Gt) for b in bounds) else [0.0, 1e-6])
    return st.booleans()


@pytest.mark.parametrize("kind", own_rows())
def test_any_parameters_within_the_bounds_build_a_sound_fabric_or_are_refused_in_one_line(kind):
    @given(parameters_of(kind))
    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    def holds(parameters):
        refusal = None
        try:
            fabric = build(kind, parameters)
        except InputError as error:
            refusal = str(error)
        if refusal is not None:
            assert refusal.startswith(kind)
            assert "\n" not in refusal
            return
        sound(fabric)
        again = build(kind, parameters)
        for name in ("src", "dst", "capacity", "latency", "kind", "tier", "group"):
            assert np.array_equal(getattr(fabric, name), getattr(again, name))

    holds()


BAD = [
    ("fat-tree", {"k": 5}, "k=5: must be a multiple of 2"),
    ("fat-tree", {"k": 4, "link": -1.0}, "link=-1.0: must be more than 0"),
    ("fat-tree", {"k": 0}, "k=0"),
    ("fat-tree", {"k": 10**6}, "cables: at most .* choose a smaller"),
    ("leaf-spine", {"leaves": 0, "hosts_per_leaf": 4, "spines": 4}, "leaves=0: must be at least 1"),
    ("leaf-spine", {"leaves": 2, "hosts_per_leaf": 4, "spines": 4, "fill": 5}, "fill=5: a leaf has 4 slots"),
    ("leaf-spine", {"leaves": 2, "hosts_per_leaf": 4, "spines": 4, "link": 0}, "link=0: must be more than 0"),
    ("leaf-spine", {"leaves": 2, "hosts_per_leaf": 4, "spines": 4, "latency": float("nan")}, "latency=nan: must be a finite"),
    ("leaf-spine", {"leaves": 2.5, "hosts_per_leaf": 4, "spines": 4}, "leaves=2.5: must be a whole number"),
    ("clos", {"children": [2, 2], "parents": [1]}, "parents=.*1 levels, but children has 2"),
    ("clos", {"children": [2, 2], "parents": [1, 0]}, "parents=.*at least 1"),
    ("clos", {"children": [], "parents": []}, "children=.*at least 1 entries"),
    ("clos", {"children": 2, "parents": [1]}, "children=2: must be a list"),
    ("clos", {"children": [2], "parents": [1], "fill": 3}, "fill=3"),
    ("bigraph", {"m": 4, "n": 7}, "n=7: must be a multiple of 2"),
    ("bigraph", {"m": -1, "n": 8}, "m=-1: must be at least 1"),
    ("torus", {"dims": [4, 1]}, "dims=.*at least 2"),
    ("torus", {"dims": [10**5, 10**5]}, "choose a smaller"),
    ("mesh", {"dims": [2] * 9}, "at most 8 entries"),
    ("ring", {"n": 1}, "n=1: must be at least 2"),
    ("ring", {"n": True}, "n=True: must be a whole number"),
    ("single-switch", {"hosts": 0}, "hosts=0"),
    ("dragonfly", {"routers_per_group": 2, "hosts_per_router": 1, "global_links": 2, "groups": 6}, "groups=6: .* at most 5"),
    ("rail-only", {"servers": 8, "servers_per_leaf": 4}, "servers_per_leaf=4: .*give spines"),
    ("rail-only", {"servers": 8, "spines": 4}, "spines=4: .*leave spines out"),
    ("rail-optimised", {"servers": 10**9, "spines": 1}, "choose a smaller"),
]


@pytest.mark.parametrize(("kind", "parameters", "says"), BAD)
def test_bad_parameters_are_refused_by_name_and_value(kind, parameters, says):
    with pytest.raises(InputError, match=f"^{kind}.*{says}") as caught:
        build(kind, parameters)
    assert "\n" not in str(caught.value)


def max_flow(fabric: Fabric, one_side: list[int]) -> float:
    """Bytes/s from these endpoints to the others, by networkx."""
    graph = nx.DiGraph()
    for s, d, c in zip(fabric.src.tolist(), fabric.dst.tolist(), fabric.capacity.tolist(), strict=True):
        more = graph.get_edge_data(s, d, {"capacity": 0})["capacity"]
        graph.add_edge(s, d, capacity=more + c)
    for e in range(fabric.n_endpoints):  # an edge without capacity is unbounded
        graph.add_edge(*(("source", e) if e in one_side else (e, "sink")))
    return nx.maximum_flow_value(graph, "source", "sink")


@pytest.mark.parametrize(
    ("kind", "parameters", "side", "links"),
    [
        ("fat-tree", {"k": 4}, range(8), 4**3 / 8),
        ("leaf-spine", {"leaves": 4, "hosts_per_leaf": 4, "spines": 2}, range(8), 2 * 2),
        ("leaf-spine", {"leaves": 4, "hosts_per_leaf": 4, "spines": 2, "cables": 3}, range(8), 2 * 4),
        ("leaf-spine", {"leaves": 2, "hosts_per_leaf": 4, "spines": 2, "uplink": 75e9}, range(4), 2 * 1.5),
        ("bigraph", {"m": 4, "n": 8}, range(16), 16),
        ("bigraph", {"m": 4, "n": 4, "trunk": 25e9}, range(8), 4 / 2),
        ("torus", {"dims": [4, 3]}, range(6), 2 * 12 / 4),
        ("mesh", {"dims": [4, 3]}, range(6), 12 / 4),
        ("ring", {"n": 8}, range(4), 2),
        ("single-switch", {"hosts": 9}, range(4), 4),
    ],
)
def test_the_bisection_is_the_max_flow(kind, parameters, side, links):
    assert max_flow(build(kind, parameters), list(side)) == pytest.approx(links * 50e9)


GROWING = [
    ("fat-tree", {"k": 4}, {"k": 64}, 65_536),
    (
        "leaf-spine",
        {"leaves": 2, "hosts_per_leaf": 2, "spines": 2},
        {"leaves": 512, "hosts_per_leaf": 128, "spines": 64},
        65_536,
    ),
    ("bigraph", {"m": 2, "n": 4}, {"m": 64, "n": 128}, 8_192),
    ("torus", {"dims": [3, 3]}, {"dims": [256, 256]}, 65_536),
    ("ring", {"n": 3}, {"n": 65_536}, 65_536),
    ("single-switch", {"hosts": 2}, {"hosts": 65_536}, 65_536),
    ("rail-optimised", {"servers": 2, "spines": 2}, {"servers": 8192, "spines": 64}, 65_536),
    (
        "dragonfly",
        {"routers_per_group": 2, "hosts_per_router": 1, "global_links": 1},
        {"routers_per_group": 16, "hosts_per_router": 8, "global_links": 8},
        16_512,
    ),
]


@pytest.mark.parametrize(("kind", "small", "large", "hosts"), GROWING)
def test_building_takes_as_many_steps_of_python_however_large_the_fabric(kind, small, large, hosts):
    lines = [0, 0]

    def counting(frame, event, _):
        lines[-1] += event == "line" and "topologies" in frame.f_code.co_filename
        return counting

    def build_counted(parameters):
        lines.append(0)
        previous = sys.gettrace()
        sys.settrace(counting)
        try:
            return build(kind, parameters)
        finally:
            sys.settrace(previous)

    build(kind, small)
    build_counted(small)
    assert build_counted(large).n_endpoints == hosts
    assert lines[-1] == lines[-2] > 10
