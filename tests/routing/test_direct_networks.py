"""Tori by dimension order; dragonflies minimally and by a third group."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from route_oracles import all_pairs, loads, walk

from topologies.dragonfly import dragonfly
from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.ring import ring
from topologies.routing import router
from topologies.server import with_servers
from topologies.torus import Torus, mesh, torus


@pytest.mark.parametrize("fabric", [torus(dims=[4, 3, 2]), torus(dims=[6, 5]), mesh(dims=[3, 4])], ids=lambda f: f.name)
def test_dimensions_come_one_after_the_other_the_shorter_way(fabric: Fabric) -> None:
    shape: Torus = fabric.shape
    src, dst, key = all_pairs(fabric.n_endpoints)
    paths = router(fabric).paths(src, dst, key)
    far = dict(nx.all_pairs_shortest_path_length(fabric.to_networkx()))
    for i in range(paths.n_rows):
        nodes = np.array(walk(fabric, paths.row(i), int(src[i]), int(dst[i])))
        assert len(nodes) - 1 == far[src[i]][dst[i]]
        moved = [d for a, b in pairwise(nodes) for d in range(len(shape.dims))
                 if shape.coordinate(a, d) != shape.coordinate(b, d)]  # fmt: skip
        assert moved == sorted(moved)


def test_half_way_round_loads_both_directions_alike() -> None:
    """8 nodes to their antipodes: 8 flows of 4 hops over 16 links."""
    fabric = torus(dims=[8])
    src = np.arange(8, dtype=np.int32)
    assert set(loads(fabric, router(fabric).paths(src, (src + 4) % 8, src * 0))) == {2}


@pytest.mark.parametrize(
    "fabric",
    [
        torus(dims=[4, 3]),
        mesh(dims=[3, 4]),
        ring(n=5),
        dragonfly(routers_per_group=4, hosts_per_router=2, global_links=2, groups=3),
    ],
    ids=lambda f: f.name,
)
@pytest.mark.parametrize("served", [False, True], ids=["plain", "servers"])
def test_with_a_cable_missing_the_default_goes_around_it(fabric: Fabric, served: bool) -> None:
    closed_form = fabric.default_router
    left = (with_servers(fabric, gpus=1) if served else fabric).without([fabric.n_cables - 1])
    assert left.default_router == "min-hop" != closed_form
    network = left.shape.network if served else left
    src, dst, key = all_pairs(network.n_endpoints)
    paths = router(network).paths(src, dst, key)
    far = dict(nx.all_pairs_shortest_path_length(network.to_networkx()))
    for i in range(paths.n_rows):
        assert len(walk(network, paths.row(i), int(src[i]), int(dst[i]))) - 1 == far[src[i]][dst[i]]
    with pytest.raises(InputError, match=f"{closed_form} cannot go around missing cables; route by min-hop"):
        router(left, closed_form)


SHAPES = [(4, 2, 2, None), (4, 1, 2, 5), (3, 2, 1, 2), (4, 2, 2, 1), (1, 2, 4, None)]


@pytest.mark.parametrize(("a", "p", "h", "g"), SHAPES)
@pytest.mark.parametrize("kind", ["minimal", "valiant"])
def test_dragonfly_routes_cross_the_groups_that_they_should(a: int, p: int, h: int, g: int | None, kind: str) -> None:
    fabric = dragonfly(routers_per_group=a, hosts_per_router=p, global_links=h, groups=g)
    groups = fabric.shape.g
    src, dst, key = all_pairs(fabric.n_endpoints)
    paths = router(fabric, kind).paths(src, dst, key)
    for i in range(paths.n_rows):
        nodes = np.array(walk(fabric, paths.row(i), int(src[i]), int(dst[i])))
        passed = fabric.group[nodes]
        crossings = int((passed[1:] != passed[:-1]).sum())
        far = passed[0] != passed[-1]
        assert crossings == (2 if far and kind == "valiant" and groups > 2 else int(far))
        assert np.bincount(passed).max() <= (3 if far else 4)  # hosts count: one and two routers, or two and two
        if crossings == 2:
            assert np.bincount(passed)[next(x for x in passed if x not in (passed[0], passed[-1]))] <= 2


def test_valiant_draws_every_third_group_alike() -> None:
    """Seven groups between 0 and 8: 700 flows, 100 each, chi-square below the 0.999 quantile of 6 degrees of freedom, 22.5."""
    fabric = dragonfly(routers_per_group=4, hosts_per_router=2, global_links=2)
    key = np.arange(700, dtype=np.int32)
    paths = router(fabric, "valiant", seed=3).paths(key * 0, key * 0 + 71, key)
    at = fabric.group[fabric.dst[paths.links]]
    third = [next(int(x) for x in at[paths.offsets[i] : paths.offsets[i + 1]] if x not in (0, 8)) for i in range(700)]
    seen = np.bincount(third, minlength=8)[1:]
    assert (seen > 0).all()
    assert ((seen - 100) ** 2 / 100).sum() < 22.5
    other = router(fabric, "valiant", seed=4).paths(key * 0, key * 0 + 71, key)
    assert paths.n_rows == other.n_rows
    assert not np.array_equal(paths.links, other.links)
