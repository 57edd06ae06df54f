"""The normal model of missing covariates, and what the likelihood makes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.cohort import Cohort
from twinbayes.model import Encoding, Group, Term
from twinbayes.model.covariates.missing import NormalModel

MEAN = np.array([0.5, -1.0, 2.0])
COVARIANCE = np.array([[1.0, 0.6, -0.3], [0.6, 1.5, 0.2], [-0.3, 0.2, 0.8]])
RIDGE = 1.05  # the model adds a twentieth of each variance on purpose
TERMS = (
    Term(name="age_years", group="clinical"),
    Term(name="ecog", group="clinical"),
    Term(name="sex", group="clinical", transform="category"),
    Group(group="gene"),
)


def missing_at_random(n: int, seed: int) -> np.ndarray:
    """The first column, always seen, decides how often the others are not."""
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(MEAN, COVARIANCE, n)
    for k in (1, 2):
        x[rng.random(n) < 1 / (1 + np.exp(-(x[:, 0] - 1.2))), k] = np.nan
    return x


def test_mean_and_covariance_are_recovered_where_values_are_missing_at_random() -> None:
    x = missing_at_random(20_000, 1)
    assert 0.25 < np.isnan(x[:, 1]).mean() < 0.45
    seen = x[~np.isnan(x).any(axis=1)]
    assert abs(seen[:, 1].mean() - MEAN[1]) > 0.15  # complete cases are not a fair sample
    model = NormalModel.learn(x)
    np.testing.assert_allclose(model.mean, MEAN, atol=0.05)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(model.covariance[off], COVARIANCE[off], atol=0.06)
    np.testing.assert_allclose(np.diag(model.covariance) / RIDGE, np.diag(COVARIANCE), rtol=0.06)


def test_complete_rows_give_the_sample_covariance_with_its_ridge() -> None:
    x = np.random.default_rng(2).multivariate_normal(MEAN, COVARIANCE, 200)
    model = NormalModel.learn(x)
    sample = np.cov(x.T, bias=True)
    np.testing.assert_allclose(model.mean, x.mean(axis=0))
    np.testing.assert_allclose(model.covariance, sample + 0.05 * np.diag(np.diag(sample)))


@pytest.mark.requirement("R-024")
@pytest.mark.parametrize("missing", [(0,), (1, 2), (0, 1, 2)])
def test_conditional_moments_are_those_of_the_textbook(missing: tuple[int, ...]) -> None:
    model = NormalModel(MEAN, COVARIANCE)
    row = np.array([0.2, 0.7, -0.4])
    row[list(missing)] = np.nan
    mean, variance = model.conditional(row[None])
    gone = np.isnan(row)
    a, b = COVARIANCE[np.ix_(gone, ~gone)], COVARIANCE[np.ix_(~gone, ~gone)]
    expected, spread = MEAN[gone], COVARIANCE[np.ix_(gone, gone)]
    if not gone.all():
        expected = expected + a @ np.linalg.inv(b) @ (row - MEAN)[~gone]
        spread = spread - a @ np.linalg.inv(b) @ a.T
    np.testing.assert_allclose(mean[0, gone], expected)
    np.testing.assert_allclose(variance[0, gone], np.diag(spread))
    np.testing.assert_array_equal(mean[0, ~gone], row[~gone])
    assert not variance[0, ~gone].any()


def test_a_model_of_no_columns_is_empty() -> None:
    model = NormalModel.learn(np.zeros((4, 0)))
    mean, variance = model.conditional(np.zeros((4, 0)))
    assert mean.shape == variance.shape == (4, 0)


def test_a_stored_model_comes_back_exactly() -> None:
    model = NormalModel.learn(missing_at_random(60, 3))
    back = NormalModel.from_dict(model.to_dict())
    np.testing.assert_array_equal(back.mean, model.mean)
    np.testing.assert_array_equal(back.covariance, model.covariance)


@pytest.mark.requirement("R-041")
def test_the_encoding_of_a_patient_does_not_depend_on_the_batch(registry: Cohort) -> None:
    encoding = Encoding.learn(TERMS, registry)
    everyone = encoding.encode(registry)
    assert (everyone.variances > 0).any()
    for i, patient in enumerate(registry.patient_ids[:25]):
        alone = encoding.encode(registry.select([patient]))
        for name in ("values", "variances"):
            mine, theirs = getattr(alone, name)[0], getattr(everyone, name)[i]
            assert mine.tobytes() == theirs.tobytes()
        assert alone.subgroup[0] == everyone.subgroup[i]
        assert alone.centre[0] == everyone.centre[i]


def test_a_missing_lesion_has_the_moments_of_a_coin(registry: Cohort) -> None:
    encoding = Encoding.learn(TERMS, registry)
    design = encoding.encode(registry)
    columns = len(encoding.columns)
    missing = design.variances[:, :columns] > 0
    binary = np.flatnonzero(encoding.is_binary)
    assert missing[:, binary].any()
    for k in binary:
        column, rows = encoding.columns[k], missing[:, k]
        p = design.values[rows, k] * column.scale + column.centre
        assert np.all((p > 0) & (p < 1))
        np.testing.assert_allclose(design.variances[rows, k], p * (1 - p))


def test_missing_inputs_are_named_for_each_patient(registry: Cohort) -> None:
    encoding = Encoding.learn(TERMS, registry)
    named = encoding.missing_inputs(registry)
    missing = encoding.encode(registry).variances[:, : len(encoding.columns)] > 0
    assert [len(n) for n in named] == missing.sum(axis=1).tolist()
    first = int(np.argmax(missing.any(axis=1)))
    assert named[first] == tuple(np.array(encoding.labels)[missing[first]])


@pytest.mark.requirement("R-024")
def test_the_hazard_of_a_missing_normal_covariate_is_its_mean_over_the_population() -> None:
    beta, mean, variance = 0.7, 0.3, 0.5
    drawn = np.random.default_rng(4).normal(mean, np.sqrt(variance), 2_000_000)
    assert np.exp(beta * drawn).mean() == pytest.approx(
        np.exp(beta * mean + 0.5 * variance * beta**2), rel=2e-3
    )


def test_the_hazard_of_a_missing_lesion_is_its_mean_to_second_order(
    make_cohort: Callable[..., Cohort],
) -> None:
    n = 40
    lesion: list[object] = [float(i % 4 == 0) for i in range(n - 1)]
    cohort = make_cohort(
        [(f"p{i}", 10.0, "last_contact") for i in range(n)],
        covariates={"lesion": [*lesion, None]},
    )
    terms = (Term(name="lesion", group="gene", transform="binary"),)
    encoding = Encoding.learn(terms, cohort)
    design = encoding.encode(cohort)
    p = float(np.mean([x for x in lesion if x is not None]))
    for beta in (-0.5, 0.5):
        exact = np.log(1 - p + p * np.exp(beta)) - beta * p  # about the centre of the column
        ours = beta * design.values[-1, 0] + 0.5 * beta**2 * design.variances[-1, 0]
        assert ours == pytest.approx(exact, abs=0.01)
