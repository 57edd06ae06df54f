"""A multivariate normal model of the covariates, for the entries that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.cohort.quality.suppression import SMALLEST_CELL

_RIDGE = 0.05  # share of the diagonal added: keeps rare lesions from predicting each other
_ITERATIONS = 12
_TOLERANCE = 1e-3
_TWO = 2


@dataclass(frozen=True)
class NormalModel:
    """Mean and covariance of the columns, estimated from incomplete rows by EM.

    Source: Little and Rubin, Statistical Analysis with Missing Data, section 11.2.
    """

    mean: Floats
    covariance: Floats

    @classmethod
    def learn(cls, values: Floats) -> NormalModel:
        """Estimate from (patient, column) values with NaN where missing."""
        n, width = values.shape
        if width == 0:
            return cls(np.zeros(0), np.zeros((0, 0)))
        mean = np.nanmean(values, axis=0)
        covariance = np.diag(np.nanvar(values, axis=0))
        for _ in range(_ITERATIONS if np.isnan(values).any() else 1):
            filled, uncertain = _expect(values, mean, covariance)
            new_mean = filled.mean(axis=0)
            centred = filled - new_mean
            second = (centred.T @ centred + uncertain) / n
            new = second + _RIDGE * np.diag(np.diag(second))
            change = np.max(np.abs(new - covariance)) / np.max(np.abs(new))
            mean, covariance = new_mean, new
            if change < _TOLERANCE:
                break
        return cls(mean, covariance)

    def coarse(self, values: Floats) -> NormalModel:
        """The same with covariances so coarse that they tell of no patient, for sharing.

        Each is rounded to a multiple of what five patients add to it who differ by one from the
        rest in a column of two values, and by a standard deviation in any other: sums and
        differences of rows, which would single out one patient, then end in rounding. Columns in
        which fewer than five patients differ from all others are set apart. Of what is left the
        nearest positive definite matrix is taken.

        Parameters
        ----------
        values
            (patient, column) values that it was learnt from, NaN where missing.
        """
        few, n = rare(values), len(values)
        reach = np.sqrt(np.diag(self.covariance))
        for k, column in enumerate(values.T):
            known = np.unique(column[~np.isnan(column)])
            if len(known) == _TWO:
                reach[k] = known[1] - known[0]
        step = SMALLEST_CELL / max(n, 1) * np.outer(reach, reach)
        rounded = np.round(self.covariance / step) * step
        size = np.sqrt(np.diag(self.covariance))
        apart = np.outer(~few, ~few) & ~np.eye(len(few), dtype=bool)
        correlation = np.where(apart, rounded / np.outer(size, size), np.eye(len(few)))
        spread, axes = np.linalg.eigh(correlation)
        if spread.min(initial=1.0) < _RIDGE:
            nearest = (axes * np.maximum(spread, _RIDGE)) @ axes.T
            unit = np.sqrt(np.diag(nearest))
            correlation = np.where(apart, nearest / np.outer(unit, unit), np.eye(len(few)))
        return NormalModel(self.mean, correlation * np.outer(size, size))

    def conditional(self, values: Floats) -> tuple[Floats, Floats]:
        """Fill each missing entry with its conditional mean; return also its variance.

        Returns
        -------
        mean, variance
            Shaped like `values`; variance is 0 where observed.
        """
        mean, variance = values.copy(), np.zeros_like(values)
        # Row by row, not pattern by pattern: a patient's numbers must not depend on the batch.
        for i in np.flatnonzero(np.isnan(values).any(axis=1)):
            missing = np.isnan(values[i])
            weights, residual = _regress(self.covariance, missing)
            mean[i, missing] = self.mean[missing] + weights @ (values[i] - self.mean)[~missing]
            variance[i, missing] = np.diag(residual)
        return mean, variance

    def distances(self, values: Floats) -> tuple[Floats, Floats]:
        """Squared Mahalanobis distance of each row of what is known of it, and how many that is.

        Returns
        -------
        squared, known
            (patient,) each; both 0 where nothing is known.
        """
        squared, known = np.zeros(len(values)), np.zeros(len(values))
        for i, row in enumerate(values):
            seen = ~np.isnan(row)
            away = (row - self.mean)[seen]
            squared[i] = away @ np.linalg.solve(self.covariance[np.ix_(seen, seen)], away)
            known[i] = seen.sum()
        return squared, known

    def to_dict(self) -> dict[str, Any]:
        """Plain data for storage; `from_dict` undoes it."""
        return {"mean": self.mean.tolist(), "covariance": self.covariance.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NormalModel:
        """Rebuild a model that `to_dict` wrote."""
        mean = np.asarray(data["mean"], dtype=float)
        return cls(mean, np.asarray(data["covariance"], dtype=float).reshape(len(mean), len(mean)))


def rare(values: Floats) -> NDArray[np.bool_]:
    """Columns (column,) of (patient, column) values in which fewer than five differ from the rest.

    A lesion of few carriers, or of few who do not carry it; missing values count for neither.
    """
    found = np.zeros(values.shape[1], dtype=bool)
    for k, column in enumerate(values.T):
        known = column[~np.isnan(column)]
        _, counts = np.unique(known, return_counts=True)
        found[k] = len(known) - counts.max(initial=0) < SMALLEST_CELL
    return found


def _regress(covariance: Floats, missing: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Regression weights of the missing on the observed columns, and residual covariance."""
    seen = ~missing
    across = covariance[np.ix_(missing, seen)]
    weights = np.linalg.solve(covariance[np.ix_(seen, seen)], across.T).T
    return weights, covariance[np.ix_(missing, missing)] - weights @ across.T


def _patterns(missing: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    patterns, which = np.unique(missing, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        if pattern.any():
            yield pattern, np.flatnonzero(which.ravel() == k)


def _expect(values: Floats, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """E step: rows with missing entries at their expectation, and summed residual covariance."""
    filled = values.copy()
    uncertain = np.zeros_like(covariance)
    for pattern, rows in _patterns(np.isnan(values)):
        weights, residual = _regress(covariance, pattern)
        seen = (values[rows] - mean)[:, ~pattern]
        filled[np.ix_(rows, np.flatnonzero(pattern))] = mean[pattern] + seen @ weights.T
        uncertain[np.ix_(pattern, pattern)] += len(rows) * residual
    return filled, uncertain
