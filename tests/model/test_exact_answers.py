"""Posteriors that are known exactly, through the whole of `fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.model import (
    EventProcess,
    PiecewiseConstant,
    StateGraph,
    Transition,
    Weibull,
    register,
)
from twinbayes.model.baseline import Rates
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.priors import PriorSet

N = 30


@register
@dataclass(frozen=True, slots=True)
class GammaRate:
    """A constant hazard with the conjugate prior: any shape that keeps the protocol will do."""

    alpha: float
    beta: float
    kind: str = "constant"

    def edges(self, event_times: np.ndarray, all_times: np.ndarray) -> np.ndarray:
        return np.array([0.0, np.inf])

    def build(
        self,
        name: str,
        dims: tuple[str, str],
        labels: Sequence[str],
        edges: np.ndarray,
        priors: PriorSet,
    ) -> Rates:
        rate = pm.Gamma("rate", self.alpha, self.beta, dims=dims[:1])
        level: Any = pm.Deterministic(name, pt.log(rate)[:, None], dims=dims)
        return level, level


@pytest.fixture(scope="module")
def times() -> tuple[np.ndarray, np.ndarray]:
    """Days and whether each patient died: Weibull times, censored at one and a half years."""
    rng = np.random.default_rng(5)
    days = np.round(400 * rng.weibull(1.4, N) + 0.1, 1)
    return np.minimum(days, 550.0), days < 550.0


def cohort_of(make_cohort: Callable[..., Cohort], days: np.ndarray, events: list[str]) -> Cohort:
    """One patient a day; an event that is no death is followed by the last contact."""
    rows = []
    for i, (day, event) in enumerate(zip(days, events, strict=True)):
        rows.append((f"p{i}", float(day), event))
        if event not in ("death", "last_contact"):
            rows.append((f"p{i}", float(day), "last_contact"))
    return make_cohort(rows)


def sampled(spec: tb.ModelSpec, cohort: Cohort, priors: PriorSet | None = None) -> xr.Dataset:
    fit = tb.fit(
        spec, cohort, priors=priors, draws=1500, tune=600, chains=2, seed=2, progressbar=False
    )
    assert fit.verdict.usable, fit.verdict.reasons
    posterior: xr.Dataset = fit.datatree["posterior"].to_dataset()
    return posterior


def assert_within_4_mcse(draws: xr.DataArray, mean: float, sd: float) -> None:
    """Hold posterior mean and standard deviation against the exact ones."""
    chains = draws.transpose("chain", "draw", ...).to_numpy().reshape(draws.sizes["chain"], -1)
    for method, ours, exact in (("mean", chains.mean(), mean), ("sd", chains.std(), sd)):
        error = float(az.mcse(chains, method=method))
        assert 0 < error < 0.1 * sd
        assert abs(ours - exact) < 4 * error


def on_grid(
    log_posterior: Callable[..., np.ndarray], *axes: np.ndarray
) -> list[tuple[float, float]]:
    """Mean and standard deviation along each axis, by summing over the whole grid."""
    mesh = np.meshgrid(*axes, indexing="ij")
    logs = log_posterior(*mesh)
    weight = np.exp(logs - logs.max())
    for k in range(len(axes)):  # the grid must hold all of the mass
        edge = np.moveaxis(weight, k, 0)[[0, -1]]
        assert edge.max() < 1e-9
    weight /= weight.sum()
    means = [float((weight * m).sum()) for m in mesh]
    sds = [
        float(np.sqrt((weight * (m - mean) ** 2).sum()))
        for m, mean in zip(mesh, means, strict=True)
    ]
    return list(zip(means, sds, strict=True))


@pytest.mark.requirement("R-020")
def test_a_censored_exponential_with_a_gamma_prior_has_its_conjugate_posterior(
    times: tuple[np.ndarray, np.ndarray], make_cohort: Callable[..., Cohort]
) -> None:
    days, died = times
    cohort = cohort_of(make_cohort, days, ["death" if d else "last_contact" for d in died])
    spec = tb.disease("survival", baseline=GammaRate(2.0, 500.0), covariates=())
    exact = stats.gamma(2.0 + died.sum(), scale=1 / (500.0 + days.sum()))
    assert_within_4_mcse(sampled(spec, cohort)["rate"], exact.mean(), exact.std())


def test_relapses_between_two_visits_have_the_posterior_of_the_quadrature(
    times: tuple[np.ndarray, np.ndarray], make_cohort: Callable[..., Cohort]
) -> None:
    days, relapsed = times
    found = np.ceil(days / 150.0) * 150.0
    seen = np.where(relapsed, found, 550.0)
    cohort = cohort_of(make_cohort, seen, ["relapse" if r else "last_contact" for r in relapsed])
    lower = np.where(cohort.events["event"] == "relapse", cohort.events["day"] - 150.0, np.nan)
    cohort = cohort.with_rows({"events": cohort.events.assign(day_lower=lower)})
    graph = StateGraph(
        states=("well", "relapsed"),
        transitions=(
            Transition(
                source="well", target="relapsed", event="relapse", baseline=GammaRate(2.0, 500.0)
            ),
        ),
    )
    spec = tb.ModelSpec(
        name="open", title="Open", priors="survival", events=EventProcess(graph=graph)
    )

    def log_posterior(rate: np.ndarray) -> np.ndarray:
        out = stats.gamma(2.0, scale=1 / 500.0).logpdf(rate)
        for end, r in zip(seen, relapsed, strict=True):
            out = out - rate * (end - 150.0 if r else end)
            if r:
                out = out + np.log(-np.expm1(-150.0 * rate))
        return out

    (exact,) = on_grid(log_posterior, np.linspace(1e-5, 0.02, 4000))
    assert_within_4_mcse(sampled(spec, cohort)["rate"], *exact)


@pytest.mark.requirement("R-020")
def test_a_weibull_has_the_posterior_of_the_quadrature(
    times: tuple[np.ndarray, np.ndarray], make_cohort: Callable[..., Cohort]
) -> None:
    days, died = times
    cohort = cohort_of(make_cohort, days, ["death" if d else "last_contact" for d in died])
    priors = tb.load_priors("survival").override(
        {
            "baseline_level": {"arguments": {"mu": -6.5, "sigma": 0.8}},
            "weibull_shape": {"arguments": {"mu": 0.0, "sigma": 0.5}},
        }
    )
    spec = tb.disease("survival", baseline=Weibull(resolution=40), covariates=())
    years = days / DAYS_PER_YEAR

    def log_posterior(level: np.ndarray, log_shape: np.ndarray) -> np.ndarray:
        shape = np.exp(log_shape)
        out = stats.norm(-6.5, 0.8).logpdf(level) + stats.norm(0.0, 0.5).logpdf(log_shape)
        for t, d in zip(years, died, strict=True):
            # hazard exp(level) t^(shape - 1) a day, t in years
            out = out - np.exp(level) * DAYS_PER_YEAR * t**shape / shape
            if d:
                out = out + level + (shape - 1) * np.log(t)
        return out

    level, log_shape = on_grid(
        log_posterior, np.linspace(-9.0, -3.5, 700), np.linspace(-1.2, 1.6, 700)
    )
    draws = sampled(spec, cohort, priors)
    assert_within_4_mcse(draws["log_baseline_level"], *level)
    assert_within_4_mcse(np.log(draws["log_baseline_shape"]), *log_shape)


@pytest.mark.requirement("R-020")
def test_two_competing_exponentials_have_their_separate_posteriors(
    times: tuple[np.ndarray, np.ndarray], make_cohort: Callable[..., Cohort]
) -> None:
    days, ended = times
    relapsed = ended & (np.arange(N) % 3 == 0)
    died = ended & ~relapsed
    events = np.where(relapsed, "relapse", np.where(died, "death", "last_contact"))
    cohort = cohort_of(make_cohort, days, events.tolist())
    constant = PiecewiseConstant(windows=1)
    graph = StateGraph(
        states=("well", "relapsed", "dead"),
        transitions=(
            Transition(source="well", target="relapsed", event="relapse", baseline=constant),
            Transition(source="well", target="dead", event="death", baseline=constant),
        ),
    )
    events_only = EventProcess(graph=graph)
    spec = tb.ModelSpec(name="two", title="Two causes", events=events_only, priors="survival")
    priors = tb.load_priors("survival").override(
        {"baseline_level.well->relapsed": {"arguments": {"mu": -5.0, "sigma": 0.5}}}
    )
    draws = sampled(spec, cohort, priors)["log_baseline"].isel(window=0)
    common = priors.get_entry("baseline_level").arguments
    for label, count, prior in (
        ("well->relapsed", relapsed.sum(), stats.norm(-5.0, 0.5)),
        ("well->dead", died.sum(), stats.norm(common["mu"], common["sigma"])),
    ):

        def log_posterior(level: np.ndarray, count: Any = count, prior: Any = prior) -> np.ndarray:
            found: np.ndarray = prior.logpdf(level) + count * level - np.exp(level) * days.sum()
            return found

        (exact,) = on_grid(log_posterior, np.linspace(-11.0, -3.0, 20_001))
        assert_within_4_mcse(draws.sel(transition=label), *exact)
