"""Every variable of a fit and of a forecast: dims, unit, meaning. `docs/schema.md` is made of it.

A name in braces stands for a marker, a kind of pooling, or the number of a block. Dims of the
posterior are given without ``chain`` and ``draw``, which each of its variables has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twinbayes import names as n

_LOG_HAZARD: Final = "log of a hazard per day"
_LOG_RATIO: Final = "log hazard ratio"
_MARKER_SCALE: Final = "transformed scale of the marker"
_PROBABILITY: Final = "probability"
_DAYS: Final = "days"
_NONE: Final = "1"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, or several of one pattern.

    Attributes
    ----------
    name
        Its name; words in braces stand for others.
    dims
        Its dims, which may have words in braces too.
    unit, meaning
        For people.
    """

    name: str
    dims: tuple[str, ...]
    unit: str
    meaning: str

    def matches(self, name: str) -> bool:
        """Whether this row is about the variable of that name."""
        return re.fullmatch(_pattern(self.name), name) is not None

    def has_dims(self, dims: tuple[str, ...]) -> bool:
        """Whether a variable with these dims is as the row says."""
        return len(dims) == len(self.dims) and all(
            re.fullmatch(_pattern(own), dim) for own, dim in zip(self.dims, dims, strict=True)
        )


_BLOCK: Final = "{block}"  # nothing, or the number of a block of several


def _pattern(text: str) -> str:
    """Regular expression of a name with words in braces."""
    number = re.escape(text).replace(re.escape(_BLOCK), r"(?:_\d+)?")
    return re.sub(r"\\{\w+\\}", r".+?", number)


