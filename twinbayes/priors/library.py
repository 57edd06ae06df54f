"""Reading prior files: strictly, and with a safe YAML loader."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twinbayes.errors import PriorError
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.prior_set import PriorSet
from twinbayes.resources import priors_dir

SCHEMA: Final = "twinbayes/prior/v1"
_KEYS: Final = ("schema", "name", "version", "description", "entries")
_VERSION_FILE: Final = re.compile(r"v([1-9]\d*)\.yaml")


def load_priors(name_or_path: str | Path, version: int | None = None) -> PriorSet:
    """Load a set of priors from the library or from a file of your own.

    Parameters
    ----------
    name_or_path
        A name of the library (``"aml"``, ``"hsct"``, ``"registry"``, ``"survival"``), or the
        path of a YAML file of the same form.
    version
        Version wanted; the newest when omitted.

    Raises
    ------
    PriorError
        If the name or version is unknown, or the file breaks the schema
        ``data_schemas/prior.schema.json``: the message names file, entry and key.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        return _from_library(str(name_or_path), version)
    if not path.is_file():
        raise PriorError(f"There is no prior file {path.name!r} at the path given.")
    priors = _read(path)
    if version is not None and priors.version != version:
        raise PriorError(f"{path.name}: holds version {priors.version}, not {version}.")
    return priors


def library_names() -> tuple[str, ...]:
    """List the names of the packaged prior sets."""
    return tuple(sorted(path.name for path in priors_dir().iterdir() if _versions(path)))


def _from_library(name: str, version: int | None) -> PriorSet:
    if name not in library_names():
        known = ", ".join(map(repr, library_names()))
        raise PriorError(
            f"Unknown priors {name!r}. Known: {known}; a file's path must end in .yaml or .yml."
        )
    versions = _versions(priors_dir() / name)
    wanted = max(versions) if version is None else version
    if wanted not in versions:
        known = ", ".join(map(str, sorted(versions)))
        raise PriorError(f"Priors {name!r} have no version {version!r}. Known: {known}.")
    priors = _read(versions[wanted])
    if (priors.name, priors.version) != (name, wanted):
        raise PriorError(f"{name}/v{wanted}.yaml: calls itself {priors.label!r}.")
    return priors


def _versions(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = {path: _VERSION_FILE.fullmatch(path.name) for path in folder.iterdir()}
    return {int(match[1]): path for path, match in found.items() if match}


def _read(path: Path) -> PriorSet:
    file = f"{path.parent.name}/{path.name}"
    document = _parse(path, file)
    for key in document:
        if key not in _KEYS:
            raise PriorError(f"{file}: key {key!r} is unknown. Known: {', '.join(_KEYS)}.")
    missing = [key for key in _KEYS if key not in document]
    if missing:
        raise PriorError(f"{file}: missing {', '.join(missing)}.")
    if document["schema"] != SCHEMA:
        raise PriorError(f"{file}: key 'schema' must be {SCHEMA!r}.")
    version = document["version"]
    if type(version) is not int or version < 1:
        raise PriorError(f"{file}: key 'version' must be a whole number from 1.")
    for key in ("name", "description"):
        if not isinstance(document[key], str) or not document[key].strip():
            raise PriorError(f"{file}: key {key!r} must be text.")
    records = document["entries"]
    if not isinstance(records, Mapping) or not records:
        raise PriorError(f"{file}: key 'entries' must map prior names to entries.")
    try:
        entries = {name: _entry(name, record) for name, record in records.items()}
        return PriorSet(document["name"], version, entries)
    except PriorError as error:
        raise PriorError(f"{file}: {error}") from error


def _entry(name: object, record: object) -> PriorEntry:
    if not isinstance(record, Mapping):
        raise PriorError(f"prior {name!r}: expected keys and values.")
    if "name" in record:
        raise PriorError(f"prior {name!r}: key 'name' is unknown: the entry's key is its name.")
    for key in ("evidence", "version", "status"):
        if key not in record:
            raise PriorError(f"prior {name!r}: key {key!r} is missing.")
    return PriorEntry.from_dict({**record, "name": name})


def _parse(path: Path, file: str) -> Mapping[Any, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PriorError(f"{file}: not valid YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise PriorError(f"{file}: expected keys and values at the top.")
    return document


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which moreover refuses repeated keys, aliases and merges."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # An alias can grow a small file without bound, and no prior needs one.
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.YAMLError(f"key {repeated[0]!r} appears twice")
        return super().construct_mapping(node, deep=deep)
