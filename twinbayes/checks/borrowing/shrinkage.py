"""Subgroup effects before and after pooling: what the data of each subgroup say by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import chi2

from twinbayes.checks.calibration.expected_events import observed_and_expected
from twinbayes.checks.result import SHRINKAGE, CheckResult
from twinbayes.checks.suppression import publishable
from twinbayes.errors import CohortError, require_level
from twinbayes.inference import Fit
from twinbayes.names import CHAIN, DRAW, POSTERIOR, SAMPLE, SUBGROUP, SUBGROUP_EFFECT, TRANSITION

_NAME: Final = "shrinkage of subgroup effects"


def shrinkage(
    observed: xr.DataArray,
    expected: xr.DataArray,
    pooled: xr.DataArray,
    *,
    sizes: Mapping[str, int] | None = None,
    level: float = 0.9,
) -> CheckResult:
    """Compare raw with pooled log rate ratios of the subgroups, transition by transition.

    The raw ratio is observed over expected events, expected being what the model foresees for
    these very patients without their subgroup's own term; its interval is exact for a Poisson
    count. Without events the raw ratio is minus infinity on the log scale, with a finite upper
    limit.

    Parameters
    ----------
    observed
        Events, dims ``transition, subgroup``.
    expected
        Posterior mean cumulative hazard without the subgroup term, same dims.
    pooled
        Posterior draws of the subgroup effect (log rate ratio), dims ``transition, subgroup``
        and ``chain, draw`` or ``sample``.
    sizes
        Patients of each subgroup, for the table.
    level
        Probability of both intervals, which are equal-tailed.

    Returns
    -------
    CheckResult
        One row a transition and subgroup: ``observed, expected, raw, raw_lower, raw_upper,
        pooled, pooled_lower, pooled_upper, borrowed``. `borrowed` is 1 − the ratio of the pooled
        to the raw interval's width: how much of the certainty came from elsewhere. The verdict is
        information; the text counts, among the pairs that `published` shows, intervals that do
        not meet: a sign of too much pooling.

    Examples
    --------
    >>> import xarray as xr
    >>> observed = xr.DataArray(
    ...     [[9.0, 2.0]],
    ...     dims=("transition", "subgroup"),
    ...     coords={"transition": ["well->dead"], "subgroup": ["a", "b"]},
    ... )
    >>> expected = observed.copy(data=[[6.0, 4.0]])
    >>> draws = xr.DataArray(np.linspace(-0.3, 0.3, 101), dims="sample")
    >>> pooled = draws + 0.5 * np.log(observed / expected)
    >>> found = shrinkage(observed, expected, pooled)
    >>> found.table[["subgroup", "raw", "pooled", "borrowed"]].round(2)
      subgroup   raw  pooled  borrowed
    0        a  0.41    0.20      0.55
    1        b -0.69   -0.35      0.81
    """
    require_level(level)
    dims = (TRANSITION, SUBGROUP)
    draws = [d for d in pooled.dims if d in (CHAIN, DRAW, SAMPLE)]
    if set(observed.dims) != set(dims) or set(expected.dims) != set(dims) or not draws:
        raise CohortError(
            "shrinkage: observed and expected need dims transition and subgroup, and the pooled "
            "effect also chain and draw, or sample."
        )
    tails = [0.5 - level / 2, 0.5 + level / 2]
    observed, expected, pooled = xr.align(observed, expected, pooled, join="exact")
    events = observed.transpose(*dims).to_numpy().astype(np.float64)
    hazard = expected.transpose(*dims).to_numpy()
    lower, upper = exact_poisson_interval(events, level)
    bounds = pooled.quantile(tails, dim=draws).transpose("quantile", *dims).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        raw, raw_lower, raw_upper = (np.log(v / hazard) for v in (events, lower, upper))
    width = raw_upper - raw_lower
    index = pd.MultiIndex.from_product(
        [observed[TRANSITION].to_numpy(), observed[SUBGROUP].to_numpy()], names=dims
    )
    table = pd.DataFrame(
        {
            "observed": events.ravel().astype(np.int64),
            "expected": hazard.ravel(),
            "raw": raw.ravel(),
            "raw_lower": raw_lower.ravel(),
            "raw_upper": raw_upper.ravel(),
            "pooled": pooled.mean(draws).transpose(*dims).to_numpy().ravel(),
            "pooled_lower": bounds[0].ravel(),
            "pooled_upper": bounds[1].ravel(),
            "borrowed": (1.0 - (bounds[1] - bounds[0]) / width).ravel(),
        },
        index=index,
    ).reset_index()
    if sizes is not None:
        table.insert(2, "n", [sizes[str(name)] for name in table[SUBGROUP]])
    apart = (table["pooled_lower"] > table["raw_upper"]) | (
        table["pooled_upper"] < table["raw_lower"]
    )
    # What is said of hidden pairs would tell of them.
    shown = publishable(table)["raw_lower"].notna().to_numpy()
    hidden = f"; {(~shown).sum()} more are of few events" * (not shown.all())
    text = (
        f"Raw (observed over expected, exact Poisson) and pooled log rate ratios of "
        f"{observed.sizes[SUBGROUP]} subgroups in {observed.sizes[TRANSITION]} transitions; "
        f"{int(apart[shown].sum())} of {int(shown.sum())} pairs of {level:.0%} intervals do not "
        f"meet{hidden}."
    )
    return CheckResult(_NAME, "info", table, text, SHRINKAGE)


def shrinkage_of(fit: Fit, level: float) -> CheckResult:
    """Compare raw with pooled subgroup levels of a fit."""
    posterior = fit.datatree[POSTERIOR]
    if SUBGROUP_EFFECT not in posterior:
        why = "The model has no subgroup levels: one subgroup."
        return CheckResult.not_provided(_NAME, why, topic=SHRINKAGE)
    if fit.spec.associations:
        why = "Expected events along curves are not available."
        return CheckResult.not_provided(_NAME, why, topic=SHRINKAGE)
    observed, expected = observed_and_expected(fit)
    pooled = posterior.to_dataset()[SUBGROUP_EFFECT].sel({SUBGROUP: observed[SUBGROUP]})
    sizes = fit.cohort.patients[SUBGROUP].value_counts()
    table = {str(k): int(n) for k, n in sizes.items()}
    return shrinkage(observed, expected, pooled, sizes=table, level=level)


def exact_poisson_interval(
    events: npt.ArrayLike, level: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the exact (Garwood 1936) interval of a Poisson mean from a count."""
    count = np.asarray(events, dtype=np.float64)
    tail = 0.5 - level / 2
    lower = np.where(count > 0, chi2.ppf(tail, 2 * np.maximum(count, 0.5)) / 2, 0.0)
    upper = np.asarray(chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return lower, upper
