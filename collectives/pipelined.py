"""Pipelines along trees and chains: chunk after chunk over the same edges."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from collectives.schedule import Round
from topologies.fabric import Ints


def pipelined(src: Ints, dst: Ints, start: Ints, reduce: ArrayLike, chunks: int, first_chunk: ArrayLike = 0) -> list[Round]:
    """`chunks` chunks over every edge `src → dst`, chunk k of an edge in step `start + k`.

    Steps: max(start) + chunks. Steps between which no edge begins or ends are one round, repeated: at most twice as many rounds
    as there are different starts, however many chunks. `first_chunk` (per edge): where the edge's chunks begin.
    """
    reduce, first = np.broadcast_to(reduce, src.shape), np.broadcast_to(first_chunk, src.shape)
    changes = np.unique(np.concatenate([start, start + chunks]))
    rounds = []
    for begin, end in pairwise(changes.tolist()):
        on = np.flatnonzero((start <= begin) & (begin < start + chunks))
        chunk = first[on] + begin - start[on]
        rounds.append(Round(src[on], dst[on], chunk, 1, reduce[on], repeat=end - begin, shift=1))
    return rounds


def up_and_down(parent: Ints, child: Ints, start: Ints, chunks: int, first_chunk: ArrayLike = 0) -> list[Round]:
    """Reduce to the root and, chunk by chunk behind it, broadcast from it. `start`: the step of each edge in the broadcast.

    Steps: 2 (max(start) + 1) + chunks - 1, both directions of the edges at work at once.
    """
    if not len(parent):
        return []
    first = np.broadcast_to(first_chunk, parent.shape)
    depth = int(start.max()) + 1
    down = np.repeat([False, True], len(parent))
    return pipelined(
        np.concatenate([child, parent]),
        np.concatenate([parent, child]),
        np.concatenate([depth - 1 - start, depth + start]),
        ~down,
        chunks,
        np.concatenate([first, first]),
    )
