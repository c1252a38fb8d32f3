"""2-D torus all-reduce: along the rows, along the columns, back along the rows."""

from collectives.algorithm import check_count, check_op, performs
from collectives.blueconnect import ring_levels
from collectives.collective import Collective, Op
from collectives.schedule import Schedule
from topologies.params import Count


@performs(Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.ALL_GATHER)
def torus_2d(collective: Collective, *, x: Count, y: Count) -> Schedule:
    """Ring reduce-scatter in each row of X ranks, ring all-reduce in each column of Y, ring all-gather in the rows. p = X Y.

    all-reduce: steps 2(X-1) + 2(Y-1), bytes sent per rank 2 M (X-1)/X + 2 M/X (Y-1)/Y = 2 M (p-1)/p. reduce-scatter and
    all-gather: half of both. Rank r stands at column r mod X, row r div X. (Mikami et al. 2018, arXiv 1811.05233.)
    """
    check_op(torus_2d, collective)
    check_count(torus_2d, x=x, y=y)
    return ring_levels(collective, (x, y), "torus-2d")
