"""What messages compete for: the links with their usable capacity, and the cables whose two directions share one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netsim.engine.calibration import Calibration
from topologies.errors import InputError
from topologies.fabric import Fabric, Floats, Ints, NodeKind, frozen
from topologies.paths import Paths
from topologies.registry import did_you_mean


@dataclass(frozen=True, eq=False)
class Wiring:
    """The capacities that flows share: numbers 0 .. n_links - 1 are the links, those above are cables that are not full duplex.

    A flow that crosses such a cable, in either direction, crosses its capacity too. Without calibration: the links as they are.
    """

    fabric: Fabric
    capacity: Floats  #: float64[n_links + cables], bytes/s
    cables: Ints  #: the cable behind each number from n_links on

    @cached_property
    def own(self) -> NDArray[np.bool_]:
        """Which numbers belong to hosts and servers (NICs included) and not to the network; none without switches."""
        switch = self.fabric.kind == NodeKind.SWITCH
        own = ~(switch[self.fabric.src] & switch[self.fabric.dst])
        own = np.append(own, own[2 * self.cables]) if len(self.cables) else own
        return own if switch.any() else np.zeros_like(own)

    @cached_property
    def classes(self) -> tuple[NDArray[np.int16], tuple[str, ...]]:
        """The class of every number, and the names of the classes: host side first, then the cables, `host↔leaf`."""
        of_link, names = link_classes(self.fabric)
        if not len(self.cables):
            return of_link, names
        shared, of_cable = np.unique(of_link[2 * self.cables], return_inverse=True)
        both = tuple(names[c].replace("→", "↔") for c in shared.tolist())
        return np.append(of_link, (len(names) + of_cable).astype(np.int16)), names + both

    def link(self, number: int) -> int:
        """The link of a number; of a cable that of its first direction."""
        return number if number < self.fabric.n_links else 2 * int(self.cables[number - self.fabric.n_links])

    def label(self, number: int) -> str:
        """`leaf0→spine1`; `leaf0↔spine1` for a cable."""
        label = self.fabric.link_label(self.link(number))
        return label if number < self.fabric.n_links else label.replace("→", "↔")

    def crossed(self, paths: Paths) -> Paths:
        """The paths over all numbers that they cross. Bundles are opened: their cables need not be the same both ways."""
        if not len(self.cables):
            return paths
        paths = paths.unbundled()
        shared = self._shared[paths.links]
        also = np.flatnonzero(shared >= 0)
        row = paths.row_of_link()
        numbers = np.int64(len(self.capacity))
        key = np.concatenate([row, row[also]]) * numbers + np.concatenate([paths.links, shared[also]])
        once, place = np.unique(key, return_inverse=True)  # a way out and back crosses a cable twice
        used = np.ones(len(paths.links)) if paths.use is None else paths.use
        use = np.bincount(place, weights=np.concatenate([used, used[also]])).astype(np.float64)
        offsets = np.searchsorted(once, np.arange(paths.n_rows + 1) * numbers)
        plain = paths.use is None and bool((use == 1).all())
        return replace(
            paths,
            offsets=frozen(offsets, np.int64),
            links=frozen(once % numbers, np.int32),
            use=None if plain else frozen(use, np.float64),
        )

    @cached_property
    def _shared(self) -> NDArray[np.int64]:
        """The number of the cable of each link, -1 where it is full duplex."""
        shared = np.full(self.fabric.n_links, -1)
        numbers = self.fabric.n_links + np.arange(len(self.cables))
        shared[2 * self.cables] = shared[2 * self.cables + 1] = numbers
        return shared


def wiring(fabric: Fabric, calibration: Calibration | None = None) -> Wiring:
    """What flows share on a fabric. Classes of links that it has not (an excerpt may lack some) change nothing."""
    if calibration is None or not (calibration.efficiency or calibration.duplex):
        return Wiring(fabric, fabric.capacity, frozen([], np.int32))
    usable = fabric.capacity * _of_links(fabric, calibration.efficiency, 1.0)
    factor = _of_links(fabric, calibration.duplex, 2.0)
    factor = np.minimum(factor[::2], factor[1::2])
    cables = np.flatnonzero(factor < 2.0)
    both = factor[cables] * (usable[2 * cables] + usable[2 * cables + 1]) / 2
    return Wiring(fabric, frozen(np.append(usable, both), np.float64), frozen(cables, np.int32))


def check_classes(fabric: Fabric, calibration: Calibration) -> None:
    """Raises InputError where a calibration names a class of links that the fabric has not."""
    known = list(dict.fromkeys(said for name in link_classes(fabric)[1] for said in _said(name)))
    for noun, values in (("efficiency", calibration.efficiency), ("duplex", calibration.duplex)):
        for name in values:
            if name not in known:
                raise InputError(f"{noun}: no links {name!r} in {fabric.name}{did_you_mean(name, known)}")


def _of_links(fabric: Fabric, values: Mapping[str, float], default: float) -> Floats:
    """The value of every link: that of its direction, else of both directions, else of all."""
    of_link, names = link_classes(fabric)
    of_class = [next((values[said] for said in _said(name) if said in values), default) for name in names]
    found: Floats = np.array(of_class)[of_link]
    return found


def _said(name: str) -> tuple[str, ...]:
    """What `host→leaf` may be called, the narrowest first."""
    low, _, high = name.partition("→")
    return name, f"{low}-{high}", f"{high}-{low}", "all"


def link_classes(fabric: Fabric) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """The class (tier → tier) of every link, and the names of the classes, host side first."""
    tiers = int(fabric.tier.max()) + 1
    code = fabric.tier[fabric.src].astype(np.int64) * tiers + fabric.tier[fabric.dst]
    present = np.flatnonzero(np.bincount(code, minlength=tiers * tiers))
    number = np.zeros(tiers * tiers, dtype=np.int16)
    number[present] = np.arange(len(present))
    names = tuple(f"{fabric.tier_name(c // tiers)}→{fabric.tier_name(c % tiers)}" for c in present.tolist())
    return number[code], names
