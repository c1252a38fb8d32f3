"""Which way messages go. `router` makes the router of a kind for a fabric; each kind is a factory in ROUTERS."""

from __future__ import annotations

from typing import Any

from topologies import ROUTERS
from topologies.fabric import Fabric
from topologies.paths import Router


def router(fabric: Fabric, kind: str | None = None, **parameters: Any) -> Router:
    """The router of this kind for the fabric (the fabric's own default for None).

    In a fabric with servers the kind says how the network between them routes; inside a server there is one way.
    Raises UnknownKind, and InputError where the fabric is not of the sort that the kind needs.
    """
    from topologies.routing.servers import ServerRouter
    from topologies.server import ServerShape

    if isinstance(fabric.shape, ServerShape):
        return ServerRouter(fabric, router(fabric.shape.network, kind, **parameters))
    made: Router = ROUTERS.load(kind or fabric.default_router)(fabric, **parameters)
    return made