_EDGES: Final = f"{n.TRANSITION}{_BLOCK}"
POSTERIOR: Final = (
    Variable(n.LOG_BASELINE, (n.TRANSITION, n.WINDOW), _LOG_HAZARD,
             "Baseline hazard, its mean over each window."),
    Variable(n.LOG_BASELINE_AT_EVENT, (n.TRANSITION, n.WINDOW), _LOG_HAZARD,
             "Baseline hazard at an event in the window, where it is not the mean (Weibull)."),
    Variable("log_baseline{block}", (_EDGES, f"{n.WINDOW}{_BLOCK}"), _LOG_HAZARD,
             "Baselines of one kind, where a model has several kinds."),
    Variable("log_baseline{block}_level", (_EDGES,), _LOG_HAZARD,
             "Level of a Weibull hazard."),
    Variable("log_baseline{block}_roughness", (_EDGES,), _LOG_RATIO,
             "Standard deviation of the steps of a walk."),
    Variable("log_baseline{block}_step", (_EDGES, f"{n.WINDOW}{_BLOCK}_step"), _NONE,
             "Steps of a walk in units of its roughness; in fits of earlier versions alone."),
    Variable("log_baseline{block}_weight_{part}", (_EDGES,), _LOG_HAZARD,
             "Level, trend and roughness of the coefficients of a spline."),
    Variable("log_baseline{block}_weight_bend", (_EDGES, f"{n.WINDOW}{_BLOCK}_basis_bend"), _NONE,
             "Bends of a spline along axes, standardised by its roughness and the data."),
    Variable("log_baseline{block}_weight", (_EDGES, f"{n.WINDOW}{_BLOCK}_basis"), _LOG_HAZARD,
             "Coefficients of a spline."),
    Variable("log_baseline{block}_shape", (_EDGES,), _NONE, "Shape of a Weibull hazard."),
    Variable(n.BETA, (n.COVARIATE, n.TRANSITION), _LOG_RATIO,
             "Covariate effects, per standard deviation or against the reference level."),
    Variable("beta_offset", (n.PRINCIPAL_AXIS, n.TRANSITION), _NONE,
             "Covariate effects along axes of their group, standardised by scale and data."),
    Variable("covariate_scale", (n.COVARIATE_GROUP, n.TRANSITION), _LOG_RATIO,
             "Shrinkage scale of a group of covariates on one transition."),
    Variable("covariate_sharing", (n.COVARIATE_GROUP,), _NONE,
             "How strongly effects on worse and better transitions lean together."),
    Variable(n.SUBGROUP_EFFECT, (n.TRANSITION, n.SUBGROUP), _LOG_RATIO,
             "Level of a subgroup against the mean of all; they sum to zero."),
    Variable(n.SUBGROUP_SCALE, (n.TRANSITION,), _LOG_RATIO, "Spread of the levels of subgroups."),
    Variable("subgroup_offset", (n.TRANSITION, f"{n.SUBGROUP}_axis"), _NONE,
             "Levels of subgroups along axes, standardised by their spread and the data."),
    Variable("subgroup_offset", (n.TRANSITION, n.SUBGROUP), _NONE,
             "The same where levels have long tails, or another pooling."),
    Variable("subgroup_sharing", (), _NONE,
             "How strongly levels on worse and better transitions lean together."),
    Variable(n.CENTRE_EFFECT, (n.TRANSITION, n.CENTRE), _LOG_RATIO,
             "Level of a centre against the mean of all; they sum to zero."),
    Variable(n.CENTRE_SCALE, (n.TRANSITION,), _LOG_RATIO, "Spread of the levels of centres."),
    Variable("centre_offset", (n.TRANSITION, f"{n.CENTRE}_axis"), _NONE,
             "Levels of centres along axes, standardised by their spread and the data."),
    Variable("centre_offset", (n.TRANSITION, n.CENTRE), _NONE,
             "The same where levels have long tails, or another pooling."),
    Variable(n.TRANSPORT_LEVEL, (n.TRANSITION,), _LOG_RATIO,
             "Of a fit that was moved: hazards of the new place against those of the fit."),
    Variable(n.TRANSPORT_SLOPE, (), _NONE,
             "Of a fit that was moved: what its log hazard ratios were multiplied by."),
    Variable(n.TRANSPORT_SHAPE, (n.TRANSITION, n.WINDOW), _LOG_RATIO,
             "Of a fit that was moved: hazards of a window against the level of the new place."),
    Variable(n.TREATMENT_EFFECT, (n.EFFECT,), _LOG_RATIO,
             "Effect of a treatment on a transition in a phase, mean over subgroups."),
    Variable(n.TREATMENT_HETEROGENEITY, (n.EFFECT,), _LOG_RATIO,
             "Spread of a treatment effect over subgroups."),
    Variable(n.TREATMENT_SUBGROUP_EFFECT, (n.EFFECT, n.SUBGROUP), _LOG_RATIO,
             "Effect of a treatment in each subgroup."),
    Variable("treatment_offset", (n.EFFECT, n.SUBGROUP), _NONE,
             "Treatment effects of subgroups, standardised by their spread and the data."),
    Variable("treatment_heterogeneity_{part}", (n.EFFECT,), _NONE,
             "Slab, share of variance or precision of a pooling by mixture or shrinkage."),
    Variable("treatment_heterogeneity_{part}", (n.EFFECT, n.SUBGROUP), _NONE,
             "Local scale of each subgroup under a pooling by shrinkage."),
    Variable("treatment_subgroup_effect_exchangeable", (n.EFFECT, n.SUBGROUP), _PROBABILITY,
             "That the subgroup belongs with the others, under a pooling by mixture or partition."),
    Variable("treatment_{part}_{pooling}", (f"{n.EFFECT}_{{pooling}}",), _LOG_RATIO,
             "As above, of the effects under one of several poolings."),
    Variable("treatment_{part}_{pooling}", (f"{n.EFFECT}_{{pooling}}", n.SUBGROUP), _LOG_RATIO,
             "As above, of the effects under one of several poolings."),
    Variable(n.ENTRY_ERA_EFFECT, (n.ENTRY_ERA,), _LOG_RATIO,
             "Of having entered a state in an era; they sum to zero over patients."),
    Variable("entry_era_step", (n.ENTRY_CUT,), _LOG_RATIO, "From an era of entry to the next."),
    Variable(n.TIME_VARYING_EFFECT, (n.TIME_VARYING_WINDOW, n.SUBGROUP), _LOG_RATIO,
             "An effect that changes with time, window by window."),
    Variable(n.FRAILTY_EFFECT, (n.TRANSITION,), f"{_LOG_RATIO} per sd of the frailty",
             "How a patient's frailty moves a hazard; 0 where it does not."),
    Variable(n.FRAILTY_SCALE, (), _LOG_RATIO,
             "Spread of the first hazard over patients that nothing else tells."),
    Variable("frailty_other_effect", (n.FRAILTY_OTHER,), f"{_LOG_RATIO} per sd of the frailty",
             "How the frailty moves the hazards after the first."),
    Variable("time_varying_step", (n.TIME_VARYING,), _LOG_RATIO,
             "Standard deviation of an effect's steps from window to window."),
    Variable("time_varying_{k}_offset", (f"{n.TIME_VARYING}_{{k}}_step", "{who}"), _NONE,
             "Steps of one effect in units of their standard deviation."),
    Variable("time_varying_{k}_offset", (f"{n.TIME_VARYING}_{{k}}_step",), _NONE,
             "Steps of one effect of a covariate in units of their standard deviation."),
    Variable(n.ASSOCIATION_EFFECT, (n.ASSOCIATION,), f"{_LOG_RATIO} per unit of the feature",
             "How a marker's value, slope or area moves a hazard."),
    Variable(n.CURVE_EFFECT, (n.CURVE_COVARIATE, n.CURVE_TERM), _MARKER_SCALE,
             "Mean coefficients of curves (row `level`), and effects of covariates on them."),
    Variable(n.CURVE_SUBGROUP_EFFECT, (n.PATIENT_TERM, n.SUBGROUP), _MARKER_SCALE,
             "Coefficients of a subgroup's mean curve against the mean of all."),
    Variable(n.CURVE_SUBGROUP_SCALE, (n.PATIENT_TERM,), "standard units of the coefficient",
             "Spread of subgroups' mean curves."),
    Variable("curve_subgroup_offset", (n.PATIENT_TERM, f"{n.SUBGROUP}_axis"), _NONE,
             "Subgroups' curves along axes, standardised by their spread and the data."),
    Variable("curve_subgroup_offset", (n.PATIENT_TERM, n.SUBGROUP), _NONE,
             "The same in fits of earlier versions, or under another pooling."),
    Variable(n.CURVE_CENTRE_EFFECT, (n.PATIENT_TERM, n.CENTRE), _MARKER_SCALE,
             "Coefficients of a centre's mean curve against the mean of all."),
    Variable(n.CURVE_CENTRE_SCALE, (n.PATIENT_TERM,), "standard units of the coefficient",
             "Spread of centres' mean curves."),
    Variable("curve_centre_offset", (n.PATIENT_TERM, f"{n.CENTRE}_axis"), _NONE,
             "Centres' curves along axes, standardised by their spread and the data."),
    Variable("curve_centre_offset", (n.PATIENT_TERM, n.CENTRE), _NONE,
             "The same in fits of earlier versions, or under another pooling."),
    Variable("curve_amplitude", (n.MARKER_WITH_WAVES,), _MARKER_SCALE,
             "Standard deviation of the Gaussian process of time."),
    Variable("curve_lengthscale", (n.MARKER_WITH_WAVES,), "years",
             "Lengthscale of the Gaussian process of time."),
    Variable(n.PATIENT_SD, (n.PATIENT_TERM,), _MARKER_SCALE,
             "Standard deviation between patients of a coefficient."),
    Variable(n.PATIENT_CORRELATION, (n.PATIENT_TERM, n.PATIENT_TERM_AGAIN), _NONE,
             "Correlation between patients of two coefficients."),
    Variable(n.PATIENT_CURVE, (n.PATIENT, n.PATIENT_TERM), _MARKER_SCALE,
             "Each patient's own coefficients."),
    Variable(n.MARKER_SD, (n.MARKER_WITH_ERROR,), _MARKER_SCALE,
             "Standard deviation, or scale, of a measurement around its curve."),
    Variable(n.MARKER_SHAPE, (n.COUNT_MARKER,), _NONE, "Shape of a negative binomial count."),
    Variable("marker_gap_{marker}", ("{marker}_gap",), "logit",
             "Distances between the cuts of an ordinal marker."),
)  # fmt: skip
"""Group `posterior` of a fit of patients."""

