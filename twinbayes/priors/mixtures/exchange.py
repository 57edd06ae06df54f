"""Mixtures as JSON, in the form that RBesT reads and writes (`write_mix_json`).

``comp`` has one row each for weights, first and second parameters; ``meta`` has what makes an R
object of it. Numbers have all their digits.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinbayes.documents import read_json
from twinbayes.errors import PriorError
from twinbayes.paths import path_of
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, NORMAL, Mixture
from twinbayes.private_files import write_private

_CLASSES: Final = {BETA: "betaMix", NORMAL: "normMix", GAMMA: "gammaMix"}
_ROWS: Final = {BETA: ("w", "a", "b"), NORMAL: ("w", "m", "s"), GAMMA: ("w", "a", "b")}
_LIKELIHOODS: Final = {BETA: "binomial", NORMAL: "normal", GAMMA: "poisson"}
_LINK: Final = "identity"


def write_mixture(mixture: Mixture, path: str | os.PathLike[str]) -> Path:
    """Write a mixture; `read_mixture` gives it back to the last bit.

    Raises
    ------
    StorageError
        The place cannot be written to.
    """
    k = len(mixture.weights)
    meta: dict[str, Any] = {
        "dim": [3, k],
        "dimnames": [list(_ROWS[mixture.kind]), [f"comp{i + 1}" for i in range(k)]],
        "class": [_CLASSES[mixture.kind], "mix"],
        "likelihood": [_LIKELIHOODS[mixture.kind]],
        "link": [_LINK],
    }
    if mixture.reference_sd is not None:
        meta["sigma"] = [mixture.reference_sd]
    rows = [mixture.weights.tolist(), mixture.first.tolist(), mixture.second.tolist()]
    return write_private(path, json.dumps({"meta": meta, "comp": rows}, indent=1), "\n")


def read_mixture(path: str | os.PathLike[str]) -> Mixture:
    """Read a mixture that `write_mixture` or RBesT wrote; weights rounded there are rescaled.

    Raises
    ------
    PriorError
        No such file, no mixture in it, or one of another kind, likelihood or link.
    """
    file = path_of(path, PriorError, "read_mixture")
    try:
        found = read_json(file, PriorError)
        meta = found["meta"]
        rows = np.array(found["comp"], dtype=float)
        classes, likelihood, link = (_texts(meta, n) for n in ("class", "likelihood", "link"))
        reference = _reference_sd(meta.get("sigma"))
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise PriorError(
            f"{file.name[:80]} holds no mixture that can be read ({type(error).__name__}). "
            "Write it with RBesT's write_mix_json, or with write_mixture."
        ) from error
    kinds = [kind for kind, name in _CLASSES.items() if name in classes]
    if len(kinds) != 1 or rows.ndim != 2 or len(rows) != 3:
        raise PriorError(
            f"{file.name} holds a mixture of class {', '.join(classes)}. Known: "
            f"{', '.join(_CLASSES.values())}, of one parameter."
        )
    (kind,) = kinds
    if likelihood != [_LIKELIHOODS[kind]] or link != [_LINK]:
        raise PriorError(
            f"{file.name} is of a {'/'.join(likelihood)} likelihood with link "
            f"{'/'.join(link)}. Mixtures here are on the scale of the parameter: {kind} ones of a "
            f"{_LIKELIHOODS[kind]} likelihood with link {_LINK}."
        )
    total = rows[0].sum()
    weights = rows[0] if total == 1.0 or not 0 < total < np.inf else rows[0] / total
    return Mixture(kind, weights, rows[1], rows[2], reference)


def _texts(meta: dict[str, Any], name: str) -> list[str]:
    value = meta[name]
    texts = [value] if isinstance(value, str) else [str(v) for v in value]
    return [text.encode("ascii", "backslashreplace").decode("ascii") for text in texts]


def _reference_sd(sigma: Any) -> float | None:
    return None if sigma in (None, []) else float(np.ravel(sigma)[0])
