"""Hazard ratios of a fit: of treatments by subgroup, of covariates with what shrinks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.checks.borrowing.record_scores import RecordScores, stacked
from twinbayes.checks.borrowing.shares import shares_with_error
from twinbayes.inference import Fit
from twinbayes.model import Interaction
from twinbayes.model.covariates.columns import Column
from twinbayes.names import (
    BETA,
    CHAIN,
    COVARIATE,
    COVARIATE_GROUP,
    DRAW,
    EFFECT,
    POSTERIOR,
    SUBGROUP,
    TRANSITION,
    TREATMENT_EFFECT,
    TREATMENT_SUBGROUP_EFFECT,
    WHOLE,
)

_SCALE: Final = "covariate_scale"
_RATIOS: Final = ("median", "lower", "upper")
EFFECT_COLUMNS: Final = (EFFECT, SUBGROUP, "n", *_RATIOS)
COVARIATE_COLUMNS: Final = (
    TRANSITION, COVARIATE, "contrast", "group", *_RATIOS, "data_share", "mcse",
)  # fmt: skip
SCALE_COLUMNS: Final = (COVARIATE_GROUP, TRANSITION, "prior", "prior_median", *_RATIOS)


def treatment_effects(fit: Fit, interval: float) -> pd.DataFrame:
    """Return hazard ratios by effect and subgroup, and their mean over subgroups (``all``).

    The mean of the log hazard ratios counts every subgroup alike, whatever its size.
    """
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if TREATMENT_SUBGROUP_EFFECT not in posterior:
        return pd.DataFrame(columns=list(EFFECT_COLUMNS))
    sizes = fit.cohort.patients[SUBGROUP].value_counts()
    quantiles = _quantiles(interval)
    by_group = posterior[TREATMENT_SUBGROUP_EFFECT].quantile(quantiles, (CHAIN, DRAW))
    whole = (
        posterior[TREATMENT_EFFECT].quantile(quantiles, (CHAIN, DRAW))
        if TREATMENT_EFFECT in posterior
        else None
    )
    rows: list[tuple[object, ...]] = []
    for effect in by_group[EFFECT].to_numpy():
        at = by_group.sel({EFFECT: effect})
        groups = sorted(at[SUBGROUP].to_numpy(), key=lambda g: (-int(sizes.get(g, 0)), g))
        rows.extend(
            (effect, g, int(sizes.get(g, 0)), *at.sel({SUBGROUP: g}).values) for g in groups
        )
        if whole is not None:
            numbers = whole.sel({EFFECT: effect}).values
            rows.append((effect, WHOLE, fit.cohort.n_patients, *numbers))
    table = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    table[list(_RATIOS)] = np.exp(table[list(_RATIOS)])
    return table


def covariate_effects(fit: Fit, interval: float, *, draws: int = 1000) -> pd.DataFrame:
    """Return the hazard ratio of every covariate on every transition, and what the data say of it.

    Parameters
    ----------
    fit
        A fit of patients.
    interval
        Probability of the intervals, which are equal-tailed.
    draws
        Posterior draws for the shares, evenly spaced; hazard ratios use all.

    Returns
    -------
    DataFrame
        One row a transition and contrast: ``transition, covariate, contrast`` (who is compared,
        in words), ``group``, the hazard ratio as ``median, lower, upper``, ``data_share`` and its
        Monte Carlo error ``mcse``. A covariate that enters as a spline has one row: its third
        quartile against its first. The share of the data in the log hazard ratio is what `shares`
        gives if the covariate's effect alone is moved; the rest is the prior's, which draws
        towards 1. It is NaN for groups that are not shrunk, and in federated fits.

    Examples
    --------
    >>> list(covariate_effects(fit, 0.9)[["lower", "median", "upper"]])  # doctest: +SKIP
    ['lower', 'median', 'upper']
    """
    posterior = fit.datatree[POSTERIOR].to_dataset()
    found = list(_contrasts(fit))
    if BETA not in posterior or not found:
        return pd.DataFrame(columns=list(COVARIATE_COLUMNS))
    labels = [c.label for c in fit.encoding.columns]
    unshrunk = fit.spec.events.unshrunk
    shrunk = not fit.sites and any(contrast.group not in unshrunk for contrast in found)
    scores = RecordScores(fit.thinned(draws))
    rows: list[tuple[object, ...]] = []
    for transition in map(str, posterior[TRANSITION].to_numpy()):
        beta = stacked(posterior[BETA].sel({TRANSITION: transition, COVARIATE: labels}), COVARIATE)
        told = _Told.of(scores, transition, labels) if shrunk else None
        for contrast in found:
            ratios = np.exp(np.quantile(beta @ contrast.weights, _quantiles(interval)))
            share = (np.nan, np.nan)
            if told is not None and contrast.group not in unshrunk:
                share = told.share(contrast.weights)
            rows.append((transition, contrast.name, contrast.text, contrast.group, *ratios, *share))
    return pd.DataFrame(rows, columns=list(COVARIATE_COLUMNS))


def covariate_scales(fit: Fit, interval: float) -> pd.DataFrame:
    """Return what each group of covariates is shrunk by: prior and posterior of its scale.

    Returns
    -------
    DataFrame
        One row a shrunk group and transition: ``covariate_group, transition, prior`` (in words),
        ``prior_median`` and, of the posterior, ``median, lower, upper``: all of the standard
        deviation of the group's log hazard ratios.

    Examples
    --------
    >>> priors = covariate_scales(fit, 0.9)["prior"]  # doctest: +SKIP
    >>> bool(priors.str.startswith("HalfNormal").all())  # doctest: +SKIP
    True
    """
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if _SCALE not in posterior:
        return pd.DataFrame(columns=list(SCALE_COLUMNS))
    drawn = posterior[_SCALE].quantile(_quantiles(interval), (CHAIN, DRAW))
    rows = []
    for group in map(str, drawn[COVARIATE_GROUP].to_numpy()):
        prior = fit.priors.get_entry(_SCALE, group)
        for transition in map(str, drawn[TRANSITION].to_numpy()):
            numbers = drawn.sel({COVARIATE_GROUP: group, TRANSITION: transition}).values
            rows.append((group, transition, prior.text(), prior.quantile(0.5), *numbers))
    return pd.DataFrame(rows, columns=list(SCALE_COLUMNS))


@dataclass(frozen=True)
class _Contrast:
    """Two patients who differ in one covariate, as weights of the columns of the design."""

    name: str
    text: str
    group: str
    weights: Floats


@dataclass(frozen=True)
class _Told:
    """Effects on one intensity, draw by draw, and the scores of the data on them."""

    beta: Floats
    scores: Floats

    @classmethod
    def of(cls, scores: RecordScores, transition: str, labels: list[str]) -> _Told:
        """Scores (draw, column) from those on the baseline.

        A missing value, normal given what is known of the patient, adds its mean times the effect
        and half its variance times the squared effect to the log hazard.
        """
        beta = stacked(
            scores.posterior[BETA].sel({TRANSITION: transition, COVARIATE: labels}), COVARIATE
        )
        by_patient, _ = scores.of_baseline(transition)
        design = scores.fit.plan.events.design
        values, variances = (x[:, : len(labels)] for x in (design.values, design.variances))
        return cls(beta, by_patient @ values + beta * (by_patient @ variances))

    def share(self, weights: Floats) -> tuple[float, float]:
        """Share of the data in a contrast, and its Monte Carlo error."""
        along = self.scores @ weights / (weights @ weights)
        (share,), error = shares_with_error(self.beta @ weights, along[:, None])
        return float(share), error


def _contrasts(fit: Fit) -> Iterator[_Contrast]:
    columns = fit.encoding.columns
    known = fit.cohort.variables.dropna(subset=["unit"])
    units = dict(zip(known["name"].astype(str), known["unit"].astype(str), strict=True))
    curved = {c.sources[0]: c.label for c in columns if c.function == "spline"}
    beside = _beside(fit)
    for k, column in enumerate(columns):
        if column.function == "spline":
            continue
        weights = np.zeros(len(columns))
        name = column.sources[0]
        if name in curved and column.function == "identity" and len(column.sources) == 1:
            low, high = _quartiles(fit, name)
            ends = pd.DataFrame({name: [low, high]})
            parts = [j for j, c in enumerate(columns) if c.sources == (name,)]
            weights[parts] = [np.diff(columns[j].encode(ends))[0] for j in parts]
            text = f"{high:.4g}{_unit(name, units)} against {low:.4g} (quartiles), spline"
        else:
            weights[k] = 1.0
            text = _contrast_words(column, columns, units)
        text += f", {beside[name]} at 0" if name in beside and len(column.sources) == 1 else ""
        yield _Contrast(column.label, text, column.group, weights)


def _beside(fit: Fit) -> dict[str, str]:
    """Covariate in an interaction → with what: its own effect is where the other is 0."""
    found: dict[str, set[str]] = {}
    for term in fit.spec.events.covariates:
        if isinstance(term, Interaction):
            for name in term.names:
                found.setdefault(name, set()).update(n for n in term.names if n != name)
    return {name: " and ".join(sorted(others)) for name, others in found.items()}


def _contrast_words(column: Column, columns: Sequence[Column], units: dict[str, str]) -> str:
    """Say between whom a hazard ratio of one column is."""
    if column.function == "level":
        others = {c.level for c in columns if c.sources == column.sources}
        (reference,) = set(column.levels) - others
        return f"{column.level} against {reference}"
    if len(column.sources) > 1:
        return "beyond the product of the single ones" + (
            "" if column.is_binary else f", per {column.scale:.3g} of the product"
        )
    if column.is_binary:
        return "present against absent"
    if column.function == "log":
        return f"per standard deviation of the logarithm ({np.exp(column.scale):.3g} times)"
    return f"per standard deviation ({column.scale:.3g}{_unit(column.sources[0], units)})"


def _unit(name: str, units: dict[str, str]) -> str:
    unit = units.get(name, "1")
    return "" if unit == "1" else f" {'years' if unit == 'a' else unit}"


def _quartiles(fit: Fit, name: str) -> tuple[float, float]:
    known = fit.cohort.covariates()[name].dropna().to_numpy(dtype=float)
    low, high = np.quantile(known, [0.25, 0.75])
    if low == high:  # many are capped at one value
        low, high = np.quantile(np.unique(known), [0.25, 0.75])
    return float(low), float(high)


def _quantiles(interval: float) -> list[float]:
    return [0.5, 0.5 - interval / 2, 0.5 + interval / 2]
