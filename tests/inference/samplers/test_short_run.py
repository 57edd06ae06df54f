"""Short runs: the draws and the verdict of ordinary runs, without their labels."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.errors import OptionError
from twinbayes.inference import CompiledAggregate, compile_fit, judge
from twinbayes.inference.samplers.nutpie import NutpieCompiled
from twinbayes.inference.samplers.short_run import Sampling, reasons_against, sample_short

RUN = Sampling(draws=60, tune=50, chains=2)


@pytest.fixture(scope="module")
def compiled() -> CompiledAggregate:
    table = pd.DataFrame({"subgroup": ["a", "b", "c"], "responders": [1, 4, 9], "n": [6, 10, 30]})
    return compile_fit(
        tb.disease("basket", pooling="exchangeable"), tb.read_aggregate(table), target_accept=0.8
    )


def test_the_draws_are_those_of_an_ordinary_run_bit_for_bit(compiled: CompiledAggregate) -> None:
    sampler = cast(NutpieCompiled, compiled.compiled)
    values, statistics = sampler.sample_arrays(draws=60, tune=50, chains=2, seed=3)
    tree = sampler.sample(draws=60, tune=50, chains=2, seed=3, cores=2, progressbar=False)
    posterior = tree["posterior"].to_dataset()
    assert set(values) == set(posterior.data_vars)
    for name, draws in values.items():
        np.testing.assert_array_equal(draws, posterior[name].to_numpy())
    for name, draws in statistics.items():
        np.testing.assert_array_equal(draws, tree["sample_stats"][name].to_numpy())


@pytest.mark.parametrize(
    ("rhat_max", "ess_min"), [(1.5, 5.0), (1.0001, 5.0), (1.5, 1e6), (1.05, 60.0), (1.02, 40.0)]
)
def test_the_verdict_is_that_of_the_gate_with_the_same_bars(
    compiled: CompiledAggregate, rhat_max: float, ess_min: float
) -> None:
    bars = Sampling(draws=60, tune=50, chains=2, rhat_max=rhat_max, ess_min=ess_min)
    for seed in range(3):
        tree = compiled.compiled.sample(
            draws=60, tune=50, chains=2, seed=seed, cores=1, progressbar=False
        )
        gate = judge(tree, rhat_max=rhat_max, ess_min=ess_min)
        assert sample_short(compiled.compiled, bars, seed).usable == gate.usable, gate.reasons


def good(n: int = 200) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    generator = np.random.default_rng(1)
    values = {"x": generator.normal(size=(2, n, 3)), "y": generator.normal(size=(2, n))}
    return values, {
        "diverging": np.zeros((2, n)), "energy": generator.normal(size=(2, n)),
    }  # fmt: skip


def test_independent_draws_pass() -> None:
    assert reasons_against(*good(), Sampling()) == ()


def test_everything_that_the_gate_minds_speaks_against_a_run() -> None:
    values, statistics = good()
    stuck = values | {"y": np.ones((2, 200))}
    assert reasons_against(stuck, statistics, RUN) == ("a quantity that never moves",)
    endless = values | {"y": np.full((2, 200), np.nan)}
    assert reasons_against(endless, statistics, RUN) == ("draws that are not finite",)
    apart = values | {"y": values["y"] + [[0.0], [3.0]]}
    assert "R-hat too large" in reasons_against(apart, statistics, RUN)
    diverged = statistics | {"diverging": np.eye(2, 200)}
    assert reasons_against(values, diverged, RUN) == ("divergent transitions",)
    slow = statistics | {"energy": np.cumsum(statistics["energy"], axis=1)}
    assert reasons_against(values, slow, RUN) == ("E-BFMI too small",)
    one = ({k: v[:1] for k, v in x.items()} for x in (values, statistics))
    assert reasons_against(*one, RUN) == ("one chain alone",)
    few = ({k: v[:, :3] for k, v in x.items()} for x in (values, statistics))
    assert "too few draws to judge" in reasons_against(*few, RUN)


def test_a_run_that_does_not_pass_is_followed_by_a_longer_one() -> None:
    first, second, third = Sampling(
        draws=100, tune=50, target_accept=0.8, retries=2, growth=4
    ).attempts
    assert (first.draws, second.draws, third.draws) == (100, 400, 1600)
    assert (second.tune, second.target_accept) == (200, pytest.approx(0.95))
    assert len(Sampling(retries=0).attempts) == 1


@pytest.mark.parametrize(
    "options",
    [{"rhat_max": 1.0}, {"ess_min": 0.0}, {"target_accept": 1.0}, {"retries": -1}, {"growth": 0}],
)
def test_bars_that_nothing_can_pass_or_miss_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Sampling(**options)  # type: ignore[arg-type]