AGGREGATE: Final = (
    Variable(n.POOLED_EFFECT, (n.COEFFICIENT, n.SUBGROUP), "link scale of the outcome",
             "Coefficients of each subgroup: logit, mean, log rate or log hazard ratio."),
    Variable(n.SUBGROUP_VALUE, (n.SUBGROUP,), "scale of the outcome",
             "Response rate, mean, rate or hazard ratio of each subgroup."),
    Variable("effect_mean", (n.COEFFICIENT,), "link scale of the outcome", "Mean over subgroups."),
    Variable("effect_heterogeneity", (n.COEFFICIENT,), "link scale of the outcome",
             "Spread over subgroups."),
    Variable("effect_offset", (n.COEFFICIENT, n.SUBGROUP), _NONE,
             "Coefficients of subgroups, standardised by their spread and the data."),
    Variable("effect_exchangeable", (n.COEFFICIENT, n.SUBGROUP), _PROBABILITY,
             "That the subgroup belongs with the others."),
)  # fmt: skip
"""Group `posterior` of a fit of aggregate data; further parts are named after their pooling."""

SAMPLE_STATS: Final = (
    Variable("diverging", (), "0 or 1", "Whether the transition diverged."),
    Variable("energy", (), _NONE, "Hamiltonian."),
    Variable("lp", (), _NONE, "Log density of the posterior, up to a constant."),
    Variable("step_size", (), _NONE, "Step of the integrator."),
    Variable("n_steps", (), "count", "Steps of the integrator in this transition."),
    Variable("tree_depth", (), "count", "Doublings of the trajectory."),
    Variable("acceptance_rate", (), _PROBABILITY, "Mean acceptance along the trajectory."),
)
"""Group `sample_stats` of a fit."""

