"""Accuracy at a landmark: forecasts use the past alone, and the scores are those of the checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.checks import (
    Landmark,
    brier_score,
    cross_validate_landmark,
    kfold,
    landmark_accuracy,
    predictive_cross_entropy,
)
from twinbayes.checks.out_of_sample.landmark import ANY_DEATH, ANY_FINAL
from twinbayes.cohort import cohort_from_tables
from twinbayes.errors import CohortError, OptionError
from twinbayes.inference import Fit
from twinbayes.model import Learnt
from twinbayes.names import TIME

DAY, HORIZONS = 60.0, (180.0, 365.0)
RATE = 0.004
SCORES = {"auc", "brier", "integrated_brier", "ici", "e50", "e90"}


def parts_of(asked: Landmark, forecast: np.ndarray) -> tuple[np.ndarray, ...]:
    """Probabilities and conditional ones (patient, target, time), event-free, density."""
    width = len(asked.targets) * asked.times.size
    shape = (len(forecast), len(asked.targets), asked.times.size)
    first, second = forecast[:, :width], forecast[:, width : 2 * width]
    return first.reshape(shape), second.reshape(shape), forecast[:, 2 * width : -1], forecast[:, -1]


@pytest.fixture(scope="module")
def constant_hazard(fit: Fit) -> Fit:
    """Survival of 200 patients with the same constant hazard; all draws are the truth."""
    rng = np.random.default_rng(50)
    death, loss = rng.exponential(1 / RATE, 200), rng.uniform(30.0, 900.0, 200)
    ids = [f"P{k}" for k in range(200)]
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": "all", "centre": "only"}),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": np.minimum(death, loss),
                "event": np.where(death <= loss, "death", "last_contact"),
            }
        ),
        "variables": pd.DataFrame(columns=["name", "table", "role", "group", "levels"]),
    }
    cohort = cohort_from_tables("constant", tables, simulated=True)
    spec = tb.disease("survival", covariates=())
    plan = spec.events.plan(cohort)
    width = max(len(e) for e in plan.edges) - 1
    coords = {"transition": list(spec.graph.labels), "window": range(width)}
    posterior = xr.Dataset(
        {
            "log_baseline": (
                ("chain", "draw", "transition", "window"),
                np.full((2, 5, 1, width), np.log(RATE)),
            )
        },
        coords={"chain": range(2), "draw": range(5), **coords},
    )
    tree = xr.DataTree.from_dict({"posterior": posterior})
    learnt = Learnt(plan.encoding, plan.edges)
    return Fit(spec, cohort, fit.priors, tree, fit.verdict, fit.manifest, learnt)


def test_forecasts_of_a_constant_hazard_are_exponential(constant_hazard: Fit) -> None:
    asked = Landmark.of(constant_hazard, DAY, HORIZONS)
    ends = asked.process.follow_up()
    assert np.all(ends.exit > DAY)
    chance, given, free, density = parts_of(asked, asked.forecast(constant_hazard, asked.patients))
    times = np.array([90.0, 182.5, 180.0, 365.0])
    np.testing.assert_array_equal(asked.times, times)
    wanted = np.broadcast_to(-np.expm1(-RATE * times), chance[:, 0].shape)
    np.testing.assert_allclose(chance[:, 0], wanted, atol=2e-4)
    left = DAY + times - ends.exit[:, None]
    read = ends.censored[:, None] & (left >= 0)
    np.testing.assert_array_equal(np.isfinite(given[:, 0]), read)
    np.testing.assert_allclose(given[:, 0][read], -np.expm1(-RATE * left[read]), atol=2e-4)
    seen = np.minimum(ends.exit[:, None] - DAY, HORIZONS)
    np.testing.assert_allclose(free, np.exp(-RATE * seen), atol=2e-4)
    died = ~ends.censored & (ends.exit <= DAY + 365.0)
    np.testing.assert_array_equal(np.isfinite(density), died)
    age = ends.exit[died] - DAY
    # The mean density of the last day, or since the landmark where that is less.
    begin = np.maximum(age - 1.0, 0.0)
    mean = (np.exp(-RATE * begin) - np.exp(-RATE * age)) / (age - begin)
    np.testing.assert_allclose(density[died], mean, rtol=2e-3)


def test_scores_of_a_constant_hazard_are_those_of_its_closed_form(constant_hazard: Fit) -> None:
    table = landmark_accuracy(constant_hazard, DAY, HORIZONS).table
    asked = Landmark.of(constant_hazard, DAY, HORIZONS)
    ends, own = asked.process.follow_up(), asked.process
    found = table.set_index(["target", "horizon", "score"])["value"]
    assert set(found.index) == {("dead", h, s) for h in HORIZONS for s in SCORES | {"epce"}}
    for h in HORIZONS:
        assert found["dead", h, "auc"] == pytest.approx(0.5)
        p = np.full((len(asked.patients), 2), -np.expm1(-RATE * np.array([h / 2, h])))
        left = np.maximum(DAY + np.array([h / 2, h]) - ends.exit[:, None], 0.0)
        mid, end = brier_score(
            own, p, [DAY + h / 2, DAY + h], "dead", weights="model",
            conditional=-np.expm1(-RATE * left),
        )  # fmt: skip
        assert found["dead", h, "brier"] == pytest.approx(end.value, abs=2e-4)
        whole = 2 / 3 * mid.value + end.value / 6
        assert found["dead", h, "integrated_brier"] == pytest.approx(whole, abs=2e-4)
        seen = np.minimum(ends.exit - DAY, h)
        free = np.exp(-RATE * seen)
        exact = predictive_cross_entropy(own, free, RATE * free, DAY + h)
        # The mean density of a day is exp(RATE / 2) times that at its end.
        assert found["dead", h, "epce"] == pytest.approx(exact.value, abs=RATE)
    assert (table["n"] == len(asked.patients)).all()


def test_a_wrong_hazard_scores_worse(constant_hazard: Fit) -> None:
    def shifted(by: float) -> pd.Series:
        posterior = constant_hazard.datatree["posterior"].to_dataset() + by
        tree = xr.DataTree.from_dict({"posterior": posterior})
        wrong = replace(constant_hazard, datatree=tree)
        table = landmark_accuracy(wrong, DAY, [365.0], weights="ipcw").table
        return table.set_index("score")["value"]

    truth = shifted(0.0)
    for by in (-1.0, 1.0):
        assert (shifted(by)[["brier", "epce", "ici"]] > truth[["brier", "epce", "ici"]]).all()


def test_forecasts_are_the_twins_of_the_record_so_far_under_the_draws_of_the_fit(fit: Fit) -> None:
    known = {"remission": ["remission"], "death": list(fit.spec.graph.absorbing)}
    asked = Landmark.of(fit, DAY, HORIZONS, targets=known)
    chance, given, free, density = parts_of(asked, asked.forecast(fit, asked.patients))
    past = fit.cohort.select(asked.patients).until(DAY)
    twin = fit.twin(past).as_drawn()
    predicted = twin.forecast(365.0, np.unique(asked.times))["state_probability"]
    for k, some in enumerate(known.values()):
        wanted = predicted.sel(state=some).sum("state").sel({TIME: asked.times}).to_numpy()
        np.testing.assert_allclose(chance[:, k], wanted, atol=3e-3)
    ends = asked.process.follow_up()
    still = ends.exit > DAY + 365.0
    final = predicted.sel(state=list(fit.spec.graph.absorbing)).sum("state")
    np.testing.assert_allclose(
        free[still], 1 - final.sel({TIME: list(HORIZONS)}).to_numpy()[still], atol=3e-3
    )
    died = np.flatnonzero(~ends.censored & (ends.exit <= DAY + 365.0))
    assert len(set(ends.absorbed_in[died])) > 1
    for k in died:
        until = float(ends.exit[k]) - DAY
        one = fit.twin(past.select([asked.patients[k]])).as_drawn()
        around = one.forecast(until, [max(until - 1.0, 0.0), until])["state_probability"]
        rise = around.isel(patient=0, state=ends.absorbed_in[k]).diff(TIME).item()
        assert density[k] == pytest.approx(rise / min(until, 1.0), rel=0.01)
    lost = np.flatnonzero(ends.censored & (ends.exit <= DAY + 365.0))
    assert lost.size
    for k in lost[:5]:
        one = fit.twin(asked.patients[k])
        ahead = DAY + 365.0 - one.present[0].day
        later = one.forecast(ahead, [ahead])["state_probability"].isel(patient=0, time=0)
        for j, some in enumerate(known.values()):
            assert given[k, j, -1] == pytest.approx(float(later.sel(state=some).sum()), abs=3e-3)


def test_days_of_exit_on_the_very_horizon_are_read(constant_hazard: Fit) -> None:
    ends = Landmark.of(constant_hazard, DAY, [1.0]).process.follow_up()
    within = (ends.exit > DAY + 100.0) & (ends.exit < DAY + 400.0)
    for censored in (True, False):
        for exit_day in ends.exit[within & (ends.censored == censored)][:3]:
            horizon = float(exit_day - DAY)
            table = landmark_accuracy(constant_hazard, DAY, [horizon, horizon + 100.0]).table
            assert np.isfinite(table["value"]).all()


def test_a_forecast_does_not_depend_on_who_else_is_in_the_batch(fit: Fit) -> None:
    asked = Landmark.of(fit, DAY, HORIZONS)
    whole = asked.forecast(fit, asked.patients)
    one = asked.forecast(fit, asked.patients[3:4])
    np.testing.assert_array_equal(one[0], whole[3])


def test_only_patients_in_the_state_at_the_landmark_are_scored(fit: Fit) -> None:
    everybody = Landmark.of(fit, DAY, HORIZONS)
    present = fit.twin(list(everybody.patients), at=DAY).present
    state = max({p.state for p in present}, key=[p.state for p in present].count)
    some = Landmark.of(fit, DAY, HORIZONS, state=state)
    wanted = [x for x, p in zip(everybody.patients, present, strict=True) if p.state == state]
    assert list(some.patients) == wanted
    assert 0 < len(wanted) < len(everybody.patients)


def test_each_target_and_horizon_has_every_score(fit: Fit) -> None:
    targets = {"remission": ("remission",), "not in remission": ("induction", "relapse")}
    result = landmark_accuracy(fit, DAY, HORIZONS, targets=targets, draws=50)
    assert result.verdict == "info"
    found = result.table.groupby(["target", "horizon"])["score"].agg(set)
    for h in HORIZONS:
        assert found["remission", h] == SCORES
        assert found["not in remission", h] == SCORES
        assert found[ANY_FINAL, h] == {"epce"}
    assert np.isfinite(result.table["value"]).all()
    assert "In-sample" in result.text
    plain = landmark_accuracy(fit, DAY, HORIZONS, draws=50).table
    assert set(plain["target"]) == {ANY_DEATH}
    assert set(plain["score"]) == SCORES | {"epce"}
    same = [t[t["score"] == "epce"]["value"].to_numpy() for t in (plain, result.table)]
    np.testing.assert_array_equal(*same)


def test_a_fit_that_is_not_usable_says_so(hostile_fit: Fit) -> None:
    result = landmark_accuracy(hostile_fit, DAY, [365.0])
    assert result.verdict == "fail"
    assert "NOT FOR USE" in result.text


class Refitted:
    """Stands in for a compiled model: one fit a fold, with the weights it was given."""

    def __init__(self, fit: Fit) -> None:
        self.spec, self.cohort, self.plan = fit.spec, fit.cohort, fit.plan
        self.fit = fit
        self.weights: list[np.ndarray] = []

    def sample(self, *, weights: np.ndarray, **_: object) -> Fit:
        self.weights.append(weights)
        shift = 0.5 * len(self.weights)
        posterior = self.fit.datatree["posterior"].to_dataset()
        posterior = posterior.assign(log_baseline=posterior["log_baseline"] + shift)
        tree = self.fit.datatree.copy()
        tree["posterior"] = xr.DataTree(posterior)
        return replace(self.fit, datatree=tree)


def test_held_out_patients_are_forecast_by_the_fit_without_them(constant_hazard: Fit) -> None:
    compiled = Refitted(constant_hazard)
    ids = constant_hazard.cohort.patient_ids
    folds = kfold(ids, 3)
    done = cross_validate_landmark(compiled, folds, DAY, [365.0])  # type: ignore[arg-type]
    asked = Landmark.of(constant_hazard, DAY, [365.0])
    for k, fold in enumerate(folds):
        rows = np.array([x in fold.held_out for x in ids])
        np.testing.assert_array_equal(compiled.weights[k], ~rows)
        risk = rows & np.isin(ids, asked.patients)
        wanted = -np.expm1(-RATE * np.exp(0.5 * (k + 1)) * 365.0)
        np.testing.assert_allclose(done.predictions[risk, 1], wanted, atol=1e-3)
        assert np.isnan(done.predictions[rows & ~risk]).all()
    table = done.result.table
    assert set(table["fold"]) == {f.name for f in folds} | {"pooled"}
    assert set(table["score"]) == SCORES | {"epce"}
    pooled = table[table["fold"] == "pooled"]
    assert (pooled["n"] == len(asked.patients)).all()
    assert table.drop_duplicates("fold")["n"].iloc[:3].sum() == len(asked.patients)
    again = asked.scores(asked.patients, done.predictions[np.isin(ids, asked.patients)])
    epce = pooled.set_index("score").loc["epce", "value"]
    assert epce == pytest.approx(again["dead", 365.0, "epce"].value)  # type: ignore[union-attr]


def test_each_horizon_after_a_landmark_is_judged_by_itself(constant_hazard: Fit) -> None:
    alone = landmark_accuracy(constant_hazard, DAY, HORIZONS[:1], draws=4)
    both = landmark_accuracy(constant_hazard, DAY, (HORIZONS[0], 5000.0), draws=4)
    keys = ["target", "horizon", "score"]
    wanted = alone.table.set_index(keys)["value"]
    found = both.table.set_index(keys)["value"]
    np.testing.assert_allclose(found[wanted.index], wanted, rtol=1e-5)
    assert found.drop(wanted.index).isna().all()
    assert "NOT PROVIDED within 5000 days: nobody was followed so long." in both.text
    assert "nan" not in both.text
    for horizons in ((-5.0,), (0.0,), (np.nan,), (np.inf,), ("365",)):
        with pytest.raises(OptionError, match="horizons"):
            landmark_accuracy(constant_hazard, DAY, horizons)  # type: ignore[arg-type]


def test_what_cannot_be_scored_is_refused_before_anything_is_sampled(
    constant_hazard: Fit,
) -> None:
    with pytest.raises(OptionError, match="increasing days since the landmark"):
        Landmark.of(constant_hazard, DAY, [365.0, 180.0])
    with pytest.raises(OptionError, match="give one day or more"):
        Landmark.of(constant_hazard, DAY, [])
    with pytest.raises(OptionError, match="nobody is at risk on day 5000"):
        Landmark.of(constant_hazard, 5000.0, [365.0])
    with pytest.raises(OptionError, match="followed beyond day 1060"):
        Landmark.of(constant_hazard, DAY, [1000.0])
    with pytest.raises(OptionError, match="'ipcw', 'model'"):
        Landmark.of(constant_hazard, DAY, [365.0], weights="plain")
    with pytest.raises(OptionError, match="Known: 'alive', 'dead'"):
        Landmark.of(constant_hazard, DAY, [365.0], state="relapse")
    with pytest.raises(CohortError, match="unknown state 'relapse'"):
        Landmark.of(constant_hazard, DAY, [365.0], targets={"r": ("relapse",)})
    with pytest.raises(OptionError, match="at least one state"):
        Landmark.of(constant_hazard, DAY, [365.0], targets={"r": ()})
    with pytest.raises(OptionError, match="draws must be at least 1"):
        landmark_accuracy(constant_hazard, DAY, [365.0], draws=0)
    compiled = Refitted(constant_hazard)
    lonely = kfold(constant_hazard.cohort.patient_ids, 200)
    with pytest.raises(OptionError, match="larger groups"):
        cross_validate_landmark(compiled, lonely, DAY, [365.0])  # type: ignore[arg-type]
    assert compiled.weights == []
