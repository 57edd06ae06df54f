"""Normal coefficients that data tell together, sampled one after the other.

The counterpart of `centring` for several coefficients: their spreads and correlations may be
variables of the model, so that no axes can be found beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.tensors import Tensor


@dataclass(frozen=True)
class InTurn:
    """Independent e ~ N(0, 1) of which data say what exp(score' e - e' information e / 2) does.

    The data leave e normal with the precision 1 + information = Q'Q, Q lower triangular, and
    Q e - shift standard normal, where Q' shift = score. Row k of Q has e_k and those before it, so
    that e can be drawn in turn.

    Attributes
    ----------
    root
        Rows of Q, each up to its diagonal.
    shift
        One a coefficient.
    """

    root: Sequence[Sequence[Tensor]]
    shift: Sequence[Tensor]

    @classmethod
    def of(cls, information: Sequence[Sequence[Any]], score: Sequence[Any]) -> Self:
        """Of arrays or tensors that broadcast: rows up to the diagonal, and one a coefficient."""
        terms = range(len(score))
        root: list[list[Any]] = [[0.0] * (k + 1) for k in terms]
        shift: list[Any] = [0.0] * len(score)
        for k in reversed(terms):
            later = terms[k + 1 :]
            for j in reversed(terms[: k + 1]):
                rest = information[k][j] - sum_of((root[i][k], root[i][j]) for i in later)
                root[k][j] = pt.sqrt(1.0 + rest) if j == k else rest / root[k][k]
            shift[k] = (score[k] - sum_of((root[j][k], shift[j]) for j in later)) / root[k][k]
        return cls(root, shift)

    def given(self, k: int, before: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Scale and centre: scale e_k - centre is standard normal given those before it."""
        row = self.root[k]
        return row[k], self.shift[k] - sum_of((row[j], e) for j, e in enumerate(before))

    def draw(self, name: str, k: int, before: Sequence[Tensor], dim: str) -> Tensor:
        """Add the variable that e_k is sampled by; return e_k."""
        return drawn(name, *self.given(k, before), dim)


def drawn(name: str, scale: Tensor, centre: Tensor, dim: str) -> Tensor:
    """Add z = scale e - centre to the model that is being built; return e ~ N(0, 1)."""
    z = pm.Normal(name, -centre, scale, dims=dim)
    innovation: Tensor = (z + centre) / scale
    return innovation


def sum_of(products: Iterable[tuple[Any, Any]]) -> Any:
    """Sum of products, without those whose first factor is nothing."""
    total: Any = 0.0
    for known, by in products:
        if isinstance(known, float | np.ndarray) and not np.any(known):
            continue
        total = total + known * by
    return total
