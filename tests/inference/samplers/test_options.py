"""Options and seeds with which nothing can be sampled are refused before anything is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.datasets import simulated_registry
from twinbayes.errors import OptionError, require_seed
from twinbayes.inference.samplers import numpyro, nutpie, pymc
from twinbayes.inference.samplers.protocol import require_run, resolve_options
from twinbayes.priors import load_priors
from twinbayes.priors.mixtures.mixture import NORMAL, Mixture

SAMPLERS = {module.NAME: module.DEFAULTS for module in (nutpie, pymc, numpyro)}
ODD_SEEDS: tuple[Any, ...] = (-1, 2**64, 10**400, 1.5, "a", None, True, float("nan"), [1], b"1")


@pytest.mark.parametrize("sampler", list(SAMPLERS))
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("target_accept", x) for x in (1.5, 1.0, 0.0, -0.1, 1, 0, float("nan"), float("inf"),
                                         True, "0.8", None)),
        *(("max_treedepth", x) for x in (0, -1, 31, 2**64, 1.5, True, "10", None)),
    ],
)  # fmt: skip
def test_what_no_sampler_can_work_with_is_refused(sampler: str, name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        resolve_options({name: value}, SAMPLERS[sampler], sampler)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_what_a_sampler_can_work_with_is_kept(sampler: str) -> None:
    given = {"target_accept": 0.999, "max_treedepth": 1}
    assert given.items() <= resolve_options(given, SAMPLERS[sampler], sampler).items()
    assert resolve_options({}, SAMPLERS[sampler], sampler) == dict(SAMPLERS[sampler])


@pytest.mark.parametrize("seed", ODD_SEEDS, ids=lambda seed: str(seed)[:10])
def test_odd_seeds_are_refused_by_name(seed: Any) -> None:
    with pytest.raises(OptionError, match="whole number from 0 to"):
        require_seed(seed)
    with pytest.raises(OptionError, match="seed"):
        require_run(draws=10, tune=10, chains=1, seed=seed, cores=1)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1, np.uint32(7)])
def test_seeds_that_every_generator_takes_are_kept(seed: int) -> None:
    assert require_seed(seed) == int(seed)
    np.random.default_rng(require_seed(seed))


def _bootstrap(seed: Any) -> object:
    from twinbayes.effects.standardise import PatientWeights

    return PatientWeights("bayesian_bootstrap", 3, seed)


def _mixture(seed: Any) -> object:
    one = np.ones(1)
    return Mixture(NORMAL, one, one, one).draw(3, seed)


def _fit(seed: Any) -> object:
    table = pd.DataFrame({"subgroup": ["x", "y"], "n": [15, 13], "responders": [2, 7]})
    data = tb.read_aggregate(table)
    return tb.fit(tb.disease("basket"), data, priors=load_priors("basket"), seed=seed)


@pytest.mark.parametrize("use", [_bootstrap, _mixture, simulated_registry, _fit])
@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "a"])
def test_wherever_a_seed_is_taken_an_odd_one_is_an_error_of_ours(
    use: Callable[[Any], object], seed: Any
) -> None:
    with pytest.raises(OptionError, match="seed"):
        use(seed)
