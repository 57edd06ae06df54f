"""The known truth of the simulated registry: every number that a fit should find again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Floats
from twinbayes.cohort.record import Cohort
from twinbayes.datasets.simulated.paths import STATES, Intensity, Paths, simulate_paths
from twinbayes.datasets.simulated.patients import draw_patients
from twinbayes.errors import CohortError, require_seed
from twinbayes.showing import brief


@dataclass(frozen=True, slots=True)
class Covariate:
    """How a covariate enters the log hazard: ``beta * (f(x) - centre) / scale``.

    `function` is ``"identity"``, ``"log"`` or ``"level"``: 1 where x is `level`, 0 where it is
    `other`.
    """

    source: str
    function: str = "identity"
    centre: float = 0.0
    scale: float = 1.0
    level: str = ""
    other: str = ""

    @property
    def label(self) -> str:
        """Name of the column: ``log_wbc_g_l``, ``sex=male``, else the source's own."""
        if self.function == "level":
            return f"{self.source}={self.level}"
        return f"log_{self.source}" if self.function == "log" else self.source

    def transformed(self, values: pd.Series) -> Floats:
        """``f(x)``, NaN where x is missing."""
        if self.function == "level":
            return np.where(values.isna(), np.nan, values == self.level)
        numbers = values.to_numpy(dtype=float)
        return np.log(numbers) if self.function == "log" else numbers


@dataclass(frozen=True, slots=True)
class MarkerTruth:
    """Mean and spread of a repeated measurement.

    On its own scale (log10 for residual disease and platelets, the score itself otherwise) a
    value is ``level[state] + slope[state] * years in the state + transplant (once transplanted)
    + patient effect + error``, patient effects and errors being normal.
    """

    level: Mapping[str, float]
    slope: Mapping[str, float]
    transplant: float
    patient_sd: float
    error_sd: float


@brief
@dataclass(frozen=True, eq=False)
class RegistryTruth:
    """Generative parameters of the simulated registry.

    Log hazard of transition e = baseline + x'beta + subgroup + centre + effect of the transplant
    in its present phase (population value + deviation of the subgroup).

    Attributes
    ----------
    intensities
        The five transitions, then the three transplant starts.
    covariates
        How each covariate enters.
    beta
        Covariate label x transition label: log hazard ratio per `scale` of the covariate.
    subgroup_effect, centre_effect
        Transition label x subgroup (centre): log hazard ratio against the average; rows sum to 0.
    treatment_effect
        Effect label -> log hazard ratio in the average subgroup.
    treatment_deviation
        Effect label x subgroup: deviation from that; rows sum to 0.
    markers
        Marker or score -> its mean and spread.
    early_days
        Length of the phase ``here_early`` after a transplant in remission, in days.

    Examples
    --------
    >>> truth = tb.datasets.registry_truth()
    >>> truth.treatment_effect["allogeneic_transplant:here_late on remission->relapse"]
    -1.2
    """

    intensities: tuple[Intensity, ...]
    covariates: tuple[Covariate, ...]
    beta: DataFrame
    subgroup_effect: DataFrame
    centre_effect: DataFrame
    treatment_effect: Mapping[str, float]
    treatment_deviation: DataFrame
    markers: Mapping[str, MarkerTruth]
    early_days: float = 180.0

    @property
    def transitions(self) -> tuple[str, ...]:
        """Labels of the intensities."""
        return tuple(i.label for i in self.intensities)

    @property
    def subgroups(self) -> tuple[str, ...]:
        """Subgroups, the largest first."""
        return tuple(self.subgroup_effect.columns)

    @property
    def treatment_subgroup_effect(self) -> DataFrame:
        """Effect label x subgroup: population value plus deviation."""
        return self.treatment_deviation.add(pd.Series(self.treatment_effect), axis=0)

    def standardised_beta(self, cohort: Cohort) -> DataFrame:
        """Beta per standard deviation of a numeric covariate, as a model of `cohort` has it.

        Numeric covariates (after their log) are per standard deviation of the observed values;
        0/1 covariates per presence, and a category's level against the first one declared.

        Raises
        ------
        CohortError
            If the cohort lacks a covariate.
        """
        table = cohort.covariates()
        rows = {}
        for covariate in self.covariates:
            if covariate.source not in table:
                raise CohortError(f"The cohort has no covariate {covariate.source!r}.")
            known = covariate.transformed(table[covariate.source])
            known = known[~np.isnan(known)]
            factor = 1.0
            if not np.isin(known, (0.0, 1.0)).all():
                factor = float(known.std()) / covariate.scale
            rows[covariate.label] = factor * self.beta.loc[covariate.label]
        return DataFrame(rows).T

    def log_hazard_ratio(self, patients: DataFrame) -> dict[str, Floats]:
        """Sum what complete covariates, subgroup and centre add to each log hazard.

        Returns
        -------
        dict
            Transition label -> array (patient,).
        """
        x = np.column_stack(
            [(c.transformed(patients[c.source]) - c.centre) / c.scale for c in self.covariates]
        )
        subgroup, centre = patients[names.SUBGROUP], patients[names.CENTRE]
        return {
            label: x @ self.beta[label].to_numpy()
            + subgroup.map(self.subgroup_effect.T[label]).to_numpy(dtype=float)
            + centre.map(self.centre_effect.T[label]).to_numpy(dtype=float)
            for label in self.transitions
        }

    def paths(
        self, patients: DataFrame, rng: np.random.Generator, *, transplant: bool = True
    ) -> Paths:
        """Complete, uncensored histories of these patients."""
        index = {name: k for k, name in enumerate(self.subgroups)}
        subgroup = np.array([index[s] for s in patients[names.SUBGROUP]], dtype=np.int64)
        ratios = self.log_hazard_ratio(patients)
        return simulate_paths(
            self.intensities,
            self.treatment_subgroup_effect,
            self.early_days,
            ratios,
            subgroup,
            rng,
            transplant=transplant,
        )

    def state_occupation(
        self,
        times: Sequence[float],
        *,
        subgroup: str | None = None,
        transplant: bool = True,
        n: int = 100_000,
        seed: int = 0,
    ) -> DataFrame:
        """Compute true state-occupation probabilities of the registry's population, by simulation.

        Parameters
        ----------
        times
            Days since origin.
        subgroup
            One subgroup, or None for all in their proportions.
        transplant
            False for a world in which nobody is transplanted.
        n
            Simulated patients; the Monte Carlo standard error is at most ``0.5 / sqrt(n)``.
        seed
            Same seed, same patients: the difference between two worlds is paired.

        Returns
        -------
        DataFrame
            Index ``day``, one column a state.
        """
        if subgroup is not None and subgroup not in self.subgroups:
            known = ", ".join(map(repr, self.subgroups))
            raise CohortError(f"Unknown subgroup {subgroup!r}. Known: {known}.")
        people, luck = np.random.default_rng(require_seed(seed)).spawn(2)
        patients = draw_patients(n, people, subgroup=subgroup)
        share = self.paths(patients, luck, transplant=transplant).occupation(np.asarray(times))
        return DataFrame(share, index=pd.Index(times, name=names.DAY), columns=list(STATES))
