"""A software bill of materials: what the package is made with, as CycloneDX 1.6 in JSON."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import OptionError, ReleaseError
from twinbayes.paths import path_of, require_ordinary
from twinbayes.private_files import write_private
from twinbayes.resources import resource_path

EPOCH: Final = "SOURCE_DATE_EPOCH"
"""Variable of the environment: seconds since 1970 that stand as the time, if any does."""

_PACKAGE: Final = "twinbayes"
_PINNED: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)"
    r"(?:\s*;\s*(?P<marker>[^\\]*?))?\s*\\?"
)
_HASH: Final = re.compile(r"    --hash=sha256:([0-9a-f]{64})\s*\\?")
_VIA: Final = re.compile(r"    #(?: via|  ) +(\S+)(?: \(pyproject\.toml\))?")
_LONGEST: Final = 100  # characters of a licence that is no whole text
_LICENCE: Final = "License :: "


@dataclass(frozen=True)
class _Pinned:
    """A package of the lock."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]

    @property
    def ref(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def sbom(lock: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Make a software bill of materials from the lock of requirements.

    The same lock, in an environment with the same packages, gives the same bill: its serial number
    is computed from its content, and it has a time only where the environment gives one as
    ``SOURCE_DATE_EPOCH``.

    Parameters
    ----------
    lock
        A lock, as `requirements.lock`: each version pinned, with the SHA-256 of every distribution
        of it. Default: the one that the package ships.

    Returns
    -------
    dict
        CycloneDX 1.6: every package of the lock with its version, hashes, what asks for it, and
        its licence where that version is installed here; the SHA-256 of the lock as a property.

    Raises
    ------
    ReleaseError
        The lock cannot be read, or has a line that pins nothing, or a package without hashes.
    OptionError
        ``SOURCE_DATE_EPOCH`` is no number of seconds.

    Examples
    --------
    >>> bill = sbom()
    >>> bill["bomFormat"], bill["specVersion"]
    ('CycloneDX', '1.6')
    >>> bill == sbom()
    True
    """
    given = resource_path("lock") if lock is None else lock
    path = path_of(given, ReleaseError, "The lock")
    try:
        content = require_ordinary(path).read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path.name}: cannot be read. Give a lock of requirements.") from error
    pinned = sorted(_pinned(text, path.name), key=lambda one: (one.name, one.version, one.marker))
    if not pinned:
        raise ReleaseError(f"{path.name}: pins nothing. Give a lock of requirements.")
    unhashed = [one.name for one in pinned if not one.hashes]
    if unhashed:
        raise ReleaseError(f"{path.name}: {unhashed[0]} has no hash. Write the lock with hashes.")
    body = {
        "metadata": _metadata(hashlib.sha256(content).hexdigest()),
        "components": [_component(one) for one in pinned],
        "dependencies": _dependencies(pinned),
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


def write_sbom(path: str | os.PathLike[str], lock: str | os.PathLike[str] | None = None) -> Path:
    """Write a software bill of materials as JSON; see `sbom`.

    Raises
    ------
    ReleaseError, OptionError
        As `sbom`.
    StorageError
        The place cannot be written to.

    Examples
    --------
    >>> write_sbom("sbom.json").name
    'sbom.json'
    """
    return write_private(path, json.dumps(sbom(lock), indent=1, sort_keys=True), "\n")


def declared_time() -> str | None:
    """The time that the environment declares, in UTC; None where it declares none.

    Raises
    ------
    OptionError
        It is no number of seconds.
    """
    given = os.environ.get(EPOCH)
    if given is None:
        return None
    try:
        return datetime.fromtimestamp(int(given), UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError) as error:
        raise OptionError(
            f"{EPOCH} is {given[:30]!r}: give whole seconds since 1970, or unset it."
        ) from error


def _pinned(text: str, name: str) -> Iterator[_Pinned]:
    current: dict[str, str] | None = None
    hashes: list[str] = []
    wanted: list[str] = []

    def made() -> Iterator[_Pinned]:
        if current is not None:
            yield _Pinned(
                _canonical(current["name"]), current["version"], current["marker"] or "",
                tuple(sorted(hashes)), tuple(sorted(set(wanted))),
            )  # fmt: skip

    for number, line in enumerate(text.splitlines(), 1):
        if found := _PINNED.fullmatch(line):
            yield from made()
            current, hashes, wanted = found.groupdict(), [], []
        elif found := _HASH.fullmatch(line):
            hashes.append(found[1])
        elif found := _VIA.fullmatch(line):
            wanted.append(_canonical(found[1]))
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ReleaseError(
                f"{name}: line {number} neither pins a package nor gives a hash. Give a lock of "
                "requirements."
            )
    yield from made()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _metadata(digest: str) -> dict[str, Any]:
    when = declared_time()
    own = version(_PACKAGE)
    return {
        **({} if when is None else {"timestamp": when}),
        "component": {
            "type": "library", "bom-ref": _PACKAGE, "name": _PACKAGE, "version": own,
            "purl": f"pkg:pypi/{_PACKAGE}@{own}", "licenses": [{"expression": "Apache-2.0"}],
        },
        "properties": [{"name": "twinbayes:requirements.lock:sha256", "value": digest}],
    }  # fmt: skip


def _component(one: _Pinned) -> dict[str, Any]:
    licence = _licence(one)
    marker = [{"name": "twinbayes:marker", "value": one.marker}] if one.marker else []
    return {
        "type": "library",
        "bom-ref": one.ref,
        "name": one.name,
        "version": one.version,
        "purl": one.ref,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in one.hashes],
        **({"licenses": licence} if licence else {}),
        **({"properties": marker} if marker else {}),
    }


def _licence(one: _Pinned) -> list[dict[str, Any]]:
    """What the package says of its licence, where it is installed here in this version."""
    try:
        found = metadata(one.name)
    except PackageNotFoundError:
        return []
    if found["Version"] != one.version:
        return []
    expression, said = (str(found.get(k) or "").strip() for k in ("License-Expression", "License"))
    if expression:
        return [{"expression": expression}]
    if said and "\n" not in said and len(said) <= _LONGEST and said.upper() != "UNKNOWN":
        return [{"license": {"name": said}}]
    classified = sorted(
        line.rpartition(" :: ")[2]
        for line in found.get_all("Classifier") or []
        if line.startswith(_LICENCE)
    )
    return [{"license": {"name": name}} for name in classified]


def _dependencies(pinned: list[_Pinned]) -> list[dict[str, Any]]:
    """Who asks for what, as the lock has noted it."""
    depends: dict[str, set[str]] = {_PACKAGE: set(), **{one.ref: set() for one in pinned}}
    refs: dict[str, set[str]] = {_PACKAGE: {_PACKAGE}}
    for one in pinned:
        refs.setdefault(one.name, set()).add(one.ref)
    for one in pinned:
        for parent in one.wanted_by:
            for ref in refs.get(parent, ()):
                depends[ref].add(one.ref)
    return [{"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(depends.items())]
