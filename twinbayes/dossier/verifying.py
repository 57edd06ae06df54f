"""A dossier verified: hashes in any case, and its rows computed again where the fit is at hand."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from twinbayes.dossier.evidence import sha256_of
from twinbayes.dossier.folder import (
    FORMAT,
    MANIFEST,
    PAGE,
    ROWS,
    collect_sources,
    content_of_rows,
    fit_of,
    head_of,
    manifest_text,
)
from twinbayes.dossier.page import drawn_by, render_dossier
from twinbayes.dossier.readers import KINDS
from twinbayes.dossier.rows import CONTEXT, FIT, dossier_rows
from twinbayes.dossier.tables import dossier_tables
from twinbayes.errors import StorageError, TwinbayesError, reason, require_known
from twinbayes.inference import Fit
from twinbayes.paths import path_of
from twinbayes.report.required.context import context_of
from twinbayes.showing import brief

_LARGEST: Final = 1 << 28
#: Parts of the rows that are compared one by one, or need not be the same.
_BY_PART: Final = ("tables", "artefacts", "twinbayes", "drawn_by")
_COPY: Final = re.compile(r"evidence/[a-z_]+(\.\w+)?")
_BY_HASH: Final = (
    "Whoever can write to the folder can change it and hash it anew: against that, give the fit, "
    "or the head that was kept elsewhere."
)


@brief
@dataclass(frozen=True)
class Verification:
    """What was found in the folder of a dossier.

    Attributes
    ----------
    problems
        Everything that is not as it was written, or not what is computed again; empty if nothing.
    unseen
        What could not be held against anything, and what would let it.
    head
        SHA-256 that the manifest says of itself; empty where there is none to be read.

    Examples
    --------
    >>> from twinbayes.dossier import verify_dossier, write_dossier
    >>> folder = write_dossier(fit, "verified").folder
    >>> verify_dossier(folder, fit=fit).verified
    True
    """

    problems: tuple[str, ...]
    unseen: tuple[str, ...]
    head: str

    @property
    def verified(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def verify_dossier(
    folder: str | os.PathLike[str],
    *,
    fit: Fit | str | os.PathLike[str] | None = None,
    context: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    evidence: Mapping[str, str | os.PathLike[str]] | None = None,
    head: str | None = None,
) -> Verification:
    """Look whether a dossier is as it was written, and whether its numbers are those of the fit.

    Without `fit` and `head`, every file is held against its hash, the page against the rows, and
    the manifest against its head: this finds changes of whoever did not hash all of it anew. With
    `fit`, every row that rests on it is computed again. With `head`, nothing can have been changed
    since it was noted.

    Parameters
    ----------
    folder
        The folder of a dossier.
    fit
        The fit that it is of, or its file.
    context
        What people said, as it was given.
    evidence
        Kind → file, of evidence that the dossier holds no copy of.
    head
        The head as it was printed when the dossier was written.

    Returns
    -------
    Verification

    Raises
    ------
    StorageError
        There is no such folder, or no such fit.
    OptionError
        A kind of evidence is not known, or `fit` is no fit of patients.

    Examples
    --------
    >>> from twinbayes.dossier import verify_dossier, write_dossier
    >>> dossier = write_dossier(fit, "to_verify")
    >>> verify_dossier("to_verify", head=dossier.head).problems
    ()
    """
    place = path_of(folder, StorageError, "The folder of the dossier")
    whole = None if fit is None else fit_of(fit)
    if str(folder) == "" or place.is_symlink() or not place.is_dir():
        raise StorageError(
            f"{place.name or place}: is no folder, or a link to one. Give the folder that "
            "`twinbayes dossier` wrote."
        )
    for kind in evidence or {}:
        require_known(kind, KINDS, "kind of evidence")
    try:
        manifest = _manifest_of(place)
    except StorageError as error:
        return Verification((str(error),), (), "")
    problems = list(_files(place, manifest))
    if head is not None and head != manifest["head"]:
        problems.append("The head is not the one that was given: this is another dossier.")
    unseen = [] if fit is not None or head is not None else [_BY_HASH]
    content = None if problems and not _is_whole(place, manifest, ROWS) else _content(place)
    if isinstance(content, str):
        problems.append(content)
    elif content is not None:
        problems += _page(place, content, manifest)
        problems += _of_artefacts(content, manifest)
        if content.get("drawn_by") != drawn_by():
            unseen.append(
                "The page was not drawn again: twinbayes of another version wrote it, "
                f"{str(content.get('twinbayes'))[:20]}, and this is {version('twinbayes')}."
            )
        if whole is not None:
            more, left = _again(place, content, whole, context, evidence or {})
            problems += more
            unseen += left
        else:
            problems += _given(content, evidence or {})
            unseen += [] if context is None else ["--context is compared together with --fit."]
    elif fit is not None:
        unseen.append("Rows were not computed again: the file that holds them is not whole.")
    return Verification(tuple(problems), tuple(unseen), manifest["head"])


def _manifest_of(place: Path) -> dict[str, Any]:
    """The manifest, once it is written in the one way, and its head is its own."""
    bad = StorageError(
        f"{MANIFEST}: missing, altered, or of a newer version. Restore the folder from a copy."
    )
    path = place / MANIFEST
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode) or os.path.getsize(path) > _LARGEST:
            raise bad
        text = path.read_bytes().decode("ascii")
        found = json.loads(text)
        good = (
            found["format"] == FORMAT
            and manifest_text(found) == text
            and found["head"] == head_of(found)
            and all(
                isinstance(name, str) and set(one) == {"sha256", "bytes"}
                for name, one in found["files"].items()
            )
            and {ROWS, PAGE} <= set(found["files"])
            and set(found) == {"files", "fit", "format", "head", "twinbayes", "written"}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise bad from error
    if not good:
        raise bad
    return dict(found)


def _files(place: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is missing, altered, beyond the manifest, or no ordinary file."""
    said = manifest["files"]
    there = dict(_walk(place))
    for name in sorted(set(said) - set(there)):
        yield f"{name}: missing."
    for name in sorted(there):
        if name == MANIFEST or (there[name] and any(n.startswith(f"{name}/") for n in said)):
            continue
        if name not in said:
            yield f"{name[:80]!r}: not of this dossier."
        elif not _is_whole(place, manifest, name):
            yield f"{name}: altered, or no ordinary file."


