"""Leave-one-patient-out predictive accuracy by Pareto-smoothed importance sampling.

The computation is that of ArviZ (Vehtari, Gelman & Gabry 2017; Vehtari et al. 2024); here it is
given per patient, with a verdict, and differences between models are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.checks.result import SCORES, CheckResult, CheckVerdict
from twinbayes.errors import CohortError, OptionError
from twinbayes.names import CHAIN, DRAW, LOG_LIKELIHOOD, PATIENT, POSTERIOR
from twinbayes.showing import brief

_SHORTEST_TAIL: Final = 5
_FEWEST_DRAWS: Final = 25


@brief
@dataclass(frozen=True)
class PatientLoo:
    """Expected log predictive density with each patient left out in turn.

    Attributes
    ----------
    patients
        Labels, shape (patients,).
    elpd
        Contribution of each patient.
    p_loo
        Effective number of parameters.
    pareto_k
        Pareto shape of each patient's importance weights; 0 of a patient of whom nothing was seen,
        such as one without follow-up, whose weights are all the same.
    good_k
        Largest shape at which that patient's value may be trusted, for this number of draws.

    Examples
    --------
    >>> loo = PatientLoo(
    ...     patients=np.array(["p1", "p2"]),
    ...     elpd=np.array([-1.0, -2.5]),
    ...     p_loo=1.2,
    ...     pareto_k=np.array([0.1, 0.9]),
    ...     good_k=0.7,
    ... )
    >>> loo.total
    -3.5
    """

    patients: npt.NDArray[Any]
    elpd: Floats
    p_loo: float
    pareto_k: Floats
    good_k: float

    @property
    def total(self) -> float:
        """Sum of the contributions."""
        return float(self.elpd.sum())

    @property
    def standard_error(self) -> float:
        """Standard error of the sum, patients taken as independent."""
        return float(np.sqrt(self.elpd.size * np.var(self.elpd)))


def patient_loo(log_likelihood: xr.DataArray, *, relative_efficiency: float = 1.0) -> PatientLoo:
    """Return the leave-one-patient-out density from pointwise log likelihoods.

    Parameters
    ----------
    log_likelihood
        Dims ``chain, draw, patient``: the log likelihood of everything seen of each patient.
    relative_efficiency
        Effective sample size of the posterior divided by the number of draws.

    Raises
    ------
    CohortError
        If dims are missing, values are not finite, or the draws are too few to smooth the tail of
        their weights.
    OptionError
        If there are fewer than 25 draws.

    Examples
    --------
    >>> import xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> log_likelihood = xr.DataArray(
    ...     -1.0 + 0.1 * rng.standard_normal((2, 100, 3)),
    ...     dims=("chain", "draw", "patient"),
    ...     coords={"patient": ["p1", "p2", "p3"]},
    ... )
    >>> patient_loo(log_likelihood).elpd.round(1)
    array([-1., -1., -1.])
    """
    import arviz as az  # slow to import, and needed here alone

    missing = {CHAIN, DRAW, PATIENT} - set(log_likelihood.dims)
    if missing or log_likelihood.ndim != 3:
        raise CohortError(
            f"the log likelihood has dims {log_likelihood.dims}; expected chain, draw, patient."
        )
    values = log_likelihood.transpose(CHAIN, DRAW, PATIENT)
    n_draws = values.sizes[CHAIN] * values.sizes[DRAW]
    if n_draws < _FEWEST_DRAWS:
        raise OptionError(
            f"leaving patients out needs at least {_FEWEST_DRAWS} draws, not {n_draws}: the tails "
            "of the weights cannot be told from fewer. Draw more."
        )
    if not np.isfinite(values.to_numpy()).all():
        raise CohortError("the log likelihood is not finite for some patients and draws.")
    patients = (
        values[PATIENT].to_numpy() if PATIENT in values.coords else np.arange(values.sizes[PATIENT])
    )
    size = values.sizes[CHAIN] * values.sizes[DRAW]
    tail = min(0.2 * size, 3.0 * np.sqrt(size / relative_efficiency))
    if np.ceil(tail) < _SHORTEST_TAIL:
        raise CohortError(
            f"leave-one-out: {size} draws are too few: the tail of their weights alone takes "
            f"{_SHORTEST_TAIL}. Draw more."
        )
    low, high = (f((CHAIN, DRAW)).to_numpy() for f in (values.min, values.max))
    # Nothing was seen of such a patient that any parameter moves: all draws weigh the same.
    varies = low < high
    elpd, pareto_k = low.astype(np.float64), np.zeros(low.size)
    if not varies.any():
        return PatientLoo(patients, elpd, 0.0, pareto_k, float("inf"))
    draws = values.drop_vars([n for n in values.coords if n != PATIENT], errors="ignore")
    draws = draws.isel({PATIENT: np.flatnonzero(varies)})
    tree = xr.DataTree.from_dict(
        {
            LOG_LIKELIHOOD: xr.Dataset({"event": draws}),
            POSTERIOR: xr.Dataset({"unused": draws.isel({PATIENT: 0}, drop=True)}),
        }
    )
    found = az.loo(tree, pointwise=True, reff=relative_efficiency)
    elpd[varies] = np.asarray(found.elpd_i, dtype=np.float64)
    pareto_k[varies] = np.asarray(found.pareto_k, dtype=np.float64)
    return PatientLoo(patients, elpd, float(found.p), pareto_k, float(found.good_k))


def loo_check(loo: PatientLoo, *, worst: float = 0.01) -> CheckResult:
    """Check whether the leave-one-out values may be trusted.

    Passes if no Pareto shape exceeds the threshold, warns up to a share `worst` of the patients,
    and fails beyond.

    Examples
    --------
    >>> found = loo_check(patient_loo(fit.log_likelihood()))  # doctest: +SKIP
    >>> found.text  # doctest: +SKIP
    'Leave-one-patient-out log density ... of 240 patients have importance weights too heavy ...'
    """
    bad = int(np.sum(loo.pareto_k > loo.good_k))
    share = bad / loo.pareto_k.size
    verdict: CheckVerdict = "pass" if bad == 0 else "warn" if share <= worst else "fail"
    table = pd.DataFrame(
        {
            "quantity": [
                "elpd", "standard error", "p_loo", "patients", "largest Pareto k",
                "threshold", "patients above it",
            ],
            "value": [
                loo.total, loo.standard_error, loo.p_loo, float(loo.pareto_k.size),
                float(loo.pareto_k.max()), loo.good_k, float(bad),
            ],
        }
    )  # fmt: skip
    text = (
        f"Leave-one-patient-out log density {loo.total:.1f} (standard error "
        f"{loo.standard_error:.1f}); {bad} of {loo.pareto_k.size} patients have importance weights "
        f"too heavy to trust (Pareto k > {loo.good_k:.2f})."
    )
    return CheckResult("leave-one-patient-out accuracy", verdict, table, text, SCORES)


def compare_loo(models: dict[str, PatientLoo]) -> pd.DataFrame:
    """Return models by accuracy, with paired differences to the best.

    Returns
    -------
    DataFrame
        Columns ``model, elpd, standard_error, p_loo, difference, difference_error, n_bad_k``,
        best first.

    Raises
    ------
    CohortError
        If the models do not share their patients in the same order.

    Examples
    --------
    >>> from dataclasses import replace
    >>> short = PatientLoo(
    ...     patients=np.array(["p1", "p2"]),
    ...     elpd=np.array([-1.0, -2.5]),
    ...     p_loo=1.2,
    ...     pareto_k=np.array([0.1, 0.3]),
    ...     good_k=0.7,
    ... )
    >>> long = replace(short, elpd=np.array([-1.5, -3.0]))
    >>> compare_loo({"long": long, "short": short})[["model", "elpd", "difference"]]
       model  elpd  difference
    0  short  -3.5         0.0
    1   long  -4.5        -1.0
    """
    ranked = sorted(models.items(), key=lambda item: -item[1].total)
    best = ranked[0][1]
    rows = []
    for name, loo in ranked:
        if not np.array_equal(loo.patients, best.patients):
            raise CohortError("models can be compared only on the same patients, in one order.")
        gap = loo.elpd - best.elpd
        rows.append(
            {
                "model": name,
                "elpd": loo.total,
                "standard_error": loo.standard_error,
                "p_loo": loo.p_loo,
                "difference": float(gap.sum()),
                "difference_error": float(np.sqrt(gap.size * np.var(gap))),
                "n_bad_k": int(np.sum(loo.pareto_k > loo.good_k)),
            }
        )
    return pd.DataFrame(rows)
