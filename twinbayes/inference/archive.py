"""A fit as one DataTree, and back: draws, and beside them the model, priors and cohort."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort, read_cohort
from twinbayes.errors import StorageError
from twinbayes.model import CurveEncoding, Encoding, Learnt, ModelSpec
from twinbayes.priors import PriorEntry, PriorSet

if TYPE_CHECKING:
    from twinbayes.inference.fit import Fit

_DESCRIPTION: Final = "description"
_COHORT: Final = "cohort"


def pack_fit(fit: Fit) -> xr.DataTree:
    """Return the fit's tree with two more groups, of bytes: description and cohort folder."""
    tree = fit.datatree.copy(deep=False)
    description = {
        "spec": fit.spec.to_dict(),
        "encoding": fit.encoding.to_dict(),
        "curves": None if fit.learnt.curves is None else fit.learnt.curves.to_dict(),
        "edges": [[float(x) if np.isfinite(x) else None for x in e] for e in fit.edges],
        "priors": {
            "name": fit.priors.name,
            "version": fit.priors.version,
            "overridden": sorted(fit.priors.overridden),
            "entries": [e.to_dict() for e in fit.priors.values()],
        },
    }
    tree[_DESCRIPTION] = _as_bytes({"json": json.dumps(description).encode()})
    with tempfile.TemporaryDirectory() as folder:
        written = fit.cohort.write(Path(folder) / "cohort")
        tree[_COHORT] = _as_bytes({p.name: p.read_bytes() for p in sorted(written.iterdir())})
    return tree


def unpack_fit(
    tree: xr.DataTree,
) -> tuple[ModelSpec, Cohort, PriorSet, Learnt, xr.DataTree]:
    """Undo `pack_fit`: spec, cohort, priors, what was learnt, and the tree of draws."""
    if _DESCRIPTION not in tree or _COHORT not in tree:
        raise StorageError(
            "The file holds draws but no twinbayes fit: it was written by "
            "something else. Use Fit.save."
        )
    text = json.loads(tree[_DESCRIPTION]["json"].to_numpy().tobytes())
    priors = text["priors"]
    entries = [PriorEntry.from_dict(e) for e in priors["entries"]]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tree[_COHORT].data_vars.items():
            (Path(folder) / Path(str(name)).name).write_bytes(content.to_numpy().tobytes())
        cohort = read_cohort(folder)
    edges = tuple(np.array([np.inf if x is None else x for x in e]) for e in text["edges"])
    draws = tree.filter(lambda node: node.name not in (_DESCRIPTION, _COHORT))
    return (
        ModelSpec.from_dict(text["spec"]),
        cohort,
        PriorSet(
            priors["name"],
            priors["version"],
            {e.name: e for e in entries},
            frozenset(priors["overridden"]),
        ),
        Learnt(
            Encoding.from_dict(text["encoding"]),
            edges,
            CurveEncoding.from_dict(text["curves"]) if text.get("curves") else None,
        ),
        draws,
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
