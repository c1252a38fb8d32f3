"""Whether a schedule was proved to do what its collective promises."""

from __future__ import annotations

from collectives.checks import check
from collectives.schedule import Schedule

MAX_RANKS = 64  #: beyond, the proof would take longer than the simulation


def verified(schedule: Schedule) -> bool:
    """True where the checker ran the schedule on symbolic contributions; False where the job is too large to prove in passing.

    Raises ScheduleError where the schedule is wrong.
    """
    if schedule.collective.ranks > MAX_RANKS:
        return False
    check(schedule)
    return True
