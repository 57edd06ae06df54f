"""Power-scaling sensitivity: how much answers change if priors or likelihood count a little more.

Prior or likelihood is raised to a power near 1 by importance weights, smoothed by a Pareto tail;
the cumulative Jensen-Shannon distance between weighted and unweighted draws of a quantity, per
doubling of the power, is its sensitivity. Weights and distances are ArviZ's.

Source: Kallioinen, Paananen, Bürkner & Vehtari (2024), Statistics and Computing 34:57.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.checks.result import SENSITIVITY, CheckResult, CheckVerdict
from twinbayes.errors import FitError, OptionError
from twinbayes.names import CHAIN, DRAW

NAME: Final = "power-scaling sensitivity"
ALL_PRIORS: Final = "all priors"
CONFLICT: Final = "potential prior-data conflict"
STRONG: Final = "strong prior / weak likelihood"
UNRELIABLE: Final = "not reliable: heavy importance weights"
NO_SIGN: Final = "no sign of either"

ALPHAS: Final = (0.99, 1.01)
THRESHOLD: Final = 0.05
_IDLE: Final = 40  # idle quantities, to see what chance does
_CHANCE: Final = 0.95
_NAMED: Final = 5  # quantities that the sentence names
_FEWEST: Final = 100  # draws, below which tails have no shape


def power_scaling(
    quantities: xr.Dataset,
    log_prior: Mapping[str, xr.DataArray],
    log_likelihood: xr.DataArray,
    *,
    alphas: tuple[float, float] = ALPHAS,
    threshold: float = THRESHOLD,
) -> CheckResult:
    """Diagnose how quantities depend on priors and likelihood.

    Parameters
    ----------
    quantities
        Posterior draws of anything: parameters, forecasts. Dims chain and draw, and any others;
        every entry is judged by itself.
    log_prior
        Name -> log prior density of each draw (chain, draw), summed over the variables that the
        name stands for.
    log_likelihood
        (chain, draw), summed over the data.
    alphas
        Powers below and above 1.
    threshold
        Sensitivity from which on a quantity depends on prior, or likelihood.

    Returns
    -------
    CheckResult
        One row a quantity and prior: ``quantity``, ``entry`` (its place along further dims),
        ``scaled``, ``prior`` and ``likelihood`` (sensitivities), ``shift`` (change of its mean per
        doubling of the power of the prior, in its own unit), ``prior_k`` and ``likelihood_k``
        (largest Pareto shape of the weights), ``prior_noise`` (the sensitivity that 19 of 20
        quantities without any stay below, for this number of draws: less does not count),
        ``diagnosis``. Both sensitive is a potential conflict
        of prior and data, the prior alone a strong prior or a weak likelihood. Where a Pareto
        shape is above the largest that this number of draws allows (Vehtari et al. 2024, JMLR
        25(72)), weights cannot be trusted, and no diagnosis is given. The check passes if no row
        has one, else it warns.

    Raises
    ------
    OptionError
        Powers that are not on either side of 1, or a threshold that is not positive.
    FitError
        Draws that do not match, are not finite, or are fewer than 100.

    Examples
    --------
    A rate on which prior and data disagree:

    >>> import xarray as xr
    >>> draws = np.random.default_rng(1).normal(1.0, 0.2, size=(2, 200))
    >>> rate = xr.DataArray(draws, dims=("chain", "draw"))
    >>> found = power_scaling(
    ...     xr.Dataset({"rate": rate}),
    ...     {"rate": -((rate + 1.0) ** 2) / 2},
    ...     -10.0 * (rate - 1.2) ** 2,
    ... )
    >>> found.table["diagnosis"].tolist()
    ['potential prior-data conflict']
    """
    low, high = alphas
    if not 0.0 < low < 1.0 < high:
        raise OptionError(f"alphas {alphas!r}: give a power between 0 and 1, and one above 1.")
    if not threshold > 0.0:
        raise OptionError(f"threshold {threshold!r}: give a positive sensitivity.")
    shape = _require_matching(quantities, log_prior, log_likelihood)
    likelihood = _Scaled.of(log_likelihood, alphas)
    priors = {name: _Scaled.of(values, alphas) for name, values in log_prior.items()}
    most = min(1.0 - 1.0 / np.log10(shape[0] * shape[1]), 0.7)
    rows = []
    for name, entry, values in _entries(quantities):
        from_data = likelihood.sensitivity(values, alphas)
        for scaled, weights in priors.items():
            from_prior = weights.sensitivity(values, alphas)
            trusted = max(weights.k, likelihood.k) <= most
            rows.append(
                {
                    "quantity": name,
                    "entry": entry,
                    "scaled": scaled,
                    "prior": from_prior,
                    "likelihood": from_data,
                    "shift": weights.shift(values, alphas),
                    "prior_k": weights.k,
                    "likelihood_k": likelihood.k,
                    "prior_noise": weights.noise,
                    "diagnosis": _diagnosis(
                        from_prior / max(threshold, weights.noise),
                        from_data / threshold,
                    )
                    if trusted
                    else UNRELIABLE,
                }
            )
    return _result(pd.DataFrame(rows), most, threshold)


@dataclass(frozen=True)
class _Scaled:
    """Smoothed weights of draws whose prior, or likelihood, is raised to either power."""

    weights: tuple[Floats, Floats]
    k: float
    noise: float = 0.0

    @classmethod
    def of(cls, log_density: xr.DataArray, alphas: tuple[float, float]) -> _Scaled:
        from arviz_stats.base.array import array_stats  # slow to import

        values = log_density.transpose(CHAIN, DRAW).to_numpy().astype(np.float64)
        values = values - values.max()
        if np.ptp(values) < 1e-9:  # the same under every draw: nothing changes
            even = np.full(values.shape, 1.0 / values.size)
            return cls((even, even), 0.0)
        weights, shapes = [], []
        for alpha in alphas:
            try:
                smooth = array_stats.power_scale_lw(values, alpha, axis=[0, 1])  # type: ignore[no-untyped-call]
            except ValueError as error:
                raise FitError(
                    f"The density {log_density.name!r} cannot be scaled ({error}). It is the same "
                    "in too many draws, as where a chain stands still: look at the verdict, and "
                    "sample again."
                ) from error
            weight = np.exp(smooth - np.max(smooth)).reshape(values.shape)
            weights.append(weight / weight.sum())
            # `pareto_khat` would fit a tail to the logarithms of the weights.
            _, k = array_stats.psislw((1.0 - alpha) * values, axis=[0, 1])  # type: ignore[no-untyped-call]
            shapes.append(float(k))
        plain = cls((weights[0], weights[1]), max(shapes))
        # What weights do by chance alone to draws that have nothing to do with them.
        rng = np.random.default_rng(0)
        idle = rng.standard_normal((_IDLE, *values.shape))
        chance = [plain.sensitivity(x, alphas) for x in idle]
        return cls(plain.weights, plain.k, float(np.quantile(chance, _CHANCE)))

    def sensitivity(self, values: Floats, alphas: tuple[float, float]) -> float:
        """Change of a quantity (chain, draw) per doubling of the power."""
        from arviz_stats.base.array import array_stats

        if np.ptp(values) == 0.0:
            return 0.0
        found = array_stats.power_scale_sense(values, *self.weights, *alphas, 0, 1)  # type: ignore[no-untyped-call]
        return float(found)

    def shift(self, values: Floats, alphas: tuple[float, float]) -> float:
        """Change of the mean of a quantity (chain, draw) per doubling of the power."""
        low, high = (float((w * values).sum()) for w in self.weights)
        return (high - low) / float(np.log2(alphas[1] / alphas[0]))


def _require_matching(
    quantities: xr.Dataset, log_prior: Mapping[str, xr.DataArray], log_likelihood: xr.DataArray
) -> tuple[int, int]:
    """Chains and draws, the same everywhere."""
    if not log_prior:
        raise FitError("No prior is to be scaled. Give the log density of at least one.")
    terms = {"log likelihood": log_likelihood} | {
        f"log prior {k!r}": v for k, v in log_prior.items()
    }
    sizes = {}
    for name, values in [*terms.items(), *((str(n), v) for n, v in quantities.items())]:
        if not {CHAIN, DRAW} <= set(values.dims) or (name in terms and values.ndim != 2):
            raise FitError(f"{name} has dims {values.dims}; expected chain and draw.")
        if not np.isfinite(values.to_numpy()).all():
            raise FitError(f"{name} is not finite under some draws.")
        sizes[name] = (values.sizes[CHAIN], values.sizes[DRAW])
    (first, *others) = set(sizes.values())
    if others:
        raise FitError(f"Chains and draws differ: {sizes}. Give all of the same draws.")
    if first[0] * first[1] < _FEWEST:
        raise FitError(f"{first[0] * first[1]} draws are too few: at least {_FEWEST} are needed.")
    return first


def _entries(quantities: xr.Dataset) -> list[tuple[str, str, Floats]]:
    """Name, place and (chain, draw) draws of every entry."""
    out = []
    for name in map(str, quantities.data_vars):
        values = quantities[name]
        table = values.transpose(CHAIN, DRAW, ...)
        further = list(map(str, table.dims[2:]))
        array = table.to_numpy().astype(np.float64)
        for index in np.ndindex(array.shape[2:]):
            places = (
                str(table[d].to_numpy()[i]) if d in table.coords else str(i)
                for d, i in zip(further, index, strict=True)
            )
            out.append((name, ", ".join(places), array[(slice(None), slice(None), *index)]))
    return out


def _diagnosis(prior: float, likelihood: float) -> str:
    """Name what sensitivities say that are in units of the smallest that counts."""
    if prior < 1.0:
        return NO_SIGN
    return CONFLICT if likelihood >= 1.0 else STRONG


def _result(table: pd.DataFrame, most: float, threshold: float) -> CheckResult:
    counts = {d: int((table["diagnosis"] == d).sum()) for d in (CONFLICT, STRONG, UNRELIABLE)}
    verdict: CheckVerdict = "warn" if any(counts.values()) else "pass"
    worst = float(table[["prior_k", "likelihood_k"]].to_numpy().max())
    whole = table[table["scaled"] == ALL_PRIORS] if ALL_PRIORS in set(table["scaled"]) else table
    text = (
        f"Sensitivity of {len(table.drop_duplicates(['quantity', 'entry']))} quantities to raising "
        f"priors or likelihood to a power: {counts[CONFLICT]} of {len(table)} rows have a "
        f"{CONFLICT}, {counts[STRONG]} a {STRONG} (threshold {threshold:g}). Largest Pareto k "
        f"{worst:.2f}, which must not exceed {most:.2f}."
    )
    sensitive = whole[whole["diagnosis"].isin([CONFLICT, STRONG])]
    named = sensitive.groupby("quantity")["prior"].agg(["max", "size"])
    named = named.sort_values("max", ascending=False)
    if len(named):
        most_so = [f"{q} ({k} of its entries)" for q, k in named["size"].head(_NAMED).items()]
        others = f", and {len(named) - _NAMED} more, see the table" if len(named) > _NAMED else ""
        text += f" Sensitive to the priors, most first: {', '.join(most_so)}{others}."
    if counts[UNRELIABLE]:
        text += (
            f" {counts[UNRELIABLE]} rows have weights too heavy to trust: use powers nearer to 1, "
            "or fit again with the other prior."
        )
    return CheckResult(NAME, verdict, table, text, SENSITIVITY)


def as_quantities(values: Mapping[str, npt.ArrayLike]) -> xr.Dataset:
    """Arrays (chain, draw, ...) by name as the Dataset that `power_scaling` takes.

    Examples
    --------
    >>> as_quantities({"rate": np.zeros((2, 5))}).sizes["draw"]
    5
    """
    arrays = {name: np.asarray(v, dtype=np.float64) for name, v in values.items()}
    return xr.Dataset(
        {
            name: ((CHAIN, DRAW, *(f"{name}_{k}" for k in range(a.ndim - 2))), a)
            for name, a in arrays.items()
        }
    )
