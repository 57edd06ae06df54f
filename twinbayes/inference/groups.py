"""Groups of a fit's DataTree that ArviZ asks for, made on request.

Event counts are replicated over the time at risk that there was: those of one patient and
transition are Poisson, their mean the events to be expected in that time, given the past. By what
follow-up ended is not replicated: the counts differ from their means as the counts of the model
do, with the same mean and variance, and are no courses of patients.

Source: Aalen, Borgan & Gjessing (2008), Survival and Event History Analysis, section 2.2, for the
mean and variance of counts less their compensators; Laird & Olivier (1981), JASA 76, 231-240, for
the Poisson counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import FitError, OptionError, require_known, require_seed, told
from twinbayes.inference.densities.prior_density import log_prior_of
from twinbayes.inference.densities.prior_draws import draw_priors
from twinbayes.model import Encoding, ModelPlan, ModelSpec
from twinbayes.model.assemble import reassemble
from twinbayes.model.curves.association import followed
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import compensators
from twinbayes.model.events.packed import EventData, event_data
from twinbayes.model.events.quadrature import TrailPoints, trail_points
from twinbayes.names import (
    CENSORED,
    CHAIN,
    DAY,
    DRAW,
    EVENTS,
    LOG_LIKELIHOOD,
    LOG_PRIOR,
    OBSERVED_DATA,
    PATIENT,
    PATIENT_ID,
    POSTERIOR,
    POSTERIOR_PREDICTIVE,
    PRIOR,
    TRANSITION,
    VISIT_VALUE,
)
from twinbayes.priors import PriorSet

GROUPS: Final = (PRIOR, POSTERIOR_PREDICTIVE, OBSERVED_DATA, LOG_LIKELIHOOD, LOG_PRIOR)
"""Groups that are made on request, and are not stored with a fit."""

RECORD: Final = "record"
"""The variable of ``log_likelihood``: all that was seen of a patient."""

type Parts = dict[str, tuple[tuple[str, ...], np.ndarray]]
type Measured = Mapping[str, tuple[pd.DataFrame, Floats]]


class Fitted(Protocol):
    """What is asked of a fit."""

    @property
    def spec(self) -> ModelSpec:
        """The model."""

    @property
    def cohort(self) -> Cohort:
        """Whose records were fitted."""

    @property
    def priors(self) -> PriorSet:
        """The priors."""

    @property
    def datatree(self) -> xr.DataTree:
        """The draws."""

    @property
    def plan(self) -> ModelPlan:
        """Histories, rows at risk and visits of the cohort."""

    @property
    def encoding(self) -> Encoding:
        """How covariates that act on hazards became columns."""

    @property
    def weights(self) -> np.ndarray:
        """How much each patient's likelihood counted, (patient,)."""

    def log_likelihood(self) -> xr.DataArray:
        """Log-likelihood of each patient under each draw, (chain, draw, patient)."""

    def trails(self, points: TrailPoints) -> Floats:
        """What curves add to log hazards, (draw, point)."""

    def replicated_measurements(self) -> Measured:
        """Visits by marker, and what would have been measured, (visit, draw)."""


def made_groups(
    fit: Fitted, names: tuple[str, ...], prior_draws: int, seed: int
) -> dict[str, xr.Dataset]:
    """Make groups of a fit by name; see `Fit.with_groups`."""
    for name in names:
        require_known(name, GROUPS, "group")
    if isinstance(prior_draws, bool) or not isinstance(prior_draws, int) or prior_draws < 1:
        raise OptionError(
            f"prior_draws must be a whole number of at least 1, not {told(prior_draws)}."
        )
    require_seed(seed)
    makers: dict[str, Callable[[], xr.Dataset]] = {
        PRIOR: lambda: _prior(fit, prior_draws, seed),
        POSTERIOR_PREDICTIVE: lambda: replicated(fit, seed),
        OBSERVED_DATA: lambda: observed(fit),
        LOG_LIKELIHOOD: lambda: fit.log_likelihood().rename(RECORD).to_dataset(),
        LOG_PRIOR: lambda: log_prior_of(
            reassemble(fit.spec, fit.plan, fit.priors), fit.datatree
        ).drop_attrs(),
    }
    return {name: makers[name]() for name in names or GROUPS}


