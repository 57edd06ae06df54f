"""The patients' own coefficients: drawn around their means, each sampled as its data ask.

Coefficients of patients with several visits are sampled as they are (centred), those of the others
in units of what patients differ by; so are, of all patients, the coefficients of which most visits
tell little, such as a level long before the first visit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats, Ints
from twinbayes.model.curves.marker import MarkerData
from twinbayes.model.pooling.centring import Told
from twinbayes.names import (
    PATIENT,
    PATIENT_CENTRED,
    PATIENT_CORRELATION,
    PATIENT_CURVE,
    PATIENT_NON_CENTRED,
    PATIENT_SD,
    PATIENT_TERM,
    PATIENT_TERM_AGAIN,
)
from twinbayes.priors import PriorSet
from twinbayes.priors.prior_tags import note_prior, row_norms
from twinbayes.tensors import Tensor

_WIDE: Final = 10.0  # of what patients may differ by before anything is known, standardised
_TOLD: Final = 0.5  # share of the data below which a coefficient is sampled in units of its spread


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

    def build(self, mean: Tensor, priors: PriorSet) -> Tensor:
        """Add spreads, correlations and coefficients; return all, (patient, term)."""
        well, sparsely = self._by_visits()
        told = self._shares(priors, well) >= _TOLD
        # The first coefficients are sampled in units of their spread, the others as they are.
        order = np.argsort(told if told.any() else ~told, kind="stable")
        back = np.argsort(order)
        root, correlation, spread = self._spread(order, priors)
        natural, level = self.natural[self.index], self.natural_level[self.index]
        pm.Deterministic(PATIENT_SD, spread[back] * natural, dims=PATIENT_TERM)
        pm.Deterministic(
            PATIENT_CORRELATION,
            correlation[back][:, back],
            dims=(PATIENT_TERM, PATIENT_TERM_AGAIN),
        )
        n_offset = int((~told).sum()) if told.any() else 0
        own = self._drawn(mean[:, self.index[order]], root, well, sparsely, n_offset)[:, back]
        pm.Deterministic(PATIENT_CURVE, own * natural + level, dims=(PATIENT, PATIENT_TERM))
        n_all = len(self.natural)
        fixed = np.setdiff1d(np.arange(n_all), self.index)
        if not len(fixed):
            drawn: Tensor = own
            return drawn
        columns = np.argsort(np.concatenate([self.index, fixed]))
        whole: Tensor = pt.concatenate([own, mean[:, fixed]], axis=1)[:, columns]
        return whole

    def told_by_level(self, level: Ints, n_levels: int, priors: PriorSet) -> Told:
        """Estimate how levels differ in each coefficient, (term, level).

        `level` is that of each patient, -1 of none.
        """
        every = np.arange(len(level))
        totals = np.zeros((2, len(self.labels), n_levels))
        for mine, visits in self._by_marker():
            told = None if visits.scale.mean is not None else _told(visits, every)
            if told is None:
                continue
            spread = [priors.get_entry("patient_sd", x).quantile(0.5) for x in self.labels[mine]]
            weight = 1.0 / (1.0 / told.information + np.square(spread)[:, None])
            for k in range(n_levels):
                here = level == k
                totals[0, mine, k] = (weight * told.estimate)[:, here].sum(axis=1)
                totals[1, mine, k] = weight[:, here].sum(axis=1)
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

    def _spread(self, order: Ints, priors: PriorSet) -> tuple[Tensor, Tensor, Tensor]:
        """Cholesky root, correlations and standard deviations, in an order of coefficients."""
        labels = [self.labels[k] for k in order]
        if len(labels) == 1:
            spread = priors.make(
                "_patient_sd", "patient_sd", dims=(PATIENT_TERM,), qualifiers=labels
            )
            return spread[:, None], pt.ones((1, 1)), spread
        root, correlation, spread = pm.LKJCholeskyCov(
            "_patient_root",
            n=len(labels),
            eta=float(priors.get_entry("patient_correlation").arguments["eta"]),
            sd_dist=priors.distribution("patient_sd", labels),
            compute_corr=True,
            store_in_trace=False,
        )
        scatter = priors.distribution("patient_sd", labels)
        note_prior(pm.modelcontext(None)["_patient_root"], "patient_sd", scatter, row_norms)
        return root, correlation, spread

    def _drawn(
        self, own: Tensor, root: Tensor, well: Ints, sparsely: Ints, n_offset: int
    ) -> Tensor:
        """(patient, term) coefficients around their means `own`, in the order of `root`."""
        model: Any = pm.modelcontext(None)
        patients = model.coords[PATIENT]
        pieces = []
        if len(well):
            model.add_coord(PATIENT_CENTRED, [patients[i] for i in well])
            pieces.append(self._well_told(own[well], root, n_offset))
        if len(sparsely):
            model.add_coord(PATIENT_NON_CENTRED, [patients[i] for i in sparsely])
            offset = pm.Normal(
                "_patient_offset", 0.0, 1.0, dims=(PATIENT_NON_CENTRED, PATIENT_TERM)
            )
            pieces.append(own[sparsely] + offset @ root.T)
        drawn: Tensor = pt.concatenate(pieces)[np.argsort(np.concatenate([well, sparsely]))]
        return drawn

    def _well_told(self, own: Tensor, root: Tensor, n_offset: int) -> Tensor:
        """Coefficients of the patients with several visits: the first ones as offsets."""
        if not n_offset:
            centred: Tensor = pm.MvNormal(
                "_patient_curve", mu=own, chol=root, dims=(PATIENT_CENTRED, PATIENT_TERM)
            )
            return centred
        model: Any = pm.modelcontext(None)
        terms = np.arange(len(self.labels))
        first, rest = (f"{PATIENT_TERM}_{part}" for part in ("offset", "centred"))
        model.add_coords({first: terms[:n_offset], rest: terms[n_offset:]})
        offset = pm.Normal("_patient_level_offset", 0.0, 1.0, dims=(PATIENT_CENTRED, first))
        given = own[:, n_offset:] + offset @ root[n_offset:, :n_offset].T
        others = pm.MvNormal(
            "_patient_curve",
            mu=given,
            chol=root[n_offset:, n_offset:],
            dims=(PATIENT_CENTRED, rest),
        )
        beginning = own[:, :n_offset] + offset @ root[:n_offset, :n_offset].T
        both: Tensor = pt.concatenate([beginning, others], axis=1)
        return both

    def _by_visits(self) -> tuple[Ints, Ints]:
        """Patients whose visits determine their curves, and the others."""
        enough = [v.information > sum(v.scale.varies) for v in self.visits]
        every = np.logical_and.reduce(enough)
        return np.flatnonzero(every), np.flatnonzero(~every)

    def _shares(self, priors: PriorSet, well: Ints) -> Floats:
        """(term,) share of the data in what is known of the coefficients of these patients."""
        found = np.ones(len(self.labels))
        for mine, visits in self._by_marker():
            if visits.scale.mean is None and (told := _told(visits, well)) is not None:
                share = told.shares(priors, "patient_sd", self.labels[mine])
                found[mine] = share.mean(axis=1)
        return found


def _told(visits: MarkerData, patients: Ints) -> Told | None:
    """Estimate the coefficients that vary of some patients, each from its measured values.

    Returns
    -------
    Told or None
        (coefficient, patient) deviations from the mean; None where errors cannot be estimated.
    """
    fitted = np.linalg.pinv(visits.square, hermitian=True) @ visits.product[:, :, None]
    left = visits.total - (visits.product[:, None] @ fitted)[:, 0, 0]
    rank = np.linalg.matrix_rank(visits.square, hermitian=True)
    degrees = np.maximum(visits.count - rank, 0.0).sum()
    if not degrees or not len(patients):
        return None
    error = max(float(left.sum() / degrees), 1e-9)
    wide = np.eye(visits.square.shape[1]) / _WIDE**2
    variance = np.linalg.inv(visits.square[patients] / error + wide)
    estimate = (variance @ visits.product[patients, :, None])[:, :, 0].T / error
    varies = np.flatnonzero(visits.scale.varies)
    information = 1.0 / np.diagonal(variance, axis1=1, axis2=2).T[varies]
    mean = (estimate[varies] * information).sum(axis=1) / information.sum(axis=1)
    return Told(estimate[varies] - mean[:, None], information)
