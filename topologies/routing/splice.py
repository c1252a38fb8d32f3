"""Paths made of parts: links before and after those that a router found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, frozen
from topologies.paths import Paths


def splice(fabric: Fabric, head: NDArray[Any], inside: NDArray[Any], inner: Paths | None, tail: NDArray[Any]) -> Paths:
    """Paths of n flows: flow i takes head[i], then its inner path if it has one, then tail[i].

    `head`, `tail` int[n, any]: link ids, -1 behind the last. `inside` int[]: the flows, ascending, that the rows of `inner` are
    for (its flow number j is flow inside[j]); None if there are none. The inner link ids are those of the fabric, and the inner
    rows keep their use and share of the bytes; the links around carry all bytes of the row, the latencies add up.
    """
    sub_flows = None if inner is None else inner.flow
    rows_of = np.ones(len(head), dtype=np.int64)
    if sub_flows is not None:
        rows_of[inside] = np.bincount(sub_flows, minlength=len(inside))
    flow = np.repeat(np.arange(len(head)), rows_of)
    front, back = (np.count_nonzero(ends >= 0, axis=1)[flow] for ends in (head, tail))
    length, latency = front + back, (_latency(fabric, head) + _latency(fabric, tail))[flow]
    offsets = np.zeros(len(flow) + 1, dtype=np.int64)
    use = share = width = None
    if inner is None:
        np.cumsum(length, out=offsets[1:])
        links = np.empty(offsets[-1], dtype=np.int32)
    else:
        is_inside = np.zeros(len(head), dtype=bool)
        is_inside[inside] = True
        rows, hops = np.flatnonzero(is_inside[flow]), np.diff(inner.offsets)
        length[rows] += hops
        latency[rows] += inner.latency
        np.cumsum(length, out=offsets[1:])
        links = np.empty(offsets[-1], dtype=np.int32)
        at = np.repeat(offsets[rows] + front[rows] - inner.offsets[:-1], hops) + np.arange(len(inner.links))
        links[at] = inner.links
        use = _spread(inner.use, at, len(links))
        share = _spread(inner.share, rows, len(flow))
        width = _spread(inner.width, at, len(links))
    _lay(links, offsets[:-1], front, head[flow])
    _lay(links, offsets[1:] - back, back, tail[flow])
    return Paths(
        frozen(offsets, np.int64),
        frozen(links, np.int32),
        frozen(latency, np.float64),
        use=use,
        flow=None if sub_flows is None else frozen(flow, np.int32),
        share=share,
        width=width,
    )


def _latency(fabric: Fabric, links: NDArray[Any]) -> NDArray[Any]:
    total: NDArray[Any] = np.where(links >= 0, fabric.latency[links], 0.0).sum(axis=1)
    return total


def _lay(links: NDArray[Any], start: NDArray[Any], count: NDArray[Any], ends: NDArray[Any]) -> None:
    """Write the first count[i] of ends[i] to links[start[i]:]; the loop runs over the few columns."""
    for column in range(ends.shape[1]):
        rows = np.flatnonzero(count > column)
        links[start[rows] + column] = ends[rows, column]


def _spread(values: NDArray[Any] | None, at: NDArray[Any], size: int) -> NDArray[Any] | None:
    """The values at their places among ones; None stands for all ones, before and after."""
    if values is None:
        return None
    out = np.ones(size, dtype=values.dtype)
    out[at] = values
    return frozen(out, values.dtype)
