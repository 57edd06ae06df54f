"""Tables of hazard ratios that change: the numbers are those of the draws."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

import twinbayes as tb
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import ModelSpec, PiecewiseConstant, Term, TimeVarying
from twinbayes.report.reviewer.time import changing_ratios

DEATH = "alive->dead"


def fit_like(spec: ModelSpec) -> Any:
    """What the section reads of a fit; draws are those of the priors."""
    cohort = tb.datasets.registry()
    learnt = spec.plan(cohort).learnt
    draws = sample_priors(spec, cohort, draws=50, seed=1)
    tree = {"posterior": SimpleNamespace(to_dataset=lambda: draws)}
    return SimpleNamespace(
        spec=spec, encoding=learnt.encoding, edges=learnt.edges, datatree=tree, draws=draws
    )


def survival(*varying: TimeVarying) -> ModelSpec:
    sex = Term(name="sex", group="clinical", transform="category")
    spec = tb.disease("survival", baseline=PiecewiseConstant(windows=4), covariates=(sex,))
    graph = replace(spec.graph, ignored_events=("complete_remission", "relapse"))
    return replace(spec, events=replace(spec.events, graph=graph, time_varying=varying))


def test_a_window_has_the_ratio_of_the_covariate_and_of_its_walk() -> None:
    both = (TimeVarying(of="subgroup", on=DEATH), TimeVarying(of="sex", on=DEATH))
    fit = fit_like(survival(*both))
    block = changing_ratios(fit, 0.9, "equal-tailed")
    assert block is not None
    n = len(fit.edges[0]) - 1
    walk = fit.draws["time_varying_effect"].isel(chain=0)
    beta = fit.draws["beta"].isel(chain=0, covariate=0, transition=0)
    for w in range(n):
        ratio = walk.isel(time_varying_window=n + w, subgroup=0) + beta
        low, middle, high = np.exp(np.quantile(ratio, [0.05, 0.5, 0.95]))
        assert f"{middle:.2f} ({low:.2f} to {high:.2f})" in block.html
    for name in fit.encoding.subgroups:
        level = fit.draws["subgroup_effect"].isel(chain=0, transition=0).sel(subgroup=name)
        ratio = walk.isel(time_varying_window=n - 1).sel(subgroup=name) + level
        low, middle, high = np.exp(np.quantile(ratio, [0.05, 0.5, 0.95]))
        assert f"{middle:.2f} ({low:.2f} to {high:.2f})" in block.html
    assert f"from {fit.edges[0][-2]:.0f}" in block.html


def test_eras_of_entry_are_shown() -> None:
    fit = fit_like(tb.disease("registry"))
    block = changing_ratios(fit, 0.9, "equal-tailed")
    assert block is not None
    eras = fit.draws["entry_era_effect"].isel(chain=0, entry_era=0)
    low, middle, high = np.exp(np.quantile(eras, [0.05, 0.5, 0.95]))
    assert f"{middle:.2f} ({low:.2f} to {high:.2f})" in block.html


def test_proportional_hazards_need_no_table() -> None:
    assert changing_ratios(fit_like(survival()), 0.9, "equal-tailed") is None
