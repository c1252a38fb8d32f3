"""Servers: GPUs, NVLink, PCIe and NICs around the endpoints of any network (`topologies.routing.servers` routes through them)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topologies.errors import InputError
from topologies.fabric import Fabric, NodeKind
from topologies.params import Bandwidth, Count, Duration, check, check_size
from topologies.rails import Rails


@dataclass(frozen=True, eq=False)
class ServerShape:
    """What `with_servers` built, and its arithmetic. Arguments may be arrays.

    Endpoint s·gpus + g is GPU g of server s; endpoint s·nics + i of the network became NIC i of server s.
    Nodes: GPUs; the nodes of the network in their order (NICs first); a PCIe switch per NIC; a hub per server: the NVSwitch or,
    without NVLink, the host bridge. Cables: those of the network, with their numbers; GPU e to its PCIe switch; PCIe switch
    to NIC; then GPU e to NVSwitch, or PCIe switch to host bridge. Link 2c runs from the former to the latter.
    """

    network: Fabric
    gpus: int  #: per server
    nics: int  #: per server
    nvlink: bool
    pxn: bool  #: change rails inside the sending server

    @property
    def servers(self) -> int:
        return self.network.n_endpoints // self.nics

    @property
    def n_gpus(self) -> int:
        return self.servers * self.gpus

    @property
    def n_nics(self) -> int:
        return self.network.n_endpoints

    def nic_of(self, gpu: Any) -> Any:
        """The endpoint of the network that a GPU sends and receives through."""
        return gpu // self.gpus * self.nics + gpu % self.gpus * self.nics // self.gpus

    def without(self, cables: NDArray[Any]) -> ServerShape:
        """The shape with these cables of the network gone. Raises InputError for cables inside a server: it has no way around."""
        if len(cables) and cables.max() >= self.network.n_cables:
            raise InputError(f"{self.network.name}: only cables of the network can be pulled, not those inside servers")
        return replace(self, network=self.network.without(cables))

    def gpu_at(self, nic: Any) -> Any:
        """The first of the GPUs that use a NIC."""
        return nic // self.nics * self.gpus + -(-(nic % self.nics) * self.gpus // self.nics)

    def gpu_pcie(self, gpu: Any) -> Any:
        """Cable from a GPU to its PCIe switch."""
        return self.network.n_cables + gpu

    def pcie_nic(self, nic: Any) -> Any:
        """Cable from a PCIe switch to its NIC."""
        return self.network.n_cables + self.n_gpus + nic

    def gpu_nvswitch(self, gpu: Any) -> Any:
        """Cable from a GPU to the NVSwitch of its server."""
        return self.network.n_cables + self.n_gpus + self.n_nics + gpu

    def pcie_bridge(self, nic: Any) -> Any:
        """Cable from the PCIe switch of a NIC to the host bridge of its server."""
        return self.network.n_cables + self.n_gpus + self.n_nics + nic


def with_servers(
    network: Fabric,
    *,
    gpus: Count = 8,
    nics: Count | None = None,
    nvlink: Bandwidth | None = 450e9,
    nvlink_latency: Duration = 250e-9,
    pcie: Bandwidth | None = None,
    pcie_latency: Duration = 250e-9,
    pxn: bool = False,
) -> Fabric:
    """The network with a server of `gpus` GPUs around every `nics` of its endpoints: they become NICs, the GPUs the endpoints.

    With S = endpoints / nics: hosts S·gpus · cables: the network's + S·(2·gpus + nics) with NVLink, S·(gpus + 2·nics) without

    Server s owns endpoints s·nics … of the network; GPU g uses NIC ⌊g·nics / gpus⌋, so that several may share one
    (`nics` left out: one each, under a PCIe switch of its own, as in EFLOPS, Dong et al., HPCA 2020).
    `nvlink` is the speed from each GPU to the NVSwitch, per direction; null for a server without, whose GPUs talk over PCIe
    switches and the host bridge. `pcie` is the speed of each PCIe cable; left out, that of the fastest endpoint's cables to
    the network together, so that PCIe is no bottleneck. Latencies are per cable: two lie between GPUs, two from GPU to NIC.
    `pxn`: where the receiving NIC is on another rail (has another number in its server), the message goes first to the GPU
    at the sender's NIC on that rail (NCCL's PXN), over NVLink or the host bridge; always so on a rail-only network.

    Raises InputError where the endpoints do not fill the servers, or the network groups them otherwise.

    >>> from topologies.clos import leaf_spine
    >>> with_servers(leaf_spine(leaves=2, hosts_per_leaf=8, spines=8), gpus=8)
    <Fabric leaf-spine(2 leaves x 8 hosts, 8 spines), servers of 8 GPUs and 8 NICs: 16 endpoints, 10 switches, 80 cables>
    """
    check(with_servers, locals())
    nics = gpus if nics is None else nics
    _check_fit(network, gpus, nics)
    separate = isinstance(network.shape, Rails) and not network.shape.joined and network.shape.rails > 1
    shape = ServerShape(network, gpus, nics, nvlink is not None, pxn or separate)
    label = _label(shape)
    shape = replace(shape, network=replace(network, label_of=lambda v: label(v + shape.n_gpus)))
    name = f"{network.name}, servers of {gpus} GPUs and {nics} NICs"
    check_size(name, network.n_cables + 2 * shape.n_gpus + 2 * shape.n_nics)
    pcie = pcie or float(np.bincount(network.src, network.capacity, minlength=network.n_endpoints)[: network.n_endpoints].max())
    low, high = _server_cables(shape)
    counts = [shape.n_gpus + shape.n_nics, len(low) - shape.n_gpus - shape.n_nics]
    ends = network.src[::2] + shape.n_gpus, network.dst[::2] + shape.n_gpus
    return Fabric.build(
        name,
        shape.n_gpus,
        (np.concatenate([ends[0], low]), np.concatenate([ends[1], high])),
        np.concatenate([network.capacity[::2], np.repeat([pcie, nvlink or pcie], counts)]),
        np.concatenate([network.latency[::2], np.repeat([pcie_latency, nvlink_latency if nvlink else pcie_latency], counts)]),
        **_nodes(shape),
        label_of=label,
        tier_names=_tier_names(shape),
        shape=shape,
        default_router=network.default_router,
        faulted_router=network.faulted_router,
        intact=network.intact,
        notes=network.notes,
        server_size=gpus,
    )


def _check_fit(network: Fabric, gpus: int, nics: int) -> None:
    if isinstance(network.shape, ServerShape):
        raise InputError(f"server: {network.name} has servers already; give the network without")
    if nics > gpus:
        raise InputError(
            f"server: nics={nics}: more than its {gpus} GPUs; give a GPU one NIC at most, with the speed of all its links"
        )
    own = network.server_size
    if own > 1 and nics != own:
        raise InputError(f"server: nics={nics}: {network.name} has {own} NICs in every server; set nics to {own}")
    if network.n_endpoints % nics:
        near = -(-network.n_endpoints // nics) * nics
        raise InputError(
            f"server: nics={nics}: the {network.n_endpoints} endpoints of {network.name} do not make whole servers; "
            f"choose nics that divides them, or a network of {near}"
        )


def _server_cables(shape: ServerShape) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ends of the cables inside servers, in the order that ServerShape promises."""
    gpu, nic = np.arange(shape.n_gpus), np.arange(shape.n_nics)
    pcie, hub = shape.n_gpus + shape.network.n_nodes, shape.n_gpus + shape.network.n_nodes + shape.n_nics
    low, high = [gpu, pcie + nic], [pcie + shape.nic_of(gpu), shape.n_gpus + nic]
    last = (gpu, hub + gpu // shape.gpus) if shape.nvlink else (pcie + nic, hub + nic // shape.nics)
    return np.concatenate([*low, last[0]]), np.concatenate([*high, last[1]])


def _nodes(shape: ServerShape) -> dict[str, Any]:
    """Tier, kind and group of the nodes. What is in a server is in the group of its NIC; a hub in none if the NICs differ."""
    network = shape.network
    hub, pcie_tier, hub_tier = (NodeKind.NVSWITCH, 2, 1) if shape.nvlink else (NodeKind.PCIE, 1, 2)
    inside = [shape.n_nics, shape.servers]
    of_nic = network.group[: shape.n_nics]
    of_server = of_nic.reshape(-1, shape.nics)
    of_gpu = of_nic[shape.nic_of(np.arange(shape.n_gpus))]
    kinds = np.repeat([NodeKind.ENDPOINT, NodeKind.NIC, NodeKind.PCIE, hub], [shape.n_gpus, shape.n_nics, *inside])
    return {
        "tier": np.concatenate([np.zeros(shape.n_gpus), network.tier + 3, np.repeat([pcie_tier, hub_tier], inside)]),
        "kind": np.insert(kinds, shape.n_gpus + shape.n_nics, network.kind[shape.n_nics :]),
        "group": np.concatenate(
            [of_gpu, network.group, of_nic, np.where((of_server == of_server[:, :1]).all(axis=1), of_server[:, 0], -1)]
        ),
    }


def _tier_names(shape: ServerShape) -> tuple[str, ...]:
    """Tiers rise from the GPU over what is in the server to the NIC (3), then as in the network."""
    inside = ("gpu", "nvswitch", "pcie", "nic") if shape.nvlink else ("gpu", "pcie", "bridge", "nic")
    return inside + tuple(shape.network.tier_name(t) for t in range(1, int(shape.network.tier.max()) + 1))


def _label(shape: ServerShape) -> Any:
    """`server3.gpu0`, `server3.nic1`; endpoints with names of their own, not just numbers (`h12`, `h0.3`), keep them."""
    own, gpus, nics = shape.network.label_of, shape.gpus, shape.nics
    named = not re.fullmatch(r"h[\d.]+", own(0))
    first_pcie = shape.n_gpus + shape.network.n_nodes
    hub = "nvswitch" if shape.nvlink else "bridge"

    def label(v: int) -> str:
        if v < shape.n_gpus:
            return f"server{v // gpus}.gpu{v % gpus}"
        e = v - shape.n_gpus
        if v < first_pcie:
            return own(e) if named or e >= shape.n_nics else f"server{e // nics}.nic{e % nics}"
        e = v - first_pcie
        return f"server{e // nics}.pcie{e % nics}" if e < shape.n_nics else f"server{e - shape.n_nics}.{hub}"

    return label
