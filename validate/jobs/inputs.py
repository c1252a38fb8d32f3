"""The scenario as a job carries it: settings of the command line written in, the files that it names beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from netsim.scenario import Scenario
from netsim.scenario.kinds import NamedFile
from topologies.errors import InputError
from validate.request import Row

_FOLDER = "inputs"


def inputs(scenario: Scenario, rows: Sequence[Row], name: str) -> dict[str, bytes]:
    """File name -> contents: the scenario under `name`, and a copy of each file that it names in `inputs/`.

    Raises InputError for a file that cannot be read.
    """
    files: dict[str, bytes] = {}
    renamed: dict[str, str] = {}
    for file in dict.fromkeys(file for row in rows for file in _files(row)):
        path = file.beside(scenario.source.folder)
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; the job needs a copy of it") from None
        renamed[str(file)] = _free(path.name, contents, files)
        files[renamed[str(file)]] = contents
    return {name: _yaml(_with(scenario.source.data, renamed)).encode(), **files}


def _files(row: Row) -> Iterator[NamedFile]:
    """The files that a row's case names: what its kinds read, and measured parameters, whose contents the resolved case has."""
    yield from _named(row.job.specs)
    if isinstance(row.job.case.calibration, str):
        yield NamedFile(row.job.case.calibration)


def _named(value: Any) -> Iterator[NamedFile]:
    """The files that a resolved case names."""
    if isinstance(value, NamedFile):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _named(inner)


def _free(name: str, contents: bytes, taken: Mapping[str, bytes]) -> str:
    """A name in the folder of inputs that no other file has."""
    for n in range(len(taken) + 1):
        path = PurePosixPath(_FOLDER, f"{n}-{name}" if n else name)
        if taken.get(str(path), contents) == contents:
            break
    return str(path)


def _with(value: Any, renamed: Mapping[str, str]) -> Any:
    """The scenario's data with the copies' names."""
    if isinstance(value, Mapping):
        return {
            key: renamed.get(inner, inner) if isinstance(inner, str) and key not in ("kind", "name") else _with(inner, renamed)
            for key, inner in value.items()
        }
    return [_with(inner, renamed) for inner in value] if isinstance(value, list) else value


def _yaml(data: Any) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
