"""Columns of a design: what each transform does, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import Encoding, Group, Interaction, Term, Trajectories, Trajectory

N = 24


@pytest.fixture(scope="module")
def cohort(make_cohort: Callable[..., Cohort]) -> Cohort:
    rng = np.random.default_rng(0)
    covariates: dict[str, Sequence[object]] = {
        "age": list(rng.normal(60, 10, N)),
        "wbc": [None, *np.exp(rng.normal(2, 1, N - 1))],
        "stage": [("early", "late", "mid")[i % 3] for i in range(N - 1)] + [None],
        "NPM1": [float(i % 2) for i in range(N)],
        "TP53": [float(i % 3 == 0) for i in range(N)],
        "RARE": [1.0] + [0.0] * (N - 1),
        "dose": [0.0, 0.5] * (N // 2),
        "same": [1.0] * N,
    }
    return make_cohort(
        [(f"p{i}", 10.0 + i, "last_contact") for i in range(N)],
        covariates=covariates,
        groups={"NPM1": "gene", "TP53": "gene", "RARE": "gene", "dose": "dose"},
    )


def column(cohort: Cohort, *terms: Any) -> tuple[Encoding, np.ndarray]:
    encoding = Encoding.learn(terms, cohort)
    return encoding, encoding.encode(cohort).values[:, : len(encoding.columns)]


def test_a_standardised_covariate_has_mean_zero_and_unit_spread(cohort: Cohort) -> None:
    _, x = column(cohort, Term(name="age", group="clinical"))
    assert x.mean() == pytest.approx(0, abs=1e-12)
    assert x.std() == pytest.approx(1)


def test_a_logged_covariate_is_standardised_after_the_log(cohort: Cohort) -> None:
    encoding, x = column(cohort, Term(name="wbc", group="clinical", transform="log"))
    logs = np.log(cohort.patients["wbc"].to_numpy(dtype=float)[1:])
    np.testing.assert_allclose(x[1:, 0], (logs - logs.mean()) / logs.std())
    assert encoding.labels == ("log_wbc",)
    assert x[0, 0] == pytest.approx(0, abs=1e-12)  # missing, and nothing known of it


def test_a_category_has_a_column_for_each_level_but_the_first_declared(cohort: Cohort) -> None:
    encoding, x = column(cohort, Term(name="stage", group="clinical", transform="category"))
    assert encoding.labels == ("stage=late", "stage=mid")
    stage = cohort.patients["stage"]
    share = (stage == "late").sum() / stage.notna().sum()
    np.testing.assert_allclose(x[:-1, 0], (stage == "late").to_numpy(dtype=float)[:-1] - share)


def test_a_spline_is_linear_beyond_its_knots_and_smooth_between(cohort: Cohort) -> None:
    encoding, _ = column(cohort, Term(name="age", group="clinical", transform="spline"))
    assert encoding.labels == ("age", "age_spline1", "age_spline2")
    curve = encoding.columns[1]
    knots = np.array(curve.knots[1:])
    table = cohort.covariates().iloc[[0] * 400].assign(age=np.linspace(0, 120, 400))
    ages, values = table["age"].to_numpy(), curve.raw(table)
    for outside in (ages < knots[0], ages > knots[-1]):
        np.testing.assert_allclose(np.diff(values[outside], 2), 0, atol=1e-9)
    # a natural cubic spline is determined by its values at the knots
    at_knots = curve.raw(table.iloc[:4].assign(age=knots))
    natural = CubicSpline(knots, at_knots, bc_type="natural")
    inside = (ages > knots[0]) & (ages < knots[-1])
    np.testing.assert_allclose(values[inside], natural(ages[inside]), atol=1e-9)


def test_a_group_takes_its_lesions_and_lists_the_rare_ones(cohort: Cohort) -> None:
    encoding, x = column(cohort, Group(group="gene", min_carriers=5))
    assert encoding.labels == ("NPM1", "TP53")
    assert encoding.left_out == ("RARE: fewer than 5 carriers or non-carriers",)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)


def test_an_interaction_is_the_centred_product(cohort: Cohort) -> None:
    encoding, x = column(cohort, Interaction(names=("NPM1", "TP53")))
    product = (cohort.patients["NPM1"] * cohort.patients["TP53"]).to_numpy(dtype=float)
    assert encoding.labels == ("NPM1:TP53",)
    assert encoding.groups == ("interaction",)
    np.testing.assert_allclose(x[:, 0], product - product.mean())


def test_levels_of_subgroup_and_centre_follow_the_covariates(registry: Cohort) -> None:
    encoding = Encoding.learn((), registry)
    design = encoding.encode(registry)
    assert design.values.shape == (80, len(registry.subgroups) + len(registry.centres))
    np.testing.assert_array_equal(design.values.sum(axis=1), 2)
    np.testing.assert_array_equal(np.argmax(design.values, axis=1), design.subgroup)


def test_an_unknown_subgroup_has_no_column(
    registry: Cohort, make_cohort: Callable[..., Cohort]
) -> None:
    encoding = Encoding.learn((), registry)
    design = encoding.encode(make_cohort([("x", 5.0, "last_contact")]))
    assert (design.subgroup[0], design.centre[0]) == (-1, -1)
    assert not design.values.any()


def test_a_stored_encoding_encodes_alike(cohort: Cohort) -> None:
    terms = (
        Term(name="age", group="clinical", transform="spline"),
        Term(name="wbc", group="clinical", transform="log"),
        Term(name="stage", group="clinical", transform="category"),
        Group(group="gene"),
    )
    encoding = Encoding.learn(terms, cohort)
    back = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert back.columns == encoding.columns
    assert back.left_out == encoding.left_out
    ours, theirs = back.encode(cohort), encoding.encode(cohort)
    assert ours.values.tobytes() == theirs.values.tobytes()
    assert ours.variances.tobytes() == theirs.variances.tobytes()


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (Term(name="height", group="clinical"), "'height' is not in the cohort. Known: 'age'"),
        (Term(name="height", group="x", transform="category"), "'height' is not in the cohort"),
        (Term(name="stage", group="clinical"), "text levels: use transform='category'"),
        (Term(name="same", group="clinical"), "constant"),
        (Term(name="same", group="clinical", transform="binary"), "constant"),
        (Term(name="TP53", group="gene", transform="spline"), "only 2 distinct values, too few"),
        (Term(name="dose", group="dose", transform="log"), "cannot be logged"),
        (Term(name="age", group="clinical", transform="binary"), "other than 0 and 1"),
        (Group(group="dose"), "'dose' has values other than 0 and 1"),
        (Group(group="protein"), "No covariate .* 'protein'. Known groups: 'clinical'"),
        (Interaction(names=("NPM1", "height")), "'height' is not in the cohort"),
    ],
)
def test_terms_that_do_not_suit_the_cohort_are_refused(
    cohort: Cohort, term: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Encoding.learn((term,), cohort)


def test_a_covariate_named_twice_is_refused(cohort: Cohort) -> None:
    terms = (Group(group="gene"), Term(name="TP53", group="other", transform="binary"))
    with pytest.raises(ModelError, match="'TP53' enter more than once"):
        Encoding.learn(terms, cohort)


def test_an_unknown_transform_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"'sqrt'\. Known: 'standardise', 'log'"):
        Term(name="age", group="clinical", transform="sqrt")


def test_other_patients_must_have_the_covariates_and_known_levels(
    cohort: Cohort, make_cohort: Callable[..., Cohort]
) -> None:
    encoding = Encoding.learn((Term(name="stage", group="c", transform="category"),), cohort)
    with pytest.raises(ModelError, match="'stage' of this model are not in the cohort"):
        encoding.encode(make_cohort([("secret", 5.0, "last_contact")]))
    unseen = make_cohort([("secret", 5.0, "last_contact")], covariates={"stage": ["terminal"]})
    with pytest.raises(
        ModelError, match=r"not seen: 'terminal', in row 2 .*Known: 'early'"
    ) as caught:
        encoding.encode(unseen)
    assert "secret" not in str(caught.value)
    encoding = Encoding.learn((Term(name="wbc", group="c", transform="log"),), cohort)
    with pytest.raises(ModelError, match="'wbc' has values ≤ 0"):
        encoding.encode(make_cohort([("secret", 5.0, "last_contact")], covariates={"wbc": [0.0]}))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("age_years",), "number 1 in it is a str"),
        ("age_years", "found a str"),
        (None, "found None"),
        (Term(name="sex", group="clinical"), "found a Term"),
        ([Group(group="gene"), {"name": "sex"}], "number 2 in it is a dict"),
    ],
)
def test_covariates_that_are_no_terms_are_refused_where_they_are_given(
    given: Any, found: str
) -> None:
    for make in (
        lambda: tb.disease("survival", covariates=given),
        lambda: Trajectories(markers=(Trajectory(marker="x"),), covariates=given),
    ):
        with pytest.raises(ModelError, match=rf"a tuple of Term, Group or .*; {found}\."):
            make()
