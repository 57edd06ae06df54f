"""A prior file held against everything that is known of it: all faults at once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinbayes.errors import PriorError
from twinbayes.paths import path_of
from twinbayes.priors.derived import derived_faults
from twinbayes.priors.dossier import PriorPredictive
from twinbayes.priors.elicitation.elicit import elicitation_faults
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.files.library import (
    document_faults,
    library_files,
    published_entries,
    read_entries,
)
from twinbayes.priors.files.names import slips_and_unheard
from twinbayes.priors.files.reading import parse, require_file, shown
from twinbayes.resources import resource_path
from twinbayes.showing import brief


@brief
@dataclass(frozen=True, kw_only=True)
class PriorFileCheck:
    """What a check of a prior file found.

    Attributes
    ----------
    file
        Folder and name of the file.
    label
        Name and version of the set, ``"aml/v1"``; empty where the file does not say.
    statuses
        Entry -> status, of the entries that could be read.
    faults
        Everything that is wrong, one sentence each with its place; empty if nothing is.
    notes
        What could not be checked here, and why.

    Examples
    --------
    >>> check_priors("survival").statuses["baseline_level"]  # doctest: +SKIP
    'default'
    """

    file: str
    label: str
    statuses: Mapping[str, str]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def check_priors(name_or_path: str | Path, version: int | None = None) -> PriorFileCheck:
    """Check a set of the library, or a prior file of your own.

    The JSON schema, the rules that it cannot express, the derived numbers, the hashes of
    prior-predictive files, what was elicited (where PreliZ is installed) and, of the library's
    own sets, the version lock.

    Parameters
    ----------
    name_or_path
        A name of the library, or the path of a YAML file.
    version
        Version of a library set; the newest when omitted.

    Raises
    ------
    PriorError
        If there is no such set or file. Whatever is wrong with the file is in the result.

    Examples
    --------
    >>> check_priors("survival").faults
    ()
    """
    path, in_library = _file(name_or_path, version)
    file = shown(path)
    try:
        document = parse(path)
    except PriorError as error:
        return PriorFileCheck(file=file, label="", statuses={}, faults=(str(error),), notes=())
    faults = [f"{file}: {fault}" for fault in document_faults(document)]
    entries: dict[str, PriorEntry] = {}
    if isinstance(document.get("entries"), Mapping):
        entries, wrong = read_entries(document)
        faults += wrong
    notes: list[str] = []
    if not in_library:
        slips, notes = slips_and_unheard(entries)
        faults += slips
    for entry in entries.values():
        faults += [f"prior {entry.name!r}: {fault}" for fault in _entry_faults(entry, path, notes)]
    if not faults:
        # The rules in Python name place and remedy; the schema is heard where they are silent.
        faults += [f"{file}: {fault}" for fault in _schema_faults(document)]
    label = f"{document.get('name')}/v{document.get('version')}"
    if in_library:
        faults += _lock_faults(path, label, entries)
    return PriorFileCheck(
        file=file,
        label=label,
        statuses={name: entry.status for name, entry in entries.items()},
        faults=tuple(dict.fromkeys(faults)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _file(name_or_path: str | Path, version: int | None) -> tuple[Path, bool]:
    path = path_of(name_or_path, PriorError, "check_priors")
    if path.suffix in (".yaml", ".yml"):
        require_file(path)
        return path, False
    versions = library_files(str(name_or_path))
    wanted = max(versions) if version is None else version
    if wanted not in versions:
        known = ", ".join(map(str, sorted(versions)))
        raise PriorError(f"Priors {str(name_or_path)!r} have no version {wanted}. Known: {known}.")
    return versions[wanted], True


def _entry_faults(entry: PriorEntry, path: Path, notes: list[str]) -> Iterator[str]:
    if entry.status == "deprecated":
        yield "is deprecated and may not be used."
    if entry.derived is not None:
        yield from derived_faults(entry.density, entry.derived)
    predictive = entry.prior_predictive
    if predictive is not None and predictive.path:
        yield from _artefact_faults(path.parent / predictive.path, predictive)
    if entry.elicitation is not None:
        if importlib.util.find_spec("preliz") is None:
            notes.append("What was elicited is not checked: PreliZ (extra 'elicit') is missing.")
            return
        yield from elicitation_faults(entry)


def _artefact_faults(artefact: Path, stated: PriorPredictive) -> Iterator[str]:
    if not os.path.isfile(artefact):
        yield f"prior_predictive: there is no file {stated.path!r} beside the prior file."
        return
    try:
        with artefact.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        yield f"prior_predictive: {stated.path!r} cannot be read ({error.strerror})."
    else:
        if found != stated.sha256:
            yield f"prior_predictive: {stated.path!r} has another hash: it was changed."


def _schema_faults(document: Mapping[Any, Any]) -> list[str]:
    import jsonschema

    schema = json.loads((resource_path("schemas", "prior.schema.json")).read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(schema).iter_errors(_as_json(document))
    return sorted(f"schema: {'/'.join(map(str, e.absolute_path)) or 'top'}: {e.message}"
                  for e in found)  # fmt: skip


def _as_json(value: Any) -> Any:
    """Make keys text, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list) else value


def _lock_faults(path: Path, label: str, entries: Mapping[str, PriorEntry]) -> list[str]:
    lock = published_entries()
    faults = []
    if label != f"{path.parent.name}/{path.stem}":
        faults.append(f"{shown(path)}: calls itself {label!r}.")
    for name, entry in entries.items():
        identity = f"{label}:{name}@{entry.version}"
        if identity not in lock:
            faults.append(f"prior {name!r}: version {entry.version} is not in LOCK.json.")
        elif lock[identity] != entry.distribution_hash:
            faults.append(
                f"prior {name!r}: changed under the version {entry.version}, which is published. "
                "Give it a new version."
            )
        if entry.supersedes and f"{label}:{name}@{entry.supersedes}" not in lock:
            faults.append(f"prior {name!r}: supersedes {entry.supersedes}, which is not published.")
    return faults
