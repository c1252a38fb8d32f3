"""Tables are followed to the letter, and what is wrong with them is named."""

import numpy as np
import pytest
from route_oracles import all_pairs

from topologies.errors import InputError, Unroutable
from topologies.fabric import Fabric
from topologies.fat_tree import fat_tree
from topologies.routing import router
from topologies.routing.tables import ForwardingTables


def tables_of(fabric: Fabric, kind: str) -> np.ndarray:
    """The tables that a router by destination amounts to; -1 where none of its routes pass."""
    src, dst, key = all_pairs(fabric.n_endpoints)
    paths = router(fabric, kind).paths(src, dst, key)
    table = np.full((fabric.n_nodes, fabric.n_endpoints), -1, dtype=np.int32)
    table[fabric.src[paths.links], dst[paths.row_of_link()]] = paths.links
    return table


FABRIC = fat_tree(k=4)
TABLE = tables_of(FABRIC, "d-mod-k")
LEAF0, LEAF1, AGG0, AGG1, CORE0 = 16, 17, 24, 25, 32


def link(a: int, b: int) -> int:
    return int(np.flatnonzero((FABRIC.src == a) & (FABRIC.dst == b))[0])


def follow(fabric: Fabric, table: np.ndarray) -> np.ndarray:
    return router(fabric, "forwarding-tables", tables=ForwardingTables(table)).paths(*all_pairs(fabric.n_endpoints)).links


@pytest.mark.parametrize("kind", ["d-mod-k", "up-down"])
def test_tables_give_back_the_routes_that_they_came_from(kind: str) -> None:
    np.testing.assert_array_equal(
        follow(FABRIC, tables_of(FABRIC, kind)), router(FABRIC, kind).paths(*all_pairs(FABRIC.n_endpoints)).links
    )


def test_endpoints_without_rows_use_their_cable() -> None:
    table = TABLE.copy()
    table[:16] = -1
    np.testing.assert_array_equal(follow(FABRIC, table), follow(FABRIC, TABLE))


def test_a_loop_is_named_by_its_switches_and_destination() -> None:
    table = TABLE.copy()
    table[AGG0, 14] = link(AGG0, LEAF1)
    table[LEAF1, 14] = link(LEAF1, AGG0)
    with pytest.raises(Unroutable, match=r"^h0→h14: .*loop on the way to h14: agg0 → leaf1 → agg0 \(and 3 more flows"):
        follow(FABRIC, table)


def test_a_dead_end_is_named_by_switch_and_destination() -> None:
    table = TABLE.copy()
    table[CORE0, 12] = -1
    with pytest.raises(Unroutable, match=r"^h0→h12: the forwarding table of core0 has no entry for h12"):
        follow(FABRIC, table)


def test_entries_over_cables_that_were_pulled_are_named_and_the_rest_still_holds() -> None:
    cable = link(LEAF0, AGG0) // 2
    less = FABRIC.without([cable - 1]).without([cable - 1])  # first another, then the one that took over its number
    assert less.n_cables == FABRIC.n_cables - 2
    tables = ForwardingTables(TABLE)
    with pytest.raises(Unroutable, match=r"^h0→h2: the forwarding table of leaf0 sends h2 over a cable that is gone"):
        router(less, "forwarding-tables", tables=tables).paths(*(np.array([x], dtype=np.int32) for x in (0, 2, 0)))
    path = router(less, "forwarding-tables", tables=tables).paths(*(np.array([x], dtype=np.int32) for x in (4, 13, 0)))
    whole = router(FABRIC).paths(*(np.array([x], dtype=np.int32) for x in (4, 13, 0)))
    np.testing.assert_array_equal(less.src[path.links], FABRIC.src[whole.links])
    np.testing.assert_array_equal(less.dst[path.links], FABRIC.dst[whole.links])


def test_tables_that_do_not_belong_to_the_fabric_are_refused() -> None:
    with pytest.raises(InputError, match="has no forwarding tables"):
        router(FABRIC, "forwarding-tables")
    with pytest.raises(InputError, match=r"tables of \(36, 15\) nodes and endpoints, needed are \(36, 16\)"):
        follow(FABRIC, TABLE[:, :15])
    for wrong in (link(LEAF1, AGG0), FABRIC.n_links):
        table = TABLE.copy()
        table[LEAF0, 12] = wrong
        with pytest.raises(InputError, match=f"table of leaf0 sends h12 over link {wrong}, which is not its own"):
            follow(FABRIC, table)
