"""Coefficients that data tell together: their law, and how they are sampled given such data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

from chance import drawn_seed
from twinbayes.model.pooling.jointly import InTurn

ROWS, TERMS = 3, 4


def told(size: float) -> tuple[np.ndarray, np.ndarray]:
    """Information (row, term, term), of rank 2 only, and score that data may have told of it."""
    rng = np.random.default_rng(drawn_seed())
    seen = size * rng.normal(size=(ROWS, 2, TERMS))
    information = np.swapaxes(seen, 1, 2) @ seen
    return information, (information @ rng.normal(size=(ROWS, TERMS, 1)))[:, :, 0]


def drawn(information: np.ndarray, score: np.ndarray) -> Any:
    """(row, term) coefficients, in the model that is being built."""
    lower = [[information[:, k, j] for j in range(k + 1)] for k in range(TERMS)]
    turns = InTurn.of(lower, list(score.T))
    out: list[Any] = []
    for k in range(TERMS):
        out.append(turns.draw(f"z{k}", k, out, "row"))
    return pt.stack(out, axis=1)


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_what_is_sampled_is_standard_normal_given_such_data(size: float) -> None:
    information, score = told(size)
    with pm.Model(coords={"row": range(ROWS)}) as model:
        e = drawn(information, score)
        squared = (e[:, :, None] * information * e[:, None, :]).sum()
        pm.Potential("data", (score * e).sum() - 0.5 * squared)
    logp = model.compile_logp(mode="FAST_COMPILE")
    middle = logp({f"z{k}": np.zeros(ROWS) for k in range(TERMS)})
    for z in np.random.default_rng(drawn_seed()).normal(0.0, 3.0, (5, TERMS, ROWS)):
        value = logp({f"z{k}": z[k] for k in range(TERMS)})
        assert value - middle == pytest.approx(-0.5 * np.square(z).sum(), rel=1e-6)


@pytest.mark.parametrize("size", [0.0, 3.0])
def test_coefficients_are_independent_and_standard_normal_whatever_is_told(size: float) -> None:
    with pm.Model(coords={"row": range(ROWS)}):
        e = np.asarray(pm.draw(drawn(*told(size)), draws=4000))
    flat = e.reshape(len(e), -1)
    for column in flat.T:  # the smallest p is below 1e-7 once in 800,000 runs
        assert stats.kstest(column, "norm").pvalue > 1e-7
    np.testing.assert_allclose(np.corrcoef(flat.T), np.eye(ROWS * TERMS), atol=0.1)
