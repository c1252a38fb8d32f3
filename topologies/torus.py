"""Torus and mesh of any number of dimensions: direct networks, in which the endpoints themselves pass messages on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Len

from topologies.fabric import Fabric
from topologies.params import Bandwidth, Duration, check, check_size

Dims = Annotated[list[Annotated[int, Ge(2)]], Len(1, 8)]


@dataclass(frozen=True)
class Torus:
    """The shape, and its arithmetic. Arguments may be arrays.

    Nodes are numbered as numpy numbers an array of shape `dims`, the last dimension fastest: node = Σ_d x_d · stride[d].
    Cable `first_cable[d] + …` (see `cable`) leads from a node one step up in dimension d; its link 2c runs up, 2c+1 down.
    """

    dims: tuple[int, ...]
    wrap: bool  #: True for a torus, False for a mesh

    @property
    def n_nodes(self) -> int:
        return prod(self.dims)

    @cached_property
    def stride(self) -> tuple[int, ...]:
        """Distance in node numbers of two neighbours in dimension d."""
        return tuple(prod(self.dims[d + 1 :]) for d in range(len(self.dims)))

    @cached_property
    def span(self) -> tuple[int, ...]:
        """Positions in dimension d with a cable to the next: all where it wraps, else all but the last.

        Two nodes that wrapped would be joined twice: a dimension of size 2 has one cable in a torus too.
        """
        return tuple(size if self.wrap and size > 2 else size - 1 for size in self.dims)

    @cached_property
    def first_cable(self) -> tuple[int, ...]:
        """First cable of each dimension; then the number of cables."""
        starts = [0]
        for size, span in zip(self.dims, self.span, strict=True):
            starts.append(starts[-1] + self.n_nodes // size * span)
        return tuple(starts)

    def coordinate(self, node: Any, d: int) -> Any:
        return node // self.stride[d] % self.dims[d]

    def step(self, node: Any, d: int, by: int = 1) -> Any:
        """The node `by` steps up in dimension d, around the edge (in a mesh the caller stays inside)."""
        x = self.coordinate(node, d)
        return node + ((x + by) % self.dims[d] - x) * self.stride[d]

    def cable(self, node: Any, d: int) -> Any:
        """The cable from node to `step(node, d)`, for nodes at positions below span[d]."""
        block = self.stride[d] * self.dims[d]
        return self.first_cable[d] + node // block * (self.stride[d] * self.span[d]) + node % block


def torus(*, dims: Dims, link: Bandwidth = 50e9, latency: Duration = 500e-9) -> Fabric:
    """Torus of dims[0] × dims[1] × … endpoints, each joined to its two neighbours in every dimension, around the edges.

    hosts N = Π dims · switches 0 · cables Σ_d N (N/2 where dims[d] = 2: one cable, not two, joins a pair) ·
    ports 2 per dimension (1 where it is 2) · diameter Σ ⌊dims[d]/2⌋ · bisection 2N/k for the longest dimension k, even, > 2

    There are no switches: messages pass through the endpoints between. `link` is the speed of each cable per direction.
    Endpoint Σ_d x_d · Π dims[d+1:] sits at (x_0, x_1, …), labelled `h0.1`.
    Source: Dally and Towles, Principles and Practices of Interconnection Networks, 2004, chapter 5.

    >>> torus(dims=[4, 4])
    <Fabric torus(4x4): 16 endpoints, 0 switches, 32 cables>
    """
    check(torus, locals())
    return torus_fabric(f"torus({'x'.join(map(str, dims))})", Torus(tuple(dims), wrap=True), link, latency)


def mesh(*, dims: Dims, link: Bandwidth = 50e9, latency: Duration = 500e-9) -> Fabric:
    """Mesh: a torus without the cables around the edges.

    hosts N = Π dims · switches 0 · cables Σ_d N (dims[d] - 1) / dims[d] · ports at most 2 per dimension ·
    diameter Σ (dims[d] - 1) · bisection N/k for the longest dimension k, even

    Numbering and source as for the torus.

    >>> mesh(dims=[4, 4])
    <Fabric mesh(4x4): 16 endpoints, 0 switches, 24 cables>
    """
    check(mesh, locals())
    return torus_fabric(f"mesh({'x'.join(map(str, dims))})", Torus(tuple(dims), wrap=False), link, latency)


def torus_fabric(name: str, shape: Torus, link: float, latency: float) -> Fabric:
    """The fabric of a shape: cables dimension by dimension, in each by the node that they lead up from."""
    check_size(name, max(shape.n_nodes, shape.first_cable[-1]))
    nodes = np.arange(shape.n_nodes)
    dimensions = range(len(shape.dims))
    low = [nodes[shape.coordinate(nodes, d) < shape.span[d]] for d in dimensions]
    high = [shape.step(low[d], d) for d in dimensions]
    return Fabric.build(
        name,
        shape.n_nodes,
        (np.concatenate(low), np.concatenate(high)),
        link,
        latency,
        np.zeros(shape.n_nodes),
        label_of=lambda v: "h" + ".".join(str(x) for x in _position(shape, v)),
        tier_names=("host",),
        shape=shape,
        default_router="dimension-order",
        faulted_router="min-hop",
    )


def _position(shape: Torus, node: int) -> Sequence[int]:
    return [shape.coordinate(node, d) for d in range(len(shape.dims))]
