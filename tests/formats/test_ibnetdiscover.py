"""A real cluster's dump, counted against its text; and every way to spoil it."""

import re
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies.errors import InputError
from topologies.fabric import Fabric, NodeKind
from topologies.formats.ibnetdiscover import ibnetdiscover
from topologies.formats.ibtext import LANE_GBITS, read_dump
from topologies.routing import router

FIXTURES = Path(__file__).parent.parent / "fixtures"
CLUSTER = Path(__file__).parents[2] / "examples" / "fabrics" / "ndr_cluster.ibnetdiscover"
CLOS = FIXTURES / "ibnetdiscover_leafspine_8x4x4.txt"


@pytest.fixture(scope="module")
def cluster() -> Fabric:
    return ibnetdiscover(file=CLUSTER)


def test_the_real_cluster_as_its_origin_states_it(cluster: Fabric) -> None:
    """31 leaves, 9 spines, 1,114 cables, 109 trays of 4 rails, all 4xNDR; 14 to 18 of 18 uplinks."""
    text = CLUSTER.read_text()
    assert sum(len(node.ports) for node in read_dump(CLUSTER).values()) // 2 == 1114
    assert np.bincount(cluster.tier).tolist() == [436, 31, 9]
    assert (cluster.n_endpoints, cluster.server_size, cluster.default_router) == (109 * 4, 4, "min-hop")
    assert set(cluster.capacity) == {400e9 / 8}
    up = np.count_nonzero((cluster.tier[cluster.src] == 1) & (cluster.tier[cluster.dst] == 2))
    assert up == len(re.findall(r'^\[\d+\]\s+"S-.*SPINE', text, re.MULTILINE)) == 532
    uplinks = Counter(cluster.src[(cluster.tier[cluster.src] == 1) & (cluster.tier[cluster.dst] == 2)].tolist())
    assert (min(uplinks.values()), max(uplinks.values())) == (14, 18)


def test_its_servers_rails_and_names(cluster: Fabric) -> None:
    names = [cluster.label_of(v) for v in range(cluster.n_nodes)]
    assert len(set(names)) == len(names)
    assert names[:2] == ["a06-p1-dgx-02-c01/HCA-1", "a06-p1-dgx-02-c01/HCA-2"]
    assert names[436] == "A09-P1-IBLEAF-01-01"
    assert names[-1] == "B10-P1-IBSPINE-09"
    hosts = np.array(cluster.shape.host).reshape(-1, 4)
    assert (hosts == hosts[:, :1]).all()
    assert len(set(hosts[:, 0])) == 109
    leaves = cluster.leaf_of.reshape(-1, 4)
    assert all(len(set(row)) == 4 for row in leaves.tolist())  # each rail on a leaf of its own
    assert (cluster.group[: cluster.n_endpoints] == cluster.group[cluster.leaf_of]).all()
    assert cluster.group[cluster.tier == 1].tolist() == list(range(31))


def test_each_endpoint_hangs_where_the_text_says(cluster: Fabric) -> None:
    """An independent reading: switch blocks split at blank lines, host ports by one pattern."""
    said = {}
    for block in CLUSTER.read_text().split("\n\n"):
        if head := re.search(r'^Switch.*# "MF0;(.*):MQM', block, re.MULTILINE):
            for host, rail in re.findall(r'# "(\S+) (\S+)" lid', block):
                said[f"{host}/{rail}"] = head[1]
    for v in range(cluster.n_endpoints):
        assert cluster.label_of(int(cluster.leaf_of[v])) == said[cluster.label_of(v)]


def test_what_is_left_out_is_said(cluster: Fabric) -> None:
    assert cluster.notes[0] == "read 40 switches and 1114 cables; 436 host ports are endpoints"
    left = [re.match(r"left out: (\d+ \w+)", note) for note in cluster.notes[1:]]
    assert [m and m[1] for m in left] == ["40 ports", "72 ports", "2 ports", "10 hosts", "1 host"]
    # every adapter of the dump is an endpoint or in one of the notes: 582 = 436 + 40 + 72 + 2 + 10·3 + 1·2
    assert CLUSTER.read_text().count("\nCa\t") == 436 + 40 + 72 + 2 + 10 * 3 + 1 * 2


