"""What a file of a fit holds, said without showing any of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import xarray as xr

from twinbayes.cohort.quality.suppression import size_words
from twinbayes.cohort.reading import read_files
from twinbayes.inference.files.archive import COHORT, read_text
from twinbayes.inference.files.provenance import require_content
from twinbayes.inference.files.sealed import malformed_is_refused, read_tree
from twinbayes.names import PATIENT_DIMS

KINDS: Final = {
    "without_patients": "fit without patients",
    "federation": "posterior of several sites",
    "pymc_model": "fit of a PyMC model",
    "data": "fit of aggregate data",
}
"""What a file is by a word of its description; without any of them it is a fit of patients."""

_LABELS: Final = ("subgroup", "centre", "transition", "covariate", "marker", "effect")
_WITHIN: Final = ("encoding", "curves")


def inspect_fit(path: str | os.PathLike[str], *, key: bytes | None = None) -> dict[str, Any]:
    """Say what is in a file that `save` of any fit wrote; nothing of a patient is shown.

    Parameters
    ----------
    path
        The file; its checksums are verified first.
    key
        As of `load_fit`.

    Returns
    -------
    dict
        Plain JSON: ``kind``; ``patients``, how many records of patients are in it (a number in
        words: fewer than five are told as ``<5``), 0 of a fit without patients; ``tables``, rows
        of each table of records; ``by_patient``, draws with a value for each patient; ``draws``,
        all others with dims and shape; ``labels``, names of subgroups, centres and so on that the
        draws carry; ``learnt``, what is there of the data beside draws and records; ``usable``;
        ``manifest``.

    Raises
    ------
    StorageError, OptionError
        As `load_fit`.

    Examples
    --------
    >>> from twinbayes.inference import inspect_fit
    >>> path = fit.without_patients().save("shared.nc")
    >>> found = inspect_fit(path)
    >>> found["kind"], found["patients"], found["by_patient"]
    ('fit without patients', '0', {})
    """
    tree, stored = read_tree(path, key=key)
    with malformed_is_refused(Path(path).name):
        text, draws = read_text(tree)
        manifest = require_content(tree, stored)
        kind = next((words for word, words in KINDS.items() if word in text), "fit of patients")
        patients, rows = _records(tree)
        arrays = _arrays(draws)
        verdict = manifest.get("verdict") or {}
        return {
            "kind": kind,
            "patients": size_words(patients),
            "tables": {name: size_words(n) for name, n in rows.items()},
            "by_patient": {k: v for k, v in arrays.items() if {*v["dims"]} & {*PATIENT_DIMS}},
            "draws": {k: v for k, v in arrays.items() if not {*v["dims"]} & {*PATIENT_DIMS}},
            "labels": _labels(draws),
            "learnt": _learnt(text),
            "usable": verdict.get("usable"),
            "manifest": manifest,
        }


def _records(tree: xr.DataTree) -> tuple[int, dict[str, int]]:
    """Number of patients, and of rows in each table of their records, if there are any."""
    if COHORT not in tree:
        return 0, {}
    stored = tree[COHORT].data_vars.items()
    cohort = read_files({str(name): content.to_numpy().tobytes() for name, content in stored})
    return cohort.n_patients, {name: len(frame) for name, frame in cohort.tables.items()}


def _arrays(draws: xr.DataTree) -> dict[str, dict[str, Any]]:
    """Dims and shape of all variables, by group and name."""
    return {
        f"{node.path.strip('/')}/{name}": {
            "dims": [*map(str, v.dims)],
            "shape": [
                size_words(n) if d in PATIENT_DIMS else n
                for d, n in zip(v.dims, v.shape, strict=True)
            ],
        }
        for node in draws.subtree
        for name, v in node.data_vars.items()
    }


def _labels(draws: xr.DataTree) -> dict[str, list[str]]:
    """Labels of the draws that are names of the data or the model; never those of patients."""
    found: dict[str, list[str]] = {}
    for node in draws.subtree:
        for dim in _LABELS:
            if dim in node.coords and dim not in found:
                found[dim] = [str(x) for x in node.coords[dim].to_numpy()]
    return found


def _learnt(text: Mapping[str, Any]) -> dict[str, int]:
    """How many numbers there are of each thing that was learnt from the data before sampling."""
    at = text.get("federation", text)
    told = at.get("learnt", at) if isinstance(at, Mapping) else {}
    parts = {f"{name}": told[name] for name in (*_WITHIN, "edges") if told.get(name) is not None}
    return {name: _numbers(part) for name, part in parts.items()}


def _numbers(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_numbers, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_numbers, value))
    return int(isinstance(value, float))
