"""Values that have no place in a model: found where they come in, with their rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flat_hazard import fit_of, flat
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import ModelError, TwinError
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model.covariates.columns import is_constant
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.covariates.terms import Interaction, Term
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR


def cohort_of(prefix: str, **covariates: np.ndarray) -> Cohort:
    n = len(next(iter(covariates.values())))
    ids = [f"{prefix}{k:04d}" for k in range(n)]
    named = [(name, "patients", "covariate", "clinical", None) for name in covariates]
    tables = {
        "patients": pd.DataFrame(
            {"patient_id": ids, "subgroup": "one", "centre": "one", **covariates}
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": np.linspace(1.0, 6.0, n) * YEAR,
                "event": np.where(np.arange(n) % 2 == 0, "death", "last_contact"),
            }
        ),
        "variables": pd.DataFrame(named, columns=["name", "table", "role", "group", "levels"]),
    }
    return cohort_from_tables("made up", tables, simulated=True)


@pytest.fixture(scope="module")
def counts() -> Fit:
    rng = np.random.default_rng(1)
    cohort = cohort_of("p", wbc=np.exp(rng.normal(2.0, 1.0, 40)), age=rng.normal(60, 9, 40))
    terms = (
        Term(name="wbc", group="clinical", transform="log"),
        Term(name="age", group="clinical"),
    )
    spec = flat(terms)
    draws = sample_priors(spec, cohort, draws=50, seed=1)
    draws["log_baseline"] = draws["log_baseline"] * 0.02 + np.log(0.1 / YEAR)
    return fit_of(spec, cohort, draws)


def test_a_count_of_0_among_2000_is_refused_by_its_row_when_the_twin_is_made(counts: Fit) -> None:
    rng = np.random.default_rng(2)
    wbc = np.exp(rng.normal(2.0, 1.0, 2000))
    wbc[1234] = 0.0
    new = cohort_of("n", wbc=wbc, age=rng.normal(60, 9, 2000))
    with pytest.raises(ModelError, match=r"'wbc' has values ≤ 0 in row 1236 of the") as caught:
        counts.twin(new, at=0.0)
    assert "leave them blank" in str(caught.value)
    assert "n1234" not in str(caught.value)
    blank = replace(new, patients=new.patients.assign(wbc=new.patients["wbc"].replace(0.0, np.nan)))
    assert np.isfinite(
        counts.twin(blank.select(["n1234"]), at=0.0).forecast(YEAR, 2)["survival"]
    ).all()


def test_many_bad_rows_are_counted_and_the_first_named(counts: Fit) -> None:
    new = cohort_of("n", wbc=np.zeros(9), age=np.full(9, 50.0))
    with pytest.raises(ModelError, match="row 2, 3, 4, 5, 6 and 4 more"):
        counts.twin(new)


def test_a_measurement_of_0_is_refused_by_its_row_when_the_twin_is_made(
    joint_fit: Fit, strangers: Cohort
) -> None:
    assert strangers.visits is not None
    visits = strangers.visits.copy()
    visits.loc[7, "value"] = 0.0
    bad = replace(strangers, visits=visits)
    with pytest.raises(ModelError, match="values of 0 or less in row 9"):
        joint_fit.twin(bad)
    assert joint_fit.twin(bad, at=0.0).forecast(YEAR, 2)["survival"].to_numpy().min() > 0.0


@pytest.mark.parametrize("value", [0.1, 0.3, 1e-9, 1e9 / 3, -0.7])
@pytest.mark.parametrize("transform", ["standardise", "log", "spline", "binary"])
def test_a_covariate_that_does_not_vary_is_refused_by_the_fit(value: float, transform: str) -> None:
    """61 times 0.1 have a standard deviation of rounding errors, not of 0."""
    if transform == "log" and value < 0:
        pytest.skip("has no logarithm")
    same = np.full(61, value)
    assert is_constant(same)
    assert is_constant(same * (1.0 + 1e-15 * np.arange(61)))
    cohort = cohort_of("p", same=same, one=np.ones(61), age=np.linspace(20, 80, 61))
    terms = (
        Term(name="same", group="clinical", transform=transform),
        Term(name="age", group="clinical"),
    )
    with pytest.raises(ModelError, match=r"constant|other than 0 and 1"):
        Encoding.learn(terms, cohort)
    with pytest.raises(ModelError, match=r"constant"):
        Encoding.learn((Interaction(names=("same", "one")),), cohort)


def test_what_varies_by_little_is_kept() -> None:
    cohort = cohort_of("p", few=0.1 + 1e-9 * np.arange(61))
    (column,) = Encoding.learn((Term(name="few", group="clinical"),), cohort).columns
    assert column.scale == pytest.approx(1e-9 * np.std(np.arange(61)), rel=1e-6)


def test_a_stored_column_that_did_not_vary_says_so_at_the_twin(counts: Fit) -> None:
    """As learnt where a deviation of rounding errors passed for one."""
    wbc, age = counts.learnt.encoding.columns
    same = replace(age, centre=0.1, scale=4e-17)
    encoding = replace(counts.learnt.encoding, columns=(wbc, same))
    old = replace(counts, learnt=replace(counts.learnt, encoding=encoding))
    new = cohort_of("n", wbc=np.array([np.nan, 3.0]), age=np.array([0.11, 0.1]))
    with pytest.raises(ModelError, match="one and the same value in all patients of the fit"):
        old.twin(new)


def test_a_marker_that_does_not_vary_is_refused_by_the_fit(joint_fit: Fit) -> None:
    cohort = joint_fit.cohort
    assert cohort.visits is not None
    same = replace(cohort, visits=cohort.visits.assign(value=0.1))
    with pytest.raises(ModelError, match="one and the same value at all visits"):
        joint_fit.spec.plan(same)


def test_curves_without_a_value_are_refused_naming_the_marker(joint_fit: Fit) -> None:
    twin = joint_fit.twin("p03")
    known = twin.curve_population
    assert known is not None
    parameter = known.parameter.copy()
    parameter[0, 0, 5] = np.nan
    broken = replace(twin, curve_population=replace(known, parameter=parameter))
    with pytest.raises(TwinError, match=r"curves of a patient \(bilirubin\) have no value"):
        broken.forecast(YEAR, 2)
    association = known.association.copy()
    association[0, 5] = np.nan
    broken = replace(twin, curve_population=replace(known, association=association))
    with pytest.raises(TwinError, match="have no value"):
        broken.forecast(YEAR, 2)
