"""What was asked: a YAML file, checked, every fault with its place, as cases ready to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netsim.scenario.kinds import Spec
from netsim.scenario.model import Case, Scenario, read_scenario
from netsim.scenario.source import Source, override, read

__all__ = ["Case", "Scenario", "Spec", "load"]


def load(
    scenario: str | Path | Mapping[str, Any] | Scenario, settings: Mapping[str, Any] | Iterable[str] | None = None
) -> Scenario:
    """The scenario of a file, or of a mapping with the same keys, with some values set: `{"fabric.k": 16}` or `["fabric.k=16"]`.

    Raises InputError with one line per fault, all faults at once.
    """
    if isinstance(scenario, Scenario):
        source = scenario.source
    elif isinstance(scenario, Mapping):
        source = Source(dict(scenario), "scenario")
    else:
        source = read(scenario)
    pairs = settings.items() if isinstance(settings, Mapping) else [(text, None) for text in settings or ()]
    for key, value in pairs:
        source = override(source, key, value) if isinstance(settings, Mapping) else override(source, key)
    return read_scenario(source)
