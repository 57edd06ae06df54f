"""Fit: a posterior that knows its model, its data, its verdict and its provenance."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference.densities.likelihood import by_patient, patient_loglik
from twinbayes.inference.files.archive import pack_fit
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.events.process import PATIENT_WEIGHT
from twinbayes.names import CHAIN, CONSTANT_DATA, DRAW, POSTERIOR
from twinbayes.priors import PriorSet

if TYPE_CHECKING:
    from twinbayes.twin import Twin
    from twinbayes.twin.population.curves import CurvePopulation
    from twinbayes.twin.population.hazards import Population
    from twinbayes.twin.weighting.seen import SeenByFit


@dataclass(frozen=True)
class Fit:
    """The posterior of a disease model for a cohort.

    Attributes
    ----------
    spec, cohort, priors
        What was fitted, to whom, under which priors.
    datatree
        An ordinary `xarray.DataTree` for ArviZ: groups ``posterior``, ``sample_stats``,
        ``constant_data``.
    verdict
        The gate's judgement; results of a fit that is not usable say so.
    manifest
        Provenance: fingerprints, prior ids, seeds, versions, timings.
    learnt
        What the model learnt from the cohort before sampling: columns, windows, knots, scales.
    """

    spec: ModelSpec
    cohort: Cohort = field(repr=False)
    priors: PriorSet = field(repr=False)
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)
    learnt: Learnt = field(repr=False)

    @cached_property
    def plan(self) -> ModelPlan:
        """Histories, rows at risk and visits of the cohort, as the likelihood saw them."""
        return self.spec.plan(self.cohort, self.learnt)

    @property
    def weights(self) -> np.ndarray:
        """How much each patient's likelihood counted, (patient,); 1 unless something was said."""
        if CONSTANT_DATA in self.datatree and PATIENT_WEIGHT in self.datatree[CONSTANT_DATA]:
            return np.asarray(self.datatree[CONSTANT_DATA][PATIENT_WEIGHT].to_numpy())
        return np.ones(self.cohort.n_patients)

    @property
    def encoding(self) -> Encoding:
        """How covariates that act on hazards became columns."""
        return self.learnt.encoding

    @property
    def edges(self) -> tuple[np.ndarray, ...]:
        """Window edges of each baseline hazard, in days."""
        return self.learnt.edges

    @property
    def set_aside(self) -> pd.DataFrame:
        """Rows of the cohort with no place in the state graph, and why."""
        return self.plan.events.histories.set_aside

    def log_likelihood(self) -> xr.DataArray:
        """Log-likelihood of each patient under each draw, (chain, draw, patient).

        Of the patient's course; where hazards follow trajectories, of visits and course together,
        the patient's own curve integrated out as in `Twin.evidence`, and events that lie between
        two days in the middle.
        """
        posterior, ids = self.datatree[POSTERIOR].to_dataset(), self.cohort.patient_ids
        if not self.spec.associations:
            return patient_loglik(posterior, self.plan.events, ids)
        twin = self.twin()
        return by_patient(posterior, ids, [twin.record_log_marginal(i) for i in range(len(ids))])

    @cached_property
    def population(self) -> Population:
        """Posterior draws laid out for forecasts."""
        from twinbayes.twin.population.hazards import Population

        varying = self.spec.events.varying(self.encoding, self.edges)
        return Population.from_posterior(
            self.datatree[POSTERIOR].to_dataset(), self.encoding, self.edges, varying
        )

    @cached_property
    def curve_population(self) -> CurvePopulation | None:
        """Posterior draws of what curves have in common, None without trajectories."""
        from twinbayes.twin.population.curves import CurvePopulation

        if self.learnt.curves is None:
            return None
        return CurvePopulation.from_posterior(
            self.datatree[POSTERIOR].to_dataset(), self.learnt.curves, self.spec
        )

    @cached_property
    def _thinned(self) -> dict[int, tuple[Population, CurvePopulation | None]]:
        """Thinned populations by number of draws, as they are asked for."""
        return {}

    def _populations(self, draws: int | None) -> tuple[Population, CurvePopulation | None]:
        """Both populations, thinned to evenly spaced draws of all chains together."""
        whole = self.population, self.curve_population
        n = whole[0].n_draws
        if draws is None or draws == n:
            return whole
        if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
            raise OptionError(f"draws must be a whole number of at least 1, not {draws!r}.")
        if draws > n:
            raise OptionError(
                f"draws={draws} is more than the {n} draws of this fit. Ask for at most {n}, or "
                "leave draws=None for all."
            )
        if draws not in self._thinned:
            index = ((np.arange(draws) + 0.5) * n / draws).astype(np.int64)
            curves = None if whole[1] is None else whole[1].take(index)
            self._thinned[int(draws)] = whole[0].take(index), curves
        return self._thinned[int(draws)]

    @cached_property
    def _origin(self) -> SeenByFit:
        """What its twins know of this fit."""
        from twinbayes.twin.weighting.seen import SeenByFit

        return SeenByFit(self.cohort, self.weights, self.manifest, self.priors)

    def twin(
        self,
        who: str | Sequence[str] | Cohort | None = None,
        *,
        at: float | None = None,
        draws: int | None = None,
    ) -> Twin:
        """Return the twin of one or more patients.

        Parameters
        ----------
        who
            A patient of the fitted cohort, several, a cohort of other patients, or None for
            everybody in the fitted cohort.
        at
            Landmark day since origin; nothing later is used. Default: each patient's last day
            known.
        draws
            Thin the posterior to this many draws, evenly spaced over all chains; default: all.

        Raises
        ------
        TwinError
            Unknown patient, or one no longer followed at the landmark.
        OptionError
            More draws than there are, or fewer than 1.

        Notes
        -----
        The population of the fit has seen its own patients. For one it has not seen, or whose
        record is another now, the draws are weighted by how well they bear out the record; see
        `Twin.reliability`.
        """
        # The one import to the right of the layers: Fit is where users ask for a twin.
        from twinbayes.twin import Twin

        cohort = who if isinstance(who, Cohort) else self._select(who)
        return Twin.at_landmark(
            self.spec,
            self.learnt,
            self._populations(draws),
            cohort,
            at,
            self.verdict.usable,
            self._origin,
        )

    def has_seen(self, cohort: Cohort) -> np.ndarray:
        """Which patients of a cohort the fit has seen, (patient,); by identifier and baseline."""
        return np.asarray(self._origin.shares(cohort) > 0.0)

    def thinned(self, most: int) -> Fit:
        """Return this fit with at most so many draws (one a chain at least), evenly spaced.

        Every chain gives as many; all that goes with a draw, such as its energy, stays with it.
        """
        if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1:
            raise OptionError(f"Ask for a whole number of draws of at least 1, not {most!r}.")
        posterior = self.datatree[POSTERIOR]
        size = posterior.sizes[DRAW]
        kept = max(1, int(most) // posterior.sizes[CHAIN])
        if kept >= size:
            return self
        index = (2 * np.arange(kept) + 1) * size // (2 * kept)
        groups = {name: group.to_dataset() for name, group in self.datatree.children.items()}
        few = {n: g.isel({DRAW: index}) if DRAW in g.dims else g for n, g in groups.items()}
        return replace(self, datatree=xr.DataTree.from_dict(few))

    def _select(self, who: str | Sequence[str] | None) -> Cohort:
        if who is None:
            return self.cohort
        wanted = [who] if isinstance(who, str) else list(who)
        known = set(self.cohort.patient_ids)
        unknown = sum(w not in known for w in wanted)
        if unknown or not wanted:
            raise TwinError(
                f"{unknown} of {len(wanted)} patients asked for are not in the fitted cohort. "
                "Give identifiers from fit.cohort.patient_ids, or a Cohort with the new patients."
            )
        return self.cohort.select(wanted)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one self-contained file: draws, model, priors, cohort, manifest.

        It holds the patients' records and must not leave their centre.
        """
        return write_tree(path, pack_fit(self), self.manifest)

    def describe(self) -> str:
        """The model in formulae, the priors and the verdict, as text."""
        priors = "\n".join(f"  {name} ~ {entry.text()}" for name, entry in self.priors.items())
        return (
            f"{self.spec.describe()}\n\nPriors ({self.priors.label}):\n{priors}\n\n"
            f"Verdict: {self.verdict.banner()}"
        )
