"""What an InfiniBand dump knows beyond the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Ints

if TYPE_CHECKING:
    from topologies.routing.tables import ForwardingTables


@dataclass(frozen=True, eq=False)
class IbShape:
    """What the routes of a fabric that was read from a dump need.

    `guid` uint64[nodes] (port guid of an endpoint, node guid of a switch), `lid` int32[endpoints], `host` the host name of each
    endpoint, `port` int32[links]: the port that a link leaves its source by. `tables` None where no tables were read.
    """

    guid: NDArray[np.uint64]
    lid: Ints
    host: tuple[str, ...]
    port: Ints
    tables: ForwardingTables | None = None
