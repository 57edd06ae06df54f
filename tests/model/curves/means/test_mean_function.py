"""Mean functions against finite differences, special cases and formulae written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.configdefaults import config
from pytensor.graph.replace import graph_replace
from scipy import stats
from scipy.integrate import quad

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, TwinbayesError
from twinbayes.machine.tape.model import record_model
from twinbayes.model import (
    Association,
    BiexponentialDecay,
    Binary,
    Claret,
    MeanFunction,
    ModelSpec,
    Normal,
    OwnMean,
    PiecewiseConstant,
    Since,
    SteinFojo,
    StudentT,
    Trajectories,
    Trajectory,
    register_mean_function,
)
from twinbayes.model.curves.association import build_trail
from twinbayes.model.storing import registration
from twinbayes.names import DAYS_PER_YEAR

YEARS = np.linspace(0.0, 5.0, 11)
DEATH = "alive->dead"


@register_mean_function("test: gompertz")
def gompertz(years: Any, parameters: Any) -> Any:
    start, gain, rate = parameters
    return np.exp(start - np.exp(gain) * np.expm1(-np.exp(rate) * years))


GOMPERTZ = OwnMean(
    kind="test: gompertz",
    standard=(("log start", 1.0, 0.5), ("log gain", 0.0, 0.5), ("log rate", -0.5, 0.5)),
    formula="exp(log start + G (1 − exp(−r t)))",
)
EVERY = (BiexponentialDecay(), SteinFojo(), Claret(), GOMPERTZ)


def some_parameters(mean: MeanFunction, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [0.5 * rng.normal(size=len(YEARS)) for _ in mean.labels]


@pytest.mark.parametrize("transform", ["identity", "log"])
@pytest.mark.parametrize("mean", EVERY, ids=lambda m: m.kind)
def test_derivatives_are_those_of_the_values(mean: MeanFunction, transform: str) -> None:
    own, h = some_parameters(mean), 1e-5
    found = mean.jacobian(YEARS, own, transform)
    assert found.shape == (len(YEARS), len(mean.labels))
    for k in range(len(own)):
        ends = []
        for side in (h, -h):
            moved = [p + side * (j == k) for j, p in enumerate(own)]
            ends.append(mean.curve(YEARS, moved, transform))
        wanted = (ends[0] - ends[1]) / (2 * h)
        rounding = 1e-9 * np.abs(ends[0]).max()
        np.testing.assert_allclose(found[:, k], wanted, rtol=1e-6, atol=rounding)


@pytest.mark.parametrize("transform", ["identity", "log"])
@pytest.mark.parametrize("mean", EVERY[:3], ids=lambda m: m.kind)
def test_slopes_and_their_derivatives_are_those_of_the_values(
    mean: MeanFunction, transform: str
) -> None:
    own, h = some_parameters(mean), 1e-5

    def value(t: np.ndarray, moved: list[np.ndarray]) -> np.ndarray:
        out: np.ndarray = mean.curve(t, moved, transform)
        return out

    def slope(moved: list[np.ndarray]) -> np.ndarray:
        return (value(YEARS + h, moved) - value(YEARS - h, moved)) / (2 * h)

    found = mean.curve(YEARS, own, transform, "slope")
    size = np.abs(value(YEARS, own)).max()
    np.testing.assert_allclose(found, slope(own), rtol=1e-6, atol=1e-9 * size)
    derivatives, far = mean.jacobian(YEARS, own, transform, "slope"), 1e-3
    for k in range(len(own)):
        ends = [slope([p + s * (j == k) for j, p in enumerate(own)]) for s in (far, -far)]
        wanted = (ends[0] - ends[1]) / (2 * far)
        np.testing.assert_allclose(derivatives[:, k], wanted, rtol=1e-4, atol=1e-6 * size)


@pytest.mark.parametrize("transform", ["identity", "log"])
@pytest.mark.parametrize("mean", EVERY, ids=lambda m: m.kind)
def test_tensors_and_arrays_have_the_same_values(mean: MeanFunction, transform: str) -> None:
    own = some_parameters(mean)
    tensors = [pt.dvector() for _ in own]
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        for form in mean.forms:
            curve = mean.curve(YEARS, tensors, transform, form)
            found = curve.eval(dict(zip(tensors, own, strict=True)), on_unused_input="ignore")
            wanted = mean.curve(YEARS, own, transform, form)
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    logged = np.log(mean.value(YEARS, own)) if transform == "log" else mean.value(YEARS, own)
    np.testing.assert_allclose(mean.curve(YEARS, own, transform), logged, rtol=1e-10, atol=1e-10)


def test_values_are_the_published_formulae() -> None:
    t = YEARS
    f0, share, slow, excess = 7.0, 0.9, 0.3, 2.0
    own = np.log([f0, share / (1 - share), slow, excess])
    wanted = f0 * (share * np.exp(-(slow + excess) * t) + (1 - share) * np.exp(-slow * t))
    np.testing.assert_allclose(BiexponentialDecay().value(t, own), wanted, rtol=1e-12)
    d, g, k, fading = 1.3, 0.4, 1.1, 0.6
    wanted = f0 * (np.exp(-d * t) + np.exp(g * t) - 1.0)
    np.testing.assert_allclose(SteinFojo().value(t, np.log([f0, d, g])), wanted, rtol=1e-12)
    wanted = f0 * np.exp(g * t - k / fading * (1.0 - np.exp(-fading * t)))
    own = np.log([f0, g, k, fading])
    np.testing.assert_allclose(Claret().value(t, own), wanted, rtol=1e-12)


def test_special_cases_are_single_exponentials() -> None:
    """Equal rates; no growth; an effect that does not fade."""
    t, never = YEARS, -40.0
    both = BiexponentialDecay().value(t, [0.5, 0.3, np.log(0.7), never])
    np.testing.assert_allclose(both, np.exp(0.5 - 0.7 * t), rtol=1e-12)
    shrinks = SteinFojo().value(t, [0.5, np.log(0.7), never])
    np.testing.assert_allclose(shrinks, np.exp(0.5 - 0.7 * t), rtol=1e-12)
    lasts = Claret().value(t, [0.5, np.log(0.2), np.log(0.7), never])
    np.testing.assert_allclose(lasts, np.exp(0.5 + (0.2 - 0.7) * t), rtol=1e-12)


@pytest.mark.parametrize("mean", EVERY[:3], ids=lambda m: m.kind)
def test_parameters_of_vague_priors_have_finite_values_and_derivatives(mean: MeanFunction) -> None:
    for far in (-500.0, 500.0):
        for k in range(len(mean.labels)):
            own = [np.full(len(YEARS), far * (j == k)) for j in range(len(mean.labels))]
            for transform in ("identity", "log"):
                assert np.isfinite(mean.jacobian(YEARS, own, transform)).all()
                for form in mean.forms:
                    assert np.isfinite(mean.curve(YEARS, own, transform, form)).all()


@pytest.fixture(scope="module")
def cohort(make_tumours: Callable[..., Cohort]) -> Cohort:
    return make_tumours(8)


def tumours_of(cohort: Cohort) -> pd.DataFrame:
    visits = cohort.visits
    assert visits is not None
    return visits[visits["marker"] == "tumour"]


def spec_of(trajectory: Trajectory, *associations: Association) -> ModelSpec:
    base = tb.disease("pbc", markers=(trajectory,), baseline=PiecewiseConstant(windows=2))
    return replace(base, associations=associations)


@pytest.mark.parametrize("family", [Normal(), StudentT(df=5.0)])
@pytest.mark.parametrize("transform", ["identity", "log"])
def test_visits_have_the_log_density_of_the_formula(
    cohort: Cohort, transform: str, family: Normal | StudentT
) -> None:
    """Measured values and, under the normal family, those below the limit."""
    visits = tumours_of(cohort)
    if isinstance(family, StudentT):
        visits = visits.assign(censored="none")
    curve = Trajectory(marker="tumour", transform=transform, basis=SteinFojo(), family=family)
    plan = Trajectories(markers=(curve,)).plan(replace(cohort, visits=visits))
    (data,) = plan.visits
    scale, rng = data.scale, np.random.default_rng(3)
    drawn, sd = rng.normal(size=(cohort.n_patients, 3)), 0.4
    own = drawn * scale.natural() + scale.natural_level()
    weight = rng.uniform(0.5, 2.0, cohort.n_patients)
    logp = data.logp(pt.as_tensor(drawn), (pt.as_tensor(sd),), pt.as_tensor(weight))
    total = 0.0
    for row in visits.itertuples():
        i = cohort.patient_ids.index(row.patient_id)
        start, shrinkage, growth = own[i]
        t = row.day / DAYS_PER_YEAR
        left, grown = np.exp(-np.exp(shrinkage) * t), np.exp(np.exp(growth) * t)
        fitted = np.exp(start) * (left + grown - 1.0)
        value = row.value
        if transform == "log":
            fitted, value = np.log(fitted), np.log(value)
        z, unit = (value - fitted) / (sd * scale.scale), np.log(sd * scale.scale)
        if row.censored == "left":
            total += weight[i] * stats.norm.logcdf(z)
        elif isinstance(family, Normal):
            total += weight[i] * (stats.norm.logpdf(z) - unit)
        else:
            total += weight[i] * (stats.t(family.df).logpdf(z) - unit)
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        assert float(logp.eval()) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize(("form", "lag"), [("value", 0.0), ("value", 200.0), ("slope", 0.0)])
def test_the_cumulative_hazard_along_a_mean_function_is_what_quadrature_finds(
    cohort: Cohort, form: str, lag: float
) -> None:
    follows = Association(marker="tumour", transitions=(DEATH,), form=form, lag_days=lag)
    spec = spec_of(Trajectory(marker="tumour", transform="log", basis=SteinFojo()), follows)
    plan = spec.plan(cohort)
    assert plan.curves is not None
    scale, points = plan.curves.learnt.get("tumour"), plan.events.points
    drawn = 0.3 * np.random.default_rng(3).normal(size=(cohort.n_patients, 3))
    with pm.Model() as model:
        trail = build_trail(
            spec.features,
            spec.graph,
            plan.curves,
            points,
            plan.multipliers,
            (pt.as_tensor(drawn), pt.as_tensor(drawn * 0.0)),
            tb.load_priors("pbc"),
        )
    known = {model["_association"]: pt.as_tensor(np.array([0.7 * scale.scale]))}
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        value, strength = (x.eval() for x in graph_replace([trail, model["association"]], known))
    assert strength == pytest.approx(0.7)
    own = drawn * scale.natural() + scale.natural_level()
    hazard = points.node_days * np.exp(value[: len(points.node_days)])
    rows = plan.events.rows
    for r, (i, stop) in enumerate(zip(rows.patient, rows.stop, strict=True)):

        def log_hazard(day: float, theta: np.ndarray = own[i]) -> float:
            t = np.array(max(day - lag, 0.0) / DAYS_PER_YEAR)
            centre = scale.centre if form == "value" else 0.0
            return float(0.7 * (SteinFojo().curve(t, theta, "log", form) - centre))

        exact = quad(lambda d, f=log_hazard: np.exp(f(d)), 0.0, stop, points=[lag])[0]
        assert hazard[points.node_row == r].sum() == pytest.approx(exact, rel=1e-3)
        event = (points.patient == i) & (np.arange(points.n_points) >= len(points.node_row))
        if event.any():
            assert value[event] == pytest.approx(log_hazard(stop))


@pytest.mark.parametrize("mean", EVERY, ids=lambda m: m.kind)
def test_a_joint_model_starts_finite_and_is_recorded_not_compiled(
    cohort: Cohort, mean: MeanFunction
) -> None:
    every = tuple(
        Association(marker="tumour", transitions=(DEATH,), form=form)
        for form in (*mean.forms, "effects")
    )
    spec = spec_of(Trajectory(marker="tumour", transform="log", basis=mean), *every)
    model = tb.assemble(spec, cohort)
    assert list(model.coords["curve_term"]) == [f"tumour: {label}" for label in mean.labels]
    tapes = record_model(model, [])
    assert np.isfinite(tapes.density(tapes.start(1))).all()


def test_parameters_have_standard_units_that_can_be_chosen(cohort: Cohort) -> None:
    visits = tumours_of(cohort)
    years = visits["day"].to_numpy() / DAYS_PER_YEAR
    period = np.sqrt(np.mean(years**2))
    chosen = SteinFojo(standard=(("log growth", -1.5, 0.4),), shared=("log shrinkage",))
    for transform in ("log", "identity"):
        curve = Trajectory(marker="tumour", transform=transform, basis=chosen)
        learnt = Trajectories(markers=(curve,)).learn(cohort)
        values = visits["value"].to_numpy()
        start = (np.log(values).mean(), np.log(values).std())
        if transform == "identity":
            start = (np.log(values.mean()), values.std() / values.mean())
        np.testing.assert_allclose(learnt.natural_level(), [start[0], -np.log(period), -1.5])
        np.testing.assert_allclose(learnt.natural(), [start[1], 1.0, 0.4])
        assert [learnt.labels[k] for k in learnt.varying] == [
            "tumour: log start", "tumour: log growth",
        ]  # fmt: skip


def test_priors_of_single_parameters_are_those_that_are_given(cohort: Cohort) -> None:
    spec = spec_of(Trajectory(marker="tumour", transform="log", basis=SteinFojo()))
    change = {"curve_level.tumour: log growth": {"arguments": {"mu": -0.7, "sigma": 0.1}}}
    model = tb.assemble(spec, cohort, tb.load_priors("pbc").override(change))
    drawn = pm.draw(model["_curve_level"], draws=400, random_seed=1)
    assert drawn[:, 2].mean() == pytest.approx(-0.7, abs=0.03)
    assert drawn[:, 1].std() > 1.0


def test_a_description_prints_the_formula_and_comes_back_from_storage() -> None:
    for mean in EVERY:
        spec = spec_of(Trajectory(marker="tumour", transform="log", basis=mean))
        text = spec.describe()
        assert f"m(t) = log f(t), f(t) = {mean.formula}" in text
        assert mean.labels[-1] in text
        again = ModelSpec.from_dict(spec.to_dict())
        assert again == spec
        assert again.content_hash == spec.content_hash


def test_a_function_that_is_not_registered_is_refused_with_those_that_are() -> None:
    stored = spec_of(Trajectory(marker="tumour", basis=GOMPERTZ)).to_dict()
    stored["trajectories"]["markers"][0]["basis"]["kind"] = "logistic"
    with pytest.raises(ModelError, match=r"'logistic' is not registered.*'test: gompertz'.*loaded"):
        ModelSpec.from_dict(stored)
    with pytest.raises(ModelError, match="another mean function has it"):
        register_mean_function("test: gompertz")(lambda years, parameters: years)


def test_a_function_of_an_installed_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(*, group: str, name: str) -> list[EntryPoint]:
        assert group == "twinbayes.mean_functions"
        return [EntryPoint(name, "math:fabs", group)] if name == "test: distance" else []

    monkeypatch.setattr(registration, "entry_points", installed)
    found = OwnMean(kind="test: distance", standard=(("a", 0.0, 1.0),))
    assert found.labels == ("a",)
    with pytest.raises(ModelError, match=r"'test: elsewhere' is not registered.*entry points"):
        replace(found, kind="test: elsewhere")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: SteinFojo(shared=("log decay",)), "Known: 'log start', 'log shrinkage'"),
        (lambda: Claret(standard=(("log kill", 0.0, 0.0),)), "units positive"),
        (lambda: Claret(standard=(("log kill", 0.0, 1.0),) * 2), "names a parameter twice"),
        (lambda: OwnMean(kind="test: gompertz", standard=()), "has no parameters"),
        (lambda: Trajectory(marker="m", basis=SteinFojo), "the type SteinFojo itself"),  # type: ignore[arg-type]
        (
            lambda: Trajectory(marker="m", basis=SteinFojo(), family=Binary()),
            "the family Normal",
        ),
        (
            lambda: Trajectory(marker="m", basis=SteinFojo(), turns=(Since(what="drug"),)),
            "takes no turns",
        ),
        (
            lambda: spec_of(
                Trajectory(marker="tumour", basis=SteinFojo()),
                Association(marker="tumour", transitions=(DEATH,), form="area"),
            ),
            "may follow 'value', 'slope', 'effects'",
        ),
        (
            lambda: spec_of(
                Trajectory(marker="tumour", basis=GOMPERTZ),
                Association(marker="tumour", transitions=(DEATH,), form="slope"),
            ),
            "may follow 'value', 'effects'",
        ),
    ],
)
def test_what_cannot_be_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(TwinbayesError, match=message):
        wrong()


def test_a_function_without_a_finite_value_at_its_centre_is_refused(cohort: Cohort) -> None:
    wrong = replace(GOMPERTZ, standard=(("a", 1.0, 1.0), ("b", 800.0, 1.0), ("c", 0.0, 1.0)))
    with pytest.raises(ModelError, match="has no finite value"):
        Trajectories(markers=(Trajectory(marker="tumour", basis=wrong),)).plan(cohort)
    visits = tumours_of(cohort)
    negative = replace(cohort, visits=visits.assign(value=-visits["value"], censored="none"))
    with pytest.raises(ModelError, match="is positive, and the mean of the marker is"):
        Trajectories(markers=(Trajectory(marker="tumour", basis=SteinFojo()),)).plan(negative)
