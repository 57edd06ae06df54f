"""Posterior draws of what the curves of all patients have in common, laid out for forecasts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import TwinError
from twinbayes.model import CurveEncoding, ModelSpec
from twinbayes.model.curves.association import Feature, acting_on
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.curves.parameters import sampled_parameters
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.model.pooling.basic import Exchangeable
from twinbayes.names import (
    ASSOCIATION,
    CENTRE,
    CHAIN,
    CURVE_CENTRE_EFFECT,
    CURVE_COVARIATE,
    CURVE_EFFECT,
    CURVE_SUBGROUP_EFFECT,
    CURVE_TERM,
    DRAW,
    PATIENT_CORRELATION,
    PATIENT_SD,
    PATIENT_TERM,
    PATIENT_TERM_AGAIN,
    SAMPLE,
    SUBGROUP,
)


@dataclass(frozen=True)
class Split:
    """Which coefficients of one marker vary between patients.

    Attributes
    ----------
    varying, fixed
        Those that do and those that do not, counted among the coefficients of the marker.
    place
        Where those that do are among all that do.
    rest
        Those that do not, counted among all coefficients.
    """

    varying: Ints
    fixed: Ints
    place: slice
    rest: Ints


@dataclass(frozen=True)
class CurvePopulation:
    """Draws of what all patients' curves have in common, on the sampling scale.

    Attributes
    ----------
    level, effect
        (term, draw) mean coefficients at covariates of 0; (covariate, term, draw) effects.
    subgroup, centre
        (varying term, label, draw) deviations, or None where there is one label only.
    root
        (draw, varying term, varying term) Cholesky factor of the covariance of patients.
    parameter
        (marker, number, draw) what families have beside curves, as their branches read it:
        standard deviation of measurements, shape of counts, or the cuts between grades.
    association
        (association, draw) log hazard ratios per unit of the sampling scale, and of the covariate
        that an association is multiplied by.
    moves
        For each intensity, what of the curves moves it, and by which association.
    subgroup_spread, centre_spread
        (varying term, draw) standard deviations of the deviations; None where they have none.
    """

    learnt: CurveEncoding
    level: Floats
    effect: Floats
    subgroup: Floats | None
    centre: Floats | None
    root: Floats
    parameter: Floats
    association: Floats
    moves: tuple[tuple[tuple[int, Feature], ...], ...] = ()
    subgroup_spread: Floats | None = None
    centre_spread: Floats | None = None

    @classmethod
    def from_posterior(
        cls, posterior: xr.Dataset, learnt: CurveEncoding, spec: ModelSpec
    ) -> CurvePopulation:
        """Lay the posterior of trajectories out for forecasts."""
        stacked = posterior.stack({SAMPLE: (CHAIN, DRAW)})

        def get(name: str, *dims: str) -> Floats:
            out: Floats = stacked[name].transpose(*dims, SAMPLE).to_numpy()
            return out

        natural, columns = learnt.natural(), learnt.encoding.columns
        table = get(CURVE_EFFECT, CURVE_COVARIATE, CURVE_TERM) / natural[:, None]
        level = table[0] - (learnt.natural_level() / natural)[:, None]
        scale = np.array([c.scale for c in columns])
        spread = get(PATIENT_SD, PATIENT_TERM) / natural[learnt.varying][:, None]
        correlation = get(PATIENT_CORRELATION, PATIENT_TERM, PATIENT_TERM_AGAIN)
        covariance = spread[:, None] * spread[None] * correlation
        features = spec.features
        per_unit = [f.unit(learnt.get(f.association.marker)) for f in features for _ in f.labels]
        n = level.shape[1]
        return cls(
            learnt=learnt,
            level=level,
            effect=table[1:] * scale[:, None, None],
            subgroup=_optional(stacked, CURVE_SUBGROUP_EFFECT, SUBGROUP),
            centre=_optional(stacked, CURVE_CENTRE_EFFECT, CENTRE),
            subgroup_spread=_spread(stacked, SUBGROUP, spec),
            centre_spread=_spread(stacked, CENTRE, spec),
            root=np.linalg.cholesky(np.moveaxis(covariance, -1, 0)),
            parameter=sampled_parameters(stacked, learnt.markers),
            association=(
                get("association", ASSOCIATION) * np.array(per_unit)[:, None]
                if per_unit
                else np.zeros((0, n))
            ),
            moves=tuple(tuple(acting_on(features, label)) for label in spec.graph.labels),
        )

    @cached_property
    def places(self) -> dict[str, tuple[int, MarkerScale, slice]]:
        """Of each marker: its position, what is learnt of it, and its coefficients."""
        known = self.learnt
        return {m.marker: (k, m, known.columns(m.marker)) for k, m in enumerate(known.markers)}

    @cached_property
    def varying(self) -> Ints:
        """Indices of the coefficients that differ between patients."""
        return self.learnt.varying

    @cached_property
    def split(self) -> tuple[Split, ...]:
        """Which coefficients of each marker vary."""
        out, first = [], 0
        for _, marker, mine in self.places.values():
            varies = np.array(marker.varies)
            varying, fixed = np.flatnonzero(varies), np.flatnonzero(~varies)
            place = slice(first, first + len(varying))
            out.append(Split(varying, fixed, place, mine.start + fixed))
            first = place.stop
        return tuple(out)

    @cached_property
    def by_draw(self) -> Floats:
        """(draw, marker, number) what families have beside curves, as their branches read it."""
        return np.ascontiguousarray(np.moveaxis(self.parameter, -1, 0))

    @cached_property
    def _precision(self) -> tuple[Floats, Floats]:
        return _inverted(self.root)

    @property
    def n_draws(self) -> int:
        """Number of posterior draws."""
        return int(self.level.shape[1])

    def take(self, index: Ints) -> CurvePopulation:
        """Return some of the draws, in the order of `index`."""
        by_draw = [f.name for f in fields(self) if f.name not in ("learnt", "moves")]
        parts = {name: getattr(self, name) for name in by_draw}
        taken: dict[str, Any] = {
            name: np.ascontiguousarray(x[index] if name == "root" else x[..., index])
            for name, x in parts.items()
            if x is not None
        }
        return replace(self, **taken)

    def forecasting(self, index: Ints) -> CurvePopulation:
        """What forecasts along drawn curves read, under other draws; the rest does not move."""
        return replace(
            self,
            parameter=self.parameter[..., index],
            association=self.association[:, index],
        )

    def mean(self, plan: CurvePlan, i: int) -> Floats:
        """(term, draw) prior mean of patient `i`; what is unknown of the patient is the average."""
        columns = self.learnt.encoding.columns
        centres = np.array([c.centre / c.scale for c in columns])
        x = plan.design.values[i, : len(columns)] + centres
        mean = self.level + np.tensordot(x, self.effect, 1)
        for by, index in ((self.subgroup, plan.design.subgroup), (self.centre, plan.design.centre)):
            if by is not None and index[i] >= 0:
                mean[self.varying] += by[:, index[i]]
        return mean

    def precision_of(self, plan: CurvePlan, i: int) -> tuple[Floats, Floats]:
        """Prior precision (term, term, draw) of patient `i`, and half its log determinant (draw,).

        What is unknown of the patient widens it: the deviation of a subgroup or centre that the
        fit has not seen, and missing covariates, by their conditional variance. All of them are
        integrated out exactly where they are normal, and by their variance where they are not: a
        0/1 covariate, subgroups of a Student's t.

        Raises
        ------
        TwinError
            The subgroup or centre is unseen, and deviations are not pooled.
        """
        design, varying = plan.design, self.varying
        extra = []
        for what, by, spread, index in (
            ("subgroup", self.subgroup, self.subgroup_spread, design.subgroup),
            ("centre", self.centre, self.centre_spread, design.centre),
        ):
            if by is None or index[i] >= 0:
                continue
            if spread is None:
                raise TwinError(
                    f"This {what} was not in the fit, and the pooling of its curves says nothing "
                    f"about it. Refit with pooling 'exchangeable' for the {what} of curves."
                )
            extra += [
                np.where(np.eye(len(varying), dtype=bool)[k], spread[k, :, None], 0.0)
                for k in range(len(varying))
            ]
        missing = design.variances[i, : len(self.learnt.encoding.columns)]
        extra += [np.sqrt(missing[k]) * self.effect[k][varying].T for k in np.flatnonzero(missing)]
        if not extra:
            return self._precision
        covariance = self.root @ np.swapaxes(self.root, 1, 2)
        for step in extra:  # (draw, term) each, one standard deviation of something unknown
            covariance = covariance + step[:, :, None] * step[:, None, :]
        return _inverted(np.linalg.cholesky(covariance))


def _inverted(root: Floats) -> tuple[Floats, Floats]:
    """Precision (term, term, draw), and half its log determinant (draw,), of Cholesky factors."""
    inverse = np.linalg.inv(root)
    precision = np.moveaxis(np.swapaxes(inverse, 1, 2) @ inverse, 0, -1)
    half_log_det: Floats = -np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return np.ascontiguousarray(precision), half_log_det


def _spread(stacked: xr.Dataset, what: str, spec: ModelSpec) -> Floats | None:
    """Standard deviation of subgroups or centres; None under a pooling that has none.

    A Student's t counts by its variance, as if it were normal.
    """
    pooling = None if spec.trajectories is None else getattr(spec.trajectories, what)
    scale = _optional(stacked, f"curve_{what}_scale")
    if not isinstance(pooling, Exchangeable) or scale is None or np.isinf(pooling.sd):
        return None
    return scale * pooling.sd


def _optional(stacked: xr.Dataset, name: str, *dims: str) -> Floats | None:
    if name not in stacked:
        return None
    out: Floats = stacked[name].transpose(PATIENT_TERM, *dims, SAMPLE).to_numpy()
    return out
