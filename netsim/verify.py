"""Whether a schedule was proved to do what its collective promises."""

from __future__ import annotations

from collectives.checks import check
from collectives.schedule import Schedule

MAX_RANKS, MAX_WORK = 256, 1 << 20  #: ranks, and ranks x chunks: beyond, the proof may take longer than the simulation


def verified(schedule: Schedule) -> bool:
    """True where the checker ran the schedule on symbolic contributions; False where the job is too large to prove in passing.

    Raises ScheduleError where the schedule is wrong.
    """
    ranks = schedule.collective.ranks
    if ranks > MAX_RANKS or ranks * schedule.n_chunks > MAX_WORK:
        return False
    check(schedule)
    return True
