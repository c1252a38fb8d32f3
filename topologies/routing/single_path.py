"""One path per flow: by the closed form where the fabric has one, by search where it has not."""

from __future__ import annotations

from collections.abc import Callable

from topologies.bigraph import BiGraph
from topologies.fabric import Fabric, Ints
from topologies.paths import Router
from topologies.pgft import Pgft
from topologies.routing.bigraph import BiGraphRouter
from topologies.routing.graph import GraphRouter
from topologies.routing.pgft import PgftRouter


def single_path(
    fabric: Fabric,
    rule: int,
    height: Callable[[Fabric], Ints] | None = None,
    *,
    seed: int = 0,
    polarised: bool = False,
) -> Router:
    """The router of a rule over shortest paths, or over those that never turn up again in the order that `height` makes.

    On a PGFT the two are the same. The closed forms equal the search link by link.
    """
    if fabric.intact and isinstance(fabric.shape, Pgft):
        return PgftRouter(fabric, rule, seed, polarised)
    if fabric.intact and isinstance(fabric.shape, BiGraph) and height is None:
        return BiGraphRouter(fabric, rule, seed, polarised)
    return GraphRouter(fabric, rule, height and height(fabric), seed, polarised)
