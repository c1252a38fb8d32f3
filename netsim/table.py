"""A report as text: the table of nccl-tests, `#` lines around it, with the bound beside every time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from collectives.collective import Collective, Op
from netsim.bounds import Bound
from netsim.meetings import meetings
from netsim.pipeline import Report, Run
from netsim.result import Contention, HotLink, Result
from netsim.units import format_size, format_time

_TITLES = """\
#                                                              out-of-place
#       size         count      type   redop    root     time   algbw   busbw  #wrong    bound  %bound
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)     (%)"""

_REDUCES = (Op.ALL_REDUCE, Op.REDUCE_SCATTER, Op.REDUCE)
_COMPARED = 4  # sizes at which cases are set side by side
_HOTTEST_OF_MANY = 3  # links told of each of several jobs
_SHARED = (Op.ALL_GATHER, Op.REDUCE_SCATTER, Op.ALL_TO_ALL)  # nccl-tests counts the elements of one rank
_ROOTED = (Op.BROADCAST, Op.REDUCE)


def table(report: Report, *, verbose: bool = False) -> str:
    """What `netsim run` prints: one block for each case, and the cases side by side where there are several."""
    lines = [f"# netsim {report.provenance.version}   scenario {report.provenance.scenario_id}   {report.scenario.name}"]
    noted: set[str] = set()
    for runs in report.cases:
        for run in runs:
            lines += ["#", *block(run, verbose, noted, first=run is runs[0])]
            noted |= set(run.job.fabric.notes)
        if runs[0].alone is not None:
            lines += ["#", *shared(runs)]
    if len(report.cases) > 1:
        lines += ["#", *side_by_side(report.cases)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def block(run: Run, verbose: bool = False, noted: Collection[str] = (), *, first: bool = True) -> Iterator[str]:
    """One case, or one of its jobs: what it is, its rows, what binds, who meets where.

    `noted`: what was said of its fabric before; `first`: whether the fabric itself is still to be told.
    """
    if first:
        yield from wires(run)
    yield from header(run)
    for note in run.job.fabric.notes:
        if note not in noted:
            yield f"# note: {note}"
    yield "#"
    yield _TITLES
    for result, bound in run.rows():
        yield row(result, bound, run.verified)
    if run.verified:
        yield "# Out of bounds values : 0 OK"
    yield f"# Avg bus bandwidth    : {np.mean([r.busbw for r in run.results]) / 1e9:g}"
    yield from footer(run)
    if verbose:
        yield from rounds(run.results[-1])


def wires(run: Run) -> Iterator[str]:
    fabric = run.job.fabric
    if run.job.case.name:
        yield f"# case: {run.job.case.name}"
    yield f"# fabric: {fabric.name}: {fabric.n_endpoints} endpoints, {fabric.n_switches} switches, {fabric.n_cables} cables"


def header(run: Run) -> Iterator[str]:
    job, titles = run.job, run.job.titles
    if job.case.job:
        yield f"# job: {job.case.job}   start: {format_time(job.case.start)}"
    yield f"# routing: {titles['routing']}   placement: {titles['placement']}   ranks: {job.placement.ranks}"
    op, by = job.schedule.collective.op.value, titles["algorithm"]
    yield f"# collective: {op} by {by}   engine: {titles['engine']}   seed: {job.case.seed}"
    if job.calibration:
        said = job.case.calibration
        yield f"# calibration: {said if isinstance(said, str) else 'as the scenario says'}"


def row(result: Result, bound: Bound, verified: bool) -> str:
    """One line of the table; `#wrong` is 0 where the checker proved the schedule, N/A where it was not asked."""
    c = result.collective
    wrong = "0" if verified else "N/A"
    numbers = f"{time_text(result.time)}  {rate_text(result.algbw)}  {rate_text(result.busbw)}  {wrong:>6}"
    score = f"{time_text(bound.time)}  {percent(result, bound):6.1f}"
    return f"{int(c.bytes):12d}  {count(c):12d}  {'float':>8}  {redop(c):>6}  {root(c):>6}  {numbers}  {score}"


def count(c: Collective) -> int:
    """Elements of four bytes, as nccl-tests counts them: of one rank's part where ranks hold parts."""
    return int(c.bytes) // 4 // (c.ranks if c.op in _SHARED else 1)


