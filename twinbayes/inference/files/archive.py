"""A fit as one DataTree, and back: draws, and beside them the model, priors and cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.cohort.reading import read_files
from twinbayes.cohort.writing import cohort_files
from twinbayes.errors import StorageError
from twinbayes.model import CurveEncoding, Encoding, Learnt, ModelSpec
from twinbayes.model.catalogue import known_type
from twinbayes.priors import PriorEntry, PriorSet

_DESCRIPTION: Final = "description"
_COHORT: Final = "cohort"


def pack_fit(
    draws: xr.DataTree, spec: ModelSpec, priors: PriorSet, cohort: Cohort, learnt: Learnt
) -> xr.DataTree:
    """Return a fit's draws with two more groups, of bytes: description and cohort folder."""
    known = {
        "encoding": learnt.encoding.to_dict(),
        "curves": None if learnt.curves is None else learnt.curves.to_dict(),
        "edges": [[float(x) if np.isfinite(x) else None for x in e] for e in learnt.edges],
    }
    tree = with_description(draws, spec.to_dict(), priors, known)
    tree[_COHORT] = _as_bytes(dict(sorted(cohort_files(cohort).items())))
    return tree


def with_description(
    tree: xr.DataTree, spec: dict[str, Any], priors: PriorSet, extra: Mapping[str, Any]
) -> xr.DataTree:
    """Return a tree of draws with one more group: model, priors and what else is given."""
    described = tree.copy(deep=False)
    description = {
        "spec": spec,
        "priors": {
            "name": priors.name,
            "version": priors.version,
            "overridden": sorted(priors.overridden),
            "entries": [e.to_dict() for e in priors.values()],
        },
        **extra,
    }
    described[_DESCRIPTION] = _as_bytes({"json": json.dumps(description).encode()})
    return described


def read_description(tree: xr.DataTree) -> tuple[dict[str, Any], PriorSet, xr.DataTree]:
    """Undo `with_description`: all that was described, the priors, and the tree of draws."""
    if _DESCRIPTION not in tree:
        raise StorageError(
            "The file holds draws but no twinbayes fit: it was written by "
            "something else. Use Fit.save."
        )
    text = json.loads(tree[_DESCRIPTION]["json"].to_numpy().tobytes())
    priors = text["priors"]
    entries = [PriorEntry.from_dict(e) for e in priors["entries"]]
    known = PriorSet(
        priors["name"],
        priors["version"],
        {e.name: e for e in entries},
        frozenset(priors["overridden"]),
    )
    return text, known, tree.filter(lambda node: node.name not in (_DESCRIPTION, _COHORT))


def unpack_fit(tree: xr.DataTree, text: Mapping[str, Any]) -> tuple[ModelSpec, Cohort, Learnt]:
    """Undo `pack_fit` where it goes beyond the description: spec, cohort, what was learnt."""
    if _COHORT not in tree:
        raise StorageError("The file holds a fit without its cohort. Use Fit.save.")
    stored = tree[_COHORT].data_vars.items()
    cohort = read_files({str(name): content.to_numpy().tobytes() for name, content in stored})
    edges = tuple(np.array([np.inf if x is None else x for x in e]) for e in text["edges"])
    return (
        ModelSpec.from_dict(text["spec"]),
        cohort,
        Learnt(
            Encoding.from_dict(text["encoding"]),
            edges,
            CurveEncoding.from_dict(text["curves"], known_type) if text.get("curves") else None,
        ),
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
