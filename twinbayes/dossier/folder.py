"""The folder of a dossier: a page, all rows as data, copies of evidence, and hashes of it all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from twinbayes.dossier.evidence import read_evidence, sha256_of
from twinbayes.dossier.page import drawn_by, render_dossier
from twinbayes.dossier.rows import CONTEXT, FIT, Row, Sources, dossier_rows
from twinbayes.dossier.tables import dossier_tables
from twinbayes.errors import OptionError, StorageError
from twinbayes.hash_chain import canonical
from twinbayes.inference import Fit, load_fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.paths import path_of
from twinbayes.private_files import FOLDER_MODE, require_writable, write_private
from twinbayes.report.figures.look import look_of
from twinbayes.report.required.context import context_of
from twinbayes.showing import brief

FORMAT: Final = "twinbayes.dossier/1"
MANIFEST: Final = "manifest.json"
ROWS: Final = "rows.json"
PAGE: Final = "dossier.html"
#: Fields of the manifest that two dossiers of the same things may differ in.
OF_TIME: Final = ("written", "head")


@brief
@dataclass(frozen=True)
class Dossier:
    """A dossier that was written.

    Attributes
    ----------
    folder
        Where it is.
    rows
        All rows, in order.
    head
        SHA-256 of its manifest: keep it elsewhere, such as in a signed letter.
    usable
        Whether the fit is.

    Examples
    --------
    >>> from twinbayes.dossier import write_dossier
    >>> dossier = write_dossier(fit, "dossier")
    >>> dossier.usable, len(dossier.head)
    (False, 64)
    """

    folder: Path
    rows: tuple[Row, ...]
    head: str
    usable: bool


def write_dossier(
    fit: Fit | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    context: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    evidence: Mapping[str, str | os.PathLike[str]] | None = None,
) -> Dossier:
    """Write the dossier of a fit: what guidance and law ask, each row with where it is from.

    Rows are those of `dossier_tables`. A row is computed from the fit or from one evidence file,
    with the place and the hash of it; or said by a person in the context of use; or NOT PROVIDED.
    No patient is named, and counts below 5 are suppressed. The fit is never copied.

    Parameters
    ----------
    fit
        A fit of patients, or its file, which is then named by the hash of its bytes.
    out
        The folder to make; nothing may be there.
    context
        What only people can say, as of `review`: field → text, or a YAML file of that kind.
    evidence
        Kind → file, such as ``{"checks": "checks.json"}``; the kinds are those of
        ``KINDS`` in ``twinbayes.dossier.readers``.

    Returns
    -------
    Dossier

    Raises
    ------
    OptionError
        No fit of patients; a kind of evidence or a field that is not known; the identifier of a
        patient in what people or files say.
    StorageError
        Something is at `out`, or it cannot be written to; evidence is missing, of another fit, or
        not of its kind: all faults at once.

    Examples
    --------
    >>> from twinbayes.dossier import write_dossier
    >>> said = {"question": "Who relapses?"}
    >>> dossier = write_dossier(fit, "a_dossier", context=said)
    >>> sum(row.status == "object" for row in dossier.rows if row.table == "tripod_ai")
    26
    """
    target = _free_place(out)
    sources, files, artefacts = collect_sources(fit_of(fit), context, evidence)
    rows = dossier_rows(sources)
    content = content_of_rows(sources, rows, artefacts)
    files = {**files, ROWS: _json(content), PAGE: render_dossier(content).encode("utf-8")}
    manifest = _manifest(content, files)
    _write(target, {**files, MANIFEST: manifest_text(manifest).encode("ascii")})
    return Dossier(target, rows, manifest["head"], sources.fit.verdict.usable)


def collect_sources(
    fit: tuple[Fit, dict[str, Any]],
    context: Mapping[str, Any] | str | os.PathLike[str] | None,
    evidence: Mapping[str, str | os.PathLike[str]] | None,
    names: Mapping[str, str] | None = None,
) -> tuple[Sources, dict[str, bytes], dict[str, dict[str, Any]]]:
    """Read everything that a dossier is made from; parameters as of `write_dossier`.

    Parameters
    ----------
    fit
        A fit and its record, from `fit_of`.
    names
        Kind of evidence → what its file was called, where it is read from a copy.

    Returns
    -------
    Sources, dict, dict
        What rows are computed from; copies, by their names in the folder; artefacts as records.
    """
    whole, record = fit
    said = context_of(context)
    text = _json({name: list(lines) for name, lines in said.said.items()})
    read = read_evidence(evidence, whole, names)
    artefacts: dict[str, dict[str, Any]] = {FIT: record}
    files: dict[str, bytes] = {}
    if said.said:
        files["context.json"] = text
        digest = hashlib.sha256(text).hexdigest()
        artefacts[CONTEXT] = {"file": "context.json", "sha256": digest, "bytes": len(text),
                              "copy": "context.json"}  # fmt: skip
    for kind, file in read.items():
        artefacts[kind] = file.record()
        if file.content is not None:
            files[str(artefacts[kind]["copy"])] = file.content
    context_hash = artefacts.get(CONTEXT, {"sha256": ""})["sha256"]
    return (
        Sources(whole, record["sha256"], read, said, context_hash, record["file"]),
        files,
        artefacts,
    )


def fit_of(fit: Fit | str | os.PathLike[str]) -> tuple[Fit, dict[str, Any]]:
    """Return a fit and its record: by its bytes where it is a file, else by its manifest.

    Raises
    ------
    StorageError
        There is no such file, or it is none of a fit.
    OptionError
        It is no fit of patients.
    """
    found: Any = fit
    record: dict[str, Any] = {"file": "fit in memory: its manifest", "bytes": None, "copy": None}
    if isinstance(fit, str | os.PathLike):
        path = path_of(fit, StorageError, "The fit")
        found = load_fit(path)
        digest, size = sha256_of(path)
        record |= {"file": path.name, "sha256": digest, "bytes": size}
    if not isinstance(cast(object, found), Fit):
        raise OptionError(
            "dossier: a fit of patients from `fit` or `load_fit` is needed, or its file, not a "
            f"{type(found).__name__}. A fit without its patients, of aggregate data or of a PyMC "
            "model has none of the rows."
        )
    return found, {"sha256": manifest_hash(found.manifest), **record}


def content_of_rows(
    sources: Sources, rows: tuple[Row, ...], artefacts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return rows with their headings as plain data, as ``rows.json`` has them."""
    fit, say = sources.fit, look_of(sources.fit).way
    by = {(row.table, row.number): row for row in rows}
    return {
        "format": FORMAT,
        "twinbayes": version("twinbayes"),
        "drawn_by": drawn_by(),
        "title": f"Dossier: {fit.spec.title}",
        "fit": {
            "manifest_sha256": manifest_hash(fit.manifest),
            "spec_hash": fit.spec.content_hash,
            "prior_hash": fit.priors.content_hash,
            "cohort_fingerprint": fit.cohort.fingerprint,
            "usable": fit.verdict.usable,
            "reasons": [say(reason) for reason in fit.verdict.reasons],
            "simulated": fit.cohort.simulated,
        },
        "artefacts": {name: dict(one) for name, one in artefacts.items()},
        "tables": [
            {
                "name": table.name,
                "title": list(table.title),
                "source": table.source,
                "licence": table.licence,
                "rows": [
                    {
                        "topic": list(item.topic),
                        "asks": item.asks,
                        **by[table.name, item.number].to_dict(),
                    }
                    for item in table.items
                ],
            }
            for table in dossier_tables()
        ],
    }


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the one way to write a manifest."""
    return canonical(manifest) + "\n"


def head_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its head."""
    rest = {key: value for key, value in manifest.items() if key != "head"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def _manifest(content: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    manifest = {
        "format": FORMAT,
        "twinbayes": content["twinbayes"],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "fit": content["fit"]["manifest_sha256"],
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in sorted(files.items())
        },
    }
    return {**manifest, "head": head_of(manifest)}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _free_place(out: str | os.PathLike[str]) -> Path:
    """A place at which nothing is, and beside which a folder can be made."""
    target = path_of(out, StorageError, "The folder of the dossier")
    if os.path.lexists(target):
        raise StorageError(
            f"{target.name or target}: something is there already, and is not written over. Name "
            "another place."
        )
    require_writable(target.with_name(f"{target.name}.tmp"))
    return target


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside the place, and move the folder there once it is whole."""
    temporary = Path(tempfile.mkdtemp(prefix=".twinbayes-", dir=target.parent))
    try:
        for name, data in files.items():
            place = temporary / name
            place.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
            write_private(place, data)
        if os.path.lexists(target):
            raise StorageError(f"{target.name}: something came there meanwhile. Try again.")
        os.rename(temporary, target)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{target.name}: could not be written ({error.strerror or error}). Check that its "
            "folder may be written to and has space."
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)
