"""The trajectory component: repeated measurements as curves, one a patient and marker.

For marker k of patient i, t years after the origin, on a scale where the marker has mean 0 and
standard deviation 1:

    m_ik(t) = sum over basis columns b of  c_ikb B_kb(t)
    c_i     ~ normal(mean_i, D),  mean_i = level + x_i . effects + subgroup + centre

or m_ik(t) is a mean function with the parameters c_ik.

The coefficients of all markers of a patient are drawn together, so that markers inform each
other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, require_known
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.covariates.terms import CovariateTerm
from twinbayes.model.curves.basis import Polynomial, TimeBasis
from twinbayes.model.curves.families.normal import Normal
from twinbayes.model.curves.families.protocol import MarkerFamily, require_family
from twinbayes.model.curves.marker import TRANSFORMS, MarkerData, MarkerScale
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.means.own import require_supported
from twinbayes.model.curves.parameters import parameter_coords, sample_parameters
from twinbayes.model.curves.patients import OwnCoefficients, Spreads
from twinbayes.model.curves.turns import Since
from twinbayes.model.curves.waves import add_waves, beside_waves, line_terms
from twinbayes.model.pooling.basic import Exchangeable
from twinbayes.model.pooling.centring import ToldTogether
from twinbayes.model.pooling.protocol import EffectNames, Pooling
from twinbayes.model.storing.codec import Known
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import (
    CENTRE,
    CURVE_COVARIATE,
    CURVE_EFFECT,
    CURVE_TERM,
    MARKER,
    PATIENT_TERM,
    PATIENT_TERM_AGAIN,
    SUBGROUP,
)
from twinbayes.priors import PriorSet
from twinbayes.priors.prior_tags import note_prior
from twinbayes.showing import brief
from twinbayes.tensors import Tensor

_LEVEL: Final = "curve_level"
_COVARIATE: Final = "curve_covariate_only"  # covariates that act on curves, without the level


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Trajectory:
    """How one marker moves in time.

    Parameters
    ----------
    marker
        A marker of the visits table.
    transform
        ``identity`` or ``log``: the scale on which errors are normal.
    basis
        Functions of time that curves are made of, a straight line by default; or a mean function,
        which is not linear in its parameters.
    family
        How measurements scatter around the curve; normal by default.
    turns
        Steps and bends of the curve since a treatment or an event. Forecasts take those that have
        begun by the landmark, and on each path those that come on it.

    Examples
    --------
    >>> Trajectory(marker="bilirubin", transform="log").basis
    Polynomial(degree=1, kind='polynomial', own_degree=None)
    """

    marker: str
    transform: str = "identity"
    basis: TimeBasis | MeanFunction = field(default_factory=Polynomial)
    family: MarkerFamily = field(default_factory=Normal)
    turns: tuple[Since, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the coefficients."""
        return (*self.basis.labels, *(turn.label for turn in self.turns))

    @property
    def shared(self) -> tuple[str, ...]:
        """Labels of those in which patients do not differ."""
        return (*self.basis.shared, *(turn.label for turn in self.turns if not turn.varies))

    def __post_init__(self) -> None:
        require_known(self.transform, TRANSFORMS, f"transform of marker {self.marker!r}")
        require_family(self.family, self.marker)
        if self.transform != "identity" and not self.family.transformable:
            raise ModelError(
                f"Marker {self.marker!r}: the {self.family.kind} family has its own scale. "
                "Leave transform='identity'."
            )
        scaled = [p.is_scaled for p in self.family.parameters]
        if self.family.transformable and not any(scaled[:1]):
            raise ModelError(
                f"Marker {self.marker!r}: the {self.family.kind} family is on the scale of the "
                "marker, so the first of its parameters has to be the standard deviation of "
                "errors, with is_scaled=True."
            )
        if isinstance(self.basis, MeanFunction):
            plain = self.family.transformable and not self.turns
            require_supported(self.basis, self.marker, is_plain=plain)


