"""Files with measurements: what nccl-tests, OSU benchmarks and netsim itself write is read back, and nothing else is."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.collective import Collective, Op
from netsim.scenario import load
from topologies.errors import InputError
from validate.from_file import file_outcome
from validate.measured import Saved, as_saved, read_measurement, saved, stamped
from validate.measurement import Measured, Measurement
from validate.predict import predict
from validate.request import Outcome, Request, rows

FIXTURES = Path(__file__).parents[1] / "fixtures"
NCCL, OLD, JSON, OSU = (
    FIXTURES / name
    for name in (
        "nccl_tests_all_reduce.txt",
        "nccl_tests_all_gather_old.txt",
        "nccl_tests_all_reduce.json",
        "osu_collectives.txt",
    )
)
TITLES = "#  size  count  type  redop  root  time  algbw  busbw  #wrong  time  algbw  busbw  #wrong\n"
SCENARIO = {"fabric": {"kind": "fat-tree", "k": 4}, "ranks": 4, "collective": {"op": "all-reduce", "size": "1MiB"}}


def request(maps: int = 0, **changes) -> Request:
    scenario = load(SCENARIO | changes)
    return Request(scenario, rows(scenario, maps))


def test_nccl_tests_text():
    read = read_measurement(NCCL)
    assert [(row.bytes, row.seconds, row.in_place) for row in read.rows] == [
        (size, (pytest.approx(us / 1e6),), in_place)
        for size, times in ((2**20, (51.2, 50.1)), (2**21, (93.4, 92.8)), (2**22, (178.0, 177.1)))
        for us, in_place in zip(times, (False, True), strict=True)
    ]
    assert {(row.op, row.ranks, row.redop, row.root, row.dtype, row.wrong) for row in read.rows} == {
        ("all-reduce", 4, "sum", -1, "float", 0)
    }
    assert read.where == {"devices": "4 x NVIDIA H100 80GB HBM3", "hosts": "node01, node02"}
    assert read.notes == ()


def test_older_nccl_tests_name_neither_test_nor_operation():
    read = read_measurement(OLD, op="all-gather")
    assert [row.bytes for row in read.rows] == [2**20] * 2 + [2**21] * 2
    assert {(row.op, row.ranks, row.redop, row.root, row.wrong) for row in read.rows} == {("all-gather", 2, "none", -1, None)}
    assert read.notes == ("1 row of 0 bytes left out",)
    with pytest.raises(InputError, match=r":11: the row looks like all-gather or all-to-all: the file does not name its test"):
        read_measurement(OLD)
    with pytest.raises(InputError, match=r":11: the row looks like all-gather or all-to-all, not all-reduce$"):
        read_measurement(OLD, op="all-reduce")


def test_nccl_tests_json_says_what_its_text_says():
    text, read = read_measurement(NCCL), read_measurement(JSON)
    assert read.rows[:2] == text.rows[:2]
    assert read.rows[2].seconds == pytest.approx((92e-6, 93e-6, 94e-6))  # each iteration but the first, which it skips
    assert (read.rows[2].wrong, read.date, read.where["nccl"]) == (None, "2026-09-14 10:11:12", "2.28.9")
    assert {row.ranks for row in read.rows} == {4}  # two processes of two GPUs


def test_osu_counts_what_one_rank_gives():
    read = read_measurement(OSU, ranks=4)
    assert [(row.op, row.bytes, row.seconds[0], row.dtype, row.wrong) for row in read.rows] == [
        ("all-reduce", 2**20, pytest.approx(1221.8e-6), "float", None),  # the slowest rank's, where it is printed
        ("all-reduce", 2**21, pytest.approx(2402.4e-6), "float", None),
        ("all-to-all", 4 * 2**16, pytest.approx(310.4e-6), "char", None),
        ("all-to-all", 4 * 2**17, pytest.approx(604.9e-6), "char", None),
        ("all-gather", 4 * 2**18, pytest.approx(880.7e-6), "char", 0),
    ]
    assert read.where == {"benchmark": "OSU MPI 7.5, OSU MPI-CUDA 5.9"}
    with pytest.raises(InputError, match=r":5: OSU benchmarks do not print how many ranks there were"):
        read_measurement(OSU)


def test_outputs_one_after_another_are_runs_of_one_row(tmp_path: Path):
    twice = tmp_path / "twice.txt"
    twice.write_text(NCCL.read_text() + NCCL.read_text().replace("51.20", "52.20"))
    read = read_measurement(twice)
    assert len(read.rows) == 6
    assert read.rows[0].seconds == pytest.approx((51.2e-6, 52.2e-6))


@pytest.mark.parametrize("label", ["0: ", "[1,0]<stdout>:", "\t"])
def test_labels_of_launchers_are_no_part_of_a_line(tmp_path: Path, label: str):
    for source in (NCCL, OSU):
        labelled = tmp_path / source.name
        labelled.write_text("".join(label + line for line in source.read_text().splitlines(keepends=True)))
        assert read_measurement(labelled, ranks=4) == read_measurement(source, ranks=4)


ROW = st.tuples(st.integers(1, 2**40), st.integers(10, 10**8), st.sampled_from(["0", "N/A", "1e+06"]))


@given(st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row[0]), st.sampled_from(list(Op)), st.integers(2, 6))
@settings(deadline=None, max_examples=40)
def test_a_table_of_nccl_tests_reads_back(tmp_path_factory, table, op: Op, ranks: int):
    """Times have two decimals of a microsecond there."""
    redop = "sum" if op in (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.REDUCE) else "none"
    root = 1 if op in (Op.BROADCAST, Op.REDUCE) else -1
    program = {Op.ALL_TO_ALL: "alltoall"}.get(op, op.value.replace("-", "_"))
    lines = [f"# Collective test starting: {program}_perf", "# nThread 1 nGpus 1"]
    lines += [f"#  Rank {n:2d} Group  0 Pid 4242 on node01 device {n:2d} [0000:04:00] GPU" for n in range(ranks)]
    lines.append(TITLES.strip())
    for size, hundredths, wrong in table:
        rate = size / hundredths / 10
        side = f"{hundredths / 100:7.2f} {rate:6.2f} {rate * Collective(op, ranks, size).bus_factor:6.2f} {wrong:>6}"
        lines.append(f"{size:12d} {size // 4:12d} float {redop:>6} {root:6d} {side} {side}")
    path = tmp_path_factory.mktemp("nccl") / "table.txt"
    path.write_text("\n".join(lines) + "\n")
    expected = tuple(
        Measured("", "", op.value, size, ranks, (pytest.approx(h / 1e8),), {"N/A": None, "0": 0}.get(wrong, 10**6), (), redop)
        for size, h, wrong in table
    )
    both = tuple(replace(row, root=root, in_place=place) for row in expected for place in (False, True))
    assert read_measurement(path).rows == both


NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
SECONDS = st.floats(1e-9, 1e6)
OWN = st.builds(
    Measured,
    name=NAMES.filter(bool),
    by=NAMES,
    op=st.sampled_from([op.value for op in Op]),
    bytes=st.floats(1, 1e15),
    ranks=st.integers(1, 10**6),
    seconds=st.lists(SECONDS, min_size=1, max_size=4).map(tuple),
    wrong=st.none() | st.integers(0, 10**9),
    doubts=st.lists(NAMES, max_size=2).map(tuple),
)


@given(st.lists(OWN, min_size=1, max_size=3).map(tuple), st.integers(0, 4))
@settings(deadline=None, max_examples=30)
def test_what_netsim_saves_reads_back(tmp_path_factory, measured, maps: int):
    path = tmp_path_factory.mktemp("own") / "saved.json"
    outcome = Outcome(Measurement("mpi", measured, "2026-10-01", {"mpi": "MPICH"}, "abc", ("a note",)), (1.5,) * len(measured))
    path.write_text(as_saved(outcome, request(maps)))
    assert read_measurement(path) == outcome.measurement
    assert saved(path) == Saved(outcome.predicted, maps, ())


@given(st.sampled_from([NCCL, OLD, JSON, OSU]), st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_file_gives_rows_or_one_line(tmp_path_factory, source: Path, data):
    raw = bytearray(source.read_bytes())
    raw = raw[: data.draw(st.integers(0, len(raw)), "cut")]
    for _ in range(data.draw(st.integers(0, 2), "changes") if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / source.name
    path.write_bytes(bytes(raw))
    read, error = (), ""
    try:
        read = read_measurement(path, ranks=4, op="all-gather").rows
    except InputError as told:
        error = str(told)
    assert read or (error.startswith(str(path)) and "\n" not in error)
    assert all(second > 0 for row in read for second in row.seconds)


ROWS = "1048576 262144 float sum -1 51.20 20.48 30.72 0 50.10 20.93 31.39 0\n"
DEVICE = '{"devices": [{"rank": 0, "hostname": "n", "device_info": "GPU"}]}'
OWN = (
    '{"format": "netsim-measurement/1", "on": "mpi", "where": W, "rows": [{"name": "a", "by": "ring", "op": "all-reduce", '
    '"bytes": 4096, "ranks": 4, "seconds": [1.0], "in_place": P}]}'
)
RANK = "#  Rank  0 Group  0 Pid 1 on node01 device  0 [0000:04:00] GPU\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r": empty; a measurement is"),
        (" \n\t\n", r": empty; a measurement is"),
        (b"\x89PNG\r\n\x1a\n\xff", r":1: not text"),
        (b"# nThread\n\0", r":2: not text: a NUL"),
        ("hello\n", r":1: not a measurement; known: what netsim validate --save wrote"),
        ("# netsim 0.1.0   scenario x\n", r": a table of netsim, not a measurement"),
        ('{"version": "netsim 0.1.0", "results": []}', r": a report of netsim, not a measurement"),
        ('{"version": 3,', r":1:15: not JSON: .*; was the file cut off\?"),
        ("[1, 2]", r":1: not a measurement; known"),
        ('{"a": 1}', r": JSON, but no measurement"),
        ('{"version": 3, "results": [], "config": {"devices": [{"rank": 0}]}}', r": config: not as nccl-tests write it"),
        ('{"version": 3, "results": []}', r": config.devices: does not say how many ranks"),
        ('{"version": 3, "results": [{"count": 1}], "config": %s}', r"results\[0\].size: missing"),
        (
            '{"version": 3, "results": [{"size": 4, "root": "0", "out_of_place": {"time": "nan"}}], "config": %s}',
            r"alg_bw: missing",
        ),
        ('{"version": 3, "results": [{"size": "x"}], "config": %s}', r"results\[0\]: size 'x': not a number"),
        ('{"version": 3, "results": [], "args": ["./sendrecv_perf"]}', r"sendrecv_perf: not a collective that netsim predicts"),
        ('{"version": 3, "results": 4, "config": %s}', r": results: no rows"),
        ('{"version": 3, "results": [{"size": -4}], "config": %s}', r"results\[0\]: size -4: must be from 0"),
        ('{"version": 3, "results": [], "args": {"0": "all_reduce_perf"}}', r": args: must be the words of the command line"),
        ('{"version": 3, "results": [], "config": {"devices": [], "nthreads": "x"}}', r": config: not as nccl-tests write it"),
        ('{"version": 3, "results": [], "config": %s}'.replace("%s", DEVICE.replace("0", '"a"')), r": config: not as nccl-tests"),
        ('{"version": 3, "results": [{"size": 0, "out_of_place": 5}], "config": %s}', r": no rows"),
        ('{"version": ' + "9" * 5000 + "}", r": not a measurement: a number of thousands of digits"),
        (OWN.replace("W", "[]").replace("P", "true"), r": on, date, where, scenario_id, notes: not what"),
        (OWN.replace("W", "{}").replace("P", "null"), r": rows\[0\]: not a row of a measurement"),
        (OWN.replace("W", "{}").replace("P", "true").replace("4096", "1e300"), r": rows\[0\]: 1e\+300 bytes on 4 ranks"),
        ('{"format": "netsim-measurement/2"}', r": format: 'netsim-measurement/2'; a measurement says"),
        ('{"format": "netsim-measurement/1", "on": "mpi"}', r": not a whole measurement: 'rows'"),
        ('{"format": "netsim-measurement/1", "on": "mpi", "rows": []}', r": rows: there is none"),
        (
            '{"format": "netsim-measurement/1", "on": "mpi", "rows": [{"seconds": ["x"]}]}',
            r": not a whole measurement: could not",
        ),
        ("# nThread 1\n", r":1: no rows; expected a line for each size"),
        (RANK + "# nThread 1\n" + ROWS, r":3: a row before the line of titles"),
        (TITLES + RANK + "1048576 262144 float sum\n", r":3: 4 columns, expected 13: size, count"),
        (TITLES + RANK + ROWS.replace("51.20", "5l.20"), r":3: time '5l.20': not a number"),
        (TITLES + RANK + ROWS.replace("51.20", "0.00"), r":3: time 0.00: must be a positive number"),
        (TITLES + RANK + ROWS.replace("1048576", "1048576.5"), r":3: size 1048576.5: must be a whole number"),
        (TITLES + ROWS, r":2: no lines '# Rank"),
        (TITLES.replace(" time", "") + RANK, r":1: not a measurement"),
        (TITLES.replace("busbw", "bus") + RANK + ROWS, r":3: busbw '-': not a number"),
        (TITLES + "# Collective test starting: sendrecv_perf\n", r":2: sendrecv_perf: not a collective that netsim predicts"),
        (
            "# OSU MPI Bandwidth Test v7.5\n",
            r":1: OSU Bandwidth Test: not a collective that netsim predicts; these are: Allreduce",
        ),
        ("# OSU MPI Allreduce Latency Test v7.5\n1 2\n", r":2: a row before the line of titles"),
        ("# OSU MPI Allreduce Latency Test\n# Size   Overall(us)\n", r":2: no column Avg Latency\(us\)"),
        ("# OSU MPI Allreduce Latency Test\n# Size   Avg Latency(us)\n", r":2: no rows"),
        ("# OSU MPI Allreduce Latency Test\n# Size   Avg Latency(us)\n4\n", r":3: 1 columns, expected 2"),
        ("# OSU MPI Allreduce Latency Test\n# Size   Avg Latency(us)\n4 4,5\n", r":3: latency '4,5': not a number"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str | bytes, told: str):
    path = tmp_path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.replace("%s", DEVICE).encode())
    osu = isinstance(text, str) and "OSU" in text
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}(:.*)?{told}") as raised:
        read_measurement(path, ranks=4 if osu else 0)
    assert "\n" not in str(raised.value)


def test_the_file_decides_which_sizes_are_compared():
    asked = request(collective={"op": "all-reduce", "size": ["1MiB", "64MiB"]})
    outcome = file_outcome(asked, NCCL)
    measured = outcome.measurement.rows
    assert [row.bytes for row in measured] == [size for size in (2**20, 2**21, 2**22) for _ in range(2)]
    assert {row.name for row in measured} == {asked.rows[0].name}
    assert outcome.predicted == tuple(predict(asked.rows[0], size=row.bytes) for row in measured)
    assert outcome.measurement.notes == ("sizes of the scenario that the file lacks: 64MiB",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ranks": 8}, r"ranks: 4 in the file, 8 in scenario: fat-tree\(k=4\)"),
        ({"collective": {"op": "all-gather", "size": "1MiB"}}, r"all-reduce: scenario has all-gather"),
    ],
)
def test_a_file_of_something_else_is_told(changes, told: str):
    with pytest.raises(InputError, match=told):
        file_outcome(request(**changes), NCCL)


def test_rows_of_other_operations_are_left_out():
    outcome = file_outcome(request(collective={"op": "all-to-all", "size": "1MiB"}), OSU)
    assert [row.bytes for row in outcome.measurement.rows] == [2**18, 2**19]
    assert outcome.measurement.notes[-1] == "rows of the file left out: all-reduce, all-gather"


def test_a_file_of_several_operations_of_a_scenario_of_several():
    """Rows whose test is not named are of the operation of the scenario that they look like; what no case uses is left out."""

    def of(*ops: str, **changes) -> Request:
        return request(compare=[{"name": op, "collective": {"op": op, "size": "1MiB"}} for op in ops], **changes)

    outcome = file_outcome(of("all-reduce", "all-to-all"), OSU)
    assert [row.op for row in outcome.measurement.rows] == ["all-reduce"] * 2 + ["all-to-all"] * 2
    assert outcome.measurement.notes[-1] == "rows of the file left out: all-gather"
    assert {row.op for row in file_outcome(of("all-reduce", "all-gather", ranks=2), OLD).measurement.rows} == {"all-gather"}


def test_what_osu_finds_wrong_is_wrong(tmp_path: Path):
    path = tmp_path / "osu.txt"
    columns = "# Size   Avg Latency(us)   Validation"
    path.write_text(f"# OSU MPI Allreduce Latency Test v7.5\n{columns}\n4   1.0   Pass\n8   1.0   Fail\n0   1.0   Pass\n")
    read = read_measurement(path, ranks=4)
    assert [(row.bytes, row.wrong, len(row.doubts)) for row in read.rows] == [(4, 0, 0), (8, 1, 1)]
    assert "1 row of 0 bytes left out" in read.notes


def test_what_was_saved_is_held_against_its_own_scenario(tmp_path: Path):
    asked = request()
    row = asked.rows[0]
    measured = Measured(row.name, row.by, "all-reduce", 2.0**18, 4, (0.3, 0.31))
    path = tmp_path / "saved.json"
    for on, predicted in (("mpi", predict(row, size=2**18)), ("emulated", 0.29)):  # of a scaled fabric only the run knew
        path.write_text(as_saved(stamped(Outcome(Measurement(on, (measured,)), (0.29,)), asked), asked))
        assert file_outcome(asked, path).predicted == (predicted,)
    with pytest.raises(InputError, match=r"for scenario \w{12}, this is \w{12}: measure again"):
        file_outcome(request(overhead="1us"), path)
    path.write_text(path.read_text().replace(row.by, "ring"))
    with pytest.raises(InputError, match=r"rows\[0\]: fat-tree\(k=4\): ring: not in scenario, which has .*halving-doubling"):
        file_outcome(asked, path)
    data = json.loads(path.read_text())
    for wrong in ({"predicted": ["x"]}, {"predicted": [10**400]}, {"maps": -1}, {"maps": 10**9}):
        path.write_text(json.dumps(data | wrong))
        with pytest.raises(InputError, match="predicted, maps, native: not what netsim validate --save writes"):
            saved(path)
