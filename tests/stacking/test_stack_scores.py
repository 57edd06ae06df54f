"""Scores, gains and texts of stacks, against what is counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from chance import drawn_seed
from known_hazards import KnownHazard, drawn_cohort
from twinbayes.checks import kfold
from twinbayes.stacking import Stack, SubgroupCurves, SurvivalMember

SEED = drawn_seed(__name__)
HORIZONS = (300.0, 700.0)
MODELS = {
    "right": KnownHazard(1 / 700, 1.0),
    "flat": KnownHazard(1 / 700),
    "wrong": KnownHazard(1 / 200, -0.5),
}


def members(*names: str) -> list[SurvivalMember]:
    return [SurvivalMember(name, fixed=MODELS[name]) for name in names or MODELS]


@pytest.fixture(scope="module")
def cohort() -> tb.Cohort:
    return drawn_cohort(150, MODELS["right"].predict_survival, np.random.default_rng(SEED))


@pytest.fixture(scope="module")
def found(cohort: tb.Cohort) -> Stack:
    return tb.stack(
        members(), cohort, horizons=HORIZONS, landmarks=(0.0, 200.0), folds=5, seed=SEED,
        by_subgroup=False,
    )  # fmt: skip


def cells_by_hand(cohort: tb.Cohort, landmark: float, horizon: float) -> pd.DataFrame:
    """Patients at risk: whether alive at the horizon, and the weight, with loops and products."""
    last = cohort.events.set_index("patient_id")
    day, dead = last["day"], last["event"] == "death"
    here = day[day > landmark].index
    end = landmark + horizon

    last_day, died = day[here].to_numpy(), dead[here].to_numpy()
    lost = sorted(set(last_day[~died]))

    def observed(until: float, strictly: bool) -> float:
        """Probability of not being censored, with an event before a censoring of the same day."""
        g = 1.0
        for t in lost:
            if t < until or (t == until and not strictly):
                here_then = (last_day == t) & ~died
                g *= 1.0 - here_then.sum() / ((last_day > t) | here_then).sum()
        return g

    rows = []
    for p in here:
        if day[p] > end:
            rows.append((p, True, 1.0 / observed(end, False)))
        elif dead[p]:
            rows.append((p, False, 1.0 / observed(day[p], True)))
        else:
            rows.append((p, True, 0.0))
    return pd.DataFrame(rows, columns=["patient", "alive", "weight"]).set_index("patient")


def score_by_hand(cohort: tb.Cohort, model: KnownHazard) -> float:
    table = cohort.covariates()
    total = []
    for landmark in (0.0, 200.0):
        for horizon in HORIZONS:
            cells = cells_by_hand(cohort, landmark, horizon)
            hazard = model.rate * np.exp(model.slope * table.loc[cells.index, "x1"])
            p = np.where(cells["alive"], np.exp(-hazard * horizon), 1 - np.exp(-hazard * horizon))
            total.append(float((cells["weight"] * np.log(np.maximum(p, 1e-4))).mean()))
    return float(np.mean(total))


def test_scores_of_members_are_those_counted_by_hand(cohort: tb.Cohort, found: Stack) -> None:
    scores = found.table.set_index("member")["score"]
    for name, model in MODELS.items():
        assert scores[name] == pytest.approx(score_by_hand(cohort, model), abs=1e-10)


def test_the_stack_is_scored_with_weights_learnt_without_each_fold(
    cohort: tb.Cohort, found: Stack
) -> None:
    """Weights without each fold by a grid, and the score of their mixtures, by hand."""
    two = ("right", "wrong")
    one = tb.stack(
        members(*two), cohort, horizons=HORIZONS[:1], folds=4, seed=SEED, by_subgroup=False
    )
    cells = cells_by_hand(cohort, 0.0, HORIZONS[0])
    x = cohort.covariates().loc[cells.index, "x1"].to_numpy()
    p = []
    for name in two:
        alive = np.exp(-MODELS[name].rate * np.exp(MODELS[name].slope * x) * HORIZONS[0])
        p.append(np.maximum(np.where(cells["alive"], alive, 1 - alive), 1e-4))
    folds = kfold(cohort.patient_ids, 4, seed=SEED, strata=cohort.patients["subgroup"].tolist())
    grid, total = np.linspace(0.0, 1.0, 20_001), 0.0
    for fold in folds:
        out = cells.index.isin(fold.held_out)
        w = cells["weight"].to_numpy()
        use = ~out & (w > 0)
        each = [float(w[use] @ np.log(a * p[0][use] + (1 - a) * p[1][use])) for a in grid[::20]]
        near = grid[::20][int(np.argmax(each))]
        a = near
        mixed = np.log(a * p[0][out] + (1 - a) * p[1][out])
        total += float(w[out] @ mixed)
    scores = one.table.set_index("member")["score"]
    assert scores["stack"] == pytest.approx(total / len(cells), abs=1e-4)


def test_the_gain_is_to_the_member_with_the_best_mean_score(found: Stack) -> None:
    table = found.table.set_index("member")
    best = table["score"].drop("stack").idxmax()
    assert found.gain.best == best
    assert found.gain.value == pytest.approx(table["score"]["stack"] - table["score"][best])
    assert found.gain.lower <= found.gain.value <= found.gain.upper
    assert table["difference"][best] == 0.0


def test_one_member_has_weight_one_and_the_score_of_the_stack(cohort: tb.Cohort) -> None:
    one = tb.stack(members("flat"), cohort, horizons=HORIZONS, folds=3, seed=SEED)
    assert (one.weights.to_numpy() == 1.0).all()
    assert one.table["score"][0] == one.table["score"][1]
    assert str(one.gain) == "none"
    assert one.gain.value == 0.0
    assert one.best_use == "flat"


@pytest.mark.requirement("R-077")
def test_no_gain_is_ever_claimed_by_a_stack_below_a_member() -> None:
    """Of many drawn sets, whatever is true in them."""
    claims = 0
    for k in range(8):
        rng = np.random.default_rng([SEED, k])

        def mixed(x: pd.DataFrame, days: np.ndarray) -> np.ndarray:
            parts = [MODELS[name].predict_survival(x, days) for name in ("right", "wrong")]
            return 0.5 * parts[0] + 0.5 * parts[1]

        truth = mixed if k % 2 else MODELS["right"].predict_survival
        drawn = drawn_cohort(120, truth, rng)
        folds: int | str = "centre" if k % 3 == 0 else 5
        one = tb.stack(members(), drawn, horizons=HORIZONS, folds=folds, seed=k)
        scores = one.table.set_index("member")["score"]
        if one.gain.claimed:
            claims += 1
            assert one.gain.lower > 0.0
            assert (scores["stack"] > scores.drop("stack")).all()
            assert one.best_use == "stack"
            assert "Gain over" in one.text
        else:
            assert str(one.gain) == "none"
            assert "Gain: none" in one.text
            assert f"use {one.gain.best!r} alone" in one.text
            assert one.best_use == one.gain.best
    assert claims < 8


def test_a_mixture_that_is_true_is_found() -> None:
    parts = (KnownHazard(1 / 250, 1.5), KnownHazard(1 / 1500, -1.5))

    def truth(x: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        return 0.7 * parts[0].predict_survival(x, days) + 0.3 * parts[1].predict_survival(x, days)

    drawn = drawn_cohort(1500, truth, np.random.default_rng([SEED, 99]))
    both = [SurvivalMember("a", fixed=parts[0]), SurvivalMember("b", fixed=parts[1])]
    one = tb.stack(both, drawn, horizons=HORIZONS, folds=5, seed=1, by_subgroup=False)
    assert one.weights.loc["all", "a"] == pytest.approx(0.7, abs=0.15)
    assert one.gain.claimed
    assert one.gain.best in {"a", "b"}


def test_a_member_given_twice_is_said_and_does_no_harm(cohort: tb.Cohort) -> None:
    twice = [*members(), SurvivalMember("right again", fixed=MODELS["right"])]
    one = tb.stack(twice, cohort, horizons=HORIZONS, folds=5, seed=SEED, by_subgroup=False)
    plain = tb.stack(members(), cohort, horizons=HORIZONS, folds=5, seed=SEED, by_subgroup=False)
    assert "'right', 'right again' predict the same" in one.text
    assert one.table["score"].iloc[-1] == pytest.approx(plain.table["score"].iloc[-1], abs=2e-4)
    only = tb.stack(twice[:1] + twice[-1:], cohort, horizons=HORIZONS, folds=5, seed=SEED)
    assert str(only.gain) == "none"
    assert only.gain.value == 0.0


def test_intervals_are_of_groups_where_folds_are(cohort: tb.Cohort) -> None:
    one = tb.stack(members(), cohort, horizons=HORIZONS, folds="centre", seed=SEED)
    assert one.gain.clusters == 4
    assert "of 4 groups" in one.text


def test_curves_are_those_of_kaplan_and_meier(cohort: tb.Cohort) -> None:
    one = tb.stack([SubgroupCurves("one", by_subgroup=False)], cohort, horizons=HORIZONS, folds=2)
    last = cohort.events.set_index("patient_id").loc[list(cohort.patient_ids)]
    from twinbayes.estimators import kaplan_meier

    curve = kaplan_meier(last["day"], last["event"] == "death")
    given = one.predictor().survival(cohort.select(cohort.patient_ids[:3]), HORIZONS)
    assert given.to_numpy() == pytest.approx(np.tile(curve.at(HORIZONS), (3, 1)))
