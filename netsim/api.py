"""The parts one by one, for notebooks: each by its kind, parameters with units as a scenario writes them, or plain SI numbers."""

from __future__ import annotations

from typing import Any

from collectives import ALGORITHMS, PLACEMENTS
from collectives.collective import Collective, op_named
from collectives.placement import Placement
from collectives.schedule import Schedule
from netsim.build import default_algorithm
from netsim.scenario.kinds import QUANTITIES, kind_of
from netsim.units import parse_size
from topologies import ROUTERS, TOPOLOGIES
from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.params import check
from topologies.paths import Router
from topologies.registry import Table, did_you_mean


def fabric(kind: str, **parameters: Any) -> Fabric:
    """The fabric of this kind.

    >>> import netsim as ns
    >>> ns.fabric("fat-tree", k=8, link="400Gbit/s")
    <Fabric fat-tree(k=8): 128 endpoints, 80 switches, 384 cables>
    """
    made: Fabric = kind_of(TOPOLOGIES, kind).function(**_si(TOPOLOGIES, kind, parameters))
    return made


def router(fabric: Fabric, kind: str | None = None, **parameters: Any) -> Router:
    """The router of this kind; the fabric's own default without one."""
    from topologies.routing import router as make

    kind = kind or fabric.default_router
    return make(fabric, kind, **_si(ROUTERS, kind, parameters))


def placement(fabric: Fabric, kind: str = "identity", *, ranks: int | None = None, **parameters: Any) -> Placement:
    """Ranks on endpoints: if `ranks` is not given, as many as an explicit placement lists, else one for each endpoint."""
    parameters = _si(PLACEMENTS, kind, parameters)
    ranks = fabric.n_endpoints if ranks is None and kind != "explicit" else ranks
    made: Placement = kind_of(PLACEMENTS, kind).function(fabric, ranks, **parameters)
    return made


def schedule(
    op: str, *, ranks: int, size: int | float | str, algorithm: str | None = None, root: int = 0, **parameters: Any
) -> Schedule:
    """The schedule of a collective; `size` in bytes or as `"1MiB"`.

    >>> import netsim as ns
    >>> s = ns.schedule("all-reduce", ranks=8, size="64MiB", algorithm="ring")
    >>> s.n_steps, float(s.bytes_sent()[0]) / 2**20
    (14, 112.0)
    """
    nbytes = parse_size(size) if isinstance(size, str) else size
    collective = Collective(op_named(op), ranks, nbytes, root)
    kind = algorithm or default_algorithm(collective.op, ranks)
    made: Schedule = kind_of(ALGORITHMS, kind).function(collective, **_si(ALGORITHMS, kind, parameters))
    return made


def _si(table: Table, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Texts with units as SI numbers; what the kind does not take, lacks or cannot use is an error."""
    known = kind_of(table, kind)
    out = {}
    for name, value in parameters.items():
        if name not in known.written:
            raise InputError(f"{kind}: unknown parameter {name!r}{did_you_mean(name, list(known.written))}")
        unit = known.units.get(name)
        out[name] = QUANTITIES[unit][0](value) if unit and isinstance(value, str) else value
    for name, field in known.model.model_fields.items():
        if field.is_required() and name not in out:
            raise InputError(f"{kind}: {name}: missing; give {name}=")
    check(known.function, out)
    return out