def redop(c: Collective) -> str:
    return "sum" if c.op in _REDUCES else "none"


def root(c: Collective) -> int:
    return c.root if c.op in _ROOTED else -1


def percent(result: Result, bound: Bound) -> float:
    """How much of what is possible was reached, in per cent."""
    return 100 * bound.time / result.time if result.time > 0 else 100.0


def time_text(seconds: float) -> str:
    """Microseconds in seven columns, with as many decimals as fit (at most two)."""
    us = seconds * 1e6
    return next((text for d in (2, 1, 0) if len(text := f"{us:7.{d}f}") <= 7), f"{us:.0f}" if us < 1e12 else f"{us:.3g}")


def rate_text(rate: float) -> str:
    """GB/s in six columns."""
    return f"{rate / 1e9:6.2f}"


def footer(run: Run) -> Iterator[str]:
    """What binds, and who meets where, for the largest size."""
    result, bound = max(run.rows(), key=lambda pair: pair[0].collective.bytes)
    size = format_size(result.collective.bytes)
    yield f"# bound: {bound.label}"
    contention = result.contention
    by_itself = "" if run.alone is None else "by itself "
    if contention.congestion_free:
        yield f"# {by_itself}congestion-free: in every round the endpoints set the pace, not the network"
        return
    worst = int(np.argmax(contention.slowdown))
    where = f"worst in round {_round(contention, worst)}: {_worst(contention, worst)}"
    total = int(contention.repeat.sum())
    slowed_in = int(contention.repeat[contention.slowdown > 1 + 1e-9].sum())
    yield f"# {by_itself}contention: in {slowed_in} of {total} rounds; {where}"
    yield f"# hottest links at {size}:"
    hottest = contention.hottest if run.alone is None else contention.hottest[:_HOTTEST_OF_MANY]
    width = max((len(hot.label) for hot in hottest), default=0)
    for hot in hottest:
        yield f"#   {hot.label:<{width}}  {hot_text(contention, hot)}"


def _worst(contention: Contention, index: int) -> str:
    return f"slowed {contention.slowdown[index]:.3g}x, {contention.max_load[index]:.4g} flows on one link"


def hot_text(contention: Contention, hot: HotLink) -> str:
    """`4 flows in round 2, 12.5 us: ranks 0→32, 1→33 …`."""
    met = ", ".join(f"{a}→{b}" for a, b in hot.pairs[:4])
    more = f" and {hot.n_pairs - min(4, len(hot.pairs))} more" if hot.n_pairs > 4 else ""
    flows = f"{hot.load:.4g} flow{'s' * (hot.load != 1)}"
    return f"{flows} in round {_round(contention, hot.block)}, {format_time(float(f'{hot.seconds:.4g}'))}: ranks {met}{more}"


def _round(contention: Contention, index: int) -> str:
    first, repeat = int(contention.first_step[index]) + 1, int(contention.repeat[index])
    return f"{first}" if repeat == 1 else f"{first}-{first + repeat - 1}"


def rounds(result: Result) -> Iterator[str]:
    """One line for each set of like rounds (`-v`)."""
    c = result.contention
    yield f"# rounds at {format_size(result.collective.bytes)}:"
    yield "#       round  messages     largest    max load  slowdown    end (us)  fullest link class"
    for i in range(len(c.repeat)):
        end = f"{result.block_end[i] * 1e6:10.2f}" if np.isfinite(result.block_end[i]) else f"{'?':>10}"
        fullest = c.class_names[int(np.argmax(c.class_load[i]))] if len(c.class_names) else ""
        largest = format_size(c.largest[i]) if float(c.largest[i]).is_integer() else f"{c.largest[i]:.6g}B"
        load = f"{c.max_load[i]:10.4g}  {c.slowdown[i]:8.3g}"
        yield f"# {_round(c, i):>11}  {c.messages[i]:8d}  {largest:>10}  {load}  {end}  {fullest}"
    yield f"# work: {work(result.counters)}"


