"""What was asked: a YAML file, checked, every fault with its place, as cases ready to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netsim.scenario.kinds import Spec
from netsim.scenario.model import Case, Scenario, read_scenario
from netsim.scenario.source import Source, override, read, with_setting
from topologies.errors import InputError

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
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            source = override(source, key, value)
    else:
        settings = list(settings or ())
        for setting in settings:
            source = with_setting(source, setting)
    loaded = read_scenario(source)
    _check_effect(loaded, settings)
    return loaded


def _check_effect(scenario: Scenario, settings: Iterable[str]) -> None:
    """Raises InputError for a setting that every case replaces by its own value."""
    for setting in settings:
        key = setting.partition("=")[0].partition(".")[0].strip()
        if scenario.text.compare and all(key in case.model_fields_set for case in scenario.text.compare):
            raise InputError(f"{setting}: has no effect, every case gives its own {key}; set compare.0.{key} and so on")
