"""What netsim says a row takes."""

from __future__ import annotations

from dataclasses import replace

from netsim.pipeline import simulate
from topologies.fabric import Fabric
from topologies.paths import Router
from validate.request import Row


def predict(row: Row, *, fabric: Fabric | None = None, router: Router | None = None, size: float | None = None) -> float:
    """Seconds that the row's schedule takes, by the scenario's engine.

    `fabric`: the same links with other capacities or latencies (an emulated fabric is slower); `router`: the ways that flows
    really took; `size`: the bytes that really moved. Left out: the scenario's own.
    """
    case = replace(row.job.case, collective=row.job.case.collective.model_copy(update={"size": (size or row.size,)}))
    job = replace(row.job, case=case, fabric=fabric or row.job.fabric, router=router or row.job.router)
    return simulate(job).results[0].time
