"""From the scenario's fabric to one that this machine can carry: the part that the job uses, slower by one constant.

Times scale with it. What the emulated fabric lacks is delay: `latency_part` says how much of a row's time that is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from collectives.placement import Placement
from collectives.schedule import Schedule
from topologies.errors import InputError
from topologies.fabric import Fabric, Ints, frozen
from topologies.paths import Router
from validate.emulated.links import MTU
from validate.emulated.ways import Ways
from validate.predict import predict
from validate.replay.machine import processors
from validate.request import Row

FRAME = MTU + 14  # bytes of a full packet on the wire: with the Ethernet header
PAYLOAD = MTU - 20 - 20 - 12  # of which MPI's: without the headers of IP, TCP and its timestamps
ACK = 14 + 20 + 20 + 12  # bytes of an acknowledgement; one for every other packet that comes in

#: Bytes of payload that a link carries for each byte of its rate. In a fair queue payload/frame, since acknowledgements pass by
#: it; in a FIFO they take their part of the link while as much comes in as goes out: half of one for each packet.
EFFICIENCY = {"fair": PAYLOAD / FRAME, "fifo": PAYLOAD / (FRAME + ACK / 2)}

LATENCY_BOUND = 0.1  #: part of a row's time beyond which it is not emulated
MOST = 254  # endpoints: the last byte of an address


@dataclass(frozen=True, eq=False)
class Excerpt:
    """The nodes and cables of a fabric that are built, numbered anew: endpoint i of it is `endpoints[i]` of the scenario's."""

    fabric: Fabric  #: capacities as the scenario has them, no latency
    endpoints: Ints
    node: Mapping[int, int]  #: the scenario's number -> the number here
    link: Mapping[int, int]

    def place(self, placement: Placement) -> Ints:
        """Where each rank sits here."""
        return frozen(np.searchsorted(self.endpoints, placement.endpoint), np.int32)


def excerpt(fabric: Fabric, endpoints: Ints, links: Ints) -> Excerpt:
    """The part of a fabric that these endpoints (ascending) and these links, with those of their other direction, make up."""
    cables = np.unique(np.asarray(links) // 2)
    inner = np.setdiff1d(np.unique([fabric.src[2 * cables], fabric.dst[2 * cables]]), endpoints)
    nodes = np.concatenate([endpoints, inner]).astype(np.int32)
    node = {int(old): new for new, old in enumerate(nodes)}
    both = np.stack([2 * cables, 2 * cables + 1], axis=1).ravel()
    ends = [[node[int(v)] for v in side[2 * cables]] for side in (fabric.src, fabric.dst)]
    small = Fabric.build(
        fabric.name,
        len(endpoints),
        (ends[0], ends[1]),
        1.0,
        0.0,
        fabric.tier[nodes],
        kind=fabric.kind[nodes],
        group=fabric.group[nodes],
        label_of=lambda v: fabric.label_of(int(nodes[v])),
        tier_names=fabric.tier_names,
    )
    small = replace(small, capacity=frozen(fabric.capacity[both], np.float64))
    return Excerpt(small, frozen(endpoints, np.int32), node, {int(old): new for new, old in enumerate(both)})


def usual_rate(ranks: int) -> float:
    """Bytes/s of the fastest endpoint link that this machine carries well: 20 Mbit/s for 16 ranks on 2 cores, in proportion.

    Cores are those that this process, and so its ranks, may run on.
    """
    return min(20e6, 20e6 * 16 / ranks * len(processors()) / 2) / 8


def slower(fabric: Fabric, rate: float) -> float:
    """The constant that brings the fastest link at an endpoint to `rate` bytes/s."""
    at_endpoint = (fabric.src < fabric.n_endpoints) | (fabric.dst < fabric.n_endpoints)
    return rate / float(fabric.capacity[at_endpoint].max())


def carried(fabric: Fabric, factor: float, queues: str) -> Fabric:
    """The fabric as MPI sees it: capacities scaled, of which EFFICIENCY is payload."""
    return replace(fabric, capacity=frozen(fabric.capacity * factor * EFFICIENCY[queues], np.float64))


def here(row: Row, part: Excerpt, fabric: Fabric, router: Router) -> Row:
    """The row on the excerpt: its ranks' places there, no overhead, and calibrated only if that was measured on such a fabric."""
    case, measured = replace(row.job.case, overhead=0.0), row.job.calibration
    own = measured if measured and measured.source == "emulated" else None
    placement = Placement(part.place(row.placement), row.placement.kind)
    return replace(row, job=replace(row.job, case=case, fabric=fabric, router=router, placement=placement, calibration=own))


def latency_part(row: Row, part: Excerpt, ways: Ways) -> float:
    """The part of the row's time, 0..1, that is gone where there is neither latency nor overhead."""
    measured = row.job.calibration
    waits = replace(measured, efficiency={}, duplex={}) if measured else None  # slower wires are no latency
    whole = predict(replace(row, job=replace(row.job, calibration=waits)))
    return 1 - predict(here(row, part, part.fabric, ways)) / whole


def whole_elements(schedule: Schedule, size: float) -> int:
    """Bytes that really move for a size: elements of 4 bytes, as many in each chunk unless chunks are a few elements each."""
    each = 4 * schedule.n_chunks * schedule.collective.bytes / schedule.collective.payload  # one element in every chunk
    unit = math.ceil(each / 4) * 4
    if unit > size / 8:
        unit = 4 * schedule.collective.ranks
    return max(unit, int(size // unit) * unit)


def check_count(endpoints: int) -> None:
    if endpoints > MOST:
        raise InputError(f"{endpoints} endpoints: the emulated fabric has at most {MOST}; give the scenario fewer ranks")
