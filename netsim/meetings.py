"""Where jobs that share a fabric meet: the links that carry messages of jobs which ran at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netsim.pipeline import Run

MOST = 10  #: links told


@dataclass(frozen=True)
class Meeting:
    """A link, the jobs that meet on it with the bytes of each (as `runs` number them), and the time it needs for all of them."""

    link: int
    label: str
    bytes: dict[int, float]
    seconds: float  #: at full rate


def meetings(runs: Sequence[Run], most: int = MOST) -> tuple[Meeting, ...]:
    """The links that need longest for the bytes of the jobs that meet on them; ties by link number.

    Jobs meet on a link where both send over it and one starts before the other has ended; bytes are those of the whole job.
    """
    fabric = runs[0].job.fabric
    sent = np.array([run.results[0].contention.link_bytes for run in runs])
    present = (sent > 0) & (_overlapping(runs) @ (sent > 0))
    total = np.where(present, sent, 0.0).sum(axis=0)
    seconds = total / fabric.capacity
    order = np.argsort(-seconds, kind="stable")[:most]
    return tuple(
        Meeting(
            link,
            fabric.link_label(link),
            {job: float(sent[job, link]) for job in np.flatnonzero(present[:, link]).tolist()},
            float(seconds[link]),
        )
        for link in order.tolist()
        if seconds[link] > 0
    )


def _overlapping(runs: Sequence[Run]) -> NDArray[np.bool_]:
    """Which two jobs ran at the same time: bool[jobs, jobs], none with itself."""
    start = np.array([run.job.case.start for run in runs])
    end = np.array([run.end for run in runs])
    at_once = (start[:, None] < end) & (start < end[:, None])
    return at_once & ~np.eye(len(runs), dtype=bool)
