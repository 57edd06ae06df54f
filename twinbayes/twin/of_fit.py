"""Twins of a fit: its populations, what it has seen, and the likelihood of joint models."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.errors import OptionError, told
from twinbayes.inference.densities.likelihood import by_patient
from twinbayes.inference.fit import Fit
from twinbayes.inference.shared_fit import SharedFit
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.inference.twins_of_fit import provide_twins
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.names import POSTERIOR
from twinbayes.showing import brief
from twinbayes.twin.answers.visits import replicated_measurements
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.twin import Twin
from twinbayes.twin.weighting.patient_draws import require_patients
from twinbayes.twin.weighting.seen import SeenByFit, ends_by_state

type Populations = tuple[Population, CurvePopulation | None]


@brief
@dataclass(frozen=True)
class FitTwins:
    """Twins under the draws of one fit, which share its populations.

    Attributes
    ----------
    spec, learnt
        The model, and what it learnt before sampling.
    posterior
        Its draws.
    usable
        Whether the fit's verdict was "usable".
    seen
        Whom the fit has seen, and its provenance.

    Examples
    --------
    >>> fit.twin(at=0).population.n_draws
    10
    """

    spec: ModelSpec
    learnt: Learnt = field(repr=False)
    posterior: xr.Dataset = field(repr=False)
    usable: bool
    seen: SeenByFit = field(repr=False)

    @classmethod
    def of(cls, fit: Fit | SharedFit) -> FitTwins:
        """Take from a fit what its twins need; not the fit itself, which holds them."""
        if isinstance(fit, SharedFit):
            nobody = np.zeros(0)
            seen = SeenByFit(fit.described, nobody, fit.manifest, fit.priors, fit.followed)
        else:
            seen = SeenByFit(fit.cohort, fit.weights, fit.manifest, fit.priors)
        posterior = fit.datatree[POSTERIOR].to_dataset()
        return cls(fit.spec, fit.learnt, posterior, fit.verdict.usable, seen)

    @cached_property
    def population(self) -> Population:
        """Posterior draws laid out for forecasts."""
        encoding, edges = self.learnt.encoding, self.learnt.edges
        varying = self.spec.events.varying(encoding, edges)
        return Population.from_posterior(self.posterior, encoding, edges, varying)

    @cached_property
    def curve_population(self) -> CurvePopulation | None:
        """Posterior draws of what curves have in common, None without trajectories."""
        if self.learnt.curves is None:
            return None
        return CurvePopulation.from_posterior(self.posterior, self.learnt.curves, self.spec)

    @cached_property
    def _thinned(self) -> dict[int, Populations]:
        """Thinned populations by number of draws, as they are asked for."""
        return {}

    def populations(self, draws: int | None) -> Populations:
        """Both populations, thinned to evenly spaced draws of all chains together.

        Raises
        ------
        OptionError
            More draws than there are, or fewer than 1.
        """
        whole = self.population, self.curve_population
        n = whole[0].n_draws
        if draws is None:
            return whole
        if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
            raise OptionError(f"draws must be a whole number of at least 1, not {told(draws)}.")
        if draws > n:
            raise OptionError(
                f"draws={draws} is more than the {n} draws of this fit. Ask for at most {n}, or "
                "leave draws=None for all."
            )
        if draws == n:
            return whole
        if draws not in self._thinned:
            index = evenly_spaced(n, int(draws))
            curves = None if whole[1] is None else whole[1].take(index)
            self._thinned[int(draws)] = whole[0].take(index), curves
        return self._thinned[int(draws)]

    def twin(self, cohort: Cohort, at: float | None = None, draws: int | None = None) -> Twin:
        """Twins of the patients of a cohort; see `Fit.twin`."""
        require_patients(cohort)
        populations = self.populations(draws)
        return Twin.at_landmark(
            self.spec, self.learnt, populations, cohort, at, self.usable, self.seen
        ).checked()

    def log_likelihood(self) -> xr.DataArray:
        """Log marginal likelihood of every record of the fit, (chain, draw, patient)."""
        twin = self.twin(self.seen.cohort)
        each = [twin.record_log_marginal(i) for i in range(len(twin.patient_ids))]
        return by_patient(self.posterior, twin.patient_ids, each)

    def trails(self, points: TrailPoints) -> Floats:
        """What the patients' curves add to their log hazards at points, (draw, point).

        Draws of all chains, one after the other; curves are drawn given the whole record.
        """
        twin, labels = self.twin(self.seen.cohort), self.spec.graph.labels
        out = np.empty((self.population.n_draws, points.n_points))
        order = np.lexsort((points.intensity, points.patient))
        for own in _runs(order, points.patient):
            curves = twin.curves(int(points.patient[own[0]]))
            for mine in _runs(own, points.intensity):
                label = labels[points.intensity[mine[0]]]
                out[:, mine] = curves.trail(label, points.day[mine]).T
        return out

    def replicated_measurements(self) -> dict[str, tuple[pd.DataFrame, Floats]]:
        """Measurements drawn at the visits of all patients; see `answers.visits`."""
        return replicated_measurements(self.twin(self.seen.cohort))

    def followed(self) -> dict[str, float]:
        """By state, the last day on which so many were followed that it tells of none of them."""
        ends = ends_by_state(self.seen.histories(self.spec.graph), self.seen.weight)
        enough = {state: days for state, days in ends.items() if len(days) >= SMALLEST_CELL}
        return {state: days[-SMALLEST_CELL] for state, days in enough.items()}

    def has_seen(self, cohort: Cohort) -> np.ndarray:
        """Which patients of a cohort the fit has seen, (patient,); by identifier and baseline."""
        return np.asarray(self.seen.shares(cohort) > 0.0)


def _runs(order: Ints, by: Ints) -> list[Ints]:
    """Split indices where what they point at changes."""
    return np.split(order, np.flatnonzero(np.diff(by[order])) + 1) if len(order) else []


provide_twins(FitTwins.of)
