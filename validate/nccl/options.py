"""What a person may say about a replay by NCCL: `--option KEY=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from netsim.units import parse_time
from topologies.errors import InputError
from topologies.registry import did_you_mean
from validate.nccl.library import LIBRARIES

SHARE = ("multirank", "hostid")


@dataclass(frozen=True)
class Options:
    """`library`: which package drives NCCL; None: the first that is installed. `share`: how several ranks come to be on one GPU
    (validate/nccl/sharing.py); None: as NCCL allows it. `limit`: seconds that anything may take: to meet, to connect, a run."""

    library: str | None = None
    share: str | None = None
    limit: float = 120.0


def options_of(given: Mapping[str, Any]) -> Options:
    """Raises InputError for what is none of them.

    >>> options_of({"limit": "30s"}).limit
    30.0
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise InputError(f"--option {name}: the target nccl has none of this name{did_you_mean(name, known)}")
    library, share = (None if given.get(name) is None else str(given[name]) for name in ("library", "share"))
    if library is not None and library not in LIBRARIES:
        raise InputError(f"--option library={library}: no such NCCL library{did_you_mean(library, LIBRARIES)}")
    if share is not None and share not in SHARE:
        raise InputError(f"--option share={share}: must be one of {', '.join(SHARE)}")
    limit = parse_time(given.get("limit", "120s"))
    if limit <= 0:
        raise InputError(f"--option limit={given['limit']}: must be longer than 0s")
    return Options(library, share, limit)
