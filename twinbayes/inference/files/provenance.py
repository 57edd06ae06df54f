"""Whether what a file holds is what its manifest says: hashes, labels and numbers, done again.

None of it stops somebody who writes a file of their own, manifest and all; it finds parts that do
not belong together. Against others, save with a key (`sealed.write_tree`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.errors import StorageError
from twinbayes.inference.files.manifest import MANIFEST_VERSION
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.names import (
    CHAIN,
    DRAW,
    FEDERATION,
    HIDDEN_POSTERIOR,
    PATIENT,
    POSTERIOR,
    SAMPLE_STATS,
    TRANSPORT,
)

#: What a file says of its own content, beside the manifest of the run.
CONTENT: Final = "content"
_DRAWN: Final = (POSTERIOR, HIDDEN_POSTERIOR, SAMPLE_STATS)
_COUNTED: Final = ("chains", "draws", "divergences")
_WHOLE_RUN: Final = "the whole run: "


OF_WEIGHTED: Final[Mapping[str, float]] = {"rhat_max": np.inf, "ess_min": 0.0}
"""Bars of weighted draws. Some stand there several times, and say less of how the chains went than
the draws did before, which were judged, as the weights were. Left is whether all are finite."""


OF_CHAINS: Final = ("max_rhat", "min_ess_bulk", "min_ess_tail", "min_ebfmi")
"""What a summary says of chains: of a fit that was moved, of the chains before."""


def require_part(manifest: Mapping[str, Any], what: str, **found: object) -> None:
    """Refuse a part of a file that is not that of the run which the manifest describes.

    Parameters
    ----------
    what
        The part, in words.
    found
        By key of the manifest, what the part has.

    Raises
    ------
    StorageError
        The manifest has something else.
    """
    if any(manifest.get(key) != value for key, value in found.items()):
        raise StorageError(
            f"The {what} in the file, and the {what} of the run that its manifest describes, are "
            "not the same. Copy the file again from where it was saved, or refit."
        )


def content_of(tree: xr.DataTree) -> dict[str, str]:
    """SHA-256 of every group of a tree: names, dims, shapes, types and values of its variables."""
    return {name: _hash_of(node.to_dataset(inherit=False)) for name, node in tree.children.items()}


def with_content(manifest: Mapping[str, Any], tree: xr.DataTree) -> dict[str, Any]:
    """The manifest of a run, and what a file with this tree says of its own content."""
    return {**manifest, CONTENT: content_of(tree)}


def require_content(tree: xr.DataTree, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of the run, once what it says of the file's content has come true.

    Files that were written before content was hashed say nothing of it.

    Raises
    ------
    StorageError
        The manifest is of a newer version or of none, or groups are missing or others.
    """
    version = manifest.get("manifest_version")
    if type(version) is not int or version < 1:
        raise StorageError(
            f"The manifest has no version that there ever was, but {version!r}. Copy the file "
            "again from where it was saved, or refit."
        )
    if version > MANIFEST_VERSION:
        raise StorageError(
            f"The manifest has version {version}, newer than {MANIFEST_VERSION}, the newest this "
            "package reads. Update twinbayes."
        )
    run = {key: value for key, value in manifest.items() if key != CONTENT}
    said = manifest.get(CONTENT)
    if said is None:
        return run
    found = content_of(tree)
    names = dict.fromkeys([*said, *found])
    if other := [name for name in names if said.get(name) != found.get(name)]:
        raise StorageError(
            f"Not as they were saved: {', '.join(other)}. Copy the file again from where it was "
            "saved, or refit."
        )
    return run


def require_draws(
    draws: xr.DataTree, manifest: Mapping[str, Any], labels: Mapping[str, Iterable[str]]
) -> None:
    """Refuse draws that cannot be those of the run, or are not labelled as data and model are.

    Parameters
    ----------
    draws
        Groups of draws.
    labels
        By dim, the labels that there are; those of the draws must be among them.

    Raises
    ------
    StorageError
        No draws, other numbers of chains or more draws than were sampled, variables that are not
        numbers at every chain and draw, or labels that data and model do not have.
    """
    if POSTERIOR not in draws or not draws[POSTERIOR].data_vars:
        raise StorageError("The file holds a fit without draws. Refit.")
    sampled = manifest["sampler"]
    for name in (g for g in _DRAWN if g in draws):
        group = draws[name].to_dataset()
        for variable in group.data_vars.values():
            if variable.dims[:2] != (CHAIN, DRAW) or variable.dtype.kind not in "biuf":
                raise StorageError(
                    f"{name}: {variable.name} is not a number at every chain and draw. Refit."
                )
        sizes = group.sizes
        if sizes and (sizes[CHAIN] != sampled["chains"] or not 0 < sizes[DRAW] <= sampled["draws"]):
            raise StorageError(
                f"{name}: {sizes[CHAIN]} chains of {sizes[DRAW]} draws cannot be of the run, which "
                f"had {sampled['chains']} of {sampled['draws']}. Refit."
            )
        _require_labels(group, labels, name)


