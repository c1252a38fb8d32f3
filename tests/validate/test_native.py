"""What netsim takes the libraries' own all-reduces to be: right schedules, of the shape that the libraries' sources say."""

import pytest

from collectives.checks import check
from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from netsim.scenario import load
from topologies.errors import InputError
from validate.native import NATIVES, environment, native_rows, preorder_tree, rabenseifner_nearest_first
from validate.request import Row, rows


def all_reduce(ranks: int, nbytes: float = 4e6) -> Collective:
    return Collective(Op.ALL_REDUCE, ranks, nbytes)


@pytest.mark.parametrize("name", NATIVES)
@pytest.mark.parametrize("ranks", [1, 2, 3, 6, 8, 13])
def test_every_native_is_an_all_reduce(name, ranks):
    if name == "openmpi:rabenseifner" and ranks & (ranks - 1):
        with pytest.raises(InputError, match="power of two"):
            NATIVES[name].schedule(all_reduce(ranks))
    else:
        check(NATIVES[name].schedule(all_reduce(ranks)))


def test_mpichs_tree_is_numbered_in_preorder():
    (channel,) = preorder_tree(all_reduce(8)).channels
    down = [edge for r in channel.rounds if not r.reduce.any() for edge in zip(r.src.tolist(), r.dst.tolist(), strict=True)]
    assert down == [(0, 1), (0, 5), (0, 7), (1, 2), (1, 4), (5, 6), (2, 3)]  # the picture in treeutil.c, knomial_1
    up = [{(d, s) for s, d in zip(r.src.tolist(), r.dst.tolist(), strict=True)} for r in channel.rounds if r.reduce.any()]
    assert set().union(*up) == set(down)
    assert [len(edges) for edges in up] == [4, 2, 1]


def test_a_power_of_two_needs_no_folding():
    folded, plain = rabenseifner_nearest_first(all_reduce(8)), halving_doubling(all_reduce(8), nearest_first=True)
    for ours, theirs in zip(folded.all_rounds(), plain.all_rounds(), strict=True):
        for name in ("src", "dst", "chunk", "n_chunks", "reduce"):
            assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()
    assert rabenseifner_nearest_first(all_reduce(11)).n_steps == 2 * 3 + 2


def scenario_rows(**more: object) -> tuple[Row, ...]:
    fabric = {"kind": "fat-tree", "k": 4}
    collective = {"op": "all-reduce", "size": ["1MiB", "4MiB"]}
    return rows(load({"fabric": fabric, "ranks": 8, "collective": collective, **more}))


def test_one_native_row_for_each_job_and_size_whatever_its_algorithms():
    asked = scenario_rows(compare=[{"algorithm": "ring"}, {"algorithm": "halving-doubling"}])
    assert len(asked) == 4
    native = native_rows(asked, ["mpich:ring", "mpich:tree"])
    assert [(row.by, row.size) for row in native] == [
        ("mpich:ring", 1 << 20),
        ("mpich:tree", 1 << 20),
        ("mpich:ring", 4 << 20),
        ("mpich:tree", 4 << 20),
    ]
    assert [row.schedule.algorithm for row in native[:2]] == ["ring", "tree in preorder"]
    assert len({row.key for row in (*asked, *native)}) == 8
    assert len(native_rows(scenario_rows(compare=[{"placement": "identity"}, {"placement": "random"}]), ["mpich:ring"])) == 4


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("mpich:rings", {}, "did you mean 'mpich:ring'"),
        ("mpich:auto", {}, "native 'mpich:auto': not known"),
        ("openmpi:rabenseifner", {"ranks": 6}, "needs a power of two"),
        ("mpich:ring", {"collective": {"op": "all-gather", "size": "1MiB"}}, "mpich:ring: all-gather: .* for all-reduce"),
    ],
)
def test_what_has_no_native_row_is_told_in_a_line(name, more, message):
    with pytest.raises(InputError, match=message) as told:
        native_rows(scenario_rows(**more), [name])
    assert "\n" not in str(told.value)


def test_the_environment_names_the_algorithm_and_spares_shared_cores():
    assert environment("mpich:tree")["MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM"] == "tree"
    assert environment("openmpi:ring")["OMPI_MCA_coll_tuned_allreduce_algorithm"] == "4"
    for name in ("mpich:ring", "openmpi:ring"):
        assert environment(name).items() < environment(name, crowded=True).items()
    with pytest.raises(InputError, match="native 'nothing': not known"):
        environment("nothing")
