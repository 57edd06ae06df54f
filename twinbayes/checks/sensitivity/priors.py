"""Prior sensitivity of a fit: of its parameters, and of forecasts for its patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from twinbayes.checks.result import CheckResult
from twinbayes.checks.sensitivity.power_scaling import ALL_PRIORS, ALPHAS, THRESHOLD, power_scaling
from twinbayes.errors import OptionError, TwinError, require_known
from twinbayes.inference import Fit
from twinbayes.inference.densities.log_prior import log_prior, summed_likelihood
from twinbayes.inference.densities.prior_density import UNSCALED
from twinbayes.names import CHAIN, DRAW, PATIENT, PATIENT_DIMS, POSTERIOR, SAMPLE, TIME
from twinbayes.twin import Twin

SURVIVAL = "survival"


def prior_sensitivity(
    fit: Fit,
    quantities: xr.Dataset | None = None,
    *,
    tags: Sequence[str] = (),
    alphas: tuple[float, float] = ALPHAS,
    threshold: float = THRESHOLD,
) -> CheckResult:
    """Diagnose how answers of a fit depend on its priors, and on its data.

    Parameters
    ----------
    fit
        The fit; with trajectories, but without associations, only the courses of patients count as
        its data here, as in `Fit.log_likelihood`.
    quantities
        Draws (chain, draw, ...) of whatever is asked for, of all draws of the fit in their order,
        such as `patient_survival` gives. Default: the posterior, but for what is of single patients
        and for the offsets that effects are made of.
    tags
        Entries of the prior set to scale one by one, beside all together: names without qualifier,
        such as ``subgroup_scale``.
    alphas, threshold
        As for `power_scaling`.

    Returns
    -------
    CheckResult
        As of `power_scaling`. Which variables have a prior that is scaled: see
        `twinbayes.inference.densities.log_prior`.

    Raises
    ------
    OptionError
        An unknown tag; the message lists the known ones.
    FitError
        Draws that are missing, too few, or do not match.

    Examples
    --------
    >>> found = prior_sensitivity(fit)  # doctest: +SKIP
    >>> "subgroup_scale" in set(found.table["quantity"])  # doctest: +SKIP
    True
    """
    densities = Densities.of(fit)
    if quantities is None:
        quantities = densities.parameters(fit)
    return densities.scale(quantities, tags, alphas=alphas, threshold=threshold)


@dataclass(frozen=True)
class Densities:
    """Log densities of a fit's draws, for those who ask more than once.

    Attributes
    ----------
    log_prior
        As of `twinbayes.inference.densities.log_prior`.
    log_likelihood
        (chain, draw).
    """

    log_prior: xr.Dataset
    log_likelihood: xr.DataArray

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """Evaluate them."""
        return cls(log_prior(fit), summed_likelihood(fit))

    @property
    def tags(self) -> tuple[str, ...]:
        """Entries of the prior set that can be scaled."""
        return tuple(map(str, self.log_prior.data_vars))

    def parameters(self, fit: Fit) -> xr.Dataset:
        """The posterior without what is of single patients, and without offsets."""
        offsets = self.log_prior.attrs[UNSCALED]
        return population_quantities(fit).drop_vars(offsets, errors="ignore")

    def scale(
        self,
        quantities: xr.Dataset,
        tags: Sequence[str] = (),
        *,
        alphas: tuple[float, float] = ALPHAS,
        threshold: float = THRESHOLD,
    ) -> CheckResult:
        """Do what `prior_sensitivity` does."""
        for tag in tags:
            require_known(tag, self.tags, "tag of a prior")
        terms = [self.log_prior[name] for name in self.tags]
        total = sum(terms, xr.zeros_like(self.log_likelihood, dtype=np.float64))
        parts = {ALL_PRIORS: total} | {tag: self.log_prior[tag] for tag in tags}
        return power_scaling(
            quantities, parts, self.log_likelihood, alphas=alphas, threshold=threshold
        )


def population_quantities(fit: Fit) -> xr.Dataset:
    """The posterior without what is of single patients, (chain, draw, ...)."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    return posterior[[n for n, v in posterior.items() if not set(v.dims) & set(PATIENT_DIMS)]]


def patient_survival(
    fit: Fit, patients: Sequence[str], times: Sequence[float], *, at: float = 0.0
) -> xr.DataArray:
    """Survival of patients of a fit under each of its draws, (chain, draw, patient, time).

    A function of the draws as they are, which have seen the patients' whole records: what is
    sensitive to the priors is the fit. `Fit.twin` weights them anew where the landmark is earlier.

    Parameters
    ----------
    patients
        Identifiers of patients of the fitted cohort.
    times
        Days since the landmark, positive and rising.
    at
        Landmark, days since origin.

    Raises
    ------
    OptionError
        Times that are not positive or do not rise.
    TwinError
        Patients whom the fit has not seen as they are here: their draws are weighted anew, and no
        longer those of the fit.

    Examples
    --------
    >>> survival = patient_survival(fit, fit.cohort.patient_ids[:1], [365.25])
    >>> survival.dims
    ('chain', 'draw', 'patient', 'time')
    """
    days = np.asarray(times, dtype=np.float64)
    if not days.size or np.any(np.diff([0.0, *days]) <= 0):
        raise OptionError(f"times {list(times)!r}: give days since the landmark that rise from 0.")
    if not fit.twin(list(patients)).is_as_fitted:
        raise TwinError(
            "The fit has not seen these records, or not in full weight: sensitivity needs patients "
            "of the fitted cohort that counted once."
        )
    twin: Twin = fit.twin(list(patients), at=at).as_drawn()
    forecast = twin.forecast(float(days[-1]), np.concatenate([[0.0], days]), draws=True)
    drawn = forecast["survival_draws"].isel({TIME: slice(1, None)})
    posterior = fit.datatree[POSTERIOR].to_dataset()
    shape = (posterior.sizes[CHAIN], posterior.sizes[DRAW])
    values = drawn.transpose(SAMPLE, PATIENT, TIME).to_numpy()
    return xr.DataArray(
        values.reshape(*shape, *values.shape[1:]),
        {PATIENT: list(twin.patient_ids), TIME: days},
        (CHAIN, DRAW, PATIENT, TIME),
        name=SURVIVAL,
    )
