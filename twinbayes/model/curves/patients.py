"""The patients' own coefficients: drawn around their means, each sampled as its data ask.

A patient's coefficients are sampled standardised by what their prior and the patient's visits say
of all of them together, at the spreads and correlations that there are (`pooling.jointly`). Where
errors cannot be estimated beforehand (other families than the normal, mean functions), coefficients
of patients with several visits are sampled as they are, those of the others in units of their
spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.model.curves.families.protocol import LEFT, RIGHT
from twinbayes.model.curves.marker import MarkerData, MarkerScale
from twinbayes.model.pooling.centring import Told
from twinbayes.model.pooling.jointly import InTurn, drawn, sum_of
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
_ALIKE: Final = 1e-3  # of what patients do not differ in
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
    grams
        Of each marker, (column, column) basis columns against each other, over all visits.
    """

    labels: tuple[str, ...]
    index: Ints
    visits: tuple[MarkerData, ...]
    natural: Floats
    natural_level: Floats
    grams: tuple[Floats, ...]

    @classmethod
    def of(cls, markers: Sequence[MarkerScale], visits: tuple[MarkerData, ...]) -> OwnCoefficients:
        """Gather what is known; no `visits`, where there are no patients."""
        labels = [f"{m.marker}: {label}" for m in markers for label in m.labels]
        varying = np.flatnonzero([varies for m in markers for varies in m.varies])
        sizes = [len(m.labels) for m in markers]
        return cls(
            labels=tuple(labels[k] for k in varying),
            index=varying,
            visits=visits,
            natural=np.concatenate([m.natural() for m in markers]),
            natural_level=np.concatenate([m.natural_level() for m in markers]),
            grams=tuple(v.gram for v in visits) or tuple(np.zeros((n, n)) for n in sizes),
        )

    def record(self, spreads: Spreads) -> None:
        """Record what patients differ by, in the markers' own units, and its correlations."""
        spread = spreads.spread * self.natural[self.index]
        pm.Deterministic(PATIENT_SD, spread, dims=PATIENT_TERM)
        dims = (PATIENT_TERM, PATIENT_TERM_AGAIN)
        pm.Deterministic(PATIENT_CORRELATION, spreads.correlation, dims=dims)

    def build(self, mean: Tensor, spreads: Spreads) -> Tensor:
        """Add the patients' coefficients; return all, (patient, term)."""
        natural, level = self.natural[self.index], self.natural_level[self.index]
        self.record(spreads)
        own = self._drawn(mean, spreads.root)
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
        """(patient, term) coefficients that vary, around their means.

        They are mean + root e, e ~ N(0, 1) independent, of which visits that say of the
        coefficients what exp(score' c - c' information c / 2) does say as much with the information
        root' information root.
        """
        said, terms = self._said(), range(len(self.labels))
        known = said.information
        along = [
            [sum_of((known[:, a, c], root[c, j]) for c in terms[j:]) for j in terms] for a in terms
        ]
        information = [
            [sum_of((along[a][j], root[a, i]) for a in terms[i:]) for j in terms[: i + 1]]
            for i in terms
        ]
        every = range(len(self.natural))
        misfit = [
            said.score[:, a] - sum_of((said.beside[:, a, f], mean[:, f]) for f in every)
            for a in terms
        ]
        turns = InTurn.of(
            information, [sum_of((misfit[a], root[a, k]) for a in terms[k:]) for k in terms]
        )
        innovation: list[Tensor] = []
        coefficients = []
        for k in terms:
            prior = mean[:, self.index[k]] + sum_of(
                (e, root[k, j]) for j, e in enumerate(innovation)
            )
            scale, centre = turns.given(k, innovation)
            if (given := said.as_they_are[:, k]).any():
                scale = pt.where(given, root[k, k], scale)
                centre = pt.where(given, -prior, centre)
            innovation.append(drawn(f"_patient_offset_{k}", scale, centre, PATIENT))
            coefficients.append(prior + root[k, k] * innovation[k])
        out: Tensor = pt.stack(coefficients, axis=1)
        return out

    def _said(self) -> _Said:
        """What the visits say of each patient's coefficients."""
        n, width, n_all = len(self.visits[0].count), len(self.labels), len(self.natural)
        information, score = np.zeros((n, width, width)), np.zeros((n, width))
        beside, as_they_are = np.zeros((n, width, n_all)), np.zeros((n, width), dtype=bool)
        first = 0
        enough = np.logical_and.reduce([v.information > sum(v.scale.varies) for v in self.visits])
        for mine, visits in self._by_marker():
            every = slice(first, first + len(visits.scale.varies))
            first = every.stop
            if (error := _error(visits)) is None:
                as_they_are[enough, mine] = True
                continue
            own = np.flatnonzero(visits.scale.varies)
            square, product = (x / error for x in _with_limits(visits))
            information[:, mine, mine] = square[:, own][:, :, own]
            score[:, mine], beside[:, mine, every] = product[:, own], square[:, own]
        return _Said(information, score, beside, as_they_are)


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
    information
        (patient, term, term) of those that vary.
    score
        (patient, term) information times estimates, where all others are 0.
    beside
        (patient, term, coefficient) by how much less the score is for each unit of a coefficient.
    as_they_are
        (patient, term) coefficients that are sampled as themselves.
    """

    information: Floats
    score: Floats
    beside: Floats
    as_they_are: Bools


@dataclass(frozen=True)
class _Fitted:
    """Least squares of one marker by patient: (patient, term) estimates, and their covariance."""

    estimate: Floats
    covariance: Floats


def _told(visits: MarkerData) -> _Fitted | None:
    """Estimate the coefficients that vary of each patient, from the patient's measured values.

    Those that all patients have in common are estimated from all. None where errors cannot be
    estimated.
    """
    if (error := _error(visits)) is None:
        return None
    square, product = (x / error for x in _with_limits(visits))
    varies = np.array(visits.scale.varies)
    own, common = np.flatnonzero(varies), np.flatnonzero(~varies)
    wide = np.eye(len(varies)) / _WIDE**2
    alike = np.linalg.solve(square.sum(axis=0) + wide, product.sum(axis=0))[common]
    covariance = np.linalg.inv(square[:, own][:, :, own] + wide[np.ix_(own, own)])
    score = product[:, own] - square[:, own][:, :, common] @ alike
    return _Fitted((covariance @ score[:, :, None])[:, :, 0], covariance)


def crude_curves(visits: MarkerData) -> Floats | None:
    """Estimate the coefficients of each patient's curve, (patient, coefficient), roughly.

    Each patient's own are pulled to those of all, as if patients differed by one standard deviation
    of the marker. None where errors cannot be estimated.
    """
    if (error := _error(visits)) is None:
        return None
    square, product = (x / error for x in _with_limits(visits))
    varies = np.array(visits.scale.varies)
    alike = np.linalg.solve(square.sum(axis=0) + np.eye(len(varies)), product.sum(axis=0))
    near = np.diag(np.where(varies, 1.0, 1.0 / _ALIKE**2))
    own = np.linalg.solve(square + near, (product - square @ alike)[:, :, None])[:, :, 0]
    curves: Floats = alike + own
    return curves


def _error(visits: MarkerData) -> float | None:
    """Variance of errors around each patient's own curve; None where it cannot be estimated."""
    if visits.scale.mean is not None:
        return None
    fitted = np.linalg.pinv(visits.square, hermitian=True) @ visits.product[:, :, None]
    left = visits.total - (visits.product[:, None] @ fitted)[:, 0, 0]
    rank = np.linalg.matrix_rank(visits.square, hermitian=True)
    degrees = np.maximum(visits.count - rank, 0.0).sum()
    return max(float(left.sum() / degrees), 1e-9) if degrees else None


def _with_limits(visits: MarkerData) -> tuple[Floats, Floats]:
    """Sums over measured values, and over limits that values lie beyond, which tell less."""
    square, product, others = visits.square.copy(), visits.product.copy(), visits.visits
    beyond = np.isin(others.code, (LEFT, RIGHT))
    who, columns = others.patient[beyond], others.columns[beyond]
    np.add.at(square, who, _BEYOND * columns[:, :, None] * columns[:, None, :])
    np.add.at(product, who, _BEYOND * columns * others.value[beyond, None])
    return square, product