@brief
@dataclass(frozen=True)
class CurveEncoding:
    """What trajectories learn from one cohort, and apply to any other.

    Attributes
    ----------
    encoding
        How covariates that act on curves become columns.
    markers
        Basis and scales of each marker.

    Examples
    --------
    >>> [one.marker for one in fit.learnt.curves.markers][:2]
    ['residual_disease_pct', 'global_health']
    """

    encoding: Encoding
    markers: tuple[MarkerScale, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all coefficients of a patient."""
        return tuple(f"{m.marker}: {label}" for m in self.markers for label in m.labels)

    def columns(self, marker: str) -> slice:
        """Which coefficients belong to a marker."""
        start = 0
        for m in self.markers:
            stop = start + len(m.labels)
            if m.marker == marker:
                return slice(start, stop)
            start = stop
        known = ", ".join(repr(m.marker) for m in self.markers)
        raise ModelError(f"Marker {marker!r} has no trajectory. Known: {known}.")

    def get(self, marker: str) -> MarkerScale:
        """Return what is known of one marker."""
        self.columns(marker)
        return next(m for m in self.markers if m.marker == marker)

    @property
    def varying(self) -> Ints:
        """Indices of the coefficients that differ between patients."""
        return np.flatnonzero([varies for m in self.markers for varies in m.varies])

    def natural(self) -> Floats:
        """Factor (coefficient,) from the sampling scale to the markers' own."""
        return np.concatenate([m.natural() for m in self.markers])

    def natural_level(self) -> Floats:
        """What to add to coefficients on the markers' own scale: their means, to the levels."""
        return np.concatenate([m.natural_level() for m in self.markers])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for storage; `from_dict` undoes it."""
        markers = [m.to_dict() for m in self.markers]
        return {"encoding": self.encoding.to_dict(), "markers": markers}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], known: Known) -> CurveEncoding:
        """Rebuild what `to_dict` wrote; `known` as for `codec.decode`."""
        markers = tuple(MarkerScale.from_dict(m, known) for m in data["markers"])
        return cls(Encoding.from_dict(data["encoding"]), markers)


@dataclass(frozen=True)
class CurvePlan:
    """Everything about one cohort that trajectories need, and nothing sampled.

    Attributes
    ----------
    learnt
        Columns, knots and scales.
    design
        Covariates of the patients.
    visits
        The visits of each marker, summed up.
    """

    learnt: CurveEncoding
    design: DesignMatrix
    visits: tuple[MarkerData, ...]


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Trajectories:
    """Curves of one or several markers.

    Parameters
    ----------
    markers
        One `Trajectory` a marker.
    covariates
        Baseline covariates that act on level and shape of every curve.
    subgroup, centre
        How subgroup and centre deviations are pooled, of the coefficients that patients differ in.

    Examples
    --------
    >>> level = Trajectory(marker="bilirubin", transform="log")
    >>> Trajectories(markers=(level,)).markers[0].marker
    'bilirubin'
    """

    markers: tuple[Trajectory, ...]
    covariates: tuple[CovariateTerm, ...] = ()
    subgroup: Pooling = field(default_factory=Exchangeable)
    centre: Pooling = field(default_factory=Exchangeable)

    def __post_init__(self) -> None:
        names = [t.marker for t in self.markers]
        if not names or len(set(names)) < len(names):
            raise ModelError(
                f"Trajectories need at least one marker, each named once; found {names}."
            )

    def learn(self, cohort: Cohort) -> CurveEncoding:
        """Fix columns, knots and scales from a cohort."""
        return CurveEncoding(
            Encoding.learn(self.covariates, cohort),
            tuple(
                MarkerScale.learn(t.marker, t.transform, t.basis, t.family, t.turns, cohort)
                for t in self.markers
            ),
        )

    def plan(self, cohort: Cohort, learnt: CurveEncoding | None = None) -> CurvePlan:
        """Read a cohort's visits, under columns and scales learnt from it or before."""
        learnt = self.learn(cohort) if learnt is None else learnt
        visits = tuple(m.read(cohort) for m in learnt.markers)
        return CurvePlan(learnt, learnt.encoding.encode(cohort), visits)

    def coords(self, learnt: CurveEncoding) -> dict[str, Sequence[object]]:
        """Coordinates of the component's dims."""
        varying = tuple(learnt.labels[k] for k in learnt.varying)
        return {
            MARKER: tuple(m.marker for m in learnt.markers),
            **parameter_coords(learnt.markers),
            CURVE_TERM: learnt.labels,
            PATIENT_TERM: varying,
            PATIENT_TERM_AGAIN: varying,
            CURVE_COVARIATE: ("level", *learnt.encoding.labels),
        }

    def build(self, plan: CurvePlan, priors: PriorSet, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Add curves and visits; return coefficients and their means, (patient, term) each."""
        learnt, design = plan.learnt, plan.design
        own = OwnCoefficients.of(learnt.markers, plan.visits)
        spreads = own.spreads(priors)
        levels = (design.subgroup, design.centre)
        mean = self._means(learnt, own, spreads, levels, priors).of_patients(design)
        curve = own.build(mean, spreads)
        parameters = sample_parameters(learnt.markers, priors)
        for visits in plan.visits:
            name = visits.scale.marker
            logp = visits.logp(curve[:, learnt.columns(name)], parameters[name], weight)
            pm.Potential(f"loglik_{name}", logp)
        return curve, mean

    def build_population(self, learnt: CurveEncoding, priors: PriorSet) -> None:
        """Add what the curves of all patients have in common, without any patient."""
        own = OwnCoefficients.of(learnt.markers, ())
        spreads = own.spreads(priors)
        nobody = np.zeros(0, dtype=np.int64)
        self._means(learnt, own, spreads, (nobody, nobody), priors)
        own.record(spreads)
        sample_parameters(learnt.markers, priors)

    def _means(
        self,
        learnt: CurveEncoding,
        own: OwnCoefficients,
        spreads: Spreads,
        levels: tuple[Ints, Ints],
        priors: PriorSet,
    ) -> _Means:
        """Add mean coefficients; `levels` are the subgroup and centre of each patient of `own`."""
        columns, labels, natural = learnt.encoding.columns, learnt.labels, learnt.natural()
        dim, which = line_terms(learnt.markers)
        lines = [labels[k] for k in which]
        level = _levels(own, spreads, (which, dim, lines), priors)
        level = add_waves(level, learnt.markers, own.grams)
        rows, effect = [level * natural + learnt.natural_level()], None
        if columns:
            pm.modelcontext(None).add_coord(_COVARIATE, learnt.encoding.labels)
            effect = priors.make("_curve_effect", "curve_effect", dims=(_COVARIATE, dim))
            effect = beside_waves(effect, learnt.markers)
            spread = np.array([c.scale for c in columns])
            rows.append(effect * natural / spread[:, None])
        centres = np.array([c.centre / c.scale for c in columns])
        table = pt.concatenate([r if r.ndim == 2 else r[None, :] for r in rows])
        if columns:
            # Covariates are centred while sampling; reported levels are those at zero.
            shift = (pt.as_tensor(centres)[:, None] * effect * natural).sum(axis=0)
            table = pt.inc_subtensor(table[0], -shift)
        pm.Deterministic(CURVE_EFFECT, table, dims=(CURVE_COVARIATE, CURVE_TERM))
        deviations = []
        for what, dim, pooling, known, index in (
            ("subgroup", SUBGROUP, self.subgroup, learnt.encoding.subgroups, levels[0]),
            ("centre", CENTRE, self.centre, learnt.encoding.centres, levels[1]),
        ):
            by = None
            if len(known) > 1:
                names = EffectNames(
                    mean="",
                    scale=f"curve_{what}_scale",
                    offset=f"curve_{what}_offset",
                    total=f"curve_{what}_effect",
                    scale_prior=f"curve_{what}_scale",
                    told=ToldTogether.of(own.told_by_level(index, len(known), priors)),
                )
                some = [labels[k] for k in learnt.varying]
                by = pooling.build(names, (PATIENT_TERM, dim), some, len(known), priors)
            deviations.append(by)
        return _Means(level, effect, (deviations[0], deviations[1]), learnt.varying, len(columns))


@dataclass(frozen=True)
class _Means:
    """Mean coefficients of curves: (term,) `level`, (covariate, term) `effect`, and `deviations`.

    Those of subgroups and of centres are (varying term, label); None where there are none.
    """

    level: Tensor
    effect: Tensor | None
    deviations: tuple[Tensor | None, Tensor | None]
    varying: Ints
    n_covariates: int

    def of_patients(self, design: DesignMatrix) -> Tensor:
        """(patient, term) mean coefficients."""
        mean: Tensor = self.level[None, :] + np.zeros((design.n_patients, 1))
        if self.effect is not None:
            mean = mean + pt.as_tensor(design.values[:, : self.n_covariates]) @ self.effect
        for by, index in zip(self.deviations, (design.subgroup, design.centre), strict=True):
            if by is not None:
                mean = pt.inc_subtensor(mean[:, self.varying], by.T[index])
        return mean


def _levels(
    own: OwnCoefficients, spreads: Spreads, terms: tuple[Ints, str, Sequence[str]], priors: PriorSet
) -> Tensor:
    """(line term,) mean coefficients: indices, dim and labels of `terms`.

    Where their priors are normal they are sampled standardised by what visits say of them at the
    spreads between patients: where these come to nothing, all visits together tell one curve.
    """
    which, dim, labels = terms
    entries = [priors.get_entry(_LEVEL, label) for label in labels]
    if any(e.mixture or e.distribution != "Normal" for e in entries):
        return priors.make(f"_{_LEVEL}", _LEVEL, dims=(dim,), qualifiers=labels)
    prior = priors.arguments(_LEVEL, labels)
    mu, sigma = np.zeros(len(own.natural)), np.ones(len(own.natural))
    mu[which], sigma[which] = prior["mu"], prior["sigma"]
    mean, width = (x[which] for x in own.levels_given_data(spreads, mu, sigma))
    z = pm.Normal(
        f"_{_LEVEL}_offset", (prior["mu"] - mean) / width, prior["sigma"] / width, dims=dim
    )
    level: Tensor = pm.Deterministic(f"_{_LEVEL}", mean + width * z, dims=dim)
    note_prior(level, _LEVEL, priors.distribution(_LEVEL, labels))
    return level
