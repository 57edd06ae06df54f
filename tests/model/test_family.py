"""Families against the densities of SciPy, and the two implementations against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import expit

from twinbayes.errors import ModelError
from twinbayes.model import Binary, NegativeBinomial, Normal, Ordinal, Poisson, StudentT, Trajectory
from twinbayes.model.curves.families.family import LEFT, MEASURED, RIGHT, MarkerFamily
from twinbayes.twin.curves.kernel import _visit

ETA = np.array([-30.0, -4.0, -1.2, 0.0, 0.4, 2.5, 6.0, 30.0])
UNCENSORED = np.full(len(ETA), "none")


def graded_log_probability(grade: np.ndarray) -> np.ndarray:
    """Cumulative logits with cuts 0, 0.7, 2, without cancellation."""
    cuts = np.array([-np.inf, 0.0, 0.7, 2.0, np.inf])
    rank = grade.astype(int)
    upper, lower = cuts[rank + 1] - ETA, cuts[rank] - ETA
    with np.errstate(divide="ignore"):
        tail = np.where(upper > 0, expit(-lower) - expit(-upper), expit(upper) - expit(lower))
    return np.log(tail)


CASES: dict[str, tuple[MarkerFamily, np.ndarray, np.ndarray, list[float] | None, np.ndarray]] = {
    "below a limit": (
        Normal(),
        np.full(8, 0.3),
        np.full(8, LEFT),
        [0.8],
        stats.norm(ETA, 0.8).logcdf(0.3),
    ),
    "above a limit": (
        Normal(),
        np.full(8, 0.3),
        np.full(8, RIGHT),
        [0.8],
        stats.norm(ETA, 0.8).logsf(0.3),
    ),
    "student": (
        StudentT(df=3.0),
        np.full(8, 0.3),
        StudentT().codes(np.zeros(8), UNCENSORED),
        [0.8],
        stats.t(3.0, ETA, 0.8).logpdf(0.3),
    ),
    "binary": (
        Binary(),
        np.tile([0.0, 1.0], 4),
        Binary().codes(np.zeros(8), UNCENSORED),
        None,
        stats.bernoulli(expit(ETA)).logpmf(np.tile([0, 1], 4)),
    ),
    "ordinal": (
        Ordinal(grades=(1.0, 2.0, 3.0, 5.0)),
        np.array([0.0, 0, 1, 1, 2, 3, 3, 3]),
        Ordinal(grades=(0.0, 1.0, 2.0, 3.0)).codes(np.zeros(8), UNCENSORED),
        [0.7, 1.3],
        graded_log_probability(np.array([0.0, 0, 1, 1, 2, 3, 3, 3])),
    ),
    "poisson": (
        Poisson(),
        np.array([0.0, 1, 2, 0, 7, 12, 400, 0]),
        Poisson().codes(np.zeros(8), UNCENSORED),
        None,
        stats.poisson(np.exp(ETA)).logpmf([0, 1, 2, 0, 7, 12, 400, 0]),
    ),
    "negative binomial": (
        NegativeBinomial(),
        np.array([0.0, 1, 2, 0, 7, 12, 400, 9]),
        NegativeBinomial().codes(np.zeros(8), UNCENSORED),
        [1.7],
        stats.nbinom(1.7, 1.7 / (1.7 + np.exp(ETA))).logpmf([0, 1, 2, 0, 7, 12, 400, 9]),
    ),
}


def as_compiled(case: str) -> tuple[np.ndarray, list[float]]:
    """What compiled code reads of a case: (visit, 2) values, and the parameter."""
    family, values, _, parameter, _ = CASES[case]
    extra = getattr(family, "df", 0.0)
    own = list(parameter or [0.0])
    if isinstance(family, Ordinal):
        extra, own = len(family.grades) - 1, [0.0, *np.cumsum(own)]
    return np.c_[values, np.full(8, extra)], own


@pytest.mark.parametrize("case", CASES)
def test_the_log_density_is_that_of_scipy_and_its_gradient_is_finite(case: str) -> None:
    family, values, codes, parameter, wanted = CASES[case]
    eta = pt.dvector()
    own = None if parameter is None else pt.dvector()
    scalar = own if own is None or family.parameter == "gap" else own[0]
    terms = family.loglik(eta, values, codes, scalar)
    inputs: list[Any] = [eta] if own is None else [eta, own]
    slopes = pt.grad(terms.sum(), inputs)
    given = [ETA] if parameter is None else [ETA, np.array(parameter)]
    run = pytensor.function(inputs, [terms, *slopes], mode="FAST_COMPILE")
    found, *gradient = run(*given)
    usable = np.isfinite(wanted) & (wanted > -700)
    np.testing.assert_allclose(found[usable], wanted[usable], rtol=2e-9, atol=1e-12)
    assert all(np.isfinite(g).all() for g in gradient)


@pytest.mark.parametrize("case", CASES)
def test_twins_read_visits_as_the_fit_does(case: str) -> None:
    family, _, codes, parameter, _ = CASES[case]
    values, own = as_compiled(case)
    eta = pt.dvector()
    scalar: Any = None if parameter is None else np.array(parameter)
    if scalar is not None and family.parameter != "gap":
        scalar = pt.as_tensor(scalar[0])
    elif scalar is not None:
        scalar = pt.as_tensor(scalar)
    terms = family.loglik(eta, values[:, 0], codes, scalar)
    slope = pt.grad(terms.sum(), eta)
    bend = -pt.grad(slope.sum(), eta)
    wanted = pytensor.function([eta], [terms, slope, bend], mode="FAST_COMPILE")(ETA)
    found = np.array(
        [_visit(c, v, e, np.array(own)) for c, v, e in zip(codes, values, ETA, strict=True)]
    ).T
    constant = found[0] - wanted[0]
    if case in ("poisson", "negative binomial", "student"):  # constants of the data are left out
        np.testing.assert_allclose(
            constant, [_visit(c, v, 0.1, np.array(own))[0] - w for c, v, w in at(case, codes)]
        )
    else:
        np.testing.assert_allclose(constant, 0.0, atol=1e-9 * (1 + np.abs(wanted[0]).max()))
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found[2], np.maximum(wanted[2], 0.0), rtol=1e-6, atol=1e-9)


def at(case: str, codes: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """Code, value and log density of each visit where the curve is 0.1."""
    family, values, _, parameter, _ = CASES[case]
    own = None if parameter is None else pt.as_tensor(parameter[0])
    there = family.loglik(pt.as_tensor(np.full(8, 0.1)), values, codes, own)
    compiled, _ = as_compiled(case)
    return list(zip(codes, compiled, there.eval(mode="FAST_COMPILE"), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_measurements_drawn_have_the_mean_that_is_promised(case: str) -> None:
    family, _, _, parameter, _ = CASES[case]
    own = np.array([0.0, *np.cumsum(parameter)] if family.parameter == "gap" else parameter or [0])
    eta = np.full((1, 400_000), 0.6)
    everywhere = np.repeat(own[:, None], eta.shape[1], axis=1)
    draws = family.draw(eta, everywhere, np.random.default_rng(1))
    promised = float(family.mean(eta[:, :1], own[:, None])[0, 0])
    assert draws.mean() == pytest.approx(promised, abs=5 * draws.std() / np.sqrt(draws.size))


def test_the_ends_of_a_scale_count_as_censored() -> None:
    codes = Normal(floor=0.0, ceiling=100.0).codes(
        np.array([0.0, 40.0, 100.0, 55.0]), np.array(["none", "none", "none", "left"])
    )
    assert codes.tolist() == [LEFT, MEASURED, RIGHT, LEFT]
    with pytest.raises(ModelError, match="2 values lie outside the scale from 0 to 100"):
        Normal(floor=0.0, ceiling=100.0).codes(np.array([-1.0, 101.0]), np.full(2, "none"))


@pytest.mark.parametrize(
    ("family", "value", "words"),
    [
        (Binary(), 2.0, "neither 0 nor 1"),
        (Ordinal(grades=(0.0, 1.0, 2.0)), 1.5, "no grade of 0, 1, 2"),
        (Poisson(), -1.0, "no counts"),
        (NegativeBinomial(), 0.5, "no counts"),
    ],
)
def test_a_value_that_a_family_does_not_have_is_refused(
    family: MarkerFamily, value: float, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        family.codes(np.array([value]), np.array(["none"]))
    with pytest.raises(ModelError, match="beyond a detection limit"):
        family.codes(np.array([1.0]), np.array(["left"]))


def test_descriptions_that_cannot_be_right_are_refused() -> None:
    with pytest.raises(ModelError, match="has its own scale"):
        Trajectory(marker="count", transform="log", family=Poisson())
    with pytest.raises(ModelError, match="three increasing values"):
        Ordinal(grades=(0.0, 1.0))
    with pytest.raises(ModelError, match="df must be positive"):
        StudentT(df=0.0)
