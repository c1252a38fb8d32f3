"""Routes over the tables that a real OpenSM wrote (reference: loads counted from the same tables by hand)."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from topologies.errors import InputError, Unroutable
from topologies.fabric import Fabric
from topologies.formats.ibnetdiscover import ibnetdiscover
from topologies.formats.lft import read_tables
from topologies.routing import router

FIXTURES = Path(__file__).parent.parent / "fixtures"
CLOS = FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt", FIXTURES / "opensm_ftree_dump_fts_8x4x4.txt"
BIGRAPH = FIXTURES / "ibnetdiscover_bigraph_n8_m4.txt", FIXTURES / "opensm_minhop_dump_fts_bigraph_n8_m4.txt"


def read(pair: tuple[Path, Path]) -> Fabric:
    return ibnetdiscover(file=pair[0], tables=pair[1])


def max_load(fabric: Fabric, src: np.ndarray, dst: np.ndarray) -> int:
    """Most flows on one link between switches."""
    paths = router(fabric).paths(src.astype(np.int32), dst.astype(np.int32), np.zeros(len(src), dtype=np.int32))
    between = np.minimum(fabric.src, fabric.dst) >= fabric.n_endpoints
    return int((np.bincount(paths.links, minlength=fabric.n_links) * between).max())


def xor_loads(fabric: Fabric, endpoint: np.ndarray) -> list[int]:
    """Per step of halving-doubling: rank r with r xor 1, 2, 4, …; `endpoint` of each rank."""
    ranks = np.arange(len(endpoint))
    return [max_load(fabric, endpoint, endpoint[ranks ^ d]) for d in (1, 2, 4, 8, 16)]


def shift_loads(fabric: Fabric) -> set[int]:
    hosts = np.arange(fabric.n_endpoints)
    return {max_load(fabric, hosts, (hosts + s) % len(hosts)) for s in range(1, len(hosts))}


def hdrm(fabric: Fabric, n: int, m: int) -> np.ndarray:
    """r = j*n + 2i + b: even parity to slot j of U[(i+j) mod n/2], odd parity to slot j of D[i]."""
    r = np.arange(n * m)
    j, i = r // n, r % n // 2
    even = np.array([int(x).bit_count() % 2 == 0 for x in r])
    on = {fabric.label_of(v): np.flatnonzero(fabric.leaf_of == v) for v in range(fabric.n_endpoints, fabric.n_nodes)}
    switch = np.where(even, np.char.add("U", ((i + j) % (n // 2)).astype(str)), np.char.add("D", i.astype(str)))
    return np.array([on[str(s)][slot] for s, slot in zip(switch, j, strict=True)])


def test_leaf_spine_loads() -> None:
    fabric = read(CLOS)
    assert fabric.default_router == "forwarding-tables"
    assert [fabric.label_of(v) for v in (0, 31, 32, 40)] == ["h000", "h031", "leaf0", "spine0"]
    assert xor_loads(fabric, np.arange(32)) == [0, 0, 1, 1, 1]
    assert shift_loads(fabric) == {1}


def test_bigraph_loads() -> None:
    fabric = read(BIGRAPH)
    assert fabric.tier_names == ("host", "switch")
    assert xor_loads(fabric, np.arange(32)) == [0, 0, 2, 2, 4]
    assert xor_loads(fabric, hdrm(fabric, n=8, m=4)) == [1, 1, 1, 1, 1]
    assert max(shift_loads(fabric)) == 4


def test_tables_go_where_they_say() -> None:
    """Row by row against the text: the link that a switch takes leaves by the port in its table."""
    fabric = read(CLOS)
    of_guid = {int(g): v for v, g in enumerate(fabric.shape.guid)}
    checked = 0
    for table in read_tables(CLOS[1]):
        for d, lid in enumerate(fabric.shape.lid):
            link = fabric.shape.tables.next_link[of_guid[table.guid], d]
            assert fabric.shape.port[link] == table.rows[int(lid)][0]
            assert fabric.src[link] == of_guid[table.guid]
            checked += 1
    assert checked == 12 * 32


def test_a_subset_of_the_hosts_keeps_its_routes() -> None:
    fabric = ibnetdiscover(file=CLOS[0], tables=CLOS[1], hosts="h0[00-15]")
    assert fabric.n_endpoints == 16
    assert max_load(fabric, np.arange(16), np.arange(16) ^ 8) == 1


CUTS = [
    ("", "", "empty file"),
    ("41 valid lids dumped", "40 valid lids dumped", r":45: 40 lids dumped, but 41 rows"),
    ("0x0005 001", "0x0002 001", r":5: lid 0002 stands at line 4 already"),
    ("0x0005 001", "0x0005 1", r":5: .* is damaged"),
    ("0x0005 001", "0x0005 077", r":5: spine3 sends to h001 by port 77, where no host or switch is cabled"),
    (
        "portguid 0x0000000000100003",
        "portguid 0x0000000000100099",
        r":5: spine3 sends to h001 .* lid 5 is port 0x0000000000100099",
    ),
    ("guid 0x0000000000200003 (", "guid 0x0000000000299999 (", r":1: switch 0x0000000000299999 is none of"),
    ("guid 0x0000000000200002 (", "guid 0x0000000000200003 (", r":46: switch 0x0000000000200003 stands twice"),
    ("Unicast lids", "Multicast mlids", r":1: multicast tables"),
    ("  Lid  Out   Destination", "??", r":2: '\?\?' is no line of dump_fts"),
]


@pytest.mark.parametrize(("old", "new", "message"), CUTS)
def test_bad_tables(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = CLOS[1].read_text()
    assert old in text
    bad = tmp_path / "tables"
    bad.write_text(text.replace(old, new, 1) if old else "")
    with pytest.raises(InputError, match=message):
        ibnetdiscover(file=CLOS[0], tables=bad)


def test_tables_cut_short_are_refused(tmp_path: Path) -> None:
    """Wherever the text ends but in its last blanks: never fewer switches or entries without a word."""
    text = CLOS[1].read_text().rstrip()
    rng, bad = np.random.default_rng(5), tmp_path / "tables"
    for cut in (*rng.integers(1, len(text) - 1, 30), text.index("Unicast", 10), len(text) - len("dumped")):
        bad.write_text(text[: int(cut)])
        with pytest.raises(InputError, match=r"tables:|tables: "):
            ibnetdiscover(file=CLOS[0], tables=bad)


def test_tables_of_another_fabric_are_refused() -> None:
    with pytest.raises(InputError, match=r"take ibnetdiscover and dump_fts together|give the whole output"):
        ibnetdiscover(file=CLOS[0], tables=BIGRAPH[1])


def test_a_port_to_the_wrong_host(tmp_path: Path) -> None:
    lines = CLOS[1].read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.endswith("(leaf0):"))
    row = next(i for i in count(head) if "'h001'" in lines[i])
    lines[row] = lines[row].replace(" 002 ", " 003 ", 1)
    bad = tmp_path / "tables"
    bad.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf":{row + 1}: leaf0 sends to h001 by port 3, where h002 is"):
        ibnetdiscover(file=CLOS[0], tables=bad)


def test_a_loop_is_named_by_the_router(tmp_path: Path) -> None:
    """leaf0 sends h004 up to spine0; let spine0 send it back."""
    lines = CLOS[1].read_text().splitlines()
    for switch, port in (("leaf0", 5), ("spine0", 1)):
        head = next(i for i, line in enumerate(lines) if line.endswith(f"({switch}):"))
        row = next(i for i in count(head) if "'h004'" in lines[i])
        lines[row] = f"{lines[row][:7]}{port:03}{lines[row][10:]}"
    bad = tmp_path / "tables"
    bad.write_text("\n".join(lines) + "\n")
    fabric = ibnetdiscover(file=CLOS[0], tables=bad)
    with pytest.raises(Unroutable, match="loop on the way to h004: leaf0 → spine0 → leaf0"):
        max_load(fabric, np.array([0]), np.array([4]))


def test_no_entry_is_an_unroutable_pair(tmp_path: Path) -> None:
    """Port 255, as `dump_fts -a` writes it, and no row at all say the same."""
    text = CLOS[1].read_text()
    head = text.index("(leaf0):")
    at = text.index("0x000e", head)
    bad = tmp_path / "tables"
    bad.write_text(f"{text[:at]}0x000e 255 : (illegal port){text[text.index(chr(10), at) :]}")
    fabric = ibnetdiscover(file=CLOS[0], tables=bad)
    with pytest.raises(Unroutable, match="leaf0 has no entry for h004"):
        max_load(fabric, np.array([0]), np.array([4]))