def _prior(fit: Fitted, draws: int, seed: int) -> xr.Dataset:
    """Draws of the variables of the posterior from the priors, labelled as the posterior is."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    drawn = draw_priors(reassemble(fit.spec, fit.plan, fit.priors), draws, seed)
    kept = drawn[[name for name in map(str, posterior) if name in drawn]]
    return kept.assign_coords(
        {d: posterior[d] for d in kept.dims if d not in (CHAIN, DRAW) and d in posterior.coords}
    )


def observed(fit: Fitted) -> xr.Dataset:
    """Events counted by patient and transition, and measured values of each marker."""
    data, _ = _at_risk(fit)
    counted = np.bincount(_cells(fit, data)[data.event_row], minlength=_n_cells(fit))
    parts: Parts = {EVENTS: ((PATIENT, TRANSITION), counted.reshape(_shape(fit)))}
    coords = _labels(fit)
    for marker, rows in _visits(fit).items():
        parts[marker] = ((_visit_dim(marker),), rows[VISIT_VALUE].to_numpy(dtype=float))
        coords |= _of_visits(marker, rows)
    return xr.Dataset(parts, coords)


def replicated(fit: Fitted, seed: int) -> xr.Dataset:
    """Events and measurements drawn anew, each under its draw of the posterior."""
    sizes = fit.datatree[POSTERIOR].sizes
    chains, draws = sizes[CHAIN], sizes[DRAW]
    generator = np.random.default_rng([seed, 1])
    counts = np.empty((chains * draws, _n_cells(fit)), dtype=np.int32)
    data, points = _at_risk(fit)
    laid_out = EventDraws.from_posterior(fit.datatree[POSTERIOR].to_dataset(), fit.encoding)
    cells = _cells(fit, data)
    each = compensators(laid_out, data, fit.plan.events.rows, _trails(fit, points))
    for s, of_row in enumerate(each):
        counts[s] = generator.poisson(np.bincount(cells, of_row, minlength=_n_cells(fit)))
    dims = (CHAIN, DRAW, PATIENT, TRANSITION)
    parts: Parts = {EVENTS: (dims, counts.reshape(chains, draws, *_shape(fit)))}
    posterior = fit.datatree[POSTERIOR].to_dataset()
    coords = _labels(fit) | {d: posterior[d] for d in (CHAIN, DRAW) if d in posterior.coords}
    visits = _visits(fit)
    for marker, (rows, values) in (fit.replicated_measurements() if visits else {}).items():
        dim = _visit_dim(marker)
        parts[marker] = ((CHAIN, DRAW, dim), _limited(rows, values).T.reshape(chains, draws, -1))
        coords |= _of_visits(marker, rows)
    return xr.Dataset(parts, coords)


def _at_risk(fit: Fitted) -> tuple[EventData, TrailPoints]:
    """Rows at risk with every event dated; points where curves move hazards."""
    events, spec = fit.plan.events, fit.spec
    moved = followed(spec.associations, spec.graph)
    points = trail_points(events.rows, events.edges, moved)
    return event_data(events.rows, events.edges, events.design, points), points


def _trails(fit: Fitted, points: TrailPoints) -> Floats | None:
    if not fit.spec.associations:
        return None
    if not np.all(fit.weights == 1.0):
        raise FitError(
            "Events of a joint model in which some patients count by a weight cannot be "
            "replicated: their curves are drawn as if the whole record counted. Ask for the other "
            f"groups: {', '.join(g for g in GROUPS if g != POSTERIOR_PREDICTIVE)}."
        )
    return fit.trails(points)


def _cells(fit: Fitted, data: EventData) -> Ints:
    """(row,) place of each row at risk in the flattened table of patients and transitions."""
    return np.asarray(data.patient * _shape(fit)[1] + data.intensity, dtype=np.int64)


def _shape(fit: Fitted) -> tuple[int, int]:
    return fit.cohort.n_patients, len(fit.spec.graph.labels)


def _n_cells(fit: Fitted) -> int:
    return int(np.prod(_shape(fit)))


def _labels(fit: Fitted) -> dict[str, object]:
    return {PATIENT: list(fit.cohort.patient_ids), TRANSITION: list(fit.spec.graph.labels)}


def _visits(fit: Fitted) -> dict[str, pd.DataFrame]:
    """Visits of each marker of the model, patient by patient."""
    if fit.plan.curves is None or fit.cohort.visits is None:
        return {}
    known = dict(list(fit.cohort.visits.groupby("marker")))
    markers = [m.marker for m in fit.plan.curves.learnt.markers if m.marker in known]
    if EVENTS in markers:
        raise FitError(
            f"A marker of the model is called {EVENTS!r}, as are counts of events. Rename it in "
            "the visits, in the dictionary and in the model, and fit again."
        )
    return {m: known[m] for m in markers}


def _visit_dim(marker: str) -> str:
    return f"{marker}_visit"


def _of_visits(marker: str, rows: pd.DataFrame) -> dict[str, object]:
    """Whose visits they are, and when."""
    dim = _visit_dim(marker)
    return {
        dim: np.arange(len(rows)),
        f"{marker}_{PATIENT}": (dim, rows[PATIENT_ID].to_numpy(dtype=str)),
        f"{marker}_{DAY}": (dim, rows[DAY].to_numpy(dtype=float)),
    }


def _limited(rows: pd.DataFrame, values: Floats) -> Floats:
    """Measurements as they would have been written down: those beyond a limit at the limit."""
    side, value = rows[CENSORED].fillna("none").to_numpy(dtype=str), rows[VISIT_VALUE]
    left, right = value[side == "left"], value[side == "right"]
    if len(left):
        values = np.maximum(values, float(np.median(left)))
    if len(right):
        values = np.minimum(values, float(np.median(right)))
    return values
