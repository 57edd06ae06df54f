"""Posterior draws of an event process, laid out once for everything that reads hazards."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.names import (
    BETA,
    CENTRE,
    CENTRE_EFFECT,
    CENTRE_SCALE,
    CHAIN,
    COVARIATE,
    DRAW,
    EFFECT,
    ENTRY_ERA,
    ENTRY_ERA_EFFECT,
    FRAILTY_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    SUBGROUP,
    SUBGROUP_EFFECT,
    SUBGROUP_SCALE,
    TIME_VARYING,
    TIME_VARYING_EFFECT,
    TIME_VARYING_WINDOW,
    TRANSITION,
    TREATMENT_EFFECT,
    TREATMENT_HETEROGENEITY,
    TREATMENT_SUBGROUP_EFFECT,
    WINDOW,
)


@dataclass(frozen=True)
class EventDraws:
    """Draws of what hazards depend on, as the fused likelihood reads them.

    Draws of all chains together, chain after chain. Variables that a model has not are empty.

    Attributes
    ----------
    log_baseline
        (draw, intensity, window), log baseline hazards per day, of the mean over each window.
    log_at_event
        (draw, intensity, window), those at an event in the window; the same array where a baseline
        has no others.
    coef
        (draw, column, intensity); columns are covariates, then subgroups, then centres.
    acting
        (draw, effect, subgroup), log hazard ratios as rows at risk point at them (see `RowTable`):
        those of treatments, then of eras of entry, then of windows of time-varying effects.
    treatment_mean, treatment_scale
        (draw, treatment effect), mean and spread over subgroups; 0 where all subgroups share one
        effect.
    walk_step
        (draw, time-varying effect), how far each goes from window to window.
    subgroup_scale, centre_scale
        (draw, intensity), spread of levels; None if the pooling has none.
    frailty
        (draw, intensity), what one sd of a patient's frailty adds; (draw, 0) without one.
    n_covariates, n_treatments, n_eras
        Columns of `coef` that are of covariates; effects of `acting` that are of treatments and
        of eras.
    """

    log_baseline: Floats
    log_at_event: Floats
    coef: Floats
    acting: Floats
    treatment_mean: Floats
    treatment_scale: Floats
    walk_step: Floats
    subgroup_scale: Floats | None
    centre_scale: Floats | None
    frailty: Floats
    n_covariates: int
    n_treatments: int
    n_eras: int

    @classmethod
    def from_posterior(cls, posterior: xr.Dataset, encoding: Encoding) -> EventDraws:
        """Lay the posterior of an event process out.

        Parameters
        ----------
        posterior
            Variables of the event process, with dims chain and draw; others are left alone.
        encoding
            Columns, subgroups and centres of the fit.
        """

        def get(name: str, *dims: str) -> Floats | None:
            return _draws(posterior, name, *dims) if name in posterior else None

        log_baseline = _draws(posterior, LOG_BASELINE, TRANSITION, WINDOW)
        at_event = get(LOG_BASELINE_AT_EVENT, TRANSITION, WINDOW)
        n, n_intensities, _ = log_baseline.shape
        n_subgroups = len(encoding.subgroups)
        beta = get(BETA, COVARIATE, TRANSITION)
        levels = (
            (get(SUBGROUP_EFFECT, SUBGROUP, TRANSITION), encoding.subgroups),
            (get(CENTRE_EFFECT, CENTRE, TRANSITION), encoding.centres),
        )
        coef = [np.zeros((n, len(encoding.columns), n_intensities)) if beta is None else beta]
        coef += [
            np.zeros((n, len(labels), n_intensities)) if level is None else level
            for level, labels in levels
        ]
        nothing = np.zeros((n, 0, n_subgroups))
        treatment = get(TREATMENT_SUBGROUP_EFFECT, EFFECT, SUBGROUP)
        treatment = nothing if treatment is None else treatment
        era = get(ENTRY_ERA_EFFECT, ENTRY_ERA)
        by_era = nothing if era is None else np.repeat(era[..., None], n_subgroups, axis=-1)
        walks = get(TIME_VARYING_EFFECT, TIME_VARYING_WINDOW, SUBGROUP)
        walks = nothing if walks is None else walks
        frailty = get(FRAILTY_EFFECT, TRANSITION)
        step = get("time_varying_step", TIME_VARYING)
        mean, scale = _over_subgroups(posterior)
        return cls(
            log_baseline=log_baseline,
            log_at_event=log_baseline if at_event is None else at_event,
            coef=np.concatenate(coef, axis=1),
            acting=np.concatenate([treatment, by_era, walks], axis=1),
            treatment_mean=mean,
            treatment_scale=scale,
            walk_step=np.zeros((n, 0)) if step is None else step,
            subgroup_scale=get(SUBGROUP_SCALE, TRANSITION),
            centre_scale=get(CENTRE_SCALE, TRANSITION),
            frailty=np.zeros((n, 0)) if frailty is None else frailty,
            n_covariates=len(encoding.columns),
            n_treatments=treatment.shape[1],
            n_eras=by_era.shape[1],
        )

    @property
    def n_draws(self) -> int:
        """Number of posterior draws, all chains together."""
        return len(self.log_baseline)

    @property
    def has_own_hazards_at_events(self) -> bool:
        """Whether hazards at an event are others than the means over its window (Weibull)."""
        return self.log_at_event is not self.log_baseline

    @property
    def of_treatments(self) -> Floats:
        """(draw, treatment effect, subgroup), the first part of `acting`."""
        return self.acting[:, : self.n_treatments]

    @property
    def of_eras(self) -> Floats:
        """(draw, era), the second part of `acting`; the same in every subgroup."""
        return self.acting[:, self.n_treatments : self.n_treatments + self.n_eras, 0]

    @property
    def of_walks(self) -> Floats:
        """(draw, window of any time-varying effect, subgroup), the last part of `acting`."""
        return self.acting[:, self.n_treatments + self.n_eras :]

    def take(self, index: Ints | slice) -> EventDraws:
        """Return some of the draws, in the order of `index`."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {
            name: np.ascontiguousarray(part[index])
            for name, part in parts.items()
            if isinstance(part, np.ndarray)
        }
        if not self.has_own_hazards_at_events:
            taken["log_at_event"] = taken[LOG_BASELINE]
        return replace(self, **taken)

    def without_subgroup_levels(self) -> EventDraws:
        """Return the draws with every subgroup at the level of the baseline."""
        coef = self.coef.copy()
        coef[:, self.n_covariates : self.n_covariates + self.acting.shape[2]] = 0.0
        return replace(self, coef=coef)