def _walk(place: Path) -> Iterator[tuple[str, bool]]:
    """Everything in the folder, and whether it is a folder itself; links are not followed."""
    for root, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = Path(root) / name
            yield path.relative_to(place).as_posix(), path.is_dir() and not path.is_symlink()


def _is_whole(place: Path, manifest: Mapping[str, Any], name: str) -> bool:
    path, said = place / name, manifest["files"][name]
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        found, size = sha256_of(path)
    except OSError:
        return False
    return bool(said == {"sha256": found, "bytes": size})


def _content(place: Path) -> dict[str, Any] | str:
    """The rows, once all that there have to be are there; else what is wrong."""
    try:
        found = json.loads((place / ROWS).read_bytes().decode("utf-8"))
        rows = [(t["name"], r["number"]) for t in found["tables"] for r in t["rows"]]
        good = _is_plain(found) and isinstance(found["fit"]["manifest_sha256"], str)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        return f"{ROWS}: cannot be read."
    wanted = [(t.name, i.number) for t in dossier_tables() for i in t.items]
    if found.get("twinbayes") == version("twinbayes") and rows != wanted:
        return f"{ROWS}: its rows are not those that a dossier has."
    return dict(found)


def _is_plain(content: Mapping[str, Any]) -> bool:
    """Whether artefacts are records of texts, as they are written."""
    return all(
        isinstance(one["file"], str)
        and isinstance(one["sha256"], str)
        and isinstance(one["bytes"], int | None)
        and isinstance(one["copy"], str | None)
        for one in content["artefacts"].values()
    )


