"""Fit: a posterior that knows its model, its data, its verdict and its provenance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.errors import FitError, OptionError, TwinError, told
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.inference.files.archive import pack_fit
from twinbayes.inference.files.provenance import with_content
from twinbayes.inference.files.sealed import write_tree
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.names import (
    CHAIN,
    CONSTANT_DATA,
    DRAW,
    FEDERATION,
    PATIENT_WEIGHT,
    POSTERIOR,
    TWINS_OF_FIT,
)
from twinbayes.priors import PriorSet


class TwinsOfFit(Protocol):
    """What a fit asks of the twins under its draws; `twinbayes.twin.of_fit` answers."""

    @property
    def population(self) -> Any:
        """Posterior draws laid out for forecasts."""

    @property
    def curve_population(self) -> Any:
        """Posterior draws of what curves have in common, None without trajectories."""

    def twin(self, cohort: Cohort, at: float | None, draws: int | None) -> Any:
        """Twins of the patients of a cohort; see `Fit.twin`."""

    def log_likelihood(self) -> xr.DataArray:
        """Log marginal likelihood of every record of the fit, (chain, draw, patient)."""

    def has_seen(self, cohort: Cohort) -> np.ndarray:
        """Which patients of a cohort the fit has seen, (patient,)."""


_providers: list[Callable[[Fit], TwinsOfFit]] = []  # one, once it has registered


def provide_twins(provider: Callable[[Fit], TwinsOfFit]) -> None:
    """Register what makes the twins of a fit; the last one counts.

    Twins are built on fits, and a fit is where users ask for a twin. So that `inference` imports
    nothing that is built on it, whoever makes twins registers here when it is imported.
    """
    _providers[:] = [provider]


def twins_of_fit() -> Callable[[Fit], TwinsOfFit]:
    """Return what makes the twins of a fit.

    If nobody has registered, as where `twinbayes.inference` alone was imported, the module
    `names.TWINS_OF_FIT` is loaded, which registers.
    """
    if not _providers:
        import_module(TWINS_OF_FIT)
    return _providers[0]


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
        sizes = self.datatree[POSTERIOR].sizes
        return (
            f"Fit of {self.spec.name!r}: {self.verdict.banner()}\n"
            f"  data: {self.cohort!r}\n"
            f"  priors: {self.priors.label}, {len(self.priors)} entries\n"
            f"  draws: {sizes[CHAIN]} chains of {sizes[DRAW]}"
        )

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
        few = {n: g.isel({DRAW: index}) if DRAW in g.dims else g for n, g in groups.items()}
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
        tree = pack_fit(self.datatree, self.spec, self.priors, self.cohort, self.learnt)
        return write_tree(path, tree, with_content(self.manifest, tree), key=key)

    def describe(self) -> str:
        """The model in formulae, the priors and the verdict, as text."""
        priors = "\n".join(f"  {name} ~ {entry.text()}" for name, entry in self.priors.items())
        return (
            f"{self.spec.describe()}\n\nPriors ({self.priors.label}):\n{priors}\n\n"
            f"Verdict: {self.verdict.banner()}"
        )
