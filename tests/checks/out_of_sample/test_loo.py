import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from twinbayes.checks import compare_loo, loo_check, patient_loo
from twinbayes.errors import CohortError, OptionError

N = 40
RNG = np.random.default_rng(60)
Y = RNG.normal(0.5, 1.0, N)


def posterior_log_likelihood(y: np.ndarray, seed: int = 0) -> xr.DataArray:
    """Unit normal data, normal(0, 10) mean, drawn exactly."""
    precision = 0.01 + y.size
    mean = np.random.default_rng(seed).normal(y.sum() / precision, precision**-0.5, (4, 500, 1))
    return xr.DataArray(
        norm.logpdf(y, mean, 1.0),
        dims=("chain", "draw", "patient"),
        coords={"patient": [f"p{i}" for i in range(y.size)]},
    )


def test_it_equals_the_closed_form_of_a_normal_mean() -> None:
    found = patient_loo(posterior_log_likelihood(Y))
    precision = 0.01 + N - 1
    centre = (Y.sum() - Y) / precision
    exact = norm.logpdf(Y, centre, np.sqrt(1 + 1 / precision))
    assert found.elpd == pytest.approx(exact, abs=0.02)
    assert found.total == pytest.approx(exact.sum(), abs=0.1)
    assert found.standard_error == pytest.approx(np.sqrt(N * exact.var()), rel=0.02)
    assert found.p_loo == pytest.approx(1.0, abs=0.35)
    assert found.patients[3] == "p3"


def test_it_equals_arviz() -> None:
    values = posterior_log_likelihood(Y)
    tree = az.from_dict(
        {"log_likelihood": {"y": values.to_numpy()}, "posterior": {"m": np.zeros((4, 500))}}
    )
    theirs = az.loo(tree, pointwise=True, reff=0.7)
    ours = patient_loo(values, relative_efficiency=0.7)
    assert ours.elpd == pytest.approx(theirs.elpd_i.to_numpy())
    assert ours.pareto_k == pytest.approx(theirs.pareto_k.to_numpy())


def test_a_patient_that_the_others_do_not_foresee_is_flagged() -> None:
    good = loo_check(patient_loo(posterior_log_likelihood(Y)))
    assert good.verdict == "pass"
    values = posterior_log_likelihood(Y)
    # One patient with a parameter of their own: the weights have no finite variance.
    own = np.random.default_rng(1).normal(0, 4, (4, 500))
    values.loc[{"patient": "p0"}] = -0.5 * own**2
    with pytest.warns(UserWarning, match="Pareto"):
        loo = patient_loo(values)
    bad = loo_check(loo)
    assert bad.verdict == "fail"
    assert loo.pareto_k[0] > loo.good_k
    assert loo_check(loo, worst=0.05).verdict == "warn"
    assert "p0" not in bad.text


def test_models_are_compared_on_paired_differences() -> None:
    good = patient_loo(posterior_log_likelihood(Y))
    shifted = patient_loo(posterior_log_likelihood(Y) - 0.1)
    table = compare_loo({"shifted": shifted, "good": good})
    assert table["model"].tolist() == ["good", "shifted"]
    assert table["difference"].tolist() == pytest.approx([0.0, -0.1 * N])
    assert table["difference_error"][1] == pytest.approx(0.0, abs=1e-9)
    other = patient_loo(posterior_log_likelihood(Y[:20]))
    with pytest.raises(CohortError, match="same patients"):
        compare_loo({"a": good, "b": other})


def test_a_log_likelihood_of_other_dims_or_not_finite_is_refused() -> None:
    values = posterior_log_likelihood(Y)
    with pytest.raises(CohortError, match="expected chain, draw, patient"):
        patient_loo(values.isel(chain=0))
    with pytest.raises(CohortError, match="not finite"):
        patient_loo(values.where(values["patient"] != "p2", np.nan))


@pytest.mark.parametrize(("draws", "enough"), [(24, False), (25, True)])
def test_too_few_draws_to_tell_tails_are_refused(draws: int, enough: bool) -> None:
    values = np.random.default_rng(2).normal(size=(1, draws, 3))
    few = xr.DataArray(values, dims=("chain", "draw", "patient"))
    if enough:
        assert np.isfinite(patient_loo(few).total)
        return
    with pytest.raises(OptionError, match="at least 25 draws, not 24"):
        patient_loo(few)
