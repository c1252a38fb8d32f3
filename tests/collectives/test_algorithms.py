"""Every row of ALGORITHMS, every operation and rank count it claims: proved, replayed on buffers, held to its contract."""

import numpy as np
import pytest
from algorithm_contracts import PROMISES, claimed, settings

from collectives import ALGORITHMS
from collectives.algorithm import ops_of
from collectives.checks import check, check_buffers
from collectives.collective import Collective, Op
from collectives.compose import mirrored, renumbered
from collectives.schedule import one_channel
from topologies.errors import InputError

RANKS = [*range(1, 18), 24, 32]
ROWS = [(kind, op) for kind in ALGORITHMS for op in ops_of(ALGORITHMS.load(kind))]
M = 1e6


def each(kind, op, p, root=0):
    collective = Collective(op, p, M, root)
    for parameters in settings(kind, op, p):
        yield parameters, ALGORITHMS.load(kind)(collective, **parameters)


def test_every_algorithm_has_a_contract():
    assert set(PROMISES) == set(ALGORITHMS)


@pytest.mark.parametrize("p", RANKS)
@pytest.mark.parametrize(("kind", "op"), ROWS)
def test_delivers_in_the_steps_and_bytes_it_promises(kind, op, p):
    if not claimed(kind, op, p):
        with pytest.raises(InputError, match=f"{p} ranks: needs a power of two; use "):
            next(each(kind, op, p))
        return
    rng = np.random.default_rng(p)
    for parameters, schedule in each(kind, op, p, root=p // 3):
        check(schedule)
        # what a rank does not have yet is noise here, so that nothing comes out right by luck
        check_buffers(schedule, rng.integers(-(2**62), 2**62, (p, schedule.n_chunks)))
        steps, sent = PROMISES[kind](op, p, **parameters)
        assert (schedule.n_steps, schedule.bytes_sent().max() / M) == (steps, pytest.approx(sent)), parameters
        assert schedule.algorithm == kind


@pytest.mark.parametrize(("kind", "op"), ROWS)
def test_sums_floating_point_vectors_as_numpy_does(kind, op):
    rng = np.random.default_rng(7)
    for _, schedule in each(kind, op, 8, root=5):
        check_buffers(schedule, rng.standard_normal((8, schedule.n_chunks, 3)), tolerance=1e-14)


@pytest.mark.parametrize("kind", [kind for kind, op in ROWS if op is Op.ALL_GATHER])
@pytest.mark.parametrize("p", [5, 8, 12])
def test_an_all_gather_backwards_is_a_reduce_scatter(kind, p):
    for _, gather in each(kind, Op.ALL_GATHER, p) if claimed(kind, Op.ALL_GATHER, p) else ():
        collective = Collective(Op.REDUCE_SCATTER, p, M)
        for channel in gather.channels:
            explicit = renumbered(collective, list(channel.rounds), np.arange(channel.n_chunks), kind)
            check(one_channel(collective, mirrored(explicit), channel.n_chunks, kind))


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_other_operations_are_refused_with_those_it_does(kind):
    algorithm = ALGORITHMS.load(kind)
    parameters = next(settings(kind, ops_of(algorithm)[0], 4))
    for op in set(Op) - set(ops_of(algorithm)):
        with pytest.raises(InputError, match=f"^{kind}: cannot do {op.value}; does {ops_of(algorithm)[0].value}"):
            algorithm(Collective(op, 4, M), **parameters)


@pytest.mark.parametrize("kind", ["ring", "halving-doubling", "swing", "double-binary-tree", "pairwise-xor", "bruck", "direct"])
def test_delivers_to_64_and_to_130_ranks(kind):
    """130: contributions beyond one machine word."""
    for p in (64, 130):
        op = ops_of(ALGORITHMS.load(kind))[0]
        if claimed(kind, op, p) and not (op is Op.ALL_TO_ALL and p > 64):
            check(ALGORITHMS.load(kind)(Collective(op, p, M)))


@pytest.mark.parametrize(
    ("kind", "ranks", "parameters", "message"),
    [
        ("hierarchical", 12, {"server_size": 8}, "hierarchical: server_size 8: does not divide 12 ranks"),
        ("hierarchical", 12, {"server_size": 4}, "hierarchical: inter: halving-doubling: 3 ranks: .* use rabenseifner"),
        ("hierarchical", 8, {"server_size": 0}, "hierarchical: server_size 0: must be at least 1"),
        ("hierarchical", 8, {"inter": "rign"}, "hierarchical: inter: unknown algorithm 'rign', did you mean 'ring'"),
        ("hierarchical", 8, {"inter": "multi-ring"}, "hierarchical: inter: multi-ring has 2 channels; use an algorithm of one"),
        ("hierarchical", 8, {"inter": "torus-2d"}, "hierarchical: inter: torus-2d: has parameters that must be given"),
        ("hierarchical", 8, {"local": "swing", "server_size": 8}, None),
        ("multi-ring", 8, {"channels": 0}, "multi-ring: channels 0: must be at least 1"),
        ("multi-ring", 9, {"server_size": 2}, "multi-ring: server_size 2: does not divide 9 ranks"),
        ("ring", 8, {"chunks": 4}, "ring: chunks 4: only broadcast and reduce are pipelined"),
        ("binomial-tree", 8, {"chunks": 0}, "binomial-tree: chunks 0: must be at least 1"),
        ("torus-2d", 12, {"x": 5, "y": 2}, "torus-2d: 5 x 2 = 10, not the 12 ranks; choose factors of 12"),
        ("blueconnect", 12, {"factors": []}, "blueconnect: .*not the 12 ranks"),
        ("blueconnect", 4, {"factors": [-2, -2]}, "blueconnect: -2 x -2 = 4"),
        ("parameter-server", 4, {"servers": 5}, "parameter-server: servers 5: more than the 4 ranks"),
        ("direct", 65_536, {}, "direct: all-reduce over 65536 ranks makes 4.3e.09 separate pieces"),
    ],
)
def test_parameters_that_do_not_fit_say_what_to_do(kind, ranks, parameters, message):
    make = ALGORITHMS.load(kind)
    if message is None:
        check(make(Collective(Op.ALL_REDUCE, ranks, M), **parameters))
        return
    with pytest.raises(InputError, match=message):
        make(Collective(Op.ALL_REDUCE, ranks, M), **parameters)
