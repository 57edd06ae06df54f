"""Sets of priors from the library and from files of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from twinbayes.errors import PriorError
from twinbayes.paths import path_of
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.files.reading import parse, require_file, shown
from twinbayes.priors.prior_set import PriorSet
from twinbayes.priors.records import attempt, refuse
from twinbayes.resources import priors_dir

SCHEMA: Final = "twinbayes/prior/v1"
_KEYS: Final = ("schema", "name", "version", "description", "entries")
_VERSION_FILE: Final = re.compile(r"v([1-9]\d*)\.yaml")


def load_priors(name_or_path: str | Path, version: int | None = None) -> PriorSet:
    """Load a set of priors from the library or from a file of your own.

    Parameters
    ----------
    name_or_path
        A name of the library (``"aml"``, ``"mds"``, ``"registry"``; `library_names` has all), or
        the path of a YAML file of the same form.
    version
        Version wanted; the newest when omitted.

    Raises
    ------
    PriorError
        If the name or version is unknown, or the file breaks the schema
        ``data_schemas/prior.schema.json``: the message names file, entry and key.

    Examples
    --------
    >>> tb.load_priors("survival")["baseline_level"].text()
    'Normal(mu=-7, sigma=2)'
    """
    path = path_of(name_or_path, PriorError, "load_priors")
    if path.suffix not in (".yaml", ".yml"):
        return _from_library(str(name_or_path), version)
    require_file(path)
    priors = _read(path)
    if version is not None and priors.version != version:
        raise PriorError(f"{path.name}: holds version {priors.version}, not {version}.")
    return priors


def library_names() -> tuple[str, ...]:
    """List the names of the packaged prior sets.

    Examples
    --------
    >>> "survival" in library_names()
    True
    """
    return tuple(sorted(path.name for path in priors_dir().iterdir() if _versions(path)))


def purpose_of(name: str) -> str:
    """Return the line that says what the newest version of a set of the library is for.

    Raises
    ------
    PriorError
        If there is no such set.

    Examples
    --------
    >>> purpose_of("survival")
    'Single-event survival and competing risks.'
    """
    versions = library_files(name)
    return str(parse(versions[max(versions)])["description"]).strip()


def published_entries() -> Mapping[str, str]:
    """Identity of every entry ever published, ``aml/v1:baseline_level@1.0.0`` -> its hash."""
    lock = json.loads((priors_dir() / "LOCK.json").read_text(encoding="utf-8"))
    return MappingProxyType(lock)


def library_files(name: str) -> dict[int, Path]:
    """Return version -> file of one set of the library.

    Raises
    ------
    PriorError
        If there is no such set; the message lists those there are.
    """
    if name not in library_names():
        known = ", ".join(map(repr, library_names()))
        raise PriorError(
            f"Unknown priors {name!r}. Known: {known}; a file's path must end in .yaml or .yml."
        )
    return _versions(priors_dir() / name)


def _from_library(name: str, version: int | None) -> PriorSet:
    versions = library_files(name)
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
    file = shown(path)
    document = parse(path)
    refuse(file, document_faults(document))
    entries, faults = read_entries(document)
    refuse(file, faults)
    try:
        return PriorSet(document["name"], document["version"], entries)
    except PriorError as error:
        raise PriorError(f"{file}: {error}") from error


def document_faults(document: Mapping[Any, Any]) -> list[str]:
    """Say what is wrong with a prior file above its entries."""
    faults = [
        f"key {key!r} is unknown. Known: {', '.join(_KEYS)}."
        for key in document
        if key not in _KEYS
    ]
    missing = [key for key in _KEYS if key not in document]
    if missing:
        faults.append(f"missing {', '.join(missing)}.")
    if document.get("schema", SCHEMA) != SCHEMA:
        faults.append(f"key 'schema' must be {SCHEMA!r}.")
    version = document.get("version", 1)
    if type(version) is not int or version < 1:
        faults.append("key 'version' must be a whole number from 1.")
    for key in ("name", "description"):
        text = document.get(key, "-")
        if not isinstance(text, str) or not text.strip():
            faults.append(f"key {key!r} must be text.")
    records = document.get("entries", {"-": {}})
    if not isinstance(records, Mapping) or not records:
        faults.append("key 'entries' must map prior names to entries.")
    return faults


def read_entries(document: Mapping[Any, Any]) -> tuple[dict[str, PriorEntry], list[str]]:
    """Read every entry that can be read, and say what is wrong with the others."""
    entries: dict[str, PriorEntry] = {}
    faults: list[str] = []
    for name, record in document["entries"].items():
        entry = attempt(faults, partial(_entry, name, record))
        if entry is not None:
            entries[entry.name] = entry
    return entries, faults


def _entry(name: object, record: object) -> PriorEntry:
    where = f"prior {name!r}"
    if not isinstance(record, Mapping):
        raise PriorError(f"{where}: expected keys and values.")
    if "name" in record:
        raise PriorError(f"{where}: key 'name' is unknown: the entry's key is its name.")
    faults = [
        f"{where}: key {key!r} is missing."
        for key in ("evidence", "version", "status")
        if key not in record
    ]
    entry = attempt(faults, lambda: PriorEntry.from_dict({**record, "name": name}))
    if entry is None or faults:
        raise PriorError(" ".join(faults), tuple(faults))
    return entry
