"""What is decided before anything is built: sizes, rates, tables, what counts as disturbed. Needs no rights."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.scenario import load
from topologies.errors import BackendUnavailable, InputError
from validate.emulated import build, enter
from validate.emulated.blueprint import Blueprint
from validate.emulated.emulation import refusal
from validate.emulated.fidelity import judge
from validate.emulated.groups import groups
from validate.emulated.launch import failure, find_mpi
from validate.emulated.lay_out import Layout, lay_out
from validate.emulated.links import MTU
from validate.emulated.options import Options, read_options
from validate.emulated.purge import purge, run_name
from validate.emulated.replay import Replayed, Task, _beside
from validate.emulated.scale import EFFICIENCY, PAYLOAD, latency_part, whole_elements
from validate.emulated.target import _limits, _sizes, _under_way
from validate.mpi import quiet
from validate.replay.result import RowResult
from validate.request import Request, Row, rows

FAT_TREE = {"fabric": {"kind": "fat-tree", "k": 4}, "collective": {"op": "all-reduce", "size": "64MiB"}}


def asked(scenario: dict[str, object], maps: int = 0) -> tuple[Row, ...]:
    return rows(load(scenario), maps)


def laid_out(scenario: dict[str, object], **options: str) -> tuple[tuple[Row, ...], Layout]:
    some = asked(scenario)
    return some, lay_out(some, Options(**options))


def followed(plan: Blueprint, source: int, to: int) -> tuple[int, ...]:
    """The links that the written routes lead over, looked up as Linux does: the source's table first, then the main one."""
    table = {(node, there, of): links for node, there, links, of in plan.routes}
    out: list[int] = []
    node = source
    while node != to:
        (link,) = table.get((node, to, source)) or table[node, to, -1]
        out.append(link)
        a, b = plan.ends[link // 2]
        assert node == (b if link % 2 else a)
        node = a if link % 2 else b
        assert len(out) <= len(plan.rates)
    return tuple(out)


@pytest.mark.parametrize(
    ("fabric", "routing"),
    [
        ({"kind": "fat-tree", "k": 4}, "d-mod-k"),
        ({"kind": "fat-tree", "k": 4}, "s-mod-k"),
        ({"kind": "fat-tree", "k": 4}, {"kind": "ecmp", "seed": 3}),
        ({"kind": "bigraph", "m": 2, "n": 4}, {"kind": "ecmp", "seed": 5}),
        ({"kind": "torus", "dims": [3, 3]}, "dimension-order"),
        ({"kind": "fat-tree", "k": 4}, "min-hop"),
    ],
)
def test_written_routes_lead_where_the_router_says(fabric: dict[str, object], routing: object) -> None:
    """Link by link, over the numbers of the excerpt, for every pair: tables by destination, and by source where those differ."""
    (row,), layout = laid_out(FAT_TREE | {"fabric": fabric, "routing": routing, "algorithm": "ring"})
    part, n = layout.part, len(layout.part.endpoints)
    src, dst = np.divmod(np.arange(n * n), n)
    src, dst = src[src != dst].astype(np.int32), dst[src != dst].astype(np.int32)
    there = row.job.router.paths(part.endpoints[src], part.endpoints[dst], np.zeros(len(src), np.int32)).unbundled()
    for i, (s, d) in enumerate(zip(src.tolist(), dst.tolist(), strict=True)):
        assert followed(layout.plan, s, d) == tuple(part.link[link] for link in there.row(i).tolist())


def test_only_what_the_job_uses_is_built() -> None:
    """Four hosts of one leaf in a fat-tree of 1024: five nodes, four cables."""
    spec = FAT_TREE | {"fabric": {"kind": "fat-tree", "k": 16}, "ranks": 4, "algorithm": "ring"}
    _, layout = laid_out(spec)
    assert (layout.plan.nodes, len(layout.plan.ends)) == (5, 4)
    assert layout.plan.labels[:4] == ("h0", "h1", "h2", "h3")


def test_pulled_cables_are_not_built() -> None:
    whole, less = (laid_out(FAT_TREE | extra)[1] for extra in ({}, {"faults": ["leaf0-agg0"]}))
    names = {frozenset((layout.plan.labels[a], layout.plan.labels[b])) for layout in (less,) for a, b in layout.plan.ends}
    assert frozenset(("leaf0", "agg0")) not in names
    assert len(less.plan.ends) == len(whole.plan.ends) - 1


def test_rates_keep_their_ratios_and_the_fastest_endpoint_link_has_the_rate() -> None:
    _, layout = laid_out({**FAT_TREE, "fabric": {"kind": "bigraph", "m": 2, "n": 4, "trunk": "800Gbit/s"}}, rate=1.25e6)
    own = layout.part.fabric.capacity
    assert layout.plan.rates == pytest.approx(tuple(own * 1.25e6 / own[0]))


def test_all_fabrics_of_a_request_are_slower_by_one_factor() -> None:
    """100G beside 400G, 16 ranks beside 4: a ratio of rates between them is the scenario's."""
    specs = [
        {"fabric": {"kind": "fat-tree", "k": 4, "link": link}, "ranks": n} for link, n in (("100Gbit/s", 16), ("400Gbit/s", 4))
    ]
    slow, fast = groups([row for spec in specs for row in asked(FAT_TREE | spec)], Options())
    assert slow.layout.factor == fast.layout.factor
    for group in (slow, fast):
        alone = lay_out(group.rows, Options())
        assert group.layout.factor <= alone.factor
        scale = group.layout.factor / alone.factor
        assert group.layout.plan.rates == pytest.approx([rate * scale for rate in alone.plan.rates])
        (row,) = group.rows
        assert group.layout.seconds(row, row.size) == pytest.approx(alone.seconds(row, row.size) / scale)
    assert max(fast.layout.plan.rates) == pytest.approx(4 * max(slow.layout.plan.rates))


def test_efficiency_is_of_frames_and_their_acknowledgements() -> None:
    """4500 bytes of IP, 40 of headers, 12 of timestamps, 14 of Ethernet; half an acknowledgement of 66 bytes the other way."""
    assert MTU == 4500
    assert pytest.approx({"fair": 4448 / 4514, "fifo": 4448 / (4514 + 33)}) == EFFICIENCY


@pytest.mark.parametrize("routing", ["spray", {"kind": "ecmp", "queue_pairs": 2}])
def test_flows_that_are_split_cannot_be_emulated(routing: object) -> None:
    with pytest.raises(InputError, match=r"splits a flow over several ways.*emulate another routing"):
        laid_out(FAT_TREE | {"routing": routing})


def test_channels_with_ways_of_their_own_cannot_be_emulated() -> None:
    spec = FAT_TREE | {"routing": {"kind": "ecmp", "seed": 1}, "algorithm": {"kind": "multi-ring", "channels": 2}}
    with pytest.raises(InputError, match="go different ways, which one TCP connection cannot"):
        laid_out(spec)


def test_kernel_ecmp_has_every_shortest_next_hop() -> None:
    """Of a fat-tree of k = 4: two ways up at the leaf, two at the spine, one down; hashed by the scenario's seed."""
    _, layout = laid_out(FAT_TREE | {"seed": 7}, routes="kernel-ecmp")
    widths: dict[str, set[int]] = {}
    for node, to, links, _ in layout.plan.routes:
        label = layout.plan.labels[node]
        down = any(to in layout.plan.ends[link // 2] for link in links)
        widths.setdefault("down" if down else label[:4], set()).add(len(links))
    assert layout.plan.seed == 7
    assert widths["down"] == {1}
    assert widths["leaf"] == {2}


def test_blueprint_survives_the_pipe() -> None:
    _, layout = laid_out(FAT_TREE)
    assert Blueprint.from_json(layout.plan.as_json()) == layout.plan


def test_interfaces_are_numbered_from_two_at_every_node() -> None:
    _, layout = laid_out(FAT_TREE)
    at: dict[int, list[int]] = {}
    for node, interface in map(layout.plan.interface, range(len(layout.plan.rates))):
        at.setdefault(node, []).append(interface)
    assert all(sorted(own) == list(range(2, 2 + len(own))) for own in at.values())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["ring", "halving-doubling"]), st.floats(1.0, 1e9))
def test_sizes_are_whole_elements_and_never_larger(algorithm: str, size: float) -> None:
    schedule = asked(FAT_TREE | {"algorithm": algorithm})[0].schedule
    whole = whole_elements(schedule, size)
    assert whole % 4 == 0
    assert whole <= max(size, 4 * 16)
    if whole >= 4 * 16 * 8:
        assert whole > size - 4 * 16


def test_sizes_shrink_by_one_constant_and_small_ones_are_left_out_with_a_word() -> None:
    spec = FAT_TREE | {"collective": {"op": "all-reduce", "size": ["4KiB", "16MiB", "512MiB", "1GiB"]}}
    some, layout = laid_out(spec)
    request = Request(load(spec), some)
    notes: list[str] = []
    sizes = _sizes(request, {id(row): layout for row in some}, Options(), notes)
    kept = [row for row in some if id(row) in sizes]
    assert [row.size for row in kept] == [2**29, 2**30]
    assert sizes[id(kept[1])] == pytest.approx(2 * sizes[id(kept[0])], rel=1e-3)
    assert layout.seconds(kept[1], sizes[id(kept[1])]) == pytest.approx(2.0, rel=1e-3)
    assert [("latency-bound" in note, "too short" in note) for note in notes] == [(True, False), (False, True)]


def test_latency_part_is_what_vanishes_without_latency() -> None:
    """One message of a ring over two hosts of one switch: 2 links of 1 us, and M/2 bytes each round at 50 GB/s."""
    fabric = {"kind": "single-switch", "hosts": 2, "link": "400Gbit/s", "latency": "1us"}
    (row,), layout = laid_out({"fabric": fabric, "collective": {"op": "all-reduce", "size": "1MiB"}, "algorithm": "ring"})
    bandwidth = 2**19 / 50e9
    assert latency_part(row, layout.part, layout.ways) == pytest.approx(2e-6 / (2e-6 + bandwidth), rel=1e-6)


def test_only_latency_is_an_error() -> None:
    some, layout = laid_out(FAT_TREE | {"collective": {"op": "all-reduce", "size": "1KiB"}})
    with pytest.raises(InputError, match="every row is latency-bound"):
        _sizes(Request(load(FAT_TREE), some), {id(row): layout for row in some}, Options(), [])


def test_a_run_is_believed_only_when_nothing_disturbed_it() -> None:
    result = RowResult((1.0, 1.1, 1.2, 1.3), 0, (0.9, 0.1, 0.8, 0.7), (0, 0, 90, 0), ("run 4: a rank started 9 ms late",))
    judged = judge(result, seen=(), segments=1000.0, spinning=False)
    assert judged.good == (1.0,)
    assert [doubt.partition(":")[0] for doubt in judged.doubts] == ["run 2", "run 3", "run 4"]
    untold = judge(RowResult((1.0,), 0, (0.9,), (None,)), seen=(), segments=1000.0, spinning=False)
    assert (untold.good, untold.doubts) == ((), ("run 1: not known how many TCP segments were sent again",))
    assert judge(result, seen=(), segments=1000.0, spinning=True).good == (1.0, 1.1)
    assert judge(result, seen=("2 packets were dropped",), segments=1000.0, spinning=False).good == ()
    assert judge(replace(result, idle=(None,) * len(result.seconds)), seen=(), segments=1000.0, spinning=False).good == ()


def test_messages_that_pass_no_link_are_a_doubt() -> None:
    """Two runs, one of them untimed, of a ring over 4 ranks: each sends 2 M 3/4. A library's own is not counted on."""
    (row,), layout = laid_out(FAT_TREE | {"ranks": 4, "algorithm": "ring"})
    tasks = [Task(row, 4000, 1.0), Task(replace(row, native="mpich:ring"), 4000, 1.0)]
    sent = 2 * 4 * 6000
    assert _beside(tasks, 1, sent) == []
    assert _beside(tasks, 1, sent // 2) == ["messages did not pass the emulated links: 50 % of their bytes did"]
    heads = [layout.plan.ends[link // 2][link % 2] for link in layout.plan.leaving]
    assert sorted(heads) == [0, 1, 2, 3]


def test_ways_that_are_not_known_are_a_doubt() -> None:
    """h0 sends to h1, and nobody to h9: a connection of each pair that sends must have one way, and only one."""
    (row,), layout = laid_out(FAT_TREE | {"algorithm": "ring"}, routes="kernel-ecmp")
    seen = {pair: {way} for pair, way in layout.ways.links.items()}
    assert layout.unsure(row, seen) == ""
    twice = layout.ways.links[0, 1][::-1]
    assert layout.unsure(row, seen | {(0, 9): set()}) == ""
    assert layout.unsure(row, seen | {(0, 1): seen[0, 1] | {twice}}) == "h0→h1: connections took several ways"
    assert layout.unsure(row, seen | {(0, 1): set()}) == "h0→h1: no connection was seen"


@pytest.mark.parametrize(("add_up", "seconds", "doubts"), [(True, (1.0, 2.0), ()), (False, (2.0, 9.0), ("disturbed",))])
def test_wrong_elements_of_a_disturbed_launch_are_not_forgotten(
    add_up: bool, seconds: tuple[float, ...], doubts: tuple[str, ...]
) -> None:
    """Good runs of launches add up unless the kernel has chosen new ways."""
    earlier = Replayed(1.0, (1.0, 8.0), 3, ("disturbed",), (1.0,))
    later = Replayed(1.0, (2.0, 9.0), 1, ("disturbed",), (2.0,))
    both = later.after(earlier, 2, add_up=add_up)
    assert (both.seconds, both.wrong, both.doubts) == (seconds, 4, doubts)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"speed": 1}, "unknown option 'speed'"),
        ({"queues": "red"}, "one of: fair, fifo"),
        ({"rate": "1Tbit/s"}, "must be from 100kbit/s to 1Gbit/s"),
        ({"rate": "20"}, "needs a unit"),
        ({"seconds": "1ms"}, "must be from 100ms to 600s"),
    ],
)
def test_wrong_options_are_told_in_a_line(given: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_options(given)


def test_failure_says_what_a_rank_said_or_which_one_died(tmp_path: Path) -> None:
    """In the words of the process managers of MPICH and Open MPI."""
    log = "=   BAD TERMINATION OF …\n=   PID 99 RUNNING AT localhost\n=   EXIT CODE: 9\n… THE EXIT STRING: Killed (signal 9)\n"
    (tmp_path / "launch.log").write_text(log)
    assert failure(tmp_path, 9) == "emulated fabric: the ranks ended with exit code 9: … THE EXIT STRING: Killed (signal 9)"
    (tmp_path / "died").write_text("rank 1 (h4) ended before it was done: signal 9 (Killed)")
    assert failure(tmp_path, 9) == "emulated fabric: rank 1 (h4) ended before it was done: signal 9 (Killed)"
    (tmp_path / "launch.log").write_text(
        "---\nprterun noticed that process rank 2 with PID 68 on node h2 exited on\nsignal 9 (Killed).\n---\n"
    )
    assert failure(tmp_path, 137) == "emulated fabric: rank 2 (h2) ended before it was done: signal 9 (Killed)"
    (tmp_path / "launch.log").write_text("replay: ring: rank 3: not done after 30 s\n" + log)
    assert failure(tmp_path, 1) == "emulated fabric: ring: rank 3: not done after 30 s"
    (tmp_path / "died").write_text("rank 1 (h4) ended before it was done: exit code 15")
    (tmp_path / "launch.log").write_text(
        "Abort(673334671): Fatal error in internal_Init_thread: Other MPI error, error stack:\n"
        "MPID_Init(549)....................: \n"
        "MPIDI_OFI_create_vci_context(1058): OFI call ep_enable failed (default nic=lo: Bad file descriptor)\n" + log
    )
    assert failure(tmp_path, 15) == (
        "emulated fabric: rank 1 (h4) ended before it was done: exit code 15: MPI: "
        "OFI call ep_enable failed (default nic=lo: Bad file descriptor)"
    )


def test_the_interpreter_and_its_mpiexec_are_known_by_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks start in another folder. The link that makes a virtual environment is not followed."""
    monkeypatch.chdir(fake_mpi(tmp_path, "MPICH Version: 5.0"))
    mpi = find_mpi("bin/python")
    assert (mpi.python, mpi.mpiexec) == (str(tmp_path / "bin" / "python"), str(tmp_path / "bin" / "mpiexec"))


@pytest.mark.parametrize(
    ("library", "mpiexec", "why"),
    [
        ("Open MPI v5.0.8, package", "HYDRA build details:", r"MPICH \?, but mpi4py of \S+ loads Open MPI v5\.0\.8; both"),
        ("MPICH Version: 5.0", "mpiexec (Open MPI) 5.0.8", "Open MPI 5.0.8, but mpi4py of .* loads MPICH Version: 5.0"),
        ("MPICH Version: 5.0", "another", "neither MPICH's nor Open MPI's"),
    ],
)
def test_an_mpiexec_of_another_mpi_is_refused(tmp_path: Path, library: str, mpiexec: str, why: str) -> None:
    """Its ranks would each be alone in a world of one."""
    with pytest.raises(BackendUnavailable, match=why):
        find_mpi(str(fake_mpi(tmp_path, library, mpiexec) / "bin" / "python"))


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo cannot load MPI library >&2; exit 1", "cannot load MPI library; pip"), ("kill -11 $$", "exit code -11; pip")],
)
def test_a_library_that_does_not_load_is_told(tmp_path: Path, script: str, why: str) -> None:
    fake_mpi(tmp_path, "")
    (tmp_path / "bin" / "real").write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(BackendUnavailable, match=why):
        find_mpi(str(tmp_path / "bin" / "python"))


def fake_mpi(folder: Path, library: str, mpiexec: str = "HYDRA build details:\\n    Version: 5.0") -> Path:
    """A folder with bin/python, a link, and bin/mpiexec; the library calls itself so, or cannot be loaded."""
    (folder / "bin").mkdir()
    for name, says in (("real", library), ("mpiexec", mpiexec)):
        (folder / "bin" / name).write_text(f"#!/bin/sh\nprintf '{says}\\n'\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "bin" / "python").symlink_to("real")
    return folder


def test_ranks_are_known_by_the_same_names_everywhere() -> None:
    """enter.py stands alone and has a list of its own."""
    assert enter.RANK == quiet.RANK


@pytest.mark.parametrize(("user", "what"), [(0, "--privileged"), (1000, "run as root")])
def test_who_may_make_no_namespaces_is_told_what_helps(user: int, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert what in refusal("unshare: Operation not permitted")


def test_purge_takes_folders_of_the_dead_and_leaves_those_of_the_living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    here = run_name().rsplit("-", 2)[0]
    alive, dead = tmp_path / f"{run_name()}a", tmp_path / f"{here}-1-b"  # the same id, started at another time
    foreign, other = tmp_path / f"netsim-run-00000000-{os.getpid()}-1-c", tmp_path / "netsim-runs"
    for folder in (alive, dead, foreign, other):
        folder.mkdir()
    assert [line for line in purge() if str(tmp_path) in line] == [str(dead)]
    assert sorted(tmp_path.iterdir()) == sorted([alive, foreign, other])


def test_the_fabric_is_built_when_its_interfaces_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([{1}, {1, 2}, {1, 2, 3}])
    monkeypatch.setattr(build.links, "running", lambda _: next(told))
    build.until_running(None, {2, 3})
    assert not list(told)
    monkeypatch.setattr(build.links, "running", lambda _: {1, 2})
    monkeypatch.setattr(build, "_RUNNING", 0.05)
    with pytest.raises(OSError, match="do not run"):
        build.until_running(None, {2, 3})


def test_what_a_connection_and_a_packet_cannot_show_is_told() -> None:
    twice = {"kind": "multi-ring", "channels": 2, "server_size": 4}
    apart, shared = asked(FAT_TREE | {"algorithm": ["bidirectional-ring", twice]})
    long, short = 32 * 10 * PAYLOAD, 32 * 7 * PAYLOAD
    assert len(list(_limits(Options(), [Task(apart, long, 1.0)]))) == 1
    (_, note) = _limits(Options(), [Task(apart, long, 1.0), Task(shared, long, 1.0)])
    assert note.startswith(
        f"{shared.name}: {shared.by} at 64MiB: channels that send between the same ranks share a TCP connection"
    )
    (_, note) = _limits(Options(), [Task(apart, short, 1.0), Task(apart, short, 1.0)])
    assert note.startswith(f"{apart.name}: {apart.by} at 64MiB and 1 more: messages of less than 8 packets in the mean")


def test_progress_names_the_row_under_way_and_what_is_left() -> None:
    first, second = asked(FAT_TREE | {"algorithm": ["ring", "binomial-tree"]})
    tasks = [Task(first, 4, 10.0), Task(second, 4, 20.0)]
    told: list[tuple[int, int, str]] = []
    request = Request(load(FAT_TREE), (first, second), repeat=3, progress=lambda *each: told.append(each))
    both, with_later = _under_way(tasks, [], request), _under_way(tasks, tasks[1:], request)
    assert both is not None
    assert with_later is not None
    both(tasks, 4)
    both(tasks[1:], 4)
    both(tasks[:1], 2)  # again, for one run that is missing
    with_later(tasks[:1], 2)
    assert told == [
        (0, 2, f"about 2 min left: {first.name}: {first.by} at 64MiB"),
        (1, 2, f"about 80 s left: {second.name}: {second.by} at 64MiB"),
        (0, 2, f"about 20 s left: {first.name}: {first.by} at 64MiB"),
        (0, 2, f"about 2 min left: {first.name}: {first.by} at 64MiB"),
    ]
    assert _under_way(tasks, [], replace(request, progress=None)) is None
