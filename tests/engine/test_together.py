"""Jobs that share a fabric, against the same messages as channels of one schedule, and against being alone."""

from __future__ import annotations

import numpy as np
import pytest

from collectives.collective import Collective, Op
from collectives.halving_doubling import halving_doubling
from collectives.placement import Placement, random
from collectives.ring import ring
from netsim.engine.flow import flow
from netsim.engine.together import Tenant, flow_together
from topologies.clos import leaf_spine
from topologies.errors import InputError
from topologies.routing import router

FABRIC = leaf_spine(leaves=4, hosts_per_leaf=4, spines=2, link=1e9, latency=1e-6)
WAY = router(FABRIC)


def tenant(endpoints: object, nbytes: float = 1e6, start: float = 0.0, algorithm=halving_doubling) -> Tenant:  # type: ignore[no-untyped-def]
    place = Placement(endpoints)  # type: ignore[arg-type]
    return Tenant(WAY, algorithm(Collective(Op.ALL_REDUCE, place.ranks, nbytes)), place, start)


def test_one_job_is_what_flow_says() -> None:
    placement = random(FABRIC, 16, seed=1)
    schedule = ring(Collective(Op.ALL_REDUCE, 16, 1e6))
    (together,) = flow_together(FABRIC, [Tenant(WAY, schedule, placement)])
    assert together.time == pytest.approx(flow(FABRIC, WAY, schedule, placement).time, rel=1e-12)


def test_jobs_that_never_meet_take_as_long_as_alone() -> None:
    """Whole leaves with only local traffic, started at different times."""
    jobs = [tenant(np.arange(4) + 4 * leaf, 1e6 * (leaf + 1), 1e-3 * leaf) for leaf in range(4)]
    for job, result in zip(jobs, flow_together(FABRIC, jobs), strict=True):
        assert result.time == pytest.approx(flow(FABRIC, WAY, job.schedule, job.placement).time, rel=1e-9)


def test_two_jobs_on_one_uplink_halve_each_other() -> None:
    """Two pairs across the same two leaves towards hosts of one residue: d-mod-k puts both on spine 0."""
    alone = flow_together(FABRIC, [tenant([0, 4])])[0].time
    both = flow_together(FABRIC, [tenant([0, 4]), tenant([2, 6])])
    latency = 2 * 4e-6
    assert [r.time for r in both] == pytest.approx([2 * (alone - latency) + latency] * 2, rel=1e-9)


def test_a_later_job_slows_only_what_is_left() -> None:
    first, second = flow_together(FABRIC, [tenant([0, 4], 1e6), tenant([2, 6], 1e6, start=0.25e-3)])
    alone = flow_together(FABRIC, [tenant([0, 4])])[0].time
    assert alone < first.time < 2 * alone
    assert alone < second.time < 2 * alone


def test_jobs_may_not_share_an_endpoint() -> None:
    with pytest.raises(InputError, match="jobs 1 and 2 both have h1; one job per endpoint"):
        flow_together(FABRIC, [tenant([0, 1]), tenant([1, 2])])