def _draws(posterior: xr.Dataset, name: str, *dims: str) -> Floats:
    """(draw, *dims) values of a variable, all chains together."""
    values = posterior[name].transpose(CHAIN, DRAW, *dims).to_numpy()
    out: Floats = np.ascontiguousarray(values.reshape(-1, *values.shape[2:]))
    return out


def _over_subgroups(posterior: xr.Dataset) -> tuple[Floats, Floats]:
    """Mean and spread of every treatment effect, from whichever block it was pooled in."""
    labels = [str(x) for x in posterior[EFFECT].to_numpy()] if EFFECT in posterior else []
    mean = np.zeros((posterior.sizes[CHAIN] * posterior.sizes[DRAW], len(labels)))
    scale = np.zeros_like(mean)
    # One block alone has no suffix; several are named after their pooling.
    for suffix in ("", *(f"_{kind}" for kind in POOLINGS)):
        if f"{TREATMENT_EFFECT}{suffix}" not in posterior:
            continue
        dim = f"{EFFECT}{suffix}"
        rows = [labels.index(str(x)) for x in posterior[dim].to_numpy()]
        mean[:, rows] = _draws(posterior, f"{TREATMENT_EFFECT}{suffix}", dim)
        if f"{TREATMENT_HETEROGENEITY}{suffix}" in posterior:
            scale[:, rows] = _draws(posterior, f"{TREATMENT_HETEROGENEITY}{suffix}", dim)
    return mean, scale
