"""Row after row: connect, run once untimed, then timed, check every element."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from collectives.collective import Op
from topologies.errors import NetsimError
from validate.measurement import Measured
from validate.nccl.library import Library
from validate.nccl.limited import limited
from validate.nccl.native import settings_of, whole
from validate.nccl.party import Party
from validate.nccl.replay import Part, part, walk
from validate.request import Row

_FLOAT = 4  #: bytes of an element
_LOOK = 5e-4  #: seconds between two looks whether the GPU is done
_LISTEN = 0.1  #: seconds between two looks whether the others are still there


@dataclass(frozen=True, eq=False)
class Here:
    """This process: rank `party.rank` of those that the launcher started, with its GPU."""

    party: Party
    library: Library
    limit: float  #: seconds that connecting, or a run, may take


def elements_of(row: Row) -> int:
    """Elements (float32) of the payload that really moves."""
    return max(1, round(row.schedule.collective.payload / _FLOAT))


def bytes_of(row: Row) -> float:
    """Size, as nccl-tests counts it, of what really moves."""
    collective = row.schedule.collective
    return elements_of(row) * _FLOAT / (collective.ranks if collective.op is Op.ALL_TO_ALL else 1)


def seats(row: Row) -> list[int]:
    """The process of each logical rank: process i is at the i-th of the row's endpoints, ascending.

    >>> from netsim.scenario import load
    >>> from validate.request import rows
    >>> scenario = {"fabric": {"kind": "single-switch", "hosts": 4}, "placement": {"kind": "explicit", "endpoints": [2, 0, 3, 1]},
    ...             "collective": {"op": "all-reduce", "size": "1KiB"}}
    >>> seats(rows(load(scenario))[0])
    [2, 0, 3, 1]
    """
    order = np.argsort(row.placement.endpoint, kind="stable")
    return [int(seat) for seat in np.argsort(order, kind="stable")]


def measure(rows: Sequence[Row], repeat: int, here: Here, tell: Callable[[str], None]) -> Iterator[Measured]:
    """Every row, on all processes alike. Communicators have the row's logical ranks, so that NCCL's own sees the rank map too.

    Raises NetsimError where a row is not done within the limit, where NCCL fails, or where another rank does.
    """
    connected: tuple[Any, ...] = ()
    for row in rows:
        settings = settings_of(row.native)
        wanted = (tuple(settings.items()), tuple(seats(row)))
        if wanted != connected:
            if connected:
                with _guarded(f"{_title(row)}: ncclCommDestroy", here):
                    here.library.close()
            _connect(row, settings, here)
            connected = wanted
        tell(f"{_title(row)}: {repeat} runs after a first")
        yield _measured(row, repeat, here)
    if connected:
        with _guarded("ncclCommDestroy", here):
            here.library.close()


def _title(row: Row) -> str:
    return f"nccl: {', '.join(word for word in (row.name, row.by) if word)}, {bytes_of(row):.0f} B"


def _connect(row: Row, settings: Mapping[str, str], here: Here) -> None:
    at = seats(row)
    with _settings(settings):
        with _guarded(f"{_title(row)}: ncclGetUniqueId", here, limits=1):
            made = here.library.unique_id().hex() if here.party.rank == at[0] else ""
        unique_id = next(filter(None, here.party.exchange(made)))
        with _guarded(f"{_title(row)}: ncclCommInitRank", here, limits=1):
            here.library.connect(len(at), at.index(here.party.rank), bytes.fromhex(unique_id))


def _measured(row: Row, repeat: int, here: Here) -> Measured:
    collective, elements, rank = row.schedule.collective, elements_of(row), seats(row).index(here.party.rank)
    told = {"op": collective.op.value, "ranks": collective.ranks, "root": collective.root, "elements": elements}
    own = whole(told, rank) if row.native else part(row.schedule, told, rank)
    with _guarded(_title(row), here):
        memory = _Memory(here.library, own)

        def once() -> None:
            if row.native:
                here.library.all_reduce(memory.data, elements)
            else:
                walk(own.groups, here.library, memory.data, memory.scratch)

    runs = [_run(_title(row), once, memory, here) for _ in range(repeat + 1)]  # the first connects the pairs; not timed
    all_ranks = [here.party.exchange(list(run)) for run in runs]
    seconds = tuple(max(s for s, _ in ranks) for ranks in all_ranks[1:])
    wrong = sum(int(count) for ranks in all_ranks for _, count in ranks)
    root = collective.root if collective.op in (Op.BROADCAST, Op.REDUCE) else -1
    return Measured(
        row.name, row.by, collective.op.value, bytes_of(row), collective.ranks, seconds, wrong, root=root, in_place=True
    )


class _Memory:
    """A row's arrays on the GPU: the data, what they are before a run, scratch memory, and one element to meet by."""

    def __init__(self, library: Library, own: Part) -> None:
        self.own, self.count = own.data, len(own.data.buffer)
        self.data, self.before = library.array(max(1, self.count)), library.array(max(1, self.count))
        self.scratch, self.one = library.array(max(1, own.scratch)), library.array(1)
        library.write(self.one, np.zeros(1, np.float32))
        if self.count:
            library.write(self.before, own.data.before)

    def wrong(self, library: Library) -> int:
        if not self.count:
            return 0
        self.own.buffer[:] = library.read(self.data)[: self.count]
        return self.own.wrong()


def _run(title: str, once: Callable[[], None], memory: _Memory, here: Here) -> tuple[float, int]:
    """Seconds by the GPU's own clock, and wrong elements, of this rank.

    An all-reduce of one element on the stream before the first event: ranks begin within what that takes to come round.
    """
    library = here.library
    with _guarded(title, here):
        if memory.count:
            library.copy(memory.data, 0, memory.before, 0, memory.count)
        here.party.exchange()
        library.all_reduce(memory.one, 1)
        begin = library.mark()
        once()
        end = library.mark()
        _wait(title, end, here)
        return library.seconds(begin, end), memory.wrong(library)


def _wait(title: str, mark: Any, here: Here) -> None:
    """Until the GPU is done: asleep between looks, with an ear to the other ranks."""
    deadline, listen = time.monotonic() + here.limit, time.monotonic() + _LISTEN
    while not here.library.done(mark):
        now = time.monotonic()
        if now > deadline:
            raise NetsimError(
                f"{title}: not done after {here.limit:g} s; a rank has died or waits for another (limit= gives longer)"
            )
        if now > listen:
            here.party.check()
            listen = now + _LISTEN
        time.sleep(_LOOK)


@contextmanager
def _guarded(what: str, here: Here, limits: int = 2) -> Iterator[None]:
    """One line for whatever the library raises, and an end to what it waits for: twice the limit where something inside has that
    limit of its own, and tells first."""
    try:
        with limited(what, limits * here.limit, here.library.abort):
            yield
    except here.library.errors as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise NetsimError(f"{what}: rank {here.party.rank}: {told} (NCCL_DEBUG=INFO says more)") from error


@contextmanager
def _settings(settings: Mapping[str, str]) -> Iterator[None]:
    """Have them in the environment while a communicator is made: NCCL reads NCCL_ALGO then."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
