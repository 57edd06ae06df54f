"""Fit: a posterior that knows its model, its data, its verdict and its provenance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FitError, OptionError, TwinError, told
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.inference.drawn import Drawn, Movable
from twinbayes.inference.files.archive import pack_fit
from twinbayes.inference.files.provenance import with_content
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.inference.groups import GROUPS, Measured, made_groups
from twinbayes.inference.shared_fit import SharedFit, share
from twinbayes.inference.thinning import draws_words, evenly_spaced
from twinbayes.inference.twins_of_fit import TwinsOfFit, twins_of_fit
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.names import (
    CHAIN,
    CONSTANT_DATA,
    DRAW,
    FEDERATION,
    PATIENT_WEIGHT,
    POSTERIOR,
    PRIOR,
)
from twinbayes.priors import PriorSet
from twinbayes.showing import facts, judged, plotted


@dataclass(frozen=True)
class LaidOut:
    """A plan, and what it is the plan of."""

    spec: ModelSpec
    cohort: Cohort
    learnt: Learnt
    plan: ModelPlan

    def is_of(self, fit: Fit) -> bool:
        """Whether it is still the plan of a fit, of which something may have been replaced."""
        return self.spec is fit.spec and self.cohort is fit.cohort and self.learnt is fit.learnt


@dataclass(frozen=True, repr=False)
class Fit(Drawn, Movable):
    """The posterior of a disease model for a cohort.

    Attributes
    ----------
    spec, cohort, priors
        What was fitted, to whom, under which priors.
    datatree
        An ordinary `xarray.DataTree` for ArviZ: groups ``posterior``, ``sample_stats``,
        ``constant_data``; others that ArviZ knows are made by `with_groups`.
    verdict
        The gate's judgement; results of a fit that is not usable say so.
    manifest
        Provenance: fingerprints, prior ids, seeds, versions, timings.
    learnt
        What the model learnt from the cohort before sampling: columns, windows, knots, scales.
    laid_out
        The plan that was sampled, if it is still at hand.

    Examples
    --------
    >>> fit.spec.name, fit.verdict.usable
    ('registry', False)
    >>> fit.twin(fit.cohort.patient_ids[0], at=0).present[0].state
    'induction'
    """

    spec: ModelSpec
    cohort: Cohort = field(repr=False)
    priors: PriorSet = field(repr=False)
    datatree: xr.DataTree = field(repr=False)
    verdict: Verdict
    manifest: Mapping[str, Any] = field(repr=False)
    learnt: Learnt = field(repr=False)
    laid_out: LaidOut | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Verdict, model, data and draws in a few lines; never a patient."""
        return (
            f"Fit of {self.spec.name!r}: {self.verdict.headline()}\n"
            f"  data: {self.cohort!r}\n"
            f"  priors: {self.priors.label}, {len(self.priors)} entries\n"
            f"  draws: {draws_words(self.datatree)}"
        )

    def _repr_html_(self) -> str:
        told = {
            "data": repr(self.cohort),
            "priors": f"{self.priors.label}, {len(self.priors)} entries",
            "draws": draws_words(self.datatree),
            "groups": ", ".join(map(str, self.datatree.children)),
        }
        head = judged(self.verdict.usable, self.verdict.banner())
        return head + facts(f"Fit of {self.spec.title} ({self.spec.name})", told)

    @cached_property
    def plan(self) -> ModelPlan:
        """Histories, rows at risk and visits of the cohort, as the likelihood saw them."""
        if (known := self.laid_out) is not None and known.is_of(self):
            return known.plan
        return self.spec.plan(self.cohort, self.learnt)

    @property
    def weights(self) -> np.ndarray:
        """How much each patient's likelihood counted, (patient,); 1 unless something was said."""
        if CONSTANT_DATA in self.datatree and PATIENT_WEIGHT in self.datatree[CONSTANT_DATA]:
            return np.asarray(self.datatree[CONSTANT_DATA][PATIENT_WEIGHT].to_numpy())
        return np.ones(self.cohort.n_patients)

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites whose patients the draws have seen, of a federated fit; of any other none.

        The cohort of a federated fit is that of one of them.
        """
        told = self.manifest.get(FEDERATION)
        return tuple(told["sites"]) if isinstance(told, Mapping) else ()

    def require_all_patients(self, what: str) -> None:
        """Refuse what takes the records of all patients whom the draws have seen.

        Parameters
        ----------
        what
            What was asked for, to begin a sentence with.

        Raises
        ------
        FitError
            The fit is federated: the records of other sites are not here.
        """
        if self.sites:
            raise FitError(
                f"{what} cannot be told here: the draws have seen patients of {len(self.sites)} "
                "sites, and the records of one alone are at hand. What others know would be taken "
                "for the prior's. Ask it of a fit of this site's patients."
            )

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
        the patient's own curve integrated out as in `Twin.record_log_marginal`, and events that
        lie between two days in the middle.
        """
        if self.spec.associations:
            return self._twins.log_likelihood()
        posterior = self.datatree[POSTERIOR].to_dataset()
        return patient_loglik(posterior, self.plan.events, self.cohort.patient_ids)

    @cached_property
    def _twins(self) -> TwinsOfFit:
        """Populations of this fit, and twins under them; made once."""
        return twins_of_fit()(self)

    @property
    def population(self) -> Any:
        """Posterior draws laid out for forecasts, a `Population`."""
        return self._twins.population

    @property
    def curve_population(self) -> Any:
        """Posterior draws of what curves have in common, None without trajectories."""
        return self._twins.curve_population

    def twin(
        self,
        who: str | Sequence[str] | Cohort | None = None,
        *,
        at: float | None = None,
        draws: int | None = None,
    ) -> Any:
        """Return the twin of one or more patients.

        Parameters
        ----------
        who
            A patient of the fitted cohort, several, a cohort of other patients, or None for
            everybody in the fitted cohort.
        at
            Landmark day since origin; nothing later is used of a patient, whatever the fit has
            seen. Default: each patient's last day known.
        draws
            Thin the posterior to this many draws, evenly spaced over all chains; default: all.

        Returns
        -------
        twinbayes.Twin

        Raises
        ------
        TwinError
            Unknown patient, or one no longer followed at the landmark.
        ModelError
            A covariate or a measurement that the model cannot take, with its row.
        OptionError
            More draws than there are, or fewer than 1.

        Notes
        -----
        The draws of the fit have seen its own patients to the end of their records. They count as
        they are for a patient whose record is that of the fit. For any other they are weighted by
        how well they bear out the record; for a patient of the fit, at an earlier landmark or with
        a longer or corrected record, over how well they bear out what the fit has seen. The
        patient's own curves are drawn anew from the record. Look at `Twin.reliability`: a record
        on which the fit hangs cannot be taken out of it.
        """
        cohort = who if isinstance(who, Cohort) else self._select(who)
        return self._twins.twin(cohort, at, draws)

    def trails(self, points: TrailPoints) -> Floats:
        """What the patients' curves add to their log hazards at points, (draw, point)."""
        return self._twins.trails(points)

    def replicated_measurements(self) -> Measured:
        """Visits by marker, and measurements drawn at them given all of them, (visit, draw)."""
        return self._twins.replicated_measurements()

    def with_groups(self, *names: str, prior_draws: int = 500, seed: int = 0) -> Fit:
        """Return this fit with more groups in `datatree`, as ArviZ wants them.

        Parameters
        ----------
        names
            ``prior`` (parameters drawn from their priors), ``posterior_predictive`` and
            ``observed_data`` (``events``, counts by patient and transition, and each marker at its
            visits), ``log_likelihood`` (``record``, by patient; see `log_likelihood`) and
            ``log_prior`` (by entry of the prior set, without what is drawn given such a scale).
            Default: all of them.
        prior_draws
            Number of draws from the priors; all others go with the draws of the posterior.
        seed
            The same seed gives the same draws.

        Returns
        -------
        Fit
            What it was, with the groups. Files of `save` leave them out.

        Raises
        ------
        OptionError
            An unknown group, or numbers that are none.
        FitError
            The fit is federated: the records of other sites are not here. Or events are to be
            replicated of a joint model in which some patients count by a weight.

        Notes
        -----
        Events are replicated over the time at risk that there was: Poisson counts, their mean what
        is to be expected in that time, given the past. They have the mean and variance that counts
        have under the model (Aalen, Borgan & Gjessing 2008, section 2.2), and are no courses:
        somebody may die twice. Measurements are replicated given all visits of the patient; those
        beyond a limit of detection are at the limit, as they would be written down. The
        log-likelihood does not hold weights by which the patients of some source are discounted.

        Examples
        --------
        >>> tree = fit.with_groups("posterior_predictive", "observed_data").datatree
        >>> tree["posterior_predictive"]["events"].dims
        ('chain', 'draw', 'patient', 'transition')
        >>> int(tree["observed_data"]["events"].sel(transition="remission->relapse").sum())
        4
        """
        if set(names or GROUPS) & set(GROUPS) - {PRIOR}:
            self.require_all_patients("Groups of records")
        made = made_groups(self, names, prior_draws, seed)
        groups = {str(name): node.to_dataset() for name, node in self.datatree.children.items()}
        tree = xr.DataTree.from_dict(groups | made)
        tree.attrs = dict(self.datatree.attrs)
        return replace(self, datatree=tree)

    def without_patients(self) -> SharedFit:
        """Return what may leave the centre: draws of the population, model, priors, provenance.

        It forecasts people whom this fit has not seen as this fit does, to the last bit; see
        `SharedFit` for what is in it, and what it cannot tell.

        Examples
        --------
        >>> "patient_curve" in fit.without_patients().datatree["posterior"]
        False
        """
        told = self.spec, self.priors, self.datatree, self.manifest, self.learnt
        return share(*told, self.cohort, self._twins.followed())

    def plot_hazards(self, *args: Any, **options: Any) -> Any:
        """Baseline hazard of a transition; see `twinbayes.plots.plot_hazards`."""
        return plotted("plot_hazards", self, *args, **options)

    def has_seen(self, cohort: Cohort) -> np.ndarray:
        """Which patients of a cohort the fit has seen, (patient,); by identifier and baseline."""
        return self._twins.has_seen(cohort)

    def thinned(self, most: int) -> Fit:
        """Return this fit with at most so many draws (one a chain at least), evenly spaced.

        Every chain gives as many; all that goes with a draw, such as its energy, stays with it.
        The verdict stays that of the whole run, also in a file.
        """
        if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1:
            raise OptionError(f"Ask for a whole number of draws of at least 1, not {told(most)}.")
        posterior = self.datatree[POSTERIOR]
        size = posterior.sizes[DRAW]
        kept = max(1, int(most) // posterior.sizes[CHAIN])
        if kept >= size:
            return self
        index = evenly_spaced(size, kept)
        groups = {name: group.to_dataset() for name, group in self.datatree.children.items()}
        few = {
            n: g.isel({DRAW: index}) if DRAW in g.dims and n != PRIOR else g
            for n, g in groups.items()
        }
        return replace(self, datatree=xr.DataTree.from_dict(few))

    def _select(self, who: str | Sequence[str] | None) -> Cohort:
        if who is None:
            return self.cohort
        if isinstance(who, Mapping) or not isinstance(who, Iterable):
            raise TwinError(
                f"A twin is of one identifier, of a sequence of them or of a Cohort, not of a "
                f"{type(who).__name__}."
            )
        wanted = [who] if isinstance(who, str) else list(who)
        if not wanted:
            raise TwinError(
                "No patient is named. Give identifiers from fit.cohort.patient_ids, or leave `who` "
                "out for everybody in the fitted cohort."
            )
        known = set(self.cohort.patient_ids)
        unknown = sum(w not in known for w in map(str, wanted))
        if unknown:
            raise TwinError(
                f"{unknown} of {len(wanted)} patients asked for are not in the fitted cohort. "
                "Give identifiers from fit.cohort.patient_ids, or a Cohort with the new patients."
            )
        return self.cohort.select([str(w) for w in wanted])

    def save(self, path: str | os.PathLike[str], *, key: bytes | None = None) -> Path:
        """Write one self-contained file: draws, model, priors, cohort, manifest.

        It holds the patients' records and must not leave their centre.

        Parameters
        ----------
        path
            The file; an earlier one of that name is replaced.
        key
            A secret of at least 16 bytes. `load_fit` with the same key then refuses the file if
            anybody without it has changed it. It hides nothing.
        """
        stored = self.datatree.filter(lambda node: node.name not in GROUPS)
        tree = pack_fit(stored, self.spec, self.priors, self.cohort, self.learnt)
        return write_tree(path, tree, with_content(self.manifest, tree), key=key)

    def describe(self) -> str:
        """The model in formulae, the priors and the verdict, as text."""
        priors = "\n".join(f"  {name} ~ {entry.text()}" for name, entry in self.priors.items())
        return (
            f"{self.spec.describe()}\n\nPriors ({self.priors.label}):\n{priors}\n\n"
            f"Verdict: {self.verdict.banner()}"
        )