def test_links_come_in_pairs_and_all_endpoints_reach_each_other(cluster: Fabric) -> None:
    assert (cluster.src[0::2] == cluster.dst[1::2]).all()
    assert (cluster.dst[0::2] == cluster.src[1::2]).all()
    assert (cluster.tier[cluster.src[0::2]] < cluster.tier[cluster.dst[0::2]]).all()  # link 2i runs up
    assert nx.is_strongly_connected(nx.DiGraph(cluster.to_networkx()))
    src = np.arange(436, dtype=np.int32)
    paths = router(cluster).paths(src, np.roll(src, -4), np.zeros_like(src))  # the same rail of the next tray
    assert set(np.diff(paths.offsets).tolist()) == {2, 4}


@pytest.mark.parametrize(
    ("hosts", "n", "size"),
    [
        ("a0[6-8]-p1-dgx-*", 46 * 4, 4),
        ("a06-p1-dgx-02-c[01-03]", 3 * 4, 4),
        (["b05-*", "b06-p1-dgx-06-c01"], 19 * 4, 4),
        ("a05-*", 10 * 3, 3),
        ("a05-*,a06-p1-dgx-02-c01", 34, 1),
        ("ubuntu", 2, 2),
        ("e09d7303008579dc,e09d7303008579e0", 2, 1),  # adapters without a name, by guid
    ],
)
def test_the_job_chooses_its_hosts(cluster: Fabric, hosts: str | list[str], n: int, size: int) -> None:
    fabric = ibnetdiscover(file=CLUSTER, hosts=hosts)
    assert (fabric.n_endpoints, fabric.server_size, fabric.n_switches) == (n, size, 40)
    # which hosts are chosen changes neither tiers nor names of the switches
    assert (fabric.tier[n:] == cluster.tier[436:]).all()
    assert fabric.label_of(n) == cluster.label_of(436)
    assert sum("no common server size" in note for note in fabric.notes) == (hosts == "a05-*,a06-p1-dgx-02-c01")


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ("a06-p1-dgx-02-c1", r"no host 'a06-p1-dgx-02-c1' in it, did you mean 'a06-p1-dgx-02-c\d\d'\?"),
        ("gpu*", r"no host 'gpu\*' in it"),
        ("n[1-", "a bracket without its partner"),
        ("n[3-1]", "runs backwards"),
        ("n[a]", "neither a number nor a range"),
        ("n[0-9999999999]", "more than 1000000 names"),
        ("n[0-9999][0-9999]", "more than 1000000 names"),
        ("", "no adapter that carries a host name"),
    ],
)
def test_hosts_that_are_not_there(hosts: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ibnetdiscover(file=CLUSTER, hosts=hosts)


@pytest.mark.parametrize(
    ("written", "gbits"),
    [
        ("4xSDR", 8),
        ("4xDDR", 16),
        ("4xQDR", 32),
        ("4xFDR10", 40),
        ("4xEDR", 100),
        ("2xHDR", 100),
        ("4xHDR", 200),
        ("8xXDR", 1600),
    ],
)
def test_speeds(tmp_path: Path, written: str, gbits: float) -> None:
    file = tmp_path / "dump"
    file.write_text(CLOS.read_text().replace("4xSDR", written))
    assert set(ibnetdiscover(file=file).capacity) == {gbits * 1e9 / 8}


def test_speed_of_fdr_and_a_speed_said_by_hand(tmp_path: Path) -> None:
    assert LANE_GBITS["FDR"] * 4 == pytest.approx(54.5454, abs=1e-4)
    file = tmp_path / "dump"
    file.write_text(CLOS.read_text().replace("4xSDR", "4x???"))
    with pytest.raises(
        InputError, match=r"dump:\d+: link speed '4x\?\?\?' is not known .* say the speed of all cables with `link`"
    ):
        ibnetdiscover(file=file)
    assert set(ibnetdiscover(file=file, link=1e9).capacity) == {1e9}


# --- other things that dumps hold ------------------------------------------------------------------------------------------


def dump(*blocks: str) -> str:
    return "#\n# Topology file\n#\n" + "".join(f"\nvendid=0x2c9\ndevid=0x1\nsysimgguid=0x1\n{block}\n" for block in blocks)


def switch(guid: int, name: str, *ports: str) -> str:
    return (
        f'switchguid=0x{guid:x}({guid:x})\nSwitch\t9 "S-{guid:016x}"\t\t# "{name}" enhanced port 0 lid {guid} lmc 0\n'
        + "\n".join(ports)
    )


def to_host(port: int, guid: int, name: str, far: int = 1) -> str:
    return f'[{port}]\t"H-{guid:016x}"[{far}]({guid + far:x}) \t\t# "{name}" lid {guid + far} 4xHDR'


def to_switch(port: int, guid: int, far: int, name: str = "s") -> str:
    return f'[{port}]\t"S-{guid:016x}"[{far}]\t\t# "{name}" lid {guid} 4xHDR'


def host(guid: int, name: str, *links: tuple[int, int, int]) -> str:
    lines = [
        f'[{p}]({guid + p:x}) \t"S-{s:016x}"[{far}]\t\t# lid {guid + p} lmc 0 "s" lid {s} 4xHDR s=4 w=2 v=5'
        for p, s, far in links
    ]
    return f'caguid=0x{guid:x}\nCa\t2 "H-{guid:016x}"\t\t# "{name}"\n' + "\n".join(lines)


def test_two_ports_of_one_adapter_and_chips_of_one_switch(tmp_path: Path) -> None:
    file = tmp_path / "dump"
    file.write_text(
        dump(
            switch(16, "MF0;core:CS7520/L1/U1", to_host(1, 256, "n1 mlx5_0"), to_host(2, 512, "n2 mlx5_0"), to_switch(9, 17, 9)),
            switch(17, "MF0;core:CS7520/S1/U1", to_switch(9, 16, 9), to_host(1, 1024, "storage mlx5_0")),
            switch(
                18, "MF0;core:CS7520/L2/U1", to_host(1, 256, "n1 mlx5_0", 2), to_host(2, 512, "n2 mlx5_0", 2), to_switch(9, 19, 8)
            ),
            switch(19, "Quantum Mellanox Technologies", to_switch(8, 18, 9)),
            host(256, "n1 mlx5_0", (1, 16, 1), (2, 18, 1)),
            host(512, "n2 mlx5_0", (1, 16, 2), (2, 18, 2)),
            host(1024, "storage mlx5_0", (1, 17, 1)),
        )
    )
    fabric = ibnetdiscover(file=file)
    assert [fabric.label_of(v) for v in range(4)] == ["n1/mlx5_0:1", "n1/mlx5_0:2", "n2/mlx5_0:1", "n2/mlx5_0:2"]
    assert [fabric.label_of(v) for v in range(4, 8)] == [
        "core/L1/U1",
        "core/L2/U1",
        "Quantum Mellanox Technologies",
        "core/S1/U1",
    ]
    assert fabric.tier[4:].tolist() == [1, 1, 2, 2]  # storage at a spine does not make it a leaf
    assert fabric.server_size == 2
    assert "left out: 1 host (storage) with 1 port, not 2 as most; name them in `hosts` to have them" in fabric.notes
    assert set(fabric.capacity) == {25e9}


def test_adapters_of_one_name_are_told_apart_by_guid(tmp_path: Path) -> None:
    file = tmp_path / "dump"
    file.write_text(
        dump(
            switch(16, "sw", to_host(1, 256, "n1 HCA-1"), to_host(2, 512, "n1 HCA-1")),
            host(256, "n1 HCA-1", (1, 16, 1)),
            host(512, "n1 HCA-1", (1, 16, 2)),
        )
    )
    fabric = ibnetdiscover(file=file)
    assert [fabric.label_of(v) for v in range(2)] == ["n1/HCA-1(0000000000000100)", "n1/HCA-1(0000000000000200)"]
    assert fabric.kind[2] == NodeKind.SWITCH


# --- spoilt dumps -------------------------------------------------------------------------------------------------------

SPOILT = [
    ("Switch\t8", "Swutch\t8", r"dump:10: 'Swutch.* is no line of ibnetdiscover"),
    ('"S-0000000000200004"[8]', '"S-0000000000200004"[7]', r"dump:\d+: .*\[7\].* take the dump again"),
    ('"S-0000000000200004"[8]', '"S-0000000000900004"[8]', r"dump:11: cable .* is stated by this end only"),
    ('[2]\t"S-', '[1]\t"S-', r"dump:12: port \[1\] of S-0000000000200003 stands at line 11 already"),
    ('[2]\t"S-', '[9]\t"S-', r"dump:12: port \[9\] of S-0000000000200003, which has ports 1 to 8"),
    ("4xSDR\n", "4xSD\n", r"dump:11: link speed '4xSD' is not known"),
    ("4xSDR\n", "\n", r"dump:11: .* is damaged"),
    ("(100001) ", "(100009) ", r"has another guid or lid in line"),
    ("# lid 2 lmc 0", "# lid 99 lmc 0", r"has another guid or lid in line"),
    ('"S-0000000000200002"\t', '"S-0000000000200003"\t', r"dump:24: node S-0000000000200003 stands at line 10 already"),
    ('Ca\t1 "H-', 'Ca\t1 "S-', r"is damaged"),
    ("Switch", '[1]\t"S-0000000000200004"[8]\nSwitch', r"dump:10: a port before the first Switch or Ca"),
]


@pytest.mark.parametrize(("old", "new", "message"), SPOILT)
def test_spoilt_dumps(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = CLOS.read_text()
    assert old in text
    bad = tmp_path / "dump"
    bad.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        ibnetdiscover(file=bad)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b" \n\n", "empty file"),
        (b"\x7fELF\0\1\2", "binary data"),
        (b"\x1f\x8b\x08\0\0\0", "binary data"),
        (b"\xff\xfe\xfd\n", r"dump:1: .* is no line of ibnetdiscover"),
        (b"#\n# Topology file\n#\n", "no Switch and no Ca"),
        (b"fabric:\n  kind: ring\n" * 400_000, r"dump:1: 'fabric:' is no line of ibnetdiscover"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, message: str) -> None:
    bad = tmp_path / "dump"
    bad.write_bytes(content)
    with pytest.raises(InputError, match=message):
        ibnetdiscover(file=bad)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            ibnetdiscover(file=path)


def test_an_adapter_without_a_cable_is_no_fabric() -> None:
    with pytest.raises(InputError, match=r"bad\.txt: no host adapter with a cable to a switch"):
        ibnetdiscover(file=FIXTURES / "ibnetdiscover_bad.txt")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cuts") / "dump"


@given(st.data())
def test_a_dump_cut_anywhere_is_refused(scratch: Path, data: st.DataObject) -> None:
    """Every cable is stated by both ends, so whatever is missing shows; only the last line's end may go."""
    text = data.draw(st.sampled_from([CLUSTER, CLOS])).read_text()
    scratch.write_text(text[: data.draw(st.integers(0, len(text.rstrip()) - 1))])
    with pytest.raises(InputError, match="dump"):
        ibnetdiscover(file=scratch)


@given(st.data())
def test_a_dump_with_lines_lost_or_doubled_is_refused_or_whole(scratch: Path, data: st.DataObject) -> None:
    """Lines that carry no cable and no node may go; nothing else may."""
    lines = CLOS.read_text().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    times = data.draw(st.sampled_from([0, 2]))
    scratch.write_text("".join(lines[:at] + lines[at : at + 1] * times + lines[at + 1 :]))
    if lines[at].startswith(("[", "Switch", "Ca")):
        with pytest.raises(InputError, match="dump"):
            ibnetdiscover(file=scratch)
    else:
        assert ibnetdiscover(file=scratch).n_cables == 64


@given(st.data())
def test_a_dump_with_a_byte_changed_never_breaks_the_reader(scratch: Path, data: st.DataObject) -> None:
    """It is refused with one line, or read with every cable but those that a note speaks of."""
    raw = bytearray(CLOS.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(raw)
    try:
        fabric = ibnetdiscover(file=scratch)
    except InputError as error:
        fault = str(error)
    else:
        fault = ""
        assert fabric.n_cables == 64 or any(note.startswith("left out") for note in fabric.notes)
    assert "\n" not in fault
