"""A binary heap of (time, id) that can find and move its members: events in order, ties by id."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topologies.jit import inner_kernel

NODE = np.dtype([("key", "f8"), ("item", "i4")], align=True)


class Heap(NamedTuple):
    """`nodes[0..size[0]-1]` in heap order; `where[id]` is an id's place, -1 when absent."""

    nodes: NDArray[np.void]
    where: NDArray[np.int32]
    size: NDArray[np.int64]


def empty_heap(ids: int) -> Heap:
    """A heap with room for the ids 0..ids-1."""
    return Heap(np.empty(ids, NODE), np.full(ids, -1, np.int32), np.zeros(1, np.int64))


@inner_kernel
def put(heap: Heap, item: Any, key: Any) -> None:
    """Insert `item` at time `key`, or move it there."""
    number, at = np.int64(item), np.int64(heap.where[item])  # of one width, so that the rest is compiled once
    if at < 0:
        at = heap.size[0]
        heap.size[0] += 1
        heap.nodes[at].key = np.inf
    if key < heap.nodes[at].key:
        _rise(heap.nodes, heap.where, number, key, at)
    else:
        _sink(heap.nodes, heap.where, heap.size[0], number, key, at)


@inner_kernel
def pop(heap: Heap) -> Any:
    """Remove and return the earliest item."""
    nodes, where = heap.nodes, heap.where
    first = nodes[0].item
    where[first] = -1
    heap.size[0] -= 1
    if heap.size[0] > 0:
        last = nodes[heap.size[0]]
        _sink(nodes, where, heap.size[0], np.int64(last.item), last.key, np.int64(0))
    return first


@inner_kernel
def take_due(heap: Heap, horizon: Any, out: Any) -> Any:
    """Remove all items up to time `horizon` into `out`; returns how many.

    A few are popped one by one; a good part of the heap is cut out at once, and the rest put in order anew. A good part of all
    ids comes out in their order, which is that of the memory that the caller will go through.
    """
    nodes, where = heap.nodes, heap.where
    size, n, looked = heap.size[0], 0, 0
    if size > 0 and nodes[0].key <= horizon:
        out[0] = 0
        n = 1
    while looked < n:  # out holds places: a child can only be due if its parent is
        for child in range(2 * out[looked] + 1, min(2 * out[looked] + 3, size)):
            if nodes[child].key <= horizon:
                out[n] = child
                n += 1
        looked += 1
    if n * 8 < size or n < 8:
        for i in range(n):
            out[i] = pop(heap)
        return n
    for i in range(n):
        out[i] = nodes[out[i]].item
        where[out[i]] = -1
    kept = 0
    for at in range(size):
        item, key = nodes[at].item, nodes[at].key
        if where[item] >= 0:
            nodes[kept].item, nodes[kept].key = item, key
            where[item] = kept
            kept += 1
    heap.size[0] = kept
    put_in_order(heap)
    if n * 8 > len(where):
        _sort_ids(out, n, where)
    return n


@inner_kernel
def _sort_ids(out: Any, n: Any, where: Any) -> None:
    """Put ids that are in no heap in ascending order, by marking their places."""
    for i in range(n):
        where[out[i]] = -2
    at = 0
    for item in range(len(where)):
        if where[item] == -2:
            where[item] = -1
            out[at] = item
            at += 1


@inner_kernel
def put_anywhere(heap: Heap, item: Any, key: Any) -> None:
    """Insert an item, or change its time, without regard to order: `put_in_order` must follow before anything else is asked."""
    at = heap.where[item]
    if at < 0:
        at = heap.size[0]
        heap.size[0] += 1
        heap.where[item] = at
    heap.nodes[at].key, heap.nodes[at].item = key, item


@inner_kernel
def put_in_order(heap: Heap) -> None:
    """Make a heap of the nodes as they lie."""
    for at in range(heap.size[0] // 2 - 1, -1, -1):
        _sink(heap.nodes, heap.where, heap.size[0], np.int64(heap.nodes[at].item), heap.nodes[at].key, at)


@inner_kernel
def _rise(nodes: Any, where: Any, item: Any, key: Any, at: Any) -> None:
    while at > 0:
        up = nodes[(at - 1) >> 1]
        if up.key < key or (up.key == key and up.item < item):
            break
        nodes[at].key, nodes[at].item = up.key, up.item
        where[up.item] = at
        at = (at - 1) >> 1
    nodes[at].key, nodes[at].item = key, item
    where[item] = at


@inner_kernel
def _sink(nodes: Any, where: Any, size: Any, item: Any, key: Any, at: Any) -> None:
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size:
            a, b = nodes[child + 1], nodes[child]
            if a.key < b.key or (a.key == b.key and a.item < b.item):
                child += 1
        below = nodes[child]
        if key < below.key or (key == below.key and item < below.item):
            break
        nodes[at].key, nodes[at].item = below.key, below.item
        where[below.item] = at
        at = child
    nodes[at].key, nodes[at].item = key, item
    where[item] = at
