"""Fits that go on until they are usable: what follows a run, and what ends them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from twinbayes.errors import OptionError
from twinbayes.inference import compile_model, judge
from twinbayes.inference.gate.advice import advise
from twinbayes.inference.gate.verdict import ESS_MIN, RHAT_MAX, Verdict
from twinbayes.inference.samplers.protocol import GaveUpError, GiveUp
from twinbayes.inference.until import MAX_RUNS, Effort, Run, effort_of, sample_until

FINE = {
    "divergences": 0.0, "at_max_treedepth": 0.0, "max_rhat": 1.001, "min_ess_bulk": 900.0,
    "min_ess_tail": 800.0, "min_ebfmi": 0.9, "draws": 1000.0,
}  # fmt: skip
FIRST = Run(draws=1000, tune=1000, target_accept=0.9, max_treedepth=10)


@dataclass
class Script:
    """A sampler that returns what was written down, run by run, and notes how it was asked."""

    summaries: list[Mapping[str, float]]
    options: Mapping[str, object] = field(
        default_factory=lambda: {"target_accept": 0.9, "max_treedepth": 10}
    )
    asked: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def with_options(self, **updates: object) -> Script:
        return replace(self, options={**self.options, **updates})

    def sample(self, *, give_up: GiveUp, **run: Any) -> xr.DataTree:
        time.sleep(self.seconds)
        self.asked.append({**run, **self.options, "give_up": give_up})
        summary = {**FINE, **self.summaries[len(self.asked) - 1]}
        if give_up.at_divergence and summary["divergences"]:
            raise GaveUpError("a transition diverged", diverged=True)
        return xr.DataTree.from_dict({"/": xr.Dataset(attrs=summary)})


def judged(tree: xr.DataTree) -> Verdict:
    summary = {str(k): float(v) for k, v in tree.attrs.items()}
    reasons = tuple(k for k in FINE if summary[k] != FINE[k])
    return Verdict(not reasons, reasons, pd.DataFrame(), summary)


def test_a_run_that_is_usable_is_the_only_one() -> None:
    script = Script([{}])
    _, verdict, runs = sample_until(script, judged, Effort())  # type: ignore[arg-type]
    assert verdict.usable
    assert [run["reasons"] for run in runs] == [[]]
    assert {k: runs[0][k] for k in vars(FIRST)} == vars(FIRST)


def test_divergences_are_answered_by_smaller_steps_and_a_longer_warm_up() -> None:
    script = Script([{"divergences": 3.0}, {"divergences": 1.0}, {}])
    _, verdict, runs = sample_until(script, judged, Effort(seed=5))  # type: ignore[arg-type]
    assert verdict.usable
    assert [run["target_accept"] for run in runs] == pytest.approx([0.9, 0.95, 0.975])
    assert [run["tune"] for run in runs] == [1000, 1500, 2250]
    assert {asked["seed"] for asked in script.asked} == {5}
    assert [run["reasons"] for run in runs] == [["a transition diverged"]] * 2 + [[]]


@pytest.mark.parametrize(
    ("summary", "draws", "tune"),
    [
        ({"min_ess_tail": 300.0}, 2000, 1000),  # 1.5 x 400 / 300
        ({"min_ess_bulk": 50.0}, 4000, 1000),  # four times at most
        ({"max_rhat": 1.02}, 2000, 2000),
        ({"max_rhat": float("nan")}, 2000, 2000),
    ],
)
def test_what_follows_a_run_is_what_it_lacked(
    summary: Mapping[str, float], draws: int, tune: int
) -> None:
    following = FIRST.after({**FINE, **summary}, 8000)
    assert following == replace(FIRST, draws=draws, tune=tune)


def test_trees_that_are_too_deep_may_grow() -> None:
    assert FIRST.after({**FINE, "at_max_treedepth": 4.0}, 8000).max_treedepth == 12


def test_draws_end_at_the_budget_and_runs_at_six() -> None:
    assert FIRST.after({**FINE, "min_ess_bulk": 10.0}, 1500).draws == 1500
    script = Script([{"divergences": 2.0}] * MAX_RUNS)
    _, verdict, runs = sample_until(script, judged, Effort())  # type: ignore[arg-type]
    assert not verdict.usable
    assert len(runs) == MAX_RUNS
    assert not script.asked[-1]["give_up"].at_divergence  # the last one is seen to its end


def test_a_fixed_length_is_one_run() -> None:
    for effort in (Effort(draws=200), Effort(until=None)):
        script = Script([{"divergences": 2.0}])
        _, verdict, runs = sample_until(script, judged, effort)  # type: ignore[arg-type]
        assert (verdict.usable, len(runs)) == (False, 1)
    assert Effort(draws=200, until="usable").goes_on


def test_seconds_end_the_runs_and_the_last_one_that_ended_counts() -> None:
    script = Script([{"min_ess_bulk": 300.0}] * MAX_RUNS, seconds=0.05)
    effort = Effort(max_seconds=0.01)
    _, verdict, runs = sample_until(script, judged, effort)  # type: ignore[arg-type]
    assert (verdict.usable, len(runs)) == (False, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"until": "done"}, {"max_draws": 10}, {"max_draws": 1.5}, {"max_seconds": 0},
        {"max_seconds": "a"}, {"draws": 2}, {"chains": 0}, {"cores": 0}, {"lenght": 3},
    ],
)  # fmt: skip
def test_odd_efforts_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        effort_of(odd)


def test_the_same_seed_gives_the_same_draws_also_where_runs_follow_each_other() -> None:
    with pm.Model() as model:  # a funnel: the first runs diverge
        scale = pm.Normal("scale", 0.0, 3.0)
        pm.Normal("value", 0.0, pm.math.exp(scale / 2), shape=4)
    compiled = compile_model(model)
    found = [
        sample_until(compiled, judge, Effort(seed=3, tune=200, progressbar=False, max_draws=1000))
        for _ in range(2)
    ]
    (one, _, runs), (two, _, again) = found
    assert len(runs) > 1
    for run, other in zip(runs, again, strict=True):
        assert {**run, "seconds": 0} == {**other, "seconds": 0}
    xr.testing.assert_equal(one["posterior"].to_dataset(), two["posterior"].to_dataset())


def test_cores_reach_the_sampler() -> None:
    with pm.Model() as model:
        pm.Normal("value", 0.0, 1.0)
    tree, verdict, runs = sample_until(
        compile_model(model), judge, Effort(progressbar=False, cores=1, seed=1)
    )
    assert verdict.usable
    assert tree.attrs["cores"] == 1
    assert len(runs) == 1


def test_chains_with_the_very_same_draws_are_refused() -> None:
    draws = np.random.default_rng(0).normal(size=(4, 500))
    stats = {
        "diverging": (("chain", "draw"), np.zeros((4, 500), dtype=bool)),
        "energy": (("chain", "draw"), np.random.default_rng(1).normal(size=(4, 500))),
    }

    def verdict(values: np.ndarray) -> Verdict:
        posterior = xr.Dataset({"x": (("chain", "draw"), values)})
        return judge(
            xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset(stats)})
        )

    assert verdict(draws).usable
    copied = draws.copy()
    copied[3] = copied[1]
    assert verdict(copied).reasons == ("chains 1 and 3 have the very same draws",)


def test_transitions_at_maximal_depth_count_against_a_fit() -> None:
    with pm.Model() as model:
        pm.MvNormal("value", np.zeros(2), np.array([[1.0, 0.999], [0.999, 1.0]]))
    tree = compile_model(model, max_treedepth=2).sample(seed=1, progressbar=False)
    told = [r for r in judge(tree).reasons if "maximal tree depth of 2" in r]
    assert len(told) == 1


def test_advice_names_what_to_change_and_no_more_than_five_things() -> None:
    names = ("patient_sd", "log_baseline", "beta", "subgroup_scale", "treatment_effect", "centre_x")
    table = pd.DataFrame(
        {
            "max_rhat": 1.02, "min_ess_bulk": 100.0, "min_ess_tail": 100.0,
            "worst_rhat_at": [f"{n}[here]" for n in names], "worst_bulk_at": "",
            "worst_tail_at": "",
        },
        index=list(names),
    )  # fmt: skip
    advice = advise(table, {**FINE, "divergences": 2.0}, rhat_max=RHAT_MAX, ess_min=ESS_MIN)
    assert len(advice) == 5
    assert "target_accept" in advice[0]
    assert "draws=6000" in advice[1]  # 1.5 x 400 / 100 times 1,000
    assert "patient_sd[here]" in advice[2]
    assert "too rich for the visits" in advice[2]
    fine = pd.DataFrame(
        {"max_rhat": 1.0, "min_ess_bulk": 900.0, "min_ess_tail": 900.0}, index=["x"]
    )
    assert advise(fine, FINE, rhat_max=RHAT_MAX, ess_min=ESS_MIN) == ()
