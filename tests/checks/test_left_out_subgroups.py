"""Scores of poolings on subgroups that they have not seen, against plain quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.checks.borrowing.left_out_subgroups import (
    left_out_subgroups,
    treated_counts,
    unseen_scores,
)
from twinbayes.errors import ModelError
from twinbayes.model import (
    Complete,
    Exchangeable,
    ExNex,
    Horseshoe,
    NoPooling,
    PowerPrior,
    RobustMap,
)
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.priors import PriorEntry

EVENTS = np.array([12.0, 3.0, 0.0, 25.0])
EXPECTED = np.array([9.0, 7.5, 1.2, 14.0])


@pytest.fixture(scope="module")
def priors() -> tuple[PriorEntry, PriorEntry]:
    of = tb.load_priors("registry")
    return of["treatment_effect"], of["treatment_heterogeneity"]


def normal(entry: PriorEntry) -> dict[str, float]:
    assert entry.distribution == "Normal"
    return {"loc": float(entry.arguments["mu"]), "scale": float(entry.arguments["sigma"])}


def by_quadrature(
    pooling: Pooling, mean: PriorEntry, spread: PriorEntry, counts: list[tuple[float, float]]
) -> float:
    """Log probability of all counts together, on even grids."""
    mu, tau = np.linspace(-4, 4, 81), np.linspace(0.02, 3.0, 75)
    theta = np.linspace(-8, 8, 801)
    p_mu = stats.norm.pdf(mu, **normal(mean)) * (mu[1] - mu[0])
    p_tau = stats.halfnorm.pdf(tau, scale=spread.arguments["sigma"]) * (tau[1] - tau[0])
    poisson = [stats.poisson.pmf(d, e * np.exp(theta)) for d, e in counts]
    alone = stats.norm.pdf(theta, 0.0, 2.0) * (theta[1] - theta[0])
    total = 0.0
    for m, weight in zip(mu, p_mu, strict=True):
        law = stats.norm.pdf(theta, m, tau[:, None]) * (theta[1] - theta[0])
        if isinstance(pooling, ExNex):
            law = 0.5 * law + 0.5 * alone
        total += weight * float(p_tau @ np.prod([law @ p for p in poisson], axis=0))
    return float(np.log(total))


@pytest.mark.parametrize("pooling", [Exchangeable(), ExNex()], ids=lambda p: p.kind)
def test_a_subgroup_is_scored_by_what_the_others_foretell(
    pooling: Pooling, priors: tuple[PriorEntry, PriorEntry]
) -> None:
    counts = list(zip(EVENTS, EXPECTED, strict=True))
    everyone = by_quadrature(pooling, *priors, counts)
    found = unseen_scores(pooling, *priors, EVENTS, EXPECTED)
    for j in range(len(counts)):
        others = by_quadrature(pooling, *priors, counts[:j] + counts[j + 1 :])
        assert found[j] == pytest.approx(everyone - others, abs=0.03)


def test_without_pooling_a_subgroup_is_scored_by_its_prior(
    priors: tuple[PriorEntry, PriorEntry],
) -> None:
    theta = np.linspace(-12, 12, 20001)
    prior = stats.norm.pdf(theta, **normal(priors[0])) * (theta[1] - theta[0])
    expected = [
        np.log(prior @ stats.poisson.pmf(d, e * np.exp(theta)))
        for d, e in zip(EVENTS, EXPECTED, strict=True)
    ]
    found = unseen_scores(NoPooling(), *priors, EVENTS, EXPECTED)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_one_effect_for_all_is_the_limit_of_little_heterogeneity(
    priors: tuple[PriorEntry, PriorEntry],
) -> None:
    little = tb.load_priors("registry").override(
        {"treatment_heterogeneity": {"arguments": {"sigma": 1e-4}}}
    )["treatment_heterogeneity"]
    np.testing.assert_allclose(
        unseen_scores(Complete(), *priors, EVENTS, EXPECTED),
        unseen_scores(Exchangeable(), priors[0], little, EVENTS, EXPECTED),
        atol=0.01,
    )


def test_nobody_treated_scores_nothing(priors: tuple[PriorEntry, PriorEntry]) -> None:
    found = unseen_scores(Exchangeable(), *priors, np.append(EVENTS, 0.0), np.append(EXPECTED, 0.0))
    assert found[-1] == 0.0
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "pooling", [Horseshoe(), PowerPrior(source="a"), RobustMap(target="a")], ids=lambda p: p.kind
)
def test_a_pooling_under_which_subgroups_are_not_alike_is_not_scored(
    pooling: Pooling, registry_fit: tb.Fit
) -> None:
    with pytest.raises(ModelError, match=r"'mine' says nothing of a subgroup.*Known: NoPooling"):
        left_out_subgroups(registry_fit, {"mine": pooling})


def test_no_pooling_to_score_is_refused(registry_fit: tb.Fit) -> None:
    with pytest.raises(ModelError, match="at least one"):
        left_out_subgroups(registry_fit, {})


def test_counts_are_the_events_under_treatment(registry_fit: tb.Fit) -> None:
    events, expected = treated_counts(registry_fit, draws=40)
    rows = registry_fit.plan.events.rows
    subgroup = registry_fit.plan.events.design.subgroup
    counted = np.zeros_like(events)
    for i, acting in enumerate(rows.effects):
        for k in acting:
            if k < len(events):  # the others are eras of entry
                counted[k, subgroup[rows.patient[i]]] += rows.is_event[i]
    np.testing.assert_allclose(events, counted, atol=1e-5)
    assert (expected[events > 0] > 0).all()


def test_the_best_comes_first_and_subgroups_are_paired(registry_fit: tb.Fit) -> None:
    poolings: dict[str, Pooling] = {"own": NoPooling(), "one": Complete()}
    table = left_out_subgroups(registry_fit, poolings, draws=40).table
    assert table["elpd"].is_monotonic_decreasing
    each = table.drop(columns=["pooling", "elpd", "difference", "standard_error"]).to_numpy()
    np.testing.assert_allclose(each.sum(axis=1), table["elpd"])
    gap = each[1] - each[0]
    assert table["difference"][1] == pytest.approx(gap.sum())
    assert table["standard_error"][1] == pytest.approx(np.sqrt(len(gap)) * gap.std(ddof=1))
