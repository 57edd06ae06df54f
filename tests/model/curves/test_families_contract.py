"""Each family of the table against SciPy's densities, and its two densities against each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import expit

from twinbayes.errors import ModelError
from twinbayes.model import (
    Binary,
    MarkerFamily,
    NegativeBinomial,
    Normal,
    Ordinal,
    Poisson,
    StudentT,
    Trajectory,
)
from twinbayes.model.curves.families.branch import call_branch
from twinbayes.model.curves.families.protocol import LEFT, MEASURED, RIGHT
from twinbayes.model.curves.families.table import FAMILIES

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
    "measured": (
        Normal(),
        np.full(8, 0.3),
        np.full(8, MEASURED),
        [0.8],
        stats.norm(ETA, 0.8).logpdf(0.3),
    ),
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


#: Cases whose twin branch leaves out what only the data add to the log density.
UP_TO_A_CONSTANT = ("student", "poisson", "negative binomial")


def as_sampled(case: str) -> list[Any]:
    """Parameters as the fit has them: a number or a vector each."""
    family, _, _, parameter, _ = CASES[case]
    own = np.array(parameter or [])
    return [own if p.labels else own[0] for p in family.parameters]


def as_laid_out(case: str) -> np.ndarray:
    """(number,) parameters as twins read them."""
    family = CASES[case][0]
    rows = [
        p.lay_out(np.reshape(own, (-1, 1)))[:, 0]
        for p, own in zip(family.parameters, as_sampled(case), strict=True)
    ]
    return np.concatenate([*rows, np.zeros(0)])


def of_twins(case: str, eta: np.ndarray) -> np.ndarray:
    """(3, visit) log density, slope and curvature by the twin branch."""
    family, values, codes, _, _ = CASES[case]
    own = np.r_[as_laid_out(case), 0.0]  # others' numbers may follow
    visits = zip(codes, values, eta, strict=True)
    return np.array(
        [family.branch(c, np.array([v, family.number]), e, own) for c, v, e in visits]
    ).T


def of_the_fit(case: str, eta: np.ndarray) -> list[np.ndarray]:
    """Log density of visits, its derivative in the curve, and the negated second one."""
    family, values, codes, _, _ = CASES[case]
    curve = pt.dvector()
    own = [pt.as_tensor(p) for p in as_sampled(case)]
    terms = family.loglik(curve, values, codes, *own)
    slope = pt.grad(terms.sum(), curve)
    bend = -pt.grad(slope.sum(), curve)
    run = pytensor.function([curve], [terms, slope, bend], mode="FAST_COMPILE")
    out: list[np.ndarray] = run(eta)
    return out


def test_every_family_of_the_table_has_a_case() -> None:
    assert {type(family) for family, *_ in CASES.values()} == set(FAMILIES)


@pytest.mark.parametrize("case", CASES)
def test_the_log_density_is_that_of_scipy_and_its_gradient_is_finite(case: str) -> None:
    family, values, codes, _, wanted = CASES[case]
    eta, own = pt.dvector(), [pt.as_tensor(p).type() for p in as_sampled(case)]
    terms = family.loglik(eta, values, codes, *own)
    slopes = pt.grad(terms.sum(), [eta, *own])
    run = pytensor.function([eta, *own], [terms, *slopes], mode="FAST_COMPILE")
    found, *gradient = run(ETA, *as_sampled(case))
    usable = np.isfinite(wanted) & (wanted > -700)
    np.testing.assert_allclose(found[usable], wanted[usable], rtol=2e-9, atol=1e-12)
    assert all(np.isfinite(g).all() for g in gradient)


@pytest.mark.parametrize("case", CASES)
def test_twins_read_visits_as_the_fit_does(case: str) -> None:
    wanted, found = of_the_fit(case, ETA), of_twins(case, ETA)
    constant = found[0] - wanted[0]
    if case in UP_TO_A_CONSTANT:
        there = np.full(len(ETA), 0.1)
        elsewhere = of_twins(case, there)[0] - of_the_fit(case, there)[0]
        np.testing.assert_allclose(constant, elsewhere)
    else:
        np.testing.assert_allclose(constant, 0.0, atol=1e-9 * (1 + np.abs(wanted[0]).max()))
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found[2], np.maximum(wanted[2], 0.0), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_slope_and_curvature_of_twins_are_the_derivatives_of_their_density(case: str) -> None:
    eta, step = np.linspace(-2.3, 2.6, len(ETA)), 1e-4
    low, middle, high = (of_twins(case, eta + d) for d in (-step, 0.0, step))
    np.testing.assert_allclose(middle[1], (high[0] - low[0]) / (2 * step), rtol=1e-5, atol=1e-6)
    bend = np.maximum((low[1] - high[1]) / (2 * step), 0.0)
    np.testing.assert_allclose(middle[2], bend, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_what_a_branch_leaves_out_does_not_depend_on_the_parameters(case: str) -> None:
    family, values, codes, parameter, _ = CASES[case]
    for factor in (0.6, 1.9) if parameter else ():
        own = [pt.as_tensor(p * factor) for p in as_sampled(case)]
        fit = family.loglik(pt.as_tensor(ETA[2:6]), values[2:6], codes[2:6], *own)
        laid_out = np.concatenate(
            [
                p.lay_out(np.reshape(x * factor, (-1, 1)))[:, 0]
                for p, x in zip(family.parameters, as_sampled(case), strict=True)
            ]
        )
        twins = [
            family.branch(c, np.array([v, family.number]), e, laid_out)[0]
            for c, v, e in zip(codes[2:6], values[2:6], ETA[2:6], strict=True)
        ]
        left_out = np.array(twins) - fit.eval(mode="FAST_COMPILE")
        before = (of_twins(case, ETA)[0] - of_the_fit(case, ETA)[0])[2:6]
        np.testing.assert_allclose(left_out, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_a_branch_called_by_its_address_is_the_branch(case: str) -> None:
    family, values, codes, _, _ = CASES[case]
    own = np.r_[as_laid_out(case), 0.0]
    value = np.array([values[3], family.number])
    found = by_address(family.branch.address, codes[3], value, ETA[3], own)
    assert found == family.branch(codes[3], value, ETA[3], own)


@numba.njit
def by_address(address, code, value, eta, parameter):  # type: ignore[no-untyped-def]
    return call_branch(address, code, value, eta, parameter)


@pytest.mark.parametrize("case", CASES)
def test_measurements_drawn_have_the_mean_that_is_promised(case: str) -> None:
    family, own = CASES[case][0], as_laid_out(case)
    eta = np.full((1, 400_000), 0.6)
    everywhere = np.repeat(own[:, None], eta.shape[1], axis=1)
    draws = family.draw(eta, everywhere, np.random.default_rng(1))
    promised = float(family.mean(eta[:, :1], own[:, None])[0, 0])
    assert draws.mean() == pytest.approx(promised, abs=5 * draws.std() / np.sqrt(draws.size))


@pytest.mark.parametrize("case", CASES)
def test_a_parameter_that_a_family_does_not_have_is_refused(case: str) -> None:
    with pytest.raises(ModelError, match="beside its curve, not 'width'"):
        replace(CASES[case][0], parameter="width")  # type: ignore[type-var]


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
