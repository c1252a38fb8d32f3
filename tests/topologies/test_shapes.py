"""The arithmetic of the shapes names the cables that the fabric really has."""

import numpy as np
import pytest

from topologies.bigraph import bigraph
from topologies.dragonfly import dragonfly
from topologies.rails import rail_only, rail_optimised
from topologies.ring import ring
from topologies.torus import mesh, torus


@pytest.mark.parametrize("fabric", [bigraph(m=3, n=6), bigraph(m=2, n=4, t=3)], ids=repr)
def test_bigraph(fabric):
    shape, hosts = fabric.shape, np.arange(fabric.n_endpoints)
    assert (fabric.src[2 * hosts] == hosts).all()
    assert (fabric.dst[2 * hosts] == fabric.n_endpoints + shape.switch(hosts)).all()
    assert [fabric.label_of(int(v)) for v in fabric.leaf_of[:: shape.m]] == [
        *(f"U{i}" for i in range(shape.half)),
        *(f"D{i}" for i in range(shape.half)),
    ]
    named = {
        shape.trunk(u, d, c): f"U{u}-D{d}" + (f"#{c}" if shape.t > 1 else "")
        for u in range(shape.half)
        for d in range(shape.half)
        for c in range(shape.t)
    }
    assert [named[c] for c in range(fabric.n_endpoints, fabric.n_cables)] == [
        fabric.cable_label(c) for c in range(fabric.n_endpoints, fabric.n_cables)
    ]
    assert shape.host(shape.switch(hosts), hosts % shape.m).tolist() == hosts.tolist()


@pytest.mark.parametrize(
    "fabric", [torus(dims=[4, 3]), torus(dims=[2, 3, 4]), mesh(dims=[3, 2, 4]), ring(n=2), ring(n=5)], ids=repr
)
def test_torus(fabric):
    shape, seen = fabric.shape, []
    for d in range(len(shape.dims)):
        low = np.flatnonzero(shape.coordinate(np.arange(shape.n_nodes), d) < shape.span[d])
        cables = shape.cable(low, d)
        assert (fabric.src[2 * cables] == low).all()
        assert (fabric.dst[2 * cables] == shape.step(low, d)).all()
        at = np.array(np.unravel_index(low, shape.dims))
        at[d] = (at[d] + 1) % shape.dims[d]
        assert (np.ravel_multi_index(at, shape.dims) == shape.step(low, d)).all()
        seen += cables.tolist()
    assert seen == list(range(fabric.n_cables))


@pytest.mark.parametrize(("groups", "trunks"), [(9, 1), (5, 2), (3, 4), (1, 0)])
def test_dragonfly(groups, trunks):
    fabric = dragonfly(routers_per_group=4, hosts_per_router=2, global_links=2, groups=groups)
    shape, n = fabric.shape, fabric.n_endpoints
    assert shape.trunks == trunks
    ends = {}
    for group in range(groups):
        for r in range(4):
            for s in range(r + 1, 4):
                ends[int(shape.local_cable(group, s, r))] = (n + 4 * group + r, n + 4 * group + s)
        for other in range(group + 1, groups):
            for c in range(trunks):
                near, far = shape.gateway(group, other, c), shape.gateway(other, group, c)
                ends[int(shape.global_cable(other, group, c))] = (n + 4 * group + near, n + 4 * other + far)
    cables = np.arange(n, fabric.n_cables)
    assert sorted(ends) == cables.tolist()
    assert [ends[c] for c in cables] == list(zip(fabric.src[2 * cables].tolist(), fabric.dst[2 * cables].tolist(), strict=True))


@pytest.mark.parametrize(
    "fabric",
    [
        rail_optimised(servers=5, rails=2, servers_per_leaf=2, spines=3, cables=2),
        rail_only(servers=5, rails=3, servers_per_leaf=2, spines=2),
        rail_only(servers=4, rails=3),
    ],
    ids=repr,
)
def test_rails(fabric):
    shape, n, nics = fabric.shape, fabric.n_endpoints, np.arange(fabric.n_endpoints)
    assert (fabric.leaf_of == n + shape.leaf(nics)).all()
    assert (fabric.group[fabric.leaf_of] == shape.rail(nics)).all()
    leaf, spine, parallel = (x.ravel() for x in np.indices((shape.n_leaves, shape.spines, shape.cables if shape.spines else 1)))
    uplinks = shape.uplink(leaf, spine, parallel)
    assert sorted(uplinks.tolist()) == list(range(n, fabric.n_cables))
    assert (fabric.src[2 * uplinks] == n + leaf).all()
    assert (fabric.dst[2 * uplinks] == n + shape.n_leaves + shape.spine(leaf, spine)).all()
