"""Routes through servers, around those of the network between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.fabric import Fabric, Ints
from topologies.paths import Paths, Router
from topologies.routing.splice import splice
from topologies.server import ServerShape


@dataclass(frozen=True, eq=False)
class ServerRouter:
    """Routes GPU → PCIe → NIC → network → NIC → PCIe → GPU; inside a server over NVLink, or PCIe where there is none."""

    fabric: Fabric
    network: Router

    def paths(self, src: Ints, dst: Ints, key: Ints) -> Paths:
        shape: ServerShape = self.fabric.shape
        at, to = src // shape.gpus, dst // shape.gpus
        remote = np.flatnonzero(at != to)
        inner, tail = None, np.full((len(src), 2), -1)
        head = self._local(src, dst)
        if len(remote):
            here, there = src[remote], shape.nic_of(dst[remote])
            out = at[remote] * shape.nics + there % shape.nics if shape.pxn else shape.nic_of(here)
            head[remote] = self._outwards(here, out)
            tail[remote] = np.stack([2 * shape.pcie_nic(there) + 1, 2 * shape.gpu_pcie(dst[remote]) + 1], axis=1)
            inner = self.network.paths(out.astype(np.int32), there.astype(np.int32), key[remote])
        return splice(self.fabric, head, remote, inner, tail)

    def _local(self, src: Ints, dst: Ints) -> NDArray[Any]:
        """Links from GPU to GPU of one server, int[flows, 4], -1 behind the last."""
        shape: ServerShape = self.fabric.shape
        if shape.nvlink:
            return _row(2 * shape.gpu_nvswitch(src), 2 * shape.gpu_nvswitch(dst) + 1)
        near, far = shape.nic_of(src), shape.nic_of(dst)
        up, down = 2 * shape.gpu_pcie(src), 2 * shape.gpu_pcie(dst) + 1
        over_bridge = _row(up, 2 * shape.pcie_bridge(near), 2 * shape.pcie_bridge(far) + 1, down)
        return np.where((near == far)[:, None], _row(up, down), over_bridge)

    def _outwards(self, src: Ints, nic: Any) -> NDArray[Any]:
        """Links from GPU to a NIC of its server, int[flows, 4], -1 behind the last."""
        shape: ServerShape = self.fabric.shape
        own, out = shape.nic_of(src), 2 * shape.pcie_nic(nic)
        up = 2 * shape.gpu_pcie(src)
        if shape.nvlink:
            peer = shape.gpu_at(nic)
            detour = _row(2 * shape.gpu_nvswitch(src), 2 * shape.gpu_nvswitch(peer) + 1, 2 * shape.gpu_pcie(peer), out)
        else:
            detour = _row(up, 2 * shape.pcie_bridge(own), 2 * shape.pcie_bridge(nic) + 1, out)
        return np.where((own == nic)[:, None], _row(up, out), detour)


def _row(*links: Any) -> NDArray[Any]:
    empty = np.full(len(links[0]), -1)
    return np.stack([*links, *[empty] * (4 - len(links))], axis=1)
