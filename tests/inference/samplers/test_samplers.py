"""What every sampler promises: exact answers, the same draws for the same seed, named dims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from threadpoolctl import threadpool_info

from conjugate_model import MEASUREMENTS, WAITS
from twinbayes.errors import FitError, ModelError, OptionError
from twinbayes.inference import Compiled, compile_model, sample
from twinbayes.inference.samplers import numpyro as numpyro_sampler
from twinbayes.inference.samplers.protocol import SAMPLERS
from twinbayes.inference.samplers.threads import one_thread_each, show_progress
from twinbayes.inference.samplers.tree import STATISTICS, build_tree

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)
every_sampler_again = pytest.mark.parametrize(
    "sampler",
    # XLA compiles for ten seconds each time a tree is drawn.
    [pytest.param(s, marks=pytest.mark.slow if s == "numpyro" else ()) for s in SAMPLERS],
)


def exact_normal(measurements: np.ndarray) -> tuple[float, float]:
    """Posterior mean and sd of a normal mean: precisions add up."""
    precision = 1 / 3.0**2 + measurements.size / 2.0**2
    return (1.0 / 3.0**2 + measurements.sum() / 2.0**2) / precision, precision**-0.5


SCRIPT = """
import os, sys
sampler, cores, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
import numpy as np, pymc as pm
from twinbayes.inference import sample
X = np.random.default_rng(1).normal(size=(400, 60))
with pm.Model() as model:
    beta = pm.Normal("beta", size=60)
    pm.Normal("y", X @ beta, observed=X.sum(axis=1))
tree = sample(model, sampler=sampler, draws=50, tune=50, chains=2, cores=cores, progressbar=False)
np.save(out, tree["posterior"]["beta"].values)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are pinned on Linux only")
@every_sampler
def test_a_process_on_one_core_draws_what_a_process_on_two_draws(sampler: str, tmp_path) -> None:
    draws = []
    for cores in (1, 2):
        out = tmp_path / f"{cores}.npy"
        subprocess.run([sys.executable, "-c", SCRIPT, sampler, str(cores), out], check=True)
        draws.append(np.load(out))
    np.testing.assert_array_equal(*draws)


def assert_exact(draws: xr.DataArray, mean: float, sd: float) -> None:
    for method, expected in (("mean", mean), ("sd", sd)):
        found = float(draws.mean() if method == "mean" else draws.std(ddof=1))
        error = float(az.mcse(draws, method=method))
        assert abs(found - expected) <= 4 * error, (method, found, expected, error)


@every_sampler
def test_normal_mean_has_its_exact_posterior(drawn_by, sampler: str) -> None:
    assert_exact(drawn_by(sampler)["posterior"]["mean"], *exact_normal(MEASUREMENTS))


@every_sampler
def test_exponential_rate_has_its_exact_gamma_posterior(drawn_by, sampler: str) -> None:
    shape, rate = 2.0 + WAITS.size, 1.5 + WAITS.sum()
    assert_exact(drawn_by(sampler)["posterior"]["rate"], shape / rate, shape**0.5 / rate)


@pytest.mark.requirement("R-033")
@every_sampler_again
def test_same_seed_gives_identical_draws_on_one_and_two_cores(
    compiled_with: Callable[[str], Compiled], sampler: str
) -> None:
    run = {"draws": 60, "tune": 60, "chains": 2, "progressbar": False}
    one = compiled_with(sampler).sample(**run, seed=3, cores=1)
    two = compiled_with(sampler).sample(**run, seed=3, cores=2)
    for group in ("posterior", "sample_stats", "hidden_posterior"):
        assert one[group].identical(two[group])
    chains = one["posterior"]["mean"]
    assert not np.array_equal(chains.sel(chain=0), chains.sel(chain=1))


@every_sampler_again
def test_other_data_give_their_own_posterior_and_leave_the_original_alone(
    compiled_with: Callable[[str], Compiled], conjugate: pm.Model, sampler: str
) -> None:
    others = np.array([-8.0, -7.5, -9.1])
    original = compiled_with(sampler)
    tree = original.with_data(measurements=others).sample(
        draws=400, tune=400, chains=2, seed=5, cores=1, progressbar=False
    )
    assert_exact(tree["posterior"]["mean"], *exact_normal(others))
    np.testing.assert_array_equal(conjugate["measurements"].get_value(), MEASUREMENTS)
    if sampler == "nutpie":
        again = original.sample(draws=400, tune=400, chains=2, seed=5, progressbar=False)
        assert abs(float(again["posterior"]["mean"].mean()) - exact_normal(MEASUREMENTS)[0]) < 0.2


@every_sampler
def test_a_tree_holds_named_draws_and_standard_statistics(drawn_by, sampler: str) -> None:
    tree = drawn_by(sampler)
    assert set(tree.children) == {"posterior", "sample_stats", "hidden_posterior"}
    posterior = tree["posterior"].to_dataset()
    assert list(posterior.data_vars) == ["mean", "rate", "shifted"]
    assert posterior["shifted"].dims == ("chain", "draw", "arm")
    assert list(posterior["arm"].values) == ["control", "treated"]
    assert posterior["arm"].dtype.kind == "U"
    assert dict(tree["hidden_posterior"].data_vars).keys() == {"_offset"}
    stats = tree["sample_stats"].to_dataset()
    assert {name: stats[name].dtype for name in stats.data_vars} == {
        name: np.dtype(kind) for name, kind in STATISTICS.items()
    }
    assert all(stats[name].dims == ("chain", "draw") for name in stats.data_vars)
    assert int(stats["n_steps"].min()) >= 1
    assert az.summary(tree, var_names=["shifted"]).shape[0] == 2


