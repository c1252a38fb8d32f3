"""Whether a timed run can be believed. Held against each run by itself: one that fails is done again, never averaged in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from validate.replay.result import RowResult

#: idle part of the ranks' processors below which they, not the links, may have set the pace
#: (Handigol et al., "Reproducible network experiments using container-based emulation", CoNEXT 2012, section 5)
LEAST_IDLE = 0.35
_MOST_AGAIN = 0.01  # segments sent again, of those of the run
_OF_RUN = re.compile(r"run (\d+): ")


@dataclass(frozen=True)
class Judged:
    """The runs of a row: seconds of those that hold, and what is wrong with the others."""

    good: tuple[float, ...]
    doubts: tuple[str, ...]


def judge(result: RowResult, seen: Sequence[str], segments: float, spinning: bool) -> Judged:
    """Judge each run of a row. `seen`: doubts of all its runs, such as packets lost; `segments`: packets that one run takes;
    `spinning`: the ranks wait without sleeping (a library's own collective), so that idle processors tell nothing.
    """
    doubts: list[str] = []
    good = []
    told = [_OF_RUN.match(doubt) for doubt in result.doubts]
    everywhere = [*seen, *(doubt for doubt, of_run in zip(result.doubts, told, strict=True) if not of_run)]
    for n, seconds in enumerate(result.seconds):
        wrong = [doubt for doubt, of_run in zip(result.doubts, told, strict=True) if of_run and int(of_run[1]) == n + 1]
        idle = result.idle[n]
        if idle is None and not spinning:
            wrong.append(f"run {n + 1}: not known how much of the processors was idle")
        elif idle is not None and not spinning and idle < LEAST_IDLE:
            wrong.append(f"run {n + 1}: {100 * idle:.0f} % of the processors idle, {100 * LEAST_IDLE:.0f} % are needed")
        again = result.retransmits[n]
        if again is None:
            wrong.append(f"run {n + 1}: not known how many TCP segments were sent again")
        elif again > max(3, _MOST_AGAIN * segments):
            wrong.append(f"run {n + 1}: {again} of about {segments:.0f} TCP segments were sent again")
        doubts += wrong
        if not wrong and not everywhere:
            good.append(seconds)
    return Judged(tuple(good), (*everywhere, *doubts))
