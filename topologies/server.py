"""Servers: GPUs, NVLink, PCIe, NICs around the endpoints of any network. (The router of a fabric with servers comes with it.)"""

from __future__ import annotations

from dataclasses import dataclass

from topologies.fabric import Fabric, Ints
from topologies.paths import Paths, Router


@dataclass(frozen=True, eq=False)
class ServerShape:
    """What `with_servers` built: the network whose endpoints became NICs, and how many of what each server has.

    Cable ids of the network stay as they are in the whole fabric; the servers' cables follow them.
    """

    network: Fabric
    gpus: int
    nics: int


@dataclass(frozen=True, eq=False)
class ServerRouter:
    """Routes GPU → NIC → network → NIC → GPU; inside a server over NVLink."""

    fabric: Fabric
    network: Router

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        raise NotImplementedError