@every_sampler
def test_a_tree_says_how_it_was_made(drawn_by, sampler: str) -> None:
    attrs = drawn_by(sampler).attrs
    assert attrs["sampler"] == sampler
    assert (attrs["draws"], attrs["tune"], attrs["chains"], attrs["seed"]) == (1000, 600, 4, 1)
    assert json.loads(attrs["options"])["target_accept"] == 0.85
    assert attrs["sample_seconds"] > 0
    assert attrs["compile_seconds"] > 0


@every_sampler
def test_an_unknown_option_is_refused_and_the_known_are_listed(conjugate, sampler: str) -> None:
    with pytest.raises(OptionError, match=r"targetaccept.*'target_accept'"):
        compile_model(conjugate, sampler=sampler, targetaccept=0.9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "stan"}, "sampler 'stan'.*'nutpie'"),
        ({"target_accept": "high"}, "needs a float"),
        ({"max_treedepth": 8.5}, "needs a int"),
        ({"adaptation": "flow"}, "adaptation 'flow'.*'low_rank'"),
        ({"backend": "c"}, "backend 'c'.*'numba'"),
        ({"sampler": "numpyro", "chain_method": "serial"}, "chain_method 'serial'"),
        ({"draws": 3}, "draws must be a whole number of at least 4"),
        ({"tune": 0}, "tune must be"),
        ({"chains": True}, "chains must be"),
        ({"seed": -1}, "seed must be"),
        ({"cores": 0}, "cores must be"),
    ],
)
def test_a_senseless_request_is_refused(monkeypatch, conjugate, compiled_with, options, message):
    run = {k: options[k] for k in ("draws", "tune", "chains", "seed", "cores") if k in options}
    if run:
        with pytest.raises(OptionError, match=message):
            compiled_with("nutpie").sample(**run)
    else:
        with pytest.raises(OptionError, match=message):
            compile_model(conjugate, **options)


@every_sampler
def test_only_data_of_the_model_can_be_swapped(compiled_with, sampler: str) -> None:
    with pytest.raises(OptionError, match=r"data of the model 'measurement'.*'measurements'"):
        compiled_with(sampler).with_data(measurement=[1.0])


def test_discrete_variables_are_refused_with_the_remedy() -> None:
    with pm.Model() as model:
        pm.Bernoulli("ill", p=0.3)
    with pytest.raises(ModelError, match=r"ill.*Sum them out"):
        sample(model)


def test_a_model_without_free_variables_is_refused() -> None:
    with pm.Model() as model:
        pm.Normal("seen", observed=1.0)
    with pytest.raises(ModelError, match="nothing to sample"):
        sample(model)


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_a_log_density_that_is_nowhere_finite_is_reported(sampler: str) -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("impossible", pm.math.log(-1.0 - x**2))
    with pytest.raises(FitError, match=f"{sampler} stopped.*initial point") as caught:
        sample(model, sampler=sampler, draws=10, tune=10, chains=1, progressbar=False)
    assert "\n" not in str(caught.value)


def test_missing_nutpie_is_named_with_the_remedy(monkeypatch, conjugate) -> None:
    monkeypatch.setitem(sys.modules, "nutpie", None)
    with pytest.raises(FitError, match="pip install nutpie"):
        compile_model(conjugate)


def test_missing_numpyro_is_named_with_the_remedy(monkeypatch, conjugate) -> None:
    monkeypatch.setattr(numpyro_sampler, "find_spec", lambda name: None)
    with pytest.raises(FitError, match=r"jax and numpyro.*twinbayes\[numpyro\]"):
        compile_model(conjugate, sampler="numpyro")


def test_an_interrupted_chain_is_an_error_not_a_shorter_posterior(conjugate, drawn_by) -> None:
    tree = drawn_by("nutpie")
    short = xr.merge(
        [
            tree[group].to_dataset().isel(draw=slice(0, 7))
            for group in ("posterior", "hidden_posterior")
        ]
    )
    stats = tree["sample_stats"].to_dataset()
    with pytest.raises(FitError, match="4 chains of 7 draws instead of 4 of 1000"):
        build_tree(conjugate, short, stats, dict(tree.attrs))
    with pytest.raises(FitError, match="did not return: energy"):
        build_tree(conjugate, short, stats.drop_vars("energy"), dict(tree.attrs))


def test_blas_is_limited_to_one_thread_while_chains_run() -> None:
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread_each():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize(
    ("wanted", "terminal", "shell", "shown"),
    [
        (True, False, None, False),
        (True, True, None, True),
        (False, True, None, False),
        (True, False, "ZMQInteractiveShell", True),
        (True, False, "TerminalInteractiveShell", False),
    ],
)
def test_progress_is_shown_only_where_somebody_sees_it(
    monkeypatch, wanted: bool, terminal: bool, shell: str | None, shown: bool
) -> None:
    running = None if shell is None else type(shell, (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: running))
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: terminal))
    assert show_progress(wanted) is shown
