"""Starts of chains are those of PyMC's own function, and so are the densities there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pymc as pm
import pytest
from pymc.initial_point import make_initial_point_fn
from pytensor.configdefaults import config

from chance import drawn_seed
from twinbayes.machine.start import InitialPoint, log_densities_at_start


def not_compiled() -> AbstractContextManager[None]:
    context: AbstractContextManager[None] = config.change_flags(mode="FAST_COMPILE", cxx="")
    return context


def hierarchical() -> pm.Model:
    with pm.Model() as model:
        scale = pm.HalfNormal("scale", 2.0)
        share = pm.Beta("share", 2.0, 3.0)
        weights = pm.Dirichlet("weights", np.array([1.0, 2.0, 3.0]))
        level = pm.Normal("level", share, scale, shape=3)
        pm.Potential("beside", -(weights**2).sum())
        pm.Normal("seen", level, 1.0, observed=np.array([0.3, -1.2, 2.0]))
    return model


def with_starts_of_its_own() -> pm.Model:
    with pm.Model() as model:
        rate = pm.Gamma("rate", 2.0, 1.0, initval=3.0)
        pm.Exponential("time", rate, shape=2, initval="prior")
    return model


def correlated() -> pm.Model:
    with pm.Model() as model:
        pm.LKJCorr("correlation", n=3, eta=2.0)
        pm.Uniform("low", -1.0, 4.0)
    return model


@pytest.mark.parametrize("build", [hierarchical, correlated])
def test_starts_are_those_of_pymc(build: Callable[[], pm.Model]) -> None:
    model = build()
    with not_compiled():
        theirs = make_initial_point_fn(model=model, jitter_rvs=set(model.free_RVs))
    ours = InitialPoint(model)
    for seed in (0, drawn_seed()):
        expected, found = theirs(seed), ours.by_name(seed)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-12)
        parts = [np.ravel(found[v.name]) for v in model.value_vars]
        np.testing.assert_array_equal(ours(seed), np.concatenate(parts))


def test_a_seed_gives_one_start_and_another_seed_another() -> None:
    start = InitialPoint(with_starts_of_its_own())
    np.testing.assert_array_equal(start(3), start(3))
    assert not np.array_equal(start(3), start(4))


@pytest.mark.parametrize("build", [hierarchical, correlated])
def test_densities_are_those_of_pymc(build: Callable[[], pm.Model]) -> None:
    model = build()
    with not_compiled():
        expected = model.compile_fn(model.logp(sum=False))(model.initial_point())
    found = log_densities_at_start(model)
    names = [v.name for v in (*model.basic_RVs, *model.potentials)]
    assert list(found) == names
    for value, name in zip(expected, names, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-12)


def test_what_only_a_stable_form_can_say_is_said() -> None:
    """The logarithm of exp(-800) is -800, and that of its value is not."""
    with pm.Model() as model:
        level = pm.Normal("level", -800.0, 1.0)
        pm.Potential("tail", pm.math.log(pm.math.exp(level)))
    found = log_densities_at_start(model)
    np.testing.assert_allclose(found["tail"], -800.0, rtol=1e-12)


def test_a_condition_that_does_not_hold_is_no_density() -> None:
    with pm.Model() as model:
        level = pm.Normal("level", -1.0, 1.0)
        pm.Normal("seen", 0.0, level, observed=0.5)
    assert log_densities_at_start(model)["seen"] == -np.inf
