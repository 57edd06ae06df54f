"""The patients' own coefficients: drawn around their means, each sampled as its data ask.

A patient's coefficients are sampled one after the other, each standardised as `pooling.centring`
says, by what its prior and the patient's visits say given the coefficients before it. Where errors
cannot be estimated beforehand (other families than the normal, mean functions), coefficients of
patients with several visits are sampled as they are, those of the others in units of their spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.model.curves.families.protocol import LEFT, RIGHT
from twinbayes.model.curves.marker import MarkerData
from twinbayes.model.pooling.centring import Told
from twinbayes.names import (
    PATIENT,
    PATIENT_CORRELATION,
    PATIENT_CURVE,
    PATIENT_SD,
    PATIENT_TERM,
    PATIENT_TERM_AGAIN,
)
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

_WIDE: Final = 10.0  # of what patients may differ by before anything is known, standardised
_NOTHING: Final = 1e6  # spread of an estimate from nothing
_BEYOND: Final = 0.2  # what a value beyond a limit tells, against a measured one


@dataclass(frozen=True)
class OwnCoefficients:
    """What is known of the coefficients in which patients differ, before sampling.

    Attributes
    ----------
    labels
        Of these coefficients, in order.
    index
        Which they are among all coefficients.
    visits
        Of each marker.
    natural, natural_level
        Factor and shift, (coefficient,) of all, from the sampling scale to the markers' own.
    """

    labels: tuple[str, ...]
    index: Ints
    visits: tuple[MarkerData, ...]
    natural: Floats
    natural_level: Floats

    def build(self, mean: Tensor, spreads: Spreads) -> Tensor:
        """Add the patients' coefficients; return all, (patient, term)."""
        root, correlation, spread = spreads.root, spreads.correlation, spreads.spread
        natural, level = self.natural[self.index], self.natural_level[self.index]
        pm.Deterministic(PATIENT_SD, spread * natural, dims=PATIENT_TERM)
        pm.Deterministic(PATIENT_CORRELATION, correlation, dims=(PATIENT_TERM, PATIENT_TERM_AGAIN))
        own = self._drawn(mean, root)
        pm.Deterministic(PATIENT_CURVE, own * natural + level, dims=(PATIENT, PATIENT_TERM))
        n_all = len(self.natural)
        fixed = np.setdiff1d(np.arange(n_all), self.index)
        if not len(fixed):
            return own
        columns = np.argsort(np.concatenate([self.index, fixed]))
        whole: Tensor = pt.concatenate([own, mean[:, fixed]], axis=1)[:, columns]
        return whole

    def levels_given_data(
        self, spreads: Spreads, prior_mean: Floats, prior_sd: Floats
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of all mean coefficients given visits and spreads, roughly.

        `prior_mean` and `prior_sd` (coefficient,) are those of independent normal priors.
        """
        mean, width = list(pt.as_tensor(prior_mean)), list(pt.as_tensor(prior_sd))
        for mine, visits in self._by_marker():
            if (told := _told(visits)) is None:
                continue
            variance = np.diagonal(told.covariance, axis1=1, axis2=2)
            for k, at in enumerate(range(mine.start, mine.stop)):
                each = 1.0 / (spreads.spread[at] ** 2 + variance[:, k])
                j = int(self.index[at])
                known = prior_sd[j] ** -2.0
                information = known + each.sum()
                mean[j] = (known * prior_mean[j] + (each * told.estimate[:, k]).sum()) / information
                width[j] = 1.0 / pt.sqrt(information)
        return pt.stack(mean), pt.stack(width)

    def told_by_level(self, level: Ints, n_levels: int, priors: PriorSet) -> Told:
        """Estimate how levels differ in each coefficient, (term, level).

        `level` is that of each patient, -1 of none.
        """
        totals = np.zeros((2, len(self.labels), n_levels))
        for mine, visits in self._by_marker():
            if (told := _told(visits)) is None:
                continue
            spread = [priors.get_entry("patient_sd", x).quantile(0.5) for x in self.labels[mine]]
            variance = np.diagonal(told.covariance, axis1=1, axis2=2)
            centre = np.average(told.estimate, axis=0, weights=1.0 / variance.sum(axis=1))
            weight = 1.0 / (variance + np.square(spread))
            for k in range(n_levels):
                here = level == k
                totals[0, mine, k] = (weight * (told.estimate - centre))[here].sum(axis=0)
                totals[1, mine, k] = weight[here].sum(axis=0)
        information = totals[1]
        estimate = np.divide(
            totals[0], information, out=np.zeros_like(information), where=information > 0.0
        )
        return Told(estimate, information)

    def _by_marker(self) -> Iterator[tuple[slice, MarkerData]]:
        """Which of the coefficients belong to each marker, and its visits."""
        start = 0
        for visits in self.visits:
            mine = slice(start, start + sum(visits.scale.varies))
            start = mine.stop
            yield mine, visits

    def spreads(self, priors: PriorSet) -> Spreads:
        """Add what patients differ by in each coefficient, and how these go together."""
        n = len(self.labels)
        spread = priors.make(
            "_patient_sd", "patient_sd", dims=(PATIENT_TERM,), qualifiers=self.labels
        )
        if n == 1:
            return Spreads(spread[:, None], pt.ones((1, 1)), spread)
        eta = float(priors.get_entry("patient_correlation").arguments["eta"])
        pairs = [(k, j) for k in range(n) for j in range(k)]
        # Partial correlations of the LKJ distribution are independent (Lewandowski, Kurowicka and
        # Joe 2009, doi:10.1016/j.jmva.2009.04.008), and free of the spreads.
        shape = np.array([eta + (n - 2 - j) / 2 for _, j in pairs])
        partial = 2.0 * pm.Beta("_patient_partial", shape, shape, shape=len(pairs)) - 1.0
        rows = []
        for k in range(n):
            left, row = pt.as_tensor(1.0), []
            for j in range(k):
                own = partial[pairs.index((k, j))]
                row.append(own * left)
                left = left * pt.sqrt(1.0 - own**2)
            rows.append(pt.stack([*row, left, *[pt.as_tensor(0.0)] * (n - 1 - k)]))
        factor = pt.stack(rows)
        return Spreads(spread[:, None] * factor, factor @ factor.T, spread)

    def _drawn(self, mean: Tensor, root: Tensor) -> Tensor:
        """(patient, term) coefficients that vary, around their means."""
        said = self._said()
        # what prior and data leave to each coefficient given those before it, standardised
        innovation: list[Tensor] = []
        off: list[Tensor] = []
        drawn = []
        for k in range(len(self.labels)):
            prior, sd = mean[:, self.index[k]], root[k, k]
            estimate = pt.as_tensor(said.estimate[:, k])
            for f in np.flatnonzero(said.along_fixed[:, k].any(axis=0)):
                estimate = estimate + said.along_fixed[:, k, f] * (said.fixed[f] - mean[:, f])
            for j in range(k):
                prior = prior + root[k, j] * innovation[j]
                if said.root[:, k, j].any():
                    estimate = estimate + said.root[:, k, j] * off[j]
            spread = said.root[:, k, k]
            width = sd / pt.sqrt(1.0 + sd**2 / spread**2)
            shift = (estimate - prior) * width / spread**2
            if (given := said.as_they_are[:, k]).any():
                width, shift = pt.where(given, 1.0, width), pt.where(given, -prior, shift)
            z = pm.Normal(f"_patient_offset_{k}", -shift, sd / width, dims=PATIENT)
            drawn.append(prior + width * (z + shift))
            innovation.append((drawn[k] - prior) / sd)
            off.append((drawn[k] - estimate) / spread)
        all_drawn: Tensor = pt.stack(drawn, axis=1)
        return all_drawn

    def _said(self) -> _Said:
        """What the visits say of each patient's coefficients."""
        n, width, n_all = len(self.visits[0].count), len(self.labels), len(self.natural)
        estimate, as_they_are = np.zeros((n, width)), np.zeros((n, width), dtype=bool)
        root, fixed = np.zeros((n, width, width)), np.zeros(n_all)
        along_fixed, first = np.zeros((n, width, n_all)), 0
        enough = np.logical_and.reduce([v.information > sum(v.scale.varies) for v in self.visits])
        for mine, visits in self._by_marker():
            common = first + np.flatnonzero(~np.array(visits.scale.varies))
            first += len(visits.scale.varies)
            if (told := _told(visits)) is None:
                root[:, mine, mine] = np.eye(mine.stop - mine.start) * _NOTHING
                as_they_are[enough, mine] = True
                continue
            estimate[:, mine] = told.estimate
            root[:, mine, mine] = np.linalg.cholesky(told.covariance)
            fixed[common], along_fixed[:, mine, common] = told.common, told.along_common
        return _Said(estimate, root, as_they_are, fixed, along_fixed)


@dataclass(frozen=True)
class Spreads:
    """What patients differ by.

    Attributes
    ----------
    root
        Cholesky root of the covariance of their coefficients, (term, term).
    correlation, spread
        Correlations, and standard deviations (term,).
    """

    root: Tensor
    correlation: Tensor
    spread: Tensor


@dataclass(frozen=True)
class _Said:
    """What visits say of coefficients, before sampling.

    Attributes
    ----------
    estimate
        (patient, term) of those that vary, where the others are `fixed`.
    root
        (patient, term, term) Cholesky root of the covariance of its errors.
    as_they_are
        (patient, term) coefficients that are sampled as themselves.
    fixed
        (coefficient,) estimates of those that all patients have in common, 0 for the others.
    along_fixed
        (patient, term, coefficient) by how much less the estimate is for each unit more of them.
    """

    estimate: Floats
    root: Floats
    as_they_are: Bools
    fixed: Floats
    along_fixed: Floats


@dataclass(frozen=True)
class _Fitted:
    """Least squares of one marker, as in `_Said`: of the terms that vary, and those in common."""

    estimate: Floats
    covariance: Floats
    common: Floats
    along_common: Floats


def _told(visits: MarkerData) -> _Fitted | None:
    """Estimate the coefficients that vary of each patient, from the patient's measured values.

    Those that all patients have in common are estimated from all. None where errors cannot be
    estimated.
    """
    if visits.scale.mean is not None:
        return None
    fitted = np.linalg.pinv(visits.square, hermitian=True) @ visits.product[:, :, None]
    left = visits.total - (visits.product[:, None] @ fitted)[:, 0, 0]
    rank = np.linalg.matrix_rank(visits.square, hermitian=True)
    degrees = np.maximum(visits.count - rank, 0.0).sum()
    if not degrees:
        return None
    error = max(float(left.sum() / degrees), 1e-9)
    square, product = _with_limits(visits)
    varies = np.array(visits.scale.varies)
    own, common = np.flatnonzero(varies), np.flatnonzero(~varies)
    wide = np.eye(len(varies)) / _WIDE**2
    total = square.sum(axis=0) / error + wide
    all_alike = np.linalg.solve(total, product.sum(axis=0) / error)[common]
    precision = square[:, own][:, :, own] / error + wide[np.ix_(own, own)]
    covariance = np.linalg.inv(precision)
    along_common = covariance @ square[:, own][:, :, common] / error
    estimate = (covariance @ product[:, own, None])[:, :, 0] / error
    return _Fitted(estimate - along_common @ all_alike, covariance, all_alike, along_common)


def _with_limits(visits: MarkerData) -> tuple[Floats, Floats]:
    """Sums over measured values, and over limits that values lie beyond, which tell less."""
    square, product, others = visits.square.copy(), visits.product.copy(), visits.visits
    beyond = np.isin(others.code, (LEFT, RIGHT))
    who, columns = others.patient[beyond], others.columns[beyond]
    np.add.at(square, who, _BEYOND * columns[:, :, None] * columns[:, None, :])
    np.add.at(product, who, _BEYOND * columns * others.value[beyond, None])
    return square, product
