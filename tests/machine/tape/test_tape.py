"""A tape returns what PyTensor returns: every operation, whole models, their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.raise_op import Assert
from scipy import special

import twinbayes as tb
from twinbayes.errors import CompilationWarning, FitError
from twinbayes.inference import compile_model
from twinbayes.inference.samplers.tree import kept_names
from twinbayes.machine.tape.model import ModelTapes, record_model
from twinbayes.machine.tape.rules import UnknownOperationError, prepare, record

POINT = np.array([0.3, -1.2, 2.5, 0.05, -0.7, 1.9, 0.8, -2.2, 1.1, 0.45, -0.15, 3.2])


def played(build: Callable[[Any], Any], point: np.ndarray = POINT) -> np.ndarray:
    x = pt.TensorType("float64", shape=(len(point),))("x")
    graph = prepare(x, [pt.as_tensor(build(x))])
    return record(graph, {})(point)


def evaluated(build: Callable[[Any], Any], point: np.ndarray = POINT) -> np.ndarray:
    x = pt.TensorType("float64", shape=(len(point),))("x")
    function = pytensor.function([x], build(x), mode="FAST_COMPILE")
    return np.asarray(function(point), dtype=float).ravel()


def matrix(x: Any) -> Any:
    return x.reshape((3, 4))


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x,
    "exp": pt.exp,
    "log": lambda x: pt.log(pt.abs(x)),
    "log1p": lambda x: pt.log1p(x**2),
    "expm1": pt.expm1,
    "sqrt": lambda x: pt.sqrt(pt.abs(x)),
    "reciprocal": lambda x: 1.0 / x,
    "power": lambda x: pt.abs(x) ** x,
    "sign": pt.sign,
    "sigmoid": pt.sigmoid,
    "softplus": pt.softplus,
    "tanh": pt.tanh,
    "erf": pt.erf,
    "erfc": pt.erfc,
    "gammaln": lambda x: pt.gammaln(pt.abs(x)),
    "digamma": pt.psi,
    "log1mexp": lambda x: pt.log1mexp(-pt.abs(x)),
    "arctan": pt.arctan,
    "erfcx": lambda x: pt.erfcx(x * 3),
    "maximum": lambda x: pt.maximum(x, x[::-1]),
    "minimum": lambda x: pt.minimum(x, 0.1),
    "clip": lambda x: pt.clip(x, -0.5, 1.0),
    "switch": lambda x: pt.switch(x > 0, x, x**2),
    "comparisons": lambda x: pt.lt(x, 0.4) & pt.ge(x, -1.0) | pt.eq(x, 1.9) | ~pt.le(x, 2.6),
    "not equal": lambda x: pt.neq(x, 1.9) * 1.5 + pt.gt(x, 0) * 2,
    "truncation": lambda x: pt.cast(x, "int64") * 2,
    "infinite or missing": lambda x: pt.isinf(1 / (x - 0.3)) | pt.isnan(pt.log(x)),
    "many terms": lambda x: x + 2 * x[::-1] + x[0] + 1.0,
    "transpose": lambda x: matrix(x).T * 2,
    "broadcast": lambda x: matrix(x) * x[:4] + x[:3, None],
    "slice": lambda x: matrix(x)[1:, ::-2] * 1.0,
    "advanced index": lambda x: matrix(x)[[0, 2, 2, 1], [3, 0, 0, 1]] ** 2,
    "boolean index": lambda x: x[np.arange(12) % 3 == 0] + 1,
    "concatenate": lambda x: pt.concatenate([x[:3], [1.0, 2.0], x[7:]]) * 3,
    "concatenate columns": lambda x: pt.concatenate([matrix(x), matrix(x)[:, :1]], axis=1) * 3,
    "stack": lambda x: pt.stack([x[0], x[1] ** 2, 4.0]) - 1,
    "set": lambda x: pt.set_subtensor(matrix(x)[1, :2], [7.0, 8.0]).sum(axis=0),
    "set parameters": lambda x: pt.set_subtensor(pt.zeros(5)[1:3], x[:2]) * 2,
    "increment": lambda x: pt.inc_subtensor(matrix(x)[1:], x[0]),
    "increment repeatedly": lambda x: pt.inc_subtensor(x[[1, 1, 4]], x[:3]),
    "increment pairs": lambda x: pt.inc_subtensor(matrix(x)[[0, 0], [1, 1]], x[:2]),
    "sum": lambda x: matrix(x).sum(),
    "sum of rows": lambda x: matrix(x).sum(axis=1),
    "sum of columns": lambda x: matrix(x).sum(axis=0),
    "sum across": lambda x: x.reshape((2, 3, 2)).sum(axis=1),
    "sum around": lambda x: x.reshape((2, 3, 2)).sum(axis=(0, 2)),
    "sum of a transpose": lambda x: (matrix(x).T * 1.5).sum(axis=1),
    "product": lambda x: matrix(x).prod(axis=0),
    "product of rows": lambda x: matrix(x).prod(axis=1),
    "largest": lambda x: pt.max(matrix(x), axis=1),
    "smallest": lambda x: pt.min(matrix(x), axis=0),
    "all": lambda x: pt.all(matrix(x) > -2.0, axis=1),
    "any": lambda x: pt.any(matrix(x) > 2.0, axis=0),
    "conditions together": lambda x: pt.all([x[0] > -5, x[1] > -5]) * x,
    "conditions in a row": lambda x: pt.concatenate([x[:2] > 0, x[5:7] > 0]) * 2,
    "cumulative sum": lambda x: pt.cumsum(matrix(x), axis=1),
    "cumulative sum of columns": lambda x: pt.cumsum(matrix(x), axis=0),
    "cumulative product": pt.cumprod,
    "inner product": lambda x: x @ x[::-1],
    "matrix times vector": lambda x: matrix(x) @ x[:4],
    "vector times matrix": lambda x: x[:3] @ matrix(x),
    "matrix times matrix": lambda x: matrix(x) @ matrix(x).T,
    "diagonal": lambda x: pt.diag(x[:9].reshape((3, 3))) * 2,
    "diagonal matrix": lambda x: pt.diag(x[:3]) @ matrix(x),
    "repeat": lambda x: pt.repeat(x[:3], 2) * 2,
    "logsumexp": lambda x: pt.logsumexp(matrix(x), axis=1),
    "constant": lambda x: pt.as_tensor([1.0, 2.0]) + 0 * x[:2],
    "nothing": lambda x: x[:0] * 2,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_agrees_with_pytensor(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = evaluated(OPERATIONS[name])
    np.testing.assert_allclose(played(OPERATIONS[name]), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["exp", "softplus", "maximum", "sum", "logsumexp", "gammaln"])
def test_missing_and_infinite_numbers_pass_through(name: str) -> None:
    point = POINT.copy()
    point[[1, 5, 9]] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        expected = evaluated(OPERATIONS[name], point)
    np.testing.assert_allclose(played(OPERATIONS[name], point), expected, rtol=1e-12)


def test_unstable_forms_are_made_stable() -> None:
    found = played(lambda x: pt.log(pt.sigmoid(x * 500)))
    np.testing.assert_allclose(found, -np.logaddexp(0.0, -500 * POINT), rtol=1e-12, atol=1e-300)


@settings(max_examples=60, deadline=None)
@given(st.floats(min_value=-30, max_value=1e6).filter(lambda v: abs(v - round(v)) > 1e-3 or v > 1))
def test_digamma_is_that_of_scipy(value: float) -> None:
    # Near a pole or a root the conditioning of the function itself limits the relative error.
    assert played(pt.psi, np.array([value]))[0] == pytest.approx(
        special.digamma(value), rel=1e-11, abs=1e-11
    )


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_arrays_of_any_shape_are_moved_and_reduced_as_in_pytensor(
    shape: list[int], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    order = tuple(int(k) for k in generator.permutation(len(shape)))
    axes = tuple(int(k) for k in np.flatnonzero(generator.random(len(shape)) < 0.5))

    def build(x: Any) -> Any:
        moved = x.reshape(shape).transpose(*order)
        return (moved * (1.0 + moved[..., :1])).sum(axis=axes)

    point = generator.normal(size=int(np.prod(shape)))
    np.testing.assert_allclose(
        played(build, point), evaluated(build, point), rtol=1e-12, atol=1e-13
    )


def test_a_tape_names_an_operation_that_it_does_not_have() -> None:
    with pytest.raises(UnknownOperationError, match="Cholesky"):
        played(lambda x: pt.linalg.cholesky(x[:9].reshape((3, 3))))


def test_a_condition_that_does_not_hold_stops_a_tape() -> None:
    def build(x: Any) -> Any:
        return Assert("positive")(x, pt.all(x > -5.0))

    np.testing.assert_array_equal(played(build), POINT)
    with pytest.raises(FitError, match="condition"):
        played(build, POINT - 5.0)


def test_a_point_of_another_length_is_refused() -> None:
    x = pt.TensorType("float64", shape=(3,))("x")
    with pytest.raises(FitError, match=r"shape \(2,\) instead of \(3,\)"):
        record(prepare(x, [x * 2]), {})(np.zeros(2))


def registry() -> pm.Model:
    return tb.assemble(tb.disease("registry"), tb.datasets.registry())


def families() -> pm.Model:
    """Distributions and transforms as trajectory models will use them."""
    generator = np.random.default_rng(5)
    z = generator.normal(size=10)
    with pm.Model() as model:
        scale = pm.HalfStudentT("scale", 3, 1)
        root, _, _ = pm.LKJCholeskyCov("root", n=3, eta=2, sd_dist=pm.HalfNormal.dist(1, size=3))
        own = root @ pm.Normal("own", shape=(3, 10))
        pm.Deterministic("centred", own - own.mean(axis=1, keepdims=True))
        nu = pm.Gamma("nu", 2, 0.1)
        pm.StudentT("robust", nu=nu, mu=own[0], sigma=scale, observed=z)
        pm.Bernoulli("yes", logit_p=own[1], observed=(z > 0).astype(int))
        cuts = pm.Normal(
            "cuts", [-1.0, 1.0], shape=2, transform=pm.distributions.transforms.ordered
        )
        pm.OrderedLogistic("grade", eta=own[2], cutpoints=cuts, observed=np.arange(10) % 3)
        mean = pm.math.exp(own[0])
        pm.NegativeBinomial("count", mu=mean, alpha=scale, observed=np.arange(10))
        pm.Poisson("rate", mean, observed=np.arange(10))
        pm.Beta("share", scale, 2.0, observed=np.full(10, 0.3))
        pm.Dirichlet("mix", np.ones(4))
        pm.Cauchy("heavy", 0, 1)
        pm.Weibull("time", 1.5, 2.0)
        pm.ZeroSumNormal("contrast", shape=5)
        pm.GaussianRandomWalk("walk", sigma=scale, init_dist=pm.Normal.dist(0, 1), steps=5)
    return model


def bounded() -> pm.Model:
    with pm.Model() as model:
        low = pm.Uniform("low", 0, 1)
        pm.TruncatedNormal("inside", mu=low, sigma=1.0, lower=0.0, upper=3.0)
        pm.LogNormal("positive", low, 0.5)
        pm.Exponential("rate", 2.0)
        pm.InverseGamma("variance", 3.0, 1.0)
        pm.Logistic("logit", low, 1.0)
        pm.Laplace("sparse", low, 1.0)
        pm.HalfCauchy("tail", 1.0)
    return model


def mixtures() -> pm.Model:
    """Mixture priors, as the prior library makes them."""
    normal = [{"weight": 0.8, "mu": -0.5, "sigma": 0.2}, {"weight": 0.2, "mu": 0, "sigma": 1}]
    beta = [{"weight": 0.6, "alpha": 3, "beta": 9}, {"weight": 0.4, "alpha": 1, "beta": 1}]
    gamma = [{"weight": 0.3, "alpha": 2, "beta": 1}, {"weight": 0.7, "alpha": 9, "beta": 3}]
    priors = tb.load_priors("aml").override({
        "treatment_effect": {"mixture": normal},
        "treatment_effect.b": {"arguments": {"mu": 1.0, "sigma": 2.0}},
        "centre_scale": {"distribution": "Gamma", "mixture": gamma},
        "subgroup_scale": {"distribution": "Beta", "mixture": beta},
    })  # fmt: skip
    with pm.Model(coords={"effect": ["a", "b"]}) as model:
        effect = priors.make("gamma", "treatment_effect", dims=("effect",), qualifiers=["a", "b"])
        scale = priors.make("scale", "centre_scale", dims=("effect",))
        share = priors.make("share", "subgroup_scale")
        pm.Normal("seen", effect * share, scale, observed=[0.1, -0.4])
    return model


MODELS = {"registry": registry, "families": families, "bounded": bounded, "mixtures": mixtures}


@pytest.mark.parametrize("name", MODELS)
def test_density_gradient_and_draws_of_a_model_agree_with_pymc(name: str) -> None:
    model = MODELS[name]()
    tapes = record_model(model, kept_names(model))
    free = [model.rvs_to_values[rv] for rv in model.free_RVs]
    plain = pytensor.compile.mode.Mode(linker="py", optimizer="fast_compile")
    others = [v for v in model.unobserved_value_vars if v not in free]
    density = model.compile_fn([model.logp(), *pt.grad(model.logp(), free)], mode=plain)
    draws = model.compile_fn(others, inputs=free, on_unused_input="ignore", mode=plain)
    for seed in range(3):
        point = tapes.start.by_name(seed)
        named = {v.name: point[v.name] for v in free}
        flat = np.concatenate([np.ravel(named[v.name]) for v in free])
        value, *slopes = density(named)
        found = tapes.density(flat)
        assert found[0] == pytest.approx(value, rel=1e-10)
        expected = np.concatenate([np.ravel(s) for s in slopes])
        np.testing.assert_allclose(found[1:], expected, rtol=1e-8, atol=1e-8)
        recorded = split(tapes, flat)
        for variable, wanted in zip(others, draws(named), strict=True):
            if variable.name in recorded:
                np.testing.assert_allclose(recorded[variable.name], wanted, rtol=1e-10, atol=1e-12)
        assert set(kept_names(model)) <= {*recorded, *(rv.name for rv in model.free_RVs)}


def split(tapes: ModelTapes, point: np.ndarray) -> dict[str, np.ndarray]:
    """Variables by name from what a tape records of a draw."""
    out, at = tapes.draw(point), 0
    parts = {}
    for name, shape in zip(tapes.names, tapes.draw.shapes, strict=True):
        size = int(np.prod(shape, dtype=int))
        parts[name] = out[at : at + size].reshape(shape)
        at += size
    return parts


def regression(y: np.ndarray, x: np.ndarray) -> pm.Model:
    with pm.Model() as model:
        slope = pm.Normal("slope")
        pm.Normal("y", slope * pm.Data("x", x), 1.0, observed=pm.Data("seen", y))
    return model


def test_new_data_give_the_tape_of_a_new_model() -> None:
    x, y = np.arange(5.0), np.array([0.1, 0.9, 2.2, 2.8, 4.1])
    tapes = record_model(regression(y, x), ["slope"])
    other = tapes.with_data({"x": x + 1, "seen": y[::-1]})
    fresh = record_model(regression(y[::-1], x + 1), ["slope"])
    np.testing.assert_array_equal(other.density([0.4]), fresh.density([0.4]))
    again = record_model(regression(y, x), ["slope"])
    np.testing.assert_array_equal(tapes.density([0.4]), again.density([0.4]))


def test_data_of_another_length_need_no_new_model() -> None:
    x, y = np.arange(5.0), np.array([0.1, 0.9, 2.2, 2.8, 4.1])
    tapes = record_model(regression(y, x), ["slope"])
    shorter = tapes.with_data({"x": x[:3], "seen": y[:3]})
    fresh = record_model(regression(y[:3], x[:3]), ["slope"])
    np.testing.assert_array_equal(shorter.density([0.4]), fresh.density([0.4]))


def unrecordable() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        spread = pt.eye(2) + pt.outer(x, x)
        pm.Potential("odd", -(pt.linalg.cholesky(spread) ** 2).sum())
    return model


def test_a_model_beyond_the_tape_is_compiled_and_says_so() -> None:
    with pytest.warns(CompilationWarning, match=r"Cholesky.*takes minutes"):
        compiled = compile_model(unrecordable())
    assert compiled.options["backend"] == "numba"
    tree = compiled.sample(draws=20, tune=20, chains=1, progressbar=False)
    assert tree["posterior"]["x"].shape == (1, 20, 2)


def test_a_tape_that_is_asked_for_and_cannot_be_had_is_refused() -> None:
    with pytest.raises(FitError, match=r"Cholesky.*backend='numba'"):
        compile_model(unrecordable(), backend="tape")


def test_the_backend_in_force_is_stated(conjugate) -> None:
    assert compile_model(conjugate).options["backend"] == "tape"
