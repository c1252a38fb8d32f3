"""Where a result came from: version, seed, an id of the resolved scenario. No clock, no host: same scenario, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netsim.build import Job, resolved
from netsim.scenario import Scenario
from netsim.scenario.kinds import NamedFile


@dataclass(frozen=True)
class Provenance:
    version: str
    scenario_id: str  #: 12 hex digits of the SHA-256 of the resolved scenario and of the files it names
    seeds: tuple[int, ...]  #: of the cases


def provenance(scenario: Scenario, cases: Sequence[Sequence[Job]]) -> Provenance:
    """The provenance of a report over these cases."""
    said = [{"name": jobs[0].case.name, **resolved(jobs)} for jobs in cases]
    text = json.dumps(_with_files(said, scenario.source.folder), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    scenario_id = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Provenance(version(), scenario_id, tuple(jobs[0].case.seed for jobs in cases))


def version() -> str:
    """The version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("netsim-codesign")
    except PackageNotFoundError:
        return "unknown"


def _with_files(value: Any, folder: Path) -> Any:
    """The resolved cases with every file's digest in place of its name, so that the id changes when the file does."""
    if isinstance(value, Mapping):
        return {k: _with_files(v, folder) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_files(v, folder) for v in value]
    if isinstance(value, NamedFile):
        return hashlib.sha256(value.beside(folder).read_bytes()).hexdigest()
    return value