def _page(place: Path, content: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether the page is not that of the rows."""
    if content.get("drawn_by") != drawn_by() or not _is_whole(place, manifest, PAGE):
        return
    try:
        same = render_dossier(content).encode("utf-8") == (place / PAGE).read_bytes()
    except Exception:  # what was put into the rows can be anything
        same = False
    if not same:
        yield f"{PAGE}: does not show what {ROWS} says."


def _of_artefacts(content: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield copies that are not of the hash which the rows name, and a fit that is another."""
    try:
        if content["fit"]["manifest_sha256"] != manifest["fit"]:
            yield f"{ROWS}: is of another fit than {MANIFEST} says."
        if content["twinbayes"] != manifest["twinbayes"]:
            yield f"{ROWS}: is of another version than {MANIFEST} says."
        copies = {ROWS, PAGE}
        for name, one in content["artefacts"].items():
            if one["copy"] is None:
                continue
            copies.add(one["copy"])
            if manifest["files"].get(one["copy"], {}).get("sha256") != one["sha256"]:
                yield f"{one['copy']}: is not what {ROWS} calls {name}."
        for name in sorted(set(manifest["files"]) - copies):
            yield f"{name[:80]!r}: no row is from it."
    except (KeyError, TypeError, AttributeError):
        yield f"{ROWS}: cannot be read."


def _given(content: Mapping[str, Any], evidence: Mapping[str, Any]) -> Iterator[str]:
    """Yield files that are not those which the rows name, where there is no fit to read them by."""
    for kind, given in evidence.items():
        said = content["artefacts"].get(kind)
        try:
            digest = sha256_of(path_of(given, StorageError, f"Evidence {kind!r}"))[0]
        except OSError as error:
            yield f"{kind}: {error}"
            continue
        if said is None or said["sha256"] != digest:
            yield f"{kind}: {Path(given).name} is not the file that the dossier is from."


def _again(
    place: Path,
    content: Mapping[str, Any],
    fit: tuple[Fit, dict[str, Any]],
    context: Mapping[str, Any] | str | os.PathLike[str] | None,
    evidence: Mapping[str, str | os.PathLike[str]],
) -> tuple[list[str], list[str]]:
    """What differs when everything is computed again, and what could not be."""
    try:
        said: Any = context if context is not None else _said(place, content)
        files = {**_copies(place, content), **evidence}
        names = {k: content["artefacts"][k]["file"] for k in files if k in content["artefacts"]}
        sources, _, artefacts = collect_sources(fit, said, files, names)
        mine = content_of_rows(sources, dossier_rows(sources), artefacts)
    except TwinbayesError as error:
        return [f"Cannot be computed again: {reason(error)}"], []
    unseen = [kind for kind in content["artefacts"] if kind not in artefacts]
    left = [f"{kind}: its rows were not computed again. Give --evidence {kind}=FILE."
            for kind in unseen]  # fmt: skip
    if context is None and CONTEXT in content["artefacts"]:
        left.append("What people say was not compared with what they gave. Give --context FILE.")
    problems = [
        f"{ROWS}: {key} is not that of the fit."
        for key in mine
        if key not in _BY_PART and content.get(key) != mine[key]
    ]
    problems += [f"{ROWS}: {key[:40]!r} is in no dossier." for key in content if key not in mine]
    by_file = content["artefacts"].get(FIT, {}).get("bytes") is not None
    from_file = fit[1]["bytes"] is not None
    if by_file and not from_file:
        left.append("The fit was compared by its content, not by the bytes of its file.")
    for kind, one in artefacts.items():
        if kind == FIT and by_file is not from_file:
            continue
        if content["artefacts"].get(kind) != one:
            problems.append(f"{kind}: the file is not the one that the dossier is from.")
    theirs = {(t["name"], r["number"]): r for t in content["tables"] for r in t["rows"]}
    of_file = {(t.name, i.number): i.evidence for t in dossier_tables() for i in t.items}
    heads = {t["name"]: {k: v for k, v in t.items() if k != "rows"} for t in content["tables"]}
    for table in mine["tables"]:
        if heads.get(table["name"]) != {k: v for k, v in table.items() if k != "rows"}:
            problems.append(f"{table['name']}: its heading is not what a dossier has.")
        for row in table["rows"]:
            at = table["name"], row["number"]
            # By the table, not by what the row says of itself.
            if of_file[at] in unseen:
                continue
            alike = by_file is from_file
            if _told(theirs.get(at, {}), alike) != _told(row, alike):
                problems.append(f"{at[0]}, item {at[1]}: is not what is computed again.")
    return problems, left


def _told(row: Mapping[str, Any], alike: bool) -> dict[str, Any]:
    """A row, without the hash of the fit where one is by its bytes and one by its manifest."""
    skip = row.get("source") == FIT and not alike
    return {k: v for k, v in row.items() if not (skip and k == "sha256")}


def _said(place: Path, content: Mapping[str, Any]) -> dict[str, Any] | None:
    if CONTEXT not in content["artefacts"]:
        return None
    found = json.loads((place / "context.json").read_bytes().decode("utf-8"))
    context_of(found)
    return dict(found)


def _copies(place: Path, content: Mapping[str, Any]) -> dict[str, Path]:
    """Evidence of which the folder holds a copy."""
    return {
        kind: place / one["copy"]
        for kind, one in content["artefacts"].items()
        if one["copy"] is not None and kind in KINDS and _COPY.fullmatch(one["copy"])
    }
