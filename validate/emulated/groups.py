"""Rows sorted by the fabric that they need, and all those fabrics slower by one constant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from validate.emulated.lay_out import Layout, lay_out
from validate.emulated.options import Options
from validate.emulated.scale import carried
from validate.replay.machine import processors
from validate.request import Row


@dataclass(frozen=True, eq=False)
class Group:
    """Rows that share a fabric and a start of the ranks: of one fabric and router, and one environment."""

    rows: tuple[Row, ...]
    environment: dict[str, str]  #: what selects a library's own collective
    layout: Layout


def groups(rows: Sequence[Row], options: Options) -> list[Group]:
    """Every row in its group. All fabrics have one factor, the least that any of them needs, so that times and rates keep their
    ratios between fabrics, too: 100G stays a quarter of 400G.

    Raises InputError and Unroutable as `lay_out` does.
    """
    laid = [(tuple(some), environment, lay_out(some, options)) for some, environment in _sorted(rows)]
    factor = min(layout.factor for *_, layout in laid)
    return [Group(some, environment, scaled(layout, factor, options.queues)) for some, environment, layout in laid]


def scaled(layout: Layout, factor: float, queues: str) -> Layout:
    """The layout with another factor."""
    part = layout.part.fabric
    return replace(
        layout,
        factor=factor,
        plan=replace(layout.plan, rates=tuple((part.capacity * factor).tolist())),
        ways=replace(layout.ways, fabric=carried(part, factor, queues)),
    )


def _sorted(rows: Sequence[Row]) -> Iterator[tuple[list[Row], dict[str, str]]]:
    out: dict[tuple[Any, ...], tuple[list[Row], dict[str, str]]] = {}
    for row in rows:
        environment = _environment(row)
        key = _wires(row), tuple(sorted(environment.items()))
        out.setdefault(key, ([], environment))[0].append(row)
    yield from out.values()


def _wires(row: Row) -> str:
    """The same for rows of one fabric and one router, though cases side by side have built them for themselves."""
    said = {key: row.job.specs.get(key) for key in ("fabric", "server", "faults", "routing", "calibration", "seed")}
    return json.dumps(said, sort_keys=True, default=str)


def _environment(row: Row) -> dict[str, str]:
    if not row.native:
        return {}
    from validate.native import environment

    return environment(row.native, crowded=row.placement.ranks > len(processors()))