CONSTANTS: Final = (
    Variable(n.WINDOW_EDGE, (n.TRANSITION, "window_edge_number"), _DAYS,
             "Edges of the windows of each baseline, on its own clock."),
    Variable(n.PATIENT_WEIGHT, (n.PATIENT,), _NONE,
             "How much each patient's likelihood counted."),
    Variable(n.PATIENT_SUBGROUP, (n.PATIENT,), "name", "Subgroup of each patient."),
)  # fmt: skip
"""Group `constant_data` of a fit of patients."""

_AT: Final = (n.PATIENT, n.TIME)
FORECAST: Final = (
    Variable(n.STATE_PROBABILITY, (*_AT, n.STATE), _PROBABILITY, "Of being in the state."),
    Variable(n.SURVIVAL, _AT, _PROBABILITY, "Of being alive."),
    Variable(n.CUMULATIVE_INCIDENCE, (*_AT, n.STATE), "count",
             "Expected number of entries into the state since the landmark."),
    Variable(n.RESTRICTED_MEAN_TIME, (n.PATIENT, n.STATE), _DAYS,
             "Expected time in the state until the horizon."),
    Variable(n.RMST, (n.PATIENT,), _DAYS, "Expected time alive until the horizon."),
    Variable(n.MARKER_CURVE, (n.PATIENT, n.MARKER, n.TIME), "the marker's own unit",
             "Mean curve of those alive."),
    Variable(n.MARKER_VALUE, (n.PATIENT, n.MARKER, n.TIME), "the marker's own unit",
             "A measurement in one of them."),
)  # fmt: skip
"""`Twin.forecast`: each with its interval (`_lower`, `_upper`); draws with the suffix `_draws`."""

QUALITY: Final = (
    Variable(n.QUALITY_ADJUSTED_TIME, (n.PATIENT,), _DAYS,
             "Expected time alive until the horizon, each day by its quality."),
    Variable(n.RMST, (n.PATIENT,), _DAYS, "Expected time alive until the horizon."),
    Variable(n.QUALITY_ADJUSTED_SURVIVAL, _AT, _PROBABILITY, "Of being alive, times quality."),
)  # fmt: skip
"""`Twin.quality_adjusted_time`, with intervals as above."""

_MEANS: Final = (
    (n.RMST, "Expected time alive"),
    (n.QUALITY_ADJUSTED_TIME, "Quality-adjusted time"),
)


def _contrast() -> Iterator[Variable]:
    """What two scenarios are compared in."""
    for side, which in (("_a", "first"), ("_b", "second")):
        yield Variable(f"{n.SURVIVAL}{side}", _AT, _PROBABILITY, f"Under the {which} scenario.")
    for who, of in (("", n.PATIENT), ("subgroup_", n.SUBGROUP), ("overall_", None)):
        at = (n.TIME,) if of is None else (of, n.TIME)
        name = f"{who}{n.SURVIVAL}{n.DIFFERENCE}"
        yield Variable(name, at, _PROBABILITY, "First scenario less the second.")
    yield Variable(n.RISK_DIFFERENCE, _AT, _PROBABILITY, "Of death, first less second.")
    yield Variable(
        f"{n.STATE_PROBABILITY}{n.DIFFERENCE}", (*_AT, n.STATE), _PROBABILITY, "First less second."
    )
    for name, meaning in _MEANS:
        for suffix, which in (("_a", "first scenario"), ("_b", "second scenario")):
            yield Variable(f"{name}{suffix}", (n.PATIENT,), _DAYS, f"{meaning}, {which}.")
        for who, of in (("", n.PATIENT), ("subgroup_", n.SUBGROUP), ("overall_", None)):
            total = f"{who}{name}{n.DIFFERENCE}"
            dims = () if of is None else (of,)
            yield Variable(total, dims, _DAYS, f"{meaning}, first less second.")


CONTRAST: Final = tuple(_contrast())
"""`Twin.contrast`, with intervals as above; quality-adjusted time where it is asked for."""


def row_of(name: str, dims: tuple[str, ...], rows: tuple[Variable, ...]) -> Variable | None:
    """The row that describes a variable of this name and these dims; None if there is none."""
    fits = (row for row in rows if row.matches(name) and row.has_dims(dims))
    return next(fits, None)
