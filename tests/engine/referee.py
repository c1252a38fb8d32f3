"""The flow model written to be read: plain progressive filling over all active flows at each event. The engines' slow referee."""

from __future__ import annotations

import numpy as np

from netsim.engine.blocks import Traffic

SAME = 1e-12


def fair_rates(rows: list[int], uses: dict[int, dict[int, float]], capacity: np.ndarray) -> dict[int, float]:
    """Max-min fair rates by progressive filling: raise all rates together; a link that fills fixes its flows; go on."""
    rates: dict[int, float] = {}
    room = {link: float(capacity[link]) for row in rows for link in uses[row]}
    open_rows = set(rows)
    while open_rows:
        demand: dict[int, float] = {}
        for row in open_rows:
            for link, use in uses[row].items():
                demand[link] = demand.get(link, 0.0) + use
        level = min(room[link] / d for link, d in demand.items())
        full = {link for link, d in demand.items() if room[link] / d <= level * (1 + SAME)}
        fixed = {row for row in open_rows if not full.isdisjoint(uses[row])}
        for row in fixed:
            rates[row] = level
            for link, use in uses[row].items():
                room[link] = max(room[link] - use * level, 0.0)
        open_rows -= fixed
    return rates


def simulate(traffic: Traffic, overhead: float = 0.0) -> float:
    """Seconds that the schedule takes; the semantics of collectives/schedule.py word for word."""
    messages, uses, wait, size, steps = _unrolled(traffic, overhead)
    posted = dict.fromkeys(steps, 0)  # the step that each walker is at
    present: dict[int, int] = {}
    open_messages: dict[int, set[int]] = {w: set() for w in steps}
    waiting: dict[int, float] = {}  # row: when it starts to flow
    left: dict[int, float] = {}  # row: bytes to go
    rows_left: dict[int, set[int]] = {}
    now = 0.0

    def post(w: int) -> None:
        if posted[w] == len(steps[w]):
            return
        open_messages[w] = set(steps[w][posted[w]])
        for m in steps[w][posted[w]]:
            present[m] = present.get(m, 0) + 1
            if present[m] == 2:
                rows_left[m] = set(messages[m][2])
                waiting.update({row: now + wait[row] for row in messages[m][2]})

    def settle(m: int) -> None:
        for w in messages[m][:2]:
            open_messages[w].discard(m)
            if not open_messages[w]:
                posted[w] += 1
                post(w)

    owner = {row: m for m, (_, _, rows) in enumerate(messages) for row in rows}
    for w in steps:
        post(w)
    while waiting or left:
        rates = fair_rates(list(left), uses, traffic.capacity)
        next_time = min([*waiting.values(), *(now + left[row] / rates[row] for row in left)])
        finished = [row for row in left if now + left[row] / rates[row] <= next_time * (1 + SAME)]
        for row in left:
            left[row] -= rates[row] * (next_time - now)
        now = next_time
        started = [row for row, at in waiting.items() if at <= now * (1 + SAME)]
        for row in started:
            del waiting[row]
            left[row] = size[row]
        for row in finished:
            del left[row]
            rows_left[owner[row]].discard(row)
            if not rows_left[owner[row]]:
                settle(owner[row])
    return now


def _unrolled(traffic: Traffic, overhead: float):  # type: ignore[no-untyped-def]
    """Every message of every repetition with rows of its own: (messages, uses, wait, size, steps of each walker)."""
    messages: list[tuple[int, int, list[int]]] = []
    uses: dict[int, dict[int, float]] = {}
    wait: list[float] = []
    size: list[float] = []
    steps: dict[int, list[list[int]]] = {}
    for block in traffic:
        paths = block.paths
        flow = np.arange(paths.n_rows) if paths.flow is None else paths.flow
        for _ in range(block.repeat):
            here: dict[int, list[int]] = {}
            rows_of: dict[int, list[int]] = {m: [] for m in range(len(block.src))}
            for row in range(paths.n_rows):
                number = len(wait)
                entries = range(paths.offsets[row], paths.offsets[row + 1])
                uses[number] = {}
                for e in entries:
                    link = int(paths.links[e])
                    uses[number][link] = uses[number].get(link, 0.0) + (1.0 if paths.use is None else float(paths.use[e]))
                own = 0.0 if block.wait is None else float(block.wait[flow[row]])
                wait.append(float(paths.latency[row]) + overhead + own)
                size.append(float(block.row_bytes()[row]))
                rows_of[int(flow[row])].append(number)
            for m in range(len(block.src)):
                for w in (int(block.src[m]), int(block.dst[m])):
                    here.setdefault(w, []).append(len(messages))
                messages.append((int(block.src[m]), int(block.dst[m]), rows_of[m]))
            for w, met in here.items():
                steps.setdefault(w, []).append(met)
    return messages, uses, wait, size, steps