def work(counters: Mapping[str, int]) -> str:
    """The engine's counters in words, with what falls to one event or one flow.

    >>> work({"events": 200, "flow_hops": 5000, "bytes": 9000, "flows": 18})
    'events 200, flow-hops touched 5000 (25.0 per event), bytes 9000 (500.0 per flow), flows 18'
    """
    words = {"flow_hops": "flow-hops touched"}
    told = []
    for name, n in counters.items():
        base = {"flow_hops": "events", "rows_solved": "events", "bytes": "flows"}.get(name, "")
        each = f" ({n / counters[base]:.1f} per {base[:-1]})" if counters.get(base) else ""
        told.append(f"{words.get(name, name.replace('_', ' '))} {n}{each}")
    return ", ".join(told)


def shared(runs: Sequence[Run]) -> Iterator[str]:
    """Jobs that shared the fabric: when each began and ended, how long it takes alone, and where they meet."""
    yield "# jobs on one fabric:"
    width = max(3, *(len(run.job.case.job) for run in runs))
    yield f"#   {'job':<{width}}  start(us)    end(us)   time(us)  busbw(GB/s)  %bound  alone(us)  vs alone"
    for run in runs:
        (result, bound), times = next(run.rows()), (run.job.case.start, run.end, run.results[0].time)
        clock = "  ".join(f"{time_text(t):>9}" for t in times)
        score = f"{result.busbw / 1e9:11.2f}  {percent(result, bound):6.1f}  {time_text(alone_time(run)):>9}  {slowed(run):7.2f}x"
        yield f"#   {run.job.case.job:<{width}}  {clock}  {score}"
    found = meetings(runs)
    if not found:
        yield "# no two jobs meet on a link"
        return
    yield "# where jobs meet, and how long the link needs for their bytes:"
    width = max(len(meeting.label) for meeting in found)
    for meeting in found:
        met = ", ".join(f"{runs[job].job.case.job} {_about(nbytes)}" for job, nbytes in meeting.bytes.items())
        yield f"#   {meeting.label:<{width}}  {format_time(float(f'{meeting.seconds:.4g}'))}: {met}"


def alone_time(run: Run) -> float:
    """Seconds that the job would take with the fabric to itself."""
    return run.alone.time if run.alone is not None else run.results[0].time


def slowed(run: Run) -> float:
    """How many times as long as alone the job takes."""
    alone = alone_time(run)
    return run.results[0].time / alone if alone > 0 else 1.0


def _about(nbytes: float) -> str:
    """A size in four digits."""
    unit, scale = next((u, s) for u, s in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1)) if nbytes >= s or s == 1)
    return f"{nbytes / scale:.4g}{unit}"


def side_by_side(cases: Sequence[Sequence[Run]]) -> Iterator[str]:
    """The cases compared, job by job, at each size that all have (of many the first and the last): time, and how much slower than
    the best."""
    found = [{(run.job.case.job, int(r.collective.bytes)): (run, r, b) for run in runs for r, b in run.rows()} for runs in cases]
    common = [key for key in found[0] if all(key in rows for rows in found)]
    if not cases[0][0].job.case.job:
        common = sorted(common)
        common = common if len(common) <= _COMPARED else [common[0], common[-1]]
    for job, size in common:
        at_size = [rows[job, size] for rows in found]
        width = max(len(run.job.case.name) for run, _, _ in at_size)
        best = min(result.time for _, result, _ in at_size)
        yield f"# side by side{': ' * bool(job)}{job} at {format_size(size)}:"
        yield f"#   {'case':<{width}}   time(us)  busbw(GB/s)  %bound  vs best  {'vs alone' if job else 'contention'}"
        for run, result, bound in at_size:
            ratio = f"{result.time / best:.2f}x" if best > 0 else "1.00x"
            score = f"{time_text(result.time):>9}  {result.busbw / 1e9:11.2f}  {percent(result, bound):6.1f}  {ratio:>7}"
            note = f"{slowed(run):7.2f}x" if job else _at_worst(result.contention)
            yield f"#   {run.job.case.name:<{width}}  {score}  {note}"


def _at_worst(contention: Contention) -> str:
    return "congestion-free" if contention.congestion_free else f"slowed up to {contention.slowdown.max():.3g}x"
