"""A binary heap of (time, id) that can find and move its members: events in order, ties by id."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray


class Heap(NamedTuple):
    """`items[0..size[0]-1]` are ids in heap order of (key[id], id); `where[id]` is an id's position, -1 when absent."""

    items: NDArray[np.int32]
    where: NDArray[np.int32]
    key: NDArray[np.float64]
    size: NDArray[np.int64]


def empty_heap(ids: int) -> Heap:
    """A heap with room for the ids 0..ids-1."""
    return Heap(np.empty(ids, np.int32), np.full(ids, -1, np.int32), np.zeros(ids), np.zeros(1, np.int64))


@numba.njit(cache=True, nogil=True)
def put(heap, item, key):  # type: ignore[no-untyped-def]
    """Insert `item` at time `key`, or move it there."""
    at = heap.where[item]
    if at < 0:
        at = heap.size[0]
        heap.size[0] += 1
    heap.key[item] = key
    _rise(heap, item, at)
    _sink(heap, item, heap.where[item])


@numba.njit(cache=True, nogil=True)
def pop(heap):  # type: ignore[no-untyped-def]
    """Remove and return the earliest item."""
    first = heap.items[0]
    heap.where[first] = -1
    heap.size[0] -= 1
    if heap.size[0] > 0:
        last = heap.items[heap.size[0]]
        heap.where[last] = 0
        heap.items[0] = last
        _sink(heap, last, 0)
    return first


@numba.njit(cache=True, nogil=True)
def _before(heap, a, b):  # type: ignore[no-untyped-def]
    return heap.key[a] < heap.key[b] or (heap.key[a] == heap.key[b] and a < b)


@numba.njit(cache=True, nogil=True)
def _rise(heap, item, at):  # type: ignore[no-untyped-def]
    while at > 0:
        up = (at - 1) >> 1
        if not _before(heap, item, heap.items[up]):
            break
        heap.items[at] = heap.items[up]
        heap.where[heap.items[at]] = at
        at = up
    heap.items[at] = item
    heap.where[item] = at


@numba.njit(cache=True, nogil=True)
def _sink(heap, item, at):  # type: ignore[no-untyped-def]
    while True:
        child = 2 * at + 1
        if child >= heap.size[0]:
            break
        if child + 1 < heap.size[0] and _before(heap, heap.items[child + 1], heap.items[child]):
            child += 1
        if not _before(heap, heap.items[child], item):
            break
        heap.items[at] = heap.items[child]
        heap.where[heap.items[at]] = at
        at = child
    heap.items[at] = item
    heap.where[item] = at
