"""A review packed with what it rests on, as an RO-Crate: a folder that says what is in it.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1). The fit itself stays outside, since it holds records
of patients: the crate has its hashes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import ReleaseError, StorageError
from twinbayes.paths import path_of, require_ordinary
from twinbayes.private_files import FOLDER_MODE, write_private
from twinbayes.releases.log import fit_hash
from twinbayes.releases.people import require_line
from twinbayes.releases.sbom import declared_time, write_sbom

CRATE_FILE: Final = "ro-crate-metadata.json"
NO_LICENCE: Final = "All rights reserved: no licence was given for this review."
TIME_FIELDS: Final = ("datePublished", "endTime", "dateCreated")
"""Fields that hold a time; two crates of one review are the same but for these."""

_PROFILE: Final = "https://w3id.org/ro/crate/1.1"
_SOFTWARE: Final = "#twinbayes"
_FIT: Final = "#fit"
_HASHES: Final = {
    "spec_hash": "SHA-256 of the model",
    "prior_hash": "SHA-256 of the priors",
    "cohort_fingerprint": "fingerprint of the data",
}
_MOST: Final = 500  # characters of a licence


def write_crate(
    folder: str | os.PathLike[str],
    review: str | os.PathLike[str],
    fit: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    *,
    context: str | os.PathLike[str] | None = None,
    licence: str = NO_LICENCE,
) -> Path:
    """Pack a review with its context, hashes and a bill of materials, as an RO-Crate 1.1.

    Parameters
    ----------
    folder
        Where: nothing is there, or an empty folder. It appears when it is whole.
    review
        The page of `twinbayes.review`.
    fit
        The file of the fit, of which the hash is taken and nothing else.
    manifest
        Of the fit: the hashes of model, priors and data, and when it was made.
    context
        The file that the review took its context of use from.
    licence
        Under which the review may be used, in a line; an address becomes a link.

    Returns
    -------
    Path
        The description, ``ro-crate-metadata.json``.

    Raises
    ------
    ReleaseError
        Something is there, or a file cannot be read.
    StorageError
        The place cannot be written to.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("review.html").write_text("<html></html>")
    >>> path = fit.save("my_fit.nc")
    >>> write_crate("crate", "review.html", path, fit.manifest).name
    'ro-crate-metadata.json'
    """
    place = require_room(folder)
    licence = require_line(licence, "licence", _MOST)
    contents = {"review.html": _read(review, "The review")}
    if context is not None:
        contents["context.yaml"] = _read(context, "The context")
    digest = fit_hash(fit)
    temporary = place.with_name(f".twinbayes-{secrets.token_hex(8)}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mkdir(temporary, FOLDER_MODE)
        try:
            for name, content in contents.items():
                write_private(temporary / name, content)
            contents["sbom.json"] = write_sbom(temporary / "sbom.json").read_bytes()
            graph = {
                "@context": f"{_PROFILE}/context",
                "@graph": _graph(contents, digest, manifest, licence),
            }
            write_private(temporary / CRATE_FILE, json.dumps(graph, indent=1, sort_keys=True), "\n")
            os.rename(temporary, place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{place.name}: the folder could not be made ({error.strerror or error}). Name one "
            "that is not there yet, where you may write."
        ) from error
    return place / CRATE_FILE


def require_room(folder: str | os.PathLike[str]) -> Path:
    """Return the place of a crate where nothing is, or an empty folder.

    Raises
    ------
    ReleaseError
        Something is there.
    """
    place = path_of(folder, ReleaseError, "The folder of a crate")
    try:
        empty = not os.path.lexists(place) or (not place.is_symlink() and not any(place.iterdir()))
    except OSError:
        empty = False
    if not empty:
        raise ReleaseError(
            f"{place.name}: something is there, and crates are not written over it. Name a folder "
            "that is not there yet."
        )
    return place


def _read(path: str | os.PathLike[str], what: str) -> bytes:
    place = path_of(path, ReleaseError, what)
    try:
        return require_ordinary(place).read_bytes()
    except OSError as error:
        raise ReleaseError(
            f"{what}, {place.name}: cannot be read ({error.strerror}). Give its file."
        ) from error


def _graph(
    contents: Mapping[str, bytes], digest: str, manifest: Mapping[str, Any], licence: str
) -> list[dict[str, Any]]:
    when = declared_time() or datetime.now(UTC).isoformat(timespec="seconds")
    is_link = licence.startswith(("https://", "http://")) and " " not in licence
    licence_id = licence if is_link else "#licence"
    files = [_file(name, content) for name, content in contents.items()]
    return [
        {
            "@id": CRATE_FILE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _PROFILE},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": "Review of a fit of twinbayes",
            "description": f"The review of the fit with the SHA-256 {digest}, its context, and "
            "what the software is made with. It holds no records of patients.",
            "datePublished": when,
            "license": {"@id": licence_id},
            "hasPart": [{"@id": one["@id"]} for one in files],
            "mentions": [{"@id": "#fitting"}, {"@id": "#reviewing"}, {"@id": _FIT}],
        },
        *files,
        {
            "@id": licence_id,
            "@type": "CreativeWork",
            "name": "Licence of the review",
            "description": licence,
        },
        *_provenance(contents, digest, manifest, when),
    ]


def _file(name: str, content: bytes) -> dict[str, Any]:
    kinds = {
        "review.html": ("Review", "text/html"),
        "context.yaml": ("What the author says: the context of use", "application/yaml"),
        "sbom.json": ("Software bill of materials, CycloneDX 1.6", "application/json"),
    }
    title, encoding = kinds[name]
    return {
        "@id": name,
        "@type": "File",
        "name": title,
        "encodingFormat": encoding,
        "contentSize": str(len(content)),
        "identifier": f"sha256:{hashlib.sha256(content).hexdigest()}",
    }


def _provenance(
    contents: Mapping[str, bytes], digest: str, manifest: Mapping[str, Any], when: str
) -> list[dict[str, Any]]:
    """The fit, what made it, and what made the review; by hashes."""
    hashes = [
        {"@id": f"#{key}", "@type": "PropertyValue", "name": what, "propertyID": key,
         "value": str(manifest[key])}
        for key, what in _HASHES.items()
        if key in manifest
    ]  # fmt: skip
    read = [{"@id": name} for name in contents if name == "context.yaml"]
    created = {"dateCreated": str(manifest["created"])} if "created" in manifest else {}
    ended = {"endTime": str(manifest["created"])} if "created" in manifest else {}
    return [
        {
            "@id": _SOFTWARE,
            "@type": "SoftwareApplication",
            "name": "twinbayes",
            "softwareVersion": version("twinbayes"),
            "version": version("twinbayes"),
            "license": {"@id": "https://spdx.org/licenses/Apache-2.0"},
        },
        {
            "@id": "https://spdx.org/licenses/Apache-2.0",
            "@type": "CreativeWork",
            "name": "Apache License 2.0",
        },
        {
            "@id": _FIT,
            "@type": "CreativeWork",
            "name": "The fit",
            "description": "A file that holds records of patients, and is not in this crate.",
            "identifier": f"sha256:{digest}",
            "additionalProperty": [{"@id": one["@id"]} for one in hashes],
            **created,
        },
        *hashes,
        {
            "@id": "#fitting",
            "@type": "CreateAction",
            "name": "The model was fitted",
            "instrument": {"@id": _SOFTWARE},
            "object": [{"@id": one["@id"]} for one in hashes],
            "result": {"@id": _FIT},
            **ended,
        },
        {
            "@id": "#reviewing",
            "@type": "CreateAction",
            "name": "The review was written",
            "instrument": {"@id": _SOFTWARE},
            "object": [{"@id": _FIT}, *read],
            "result": {"@id": "review.html"},
            "endTime": when,
        },
    ]