def _require_labels(group: xr.Dataset, labels: Mapping[str, Iterable[str]], name: str) -> None:
    for dim, known in labels.items():
        have = group.coords[dim].to_numpy().tolist() if dim in group.coords else []
        whole = dim != PATIENT or not have or have == list(known)  # every patient, in order
        if not whole or len({*have}) < len(have) or not {*have} <= {*known}:
            raise StorageError(
                f"{name}: labels along {dim!r} are not those of the data and the model. Copy the "
                "file again from where it was saved, or refit."
            )


def bars_of(manifest: Mapping[str, Any]) -> Mapping[str, float]:
    """What draws of a file are held to when they are judged again: see `OF_WEIGHTED`."""
    if TRANSPORT in manifest:
        return {**OF_WEIGHTED, "ebfmi_min": 0.0}
    return OF_WEIGHTED if FEDERATION in manifest else {}


def with_whole_run(judged: Verdict, manifest: Mapping[str, Any]) -> Verdict:
    """The worse of a verdict on the draws at hand, and that on the run that they are of.

    A part of the draws can look better than all of them: a divergence may not be among them.

    Raises
    ------
    StorageError
        The manifest's verdict contradicts itself.
    """
    whole = manifest.get("verdict")
    if whole is None:
        return judged
    usable, reasons, summary = whole["usable"], list(whole["reasons"]), whole["summary"]
    is_whole = judged.summary["draws"] == manifest["sampler"]["draws"]
    counted = [None if np.isnan(n := judged.summary[k]) else n for k in _COUNTED]
    if usable is not (not reasons) or (is_whole and counted != [summary[k] for k in _COUNTED]):
        raise StorageError(
            "The verdict in the manifest contradicts itself, or is not about these draws. Copy the "
            "file again from where it was saved, or refit."
        )
    if TRANSPORT in manifest:
        return of_moved(judged, reasons, summary)
    if not reasons or (is_whole and not judged.usable):
        return judged
    more = [_WHOLE_RUN + str(reason) for reason in reasons]
    return replace(judged, usable=False, reasons=(*more, *judged.reasons))


def of_moved(
    judged: Verdict, reasons: Iterable[str], chains: Mapping[str, float | None]
) -> Verdict:
    """The verdict on draws that were weighted: what is said of chains is of the chains before.

    Parameters
    ----------
    judged
        Of the weighted draws, with the bars of `OF_WEIGHTED`.
    reasons
        What else speaks against them: of the fit before, and of the weights.
    chains
        Summary of the fit before.
    """
    every = tuple(dict.fromkeys((*map(str, reasons), *judged.reasons)))
    told = {k: np.nan if (x := chains[k]) is None else float(x) for k in OF_CHAINS}
    table = judged.table.copy()
    for column in map(str, judged.table):
        if column.startswith(("max_", "min_")):
            table[column] = np.nan
        elif column.startswith("worst_"):
            table[column] = ""
    summary = {**judged.summary, **told}
    return replace(judged, usable=not every, reasons=every, table=table, summary=summary)


def _hash_of(group: xr.Dataset) -> str:
    content = hashlib.sha256()
    for name in sorted(map(str, group.variables)):
        variable = group.variables[name]
        values = variable.to_numpy()
        is_text = values.dtype.kind not in "biuf"
        kind = "text" if is_text else values.dtype.newbyteorder("<").str
        content.update(f"{name}\0{variable.dims}\0{variable.shape}\0{kind}\0".encode())
        if is_text:
            content.update("\0".join(map(str, values.ravel())).encode())
        else:
            content.update(np.ascontiguousarray(values, dtype=kind).data)
    return content.hexdigest()
