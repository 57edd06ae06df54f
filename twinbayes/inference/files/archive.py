"""A fit as one DataTree, and back: draws, and beside them the model, priors and cohort."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.cohort.reading import read_files
from twinbayes.cohort.writing import cohort_files
from twinbayes.errors import StorageError
from twinbayes.inference.files.constants import checked_weights
from twinbayes.inference.files.provenance import require_draws, require_part
from twinbayes.model import CurveEncoding, Encoding, Learnt, ModelSpec
from twinbayes.model.catalogue import known_type
from twinbayes.names import (
    CENTRE,
    CONSTANT_DATA,
    PATIENT,
    PATIENT_WEIGHT,
    SUBGROUP,
    TRANSITION,
    WINDOW_EDGE,
)
from twinbayes.priors import PriorEntry, PriorSet
from twinbayes.priors.entry import hash_of

_DESCRIPTION: Final = "description"
COHORT: Final = "cohort"


def pack_fit(
    draws: xr.DataTree, spec: ModelSpec, priors: PriorSet, cohort: Cohort, learnt: Learnt
) -> xr.DataTree:
    """Return a fit's draws with two more groups, of bytes: description and cohort folder."""
    tree = with_description(draws, spec.to_dict(), priors, described_learnt(learnt))
    tree[COHORT] = _as_bytes(dict(sorted(cohort_files(cohort).items())))
    return tree


def with_description(
    tree: xr.DataTree, spec: dict[str, Any], priors: PriorSet, extra: Mapping[str, Any]
) -> xr.DataTree:
    """Return a tree of draws with one more group: model, priors and what else is given."""
    description = {
        "spec": spec,
        "priors": described_priors(priors),
        **extra,
    }
    return with_text(tree, description)


def described_learnt(learnt: Learnt) -> dict[str, Any]:
    """Return what was learnt before sampling as plain data; `stored_learnt` undoes it."""
    return {
        "encoding": learnt.encoding.to_dict(),
        "curves": None if learnt.curves is None else learnt.curves.to_dict(),
        "edges": [[float(x) if np.isfinite(x) else None for x in e] for e in learnt.edges],
    }


def stored_learnt(text: Mapping[str, Any]) -> Learnt:
    """What `described_learnt` wrote into a description."""
    return Learnt(
        Encoding.from_dict(text["encoding"]),
        tuple(np.array([np.inf if x is None else x for x in e]) for e in text["edges"]),
        CurveEncoding.from_dict(text["curves"], known_type) if text.get("curves") else None,
    )


def described_priors(priors: PriorSet) -> dict[str, Any]:
    """Return priors as plain data; `stored_priors` reads them from a description."""
    return {
        "name": priors.name,
        "version": priors.version,
        "overridden": sorted(priors.overridden),
        **({"extends": priors.extends} if priors.extends else {}),
        "entries": [e.to_dict() for e in priors.values()],
    }


def with_text(tree: xr.DataTree, description: Mapping[str, Any]) -> xr.DataTree:
    """Return a tree of draws with one more group: plain data that describe it."""
    described = tree.copy(deep=False)
    described[_DESCRIPTION] = _as_bytes({"json": json.dumps(description).encode()})
    return described


def read_text(tree: xr.DataTree) -> tuple[dict[str, Any], xr.DataTree]:
    """Undo `with_text`: what describes the draws, and the tree of draws."""
    if _DESCRIPTION not in tree:
        raise StorageError(
            "The file holds draws but no twinbayes fit: it was written by "
            "something else. Use Fit.save."
        )
    text = json.loads(tree[_DESCRIPTION]["json"].to_numpy().tobytes())
    return text, tree.filter(lambda node: node.name not in (_DESCRIPTION, COHORT))


def stored_priors(text: Mapping[str, Any]) -> PriorSet:
    """Priors of a description that `with_description` wrote."""
    priors = text["priors"]
    entries = [PriorEntry.from_dict(e) for e in priors["entries"]]
    return PriorSet(
        priors["name"],
        priors["version"],
        {e.name: e for e in entries},
        frozenset(priors["overridden"]),
        priors.get("extends", ""),
    )


def require_description(
    text: Mapping[str, Any], priors: PriorSet, manifest: Mapping[str, Any]
) -> None:
    """Refuse a description whose model or priors are not those that the manifest names.

    Hashed as it is stored: a later version may write the same model in another way.

    Raises
    ------
    StorageError
        Names what differs.
    """
    spec = json.dumps(text["spec"], sort_keys=True)
    require_part(manifest, "model", spec_hash=hashlib.sha256(spec.encode()).hexdigest())
    entries = {e["name"]: e for e in text["priors"]["entries"]}
    require_part(manifest, "priors", prior_hash=hash_of(entries), prior_ids=list(priors.ids))


def unpack_fit(
    tree: xr.DataTree, text: Mapping[str, Any], manifest: Mapping[str, Any]
) -> tuple[ModelSpec, Cohort, Learnt]:
    """Undo `pack_fit` where it goes beyond the description: spec, cohort, what was learnt.

    Raises
    ------
    StorageError
        There is no cohort, or it is not that of the manifest; draws or constants do not fit to
        model and cohort.
    """
    if COHORT not in tree:
        raise StorageError("The file holds a fit without its cohort. Use Fit.save.")
    stored = tree[COHORT].data_vars.items()
    cohort = read_files({str(name): content.to_numpy().tobytes() for name, content in stored})
    require_part(manifest, "data", cohort_fingerprint=cohort.fingerprint)
    spec = ModelSpec.from_dict(text["spec"])
    learnt = stored_learnt(text)
    subgroups, centres = learnt.encoding.subgroups, learnt.encoding.centres
    if set(cohort.subgroups) - set(subgroups) or set(cohort.centres) - set(centres):
        raise StorageError(
            "The cohort has subgroups or centres that the model has learnt nothing of. Copy the "
            "file again from where it was saved, or refit."
        )
    labels = {  # a site's fit knows other sites' subgroups and centres too
        PATIENT: cohort.patient_ids,
        SUBGROUP: subgroups,
        CENTRE: centres,
        TRANSITION: spec.graph.labels,
    }
    require_draws(tree, manifest, labels)
    _require_constants(tree, cohort, learnt)
    return spec, cohort, learnt


def _require_constants(tree: xr.DataTree, cohort: Cohort, learnt: Learnt) -> None:
    """Refuse constants of a fit that are not those of its cohort and of what it has learnt."""
    if CONSTANT_DATA not in tree:  # every patient counts once; hashes tell whether it was there
        return
    stored = tree[CONSTANT_DATA].to_dataset()
    checked_weights(stored[PATIENT_WEIGHT].to_numpy(), cohort.n_patients)
    same = stored[PATIENT].to_numpy().tolist() == list(cohort.patient_ids) and all(
        np.array_equal(row[: len(own)], own) and np.all(np.isinf(row[len(own) :]))
        for row, own in zip(stored[WINDOW_EDGE].to_numpy(), learnt.edges, strict=True)
    )
    if not same:
        raise StorageError(
            "The patients or windows among the constants are not those of data and model. Copy "
            "the file again from where it was saved, or refit."
        )


def _as_bytes(parts: dict[str, Any]) -> xr.DataTree:
    return xr.DataTree(
        xr.Dataset(
            {
                name: (f"{k}_byte", np.frombuffer(content, dtype=np.uint8))
                for k, (name, content) in enumerate(parts.items())
            }
        )
    )
