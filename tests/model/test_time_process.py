"""The Gaussian process of time: its kernel, its waves, and what a model makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pytensor.configdefaults import config
from scipy.integrate import quad
from scipy.special import gamma, kv
from scipy.stats import norm

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.errors import ModelError, OptionError
from twinbayes.inference import compile_fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import HSGP, Association, ModelSpec, PiecewiseConstant, Since, Term, Trajectory
from twinbayes.model.catalogue import known_type
from twinbayes.model.curves.waves import KERNELS
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
SMOOTHNESS = {"matern32": 1.5, "matern52": 2.5}
LINE = ["bilirubin: level", "bilirubin: year"]


def exact(kernel: str, distance: np.ndarray, length: float) -> np.ndarray:
    """Covariance at an amplitude of 1; Matérn by its Bessel function."""
    if kernel == "expquad":
        return np.exp(-0.5 * (distance / length) ** 2)
    nu = SMOOTHNESS[kernel]
    x = np.sqrt(2 * nu) * np.maximum(distance, 1e-9) / length
    out: np.ndarray = 2 ** (1 - nu) / gamma(nu) * x**nu * kv(nu, x)
    return out


def departure(t: np.ndarray) -> np.ndarray:
    """How the mean of all patients departs from its line in `waving`."""
    out: np.ndarray = 0.8 * np.sin(2 * np.pi * t / 5.0) * np.exp(-t / 8)
    return out


def waving(n: int, seed: int) -> Cohort:
    """Log bilirubin along a line of the patient's own and a wave of all; half of them die."""
    rng = np.random.default_rng(seed)
    ids = [f"p{k:03d}" for k in range(n)]
    years = rng.uniform(3.0, 9.0, n)
    arm = np.arange(n) % 2
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "a", "centre": "a", "arm": arm * 1.0})
    event = np.where(rng.random(n) < 0.5, "death", "last_contact")
    events = pd.DataFrame({"patient_id": ids, "day": years * YEAR, "event": event})
    rows = []
    for name, last, treated in zip(ids, years, arm, strict=True):
        level, slope = rng.normal(0.5 - 0.5 * treated, 0.7), rng.normal(0.2, 0.15)
        t = np.sort(rng.uniform(0.0, last, 7))
        y = level + slope * t + departure(t) + rng.normal(0, 0.3, 7)
        rows += [
            (name, d * YEAR, "bilirubin", np.exp(v), "none") for d, v in zip(t, y, strict=True)
        ]
    visits = pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"])
    variables = pd.DataFrame(
        [
            ("arm", "patients", "covariate", "treatment", None),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


def spec_of(basis: HSGP, **options: object) -> ModelSpec:
    arm = (Term(name="arm", group="treatment", transform="binary"),)
    curve = Trajectory(marker="bilirubin", transform="log", basis=basis)
    baseline = PiecewiseConstant(windows=3)
    return tb.disease(
        "pbc", covariates=(), curve_covariates=arm, markers=(curve,), baseline=baseline, **options
    )


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_the_spectral_density_is_that_of_the_kernel(kernel: str) -> None:
    """Its integral over all frequencies gives back the covariance at each distance."""
    root = KERNELS[kernel].root_density
    for distance in (0.0, 0.5, 1.7):

        def wave(omega: float, at: float = distance) -> float:
            return float(root(omega, 1.3) ** 2 * np.cos(omega * at) / np.pi)

        wanted = exact(kernel, np.array([distance]), 1.3)[0]
        assert quad(wave, 0.0, 60.0, limit=400)[0] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("kernel", "error"), [("matern32", 0.04), ("matern52", 0.02), ("expquad", 5e-3)]
)
def test_the_covariance_of_the_waves_is_that_of_the_process(kernel: str, error: float) -> None:
    """With many waves what is left are the mirror images of the process at the boundary."""
    t, length = np.linspace(0, 8, 41), 1.2
    apart = t[:, None] - t
    wanted = exact(kernel, np.abs(apart), length)

    def covariance(m: int) -> np.ndarray:
        basis = HSGP(m=m, kernel=kernel, end=8.0)
        waves = basis.sines(t) * KERNELS[kernel].root_density(basis.omega, length)
        out: np.ndarray = waves @ waves.T
        return out

    assert np.abs(covariance(30) - wanted).max() < error
    width = 12.0  # of the interval: 8 years and 2 on either side
    around = t[:, None] + t + 4.0
    mirrored = sum(
        exact(kernel, np.abs(apart + 2 * n * width), length)
        - exact(kernel, np.abs(around + 2 * n * width), length)
        for n in range(-4, 5)
    )
    np.testing.assert_allclose(covariance(400), mirrored, atol=1e-4)


def test_waves_have_no_line_over_the_visits_and_stay_put_beyond_them() -> None:
    visits = np.random.default_rng(1).exponential(2.0, 300)
    basis = HSGP().learn(visits)
    waves = basis.columns(visits)[:, 2:]
    line = np.column_stack([np.ones_like(visits), visits])
    np.testing.assert_allclose(line.T @ waves, 0.0, atol=1e-8)
    end = basis.end
    beyond = basis.columns(np.array([-1.0, 0.0, end, end + 1.0, end + 30.0]))
    np.testing.assert_array_equal(beyond[0, 2:], beyond[1, 2:])
    np.testing.assert_array_equal(beyond[3:, 2:], beyond[[2, 2], 2:])
    np.testing.assert_array_equal(beyond[:, 1], [-1.0, 0.0, end, end + 1.0, end + 30.0])
    np.testing.assert_array_equal(basis.columns(np.array([end + 1.0]), "slope")[0, 2:], 0.0)
    assert basis.learn(visits * 2) == basis


def test_a_process_that_its_waves_cannot_follow_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Use m=20 or more"):
        HSGP(m=10, lengthscale=0.1)
    with pytest.raises(ModelError, match="beyond the data"):
        HSGP(boundary=1.0)
    with pytest.raises(ModelError, match="positive"):
        HSGP(amplitude=0.0)
    with pytest.raises(OptionError, match="kernel of the Gaussian process"):
        HSGP(kernel="cubic")


def test_patients_differ_in_the_line_alone_unless_waves_vary() -> None:
    spec, cohort = spec_of(HSGP(m=8)), waving(12, seed=2)
    learnt = spec.plan(cohort).learnt.curves
    assert learnt is not None
    assert [learnt.labels[k] for k in learnt.varying] == LINE
    every = spec_of(HSGP(m=8, varies=True)).plan(cohort).learnt.curves
    assert every is not None
    assert len(every.varying) == 10
    effects = (Association(marker="bilirubin", transitions=("alive->dead",), form="effects"),)
    assert [f.term for f in replace(spec, associations=effects).features] == ["level", "year"]
    back = ModelSpec.from_dict(spec.to_dict())
    assert back == spec
    assert back.content_hash == spec.content_hash
    assert type(learnt).from_dict(learnt.to_dict(), known_type) == learnt
    assert "lengthscale ~ LogNormal(median 0.3" in spec.describe()


def test_weights_have_the_density_and_the_prior_that_the_description_says() -> None:
    """On whatever axes and in whatever units they are sampled."""
    spec, cohort = spec_of(HSGP(m=8)), waving(40, seed=2)
    learnt = spec.plan(cohort).learnt.curves
    assert learnt is not None
    prior = sample_priors(spec, cohort, draws=4000, seed=3).isel(chain=0)
    (marker,) = learnt.markers
    basis = marker.basis
    assert isinstance(basis, HSGP)
    length, amplitude = (prior[f"curve_{x}"].to_numpy() for x in ("lengthscale", "amplitude"))
    assert np.median(length) == pytest.approx(0.3 * basis.end, rel=0.06)
    assert np.median(amplitude) == pytest.approx(0.674 * 0.5 * marker.scale, rel=0.06)
    sd = amplitude * KERNELS["matern52"].root_density(basis.omega, length)
    table = prior["curve_effect"].to_numpy()
    standard = table[:, 0, 2:] / sd
    np.testing.assert_allclose(standard.std(axis=0), 1.0, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(standard.T), np.eye(8), atol=0.07)
    np.testing.assert_array_equal(table[:, 1, 2:], 0.0)
    assert np.all(table[:, 1, :2] != 0.0)

    model = tb.assemble(spec, cohort, tb.load_priors("pbc"))
    weight, effect = model["_curve_wave"], model["curve_effect"]
    along = str(model.rvs_to_values[weight])
    wanted = [weight, effect, model["curve_amplitude"], model["curve_lengthscale"]]
    graphs = [*model.replace_rvs_by_values(wanted), model.logp(weight)]
    with config.change_flags(cxx="", mode="FAST_COMPILE"):
        point = model.initial_point() | {along: np.linspace(-0.3, 0.7, 8)}
        run = model.compile_fn(graphs, inputs=model.value_vars, on_unused_input="ignore")
    u, effect_at, amplitude, length, logp = run(point)
    assert u @ u == pytest.approx(point[along] @ point[along])  # axes are a rotation
    w = effect_at[0, 2:]
    sd = amplitude * KERNELS["matern52"].root_density(basis.omega, length)
    density = norm.logpdf(w, 0.0, sd).sum() + np.log(w / u).sum()
    assert float(np.sum(logp)) == pytest.approx(density)


@pytest.mark.slow
def test_a_mean_that_bends_is_found_again() -> None:
    cohort = waving(80, seed=5)
    compiled = compile_fit(spec_of(HSGP()), cohort)
    fit = compiled.sample(draws=400, tune=500, chains=2, seed=1, progressbar=False)
    assert fit.verdict.summary["divergences"] == 0
    assert fit.verdict.summary["max_rhat"] < 1.05
    curves = fit.learnt.curves
    assert curves is not None
    t = np.linspace(0.2, 8.0, 14)
    columns = curves.markers[0].basis.columns(t)
    effect = fit.datatree["posterior"]["curve_effect"].isel(curve_covariate=0).to_numpy()
    found = effect.reshape(-1, columns.shape[1]) @ columns.T
    wrong = found.mean(axis=0) - (0.5 + 0.2 * t + departure(t))
    assert np.all(np.abs(wrong) < 3 * found.std(axis=0))
    shape = found - found.mean(axis=1, keepdims=True)
    straight = np.polynomial.polynomial.polyfit(t, departure(t), 1)
    left = departure(t) - np.polynomial.polynomial.polyval(t, straight)
    assert shape.mean(axis=0) @ left > 0.9 * (left @ left)  # the wave, not a line
    assert found.std(axis=0).max() < 0.4


def test_waves_and_turns_live_in_one_curve() -> None:
    curve = Trajectory(marker="bilirubin", basis=HSGP(m=8), turns=(Since(what="x", varies=False),))
    assert curve.shared == (*(f"wave {j}" for j in range(1, 9)), "step since x")
    assert curve.labels[-1] == "step since x"
