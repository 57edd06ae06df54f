from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinbayes.checks import (
    Fold,
    concordance,
    cross_validate,
    hazard_slope,
    kfold,
    leave_one_group_out,
)
from twinbayes.checks.out_of_sample.cross_validation import Scores, attempt
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import Estimate, survival_process

PATIENTS = tuple(f"p{i}" for i in range(20))
OUTCOME = dict(zip(PATIENTS, np.arange(20.0), strict=True))


@given(st.integers(4, 60), st.integers(2, 4), st.integers(0, 3), st.integers(0, 5))
def test_each_patient_is_held_out_once_and_strata_are_spread_evenly(
    n: int, k: int, seed: int, n_strata: int
) -> None:
    patients = list(range(n))
    strata = [i % (n_strata + 1) for i in patients]
    folds = kfold(patients, k, seed=seed, strata=strata)
    assert sorted(p for fold in folds for p in fold.held_out) == patients
    sizes = [len(fold.held_out) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for stratum in set(strata):
        counts = Counter(dict.fromkeys(range(k), 0))
        for i, fold in enumerate(folds):
            counts[i] += sum(strata[p] == stratum for p in fold.held_out)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_folds_follow_the_seed_and_keep_the_order_of_the_patients() -> None:
    assert kfold(PATIENTS, 4, seed=1) == kfold(PATIENTS, 4, seed=1)
    assert kfold(PATIENTS, 4, seed=1) != kfold(PATIENTS, 4, seed=2)
    for fold in kfold(PATIENTS, 4):
        assert list(fold.held_out) == sorted(fold.held_out, key=PATIENTS.index)


def test_one_group_is_left_out_at_a_time_largest_first() -> None:
    folds = leave_one_group_out(PATIENTS, ["b"] * 4 + ["a"] * 13 + ["c"] * 3)
    assert [(fold.name, len(fold.held_out)) for fold in folds] == [("a", 13), ("b", 4), ("c", 3)]
    assert folds[1].held_out == PATIENTS[:4]
    with pytest.raises(OptionError, match="two groups"):
        leave_one_group_out(PATIENTS, ["a"] * 20)
    with pytest.raises(CohortError, match="1 patients have no group"):
        leave_one_group_out(PATIENTS, [None] + ["a"] * 10 + ["b"] * 9)


def mean_of_the_others(weights: np.ndarray) -> float:
    return float(weights @ list(OUTCOME.values()) / weights.sum())


def repeat(fitted: float, labels: tuple[str, ...]) -> np.ndarray:
    return np.full(len(labels), fitted)


def mean_error(labels: tuple[str, ...], predicted: np.ndarray) -> dict[str, float]:
    return {"error": float(np.mean([OUTCOME[p] for p in labels] - predicted))}


def test_predictions_come_from_the_fit_that_did_not_see_the_patient() -> None:
    folds = kfold(PATIENTS, 5, seed=3)
    found = cross_validate(
        PATIENTS, folds, refit=mean_of_the_others, predict=repeat, score=mean_error
    )
    for fold in folds:
        unseen = [OUTCOME[p] for p in PATIENTS if p not in fold.held_out]
        for label in fold.held_out:
            assert found.predictions[PATIENTS.index(label)] == pytest.approx(np.mean(unseen))
    table = found.result.table
    assert table["fold"].tolist() == [f.name for f in folds] + ["pooled"]
    assert table["n"].tolist() == [4] * 5 + [20]
    wanted = np.mean(list(OUTCOME.values()) - found.predictions)
    assert table["value"].iloc[-1] == pytest.approx(wanted)
    assert found.result.verdict == "info"


def test_each_fold_is_told_of_before_one_refit() -> None:
    told: list[str] = []
    calls: list[int] = []

    def refit(weights: np.ndarray) -> float:
        calls.append(len(told))
        return 0.0

    folds = kfold(PATIENTS, 4)
    cross_validate(
        PATIENTS, folds, refit=refit, predict=repeat, score=mean_error, progress=told.append
    )
    assert told == [fold.name for fold in folds]
    assert calls == [1, 2, 3, 4]


def test_bars_and_unusable_fits_decide_the_verdict() -> None:
    def run(bar: float, usable: bool) -> str:
        return cross_validate(
            PATIENTS, kfold(PATIENTS, 2), refit=mean_of_the_others, predict=repeat,
            score=lambda labels, p: {"skill": 0.7}, usable=lambda fitted: usable,
            at_least={"skill": bar},
        ).result.verdict  # fmt: skip

    assert run(0.7, True) == "pass"
    assert run(0.71, True) == "fail"
    assert run(0.7, False) == "fail"


def test_scores_with_intervals_keep_them_and_match_patients_by_label() -> None:
    rng = np.random.default_rng(80)
    time, event = rng.exponential(1, 20), rng.random(20) < 0.8
    own = survival_process(time, event)
    labels = tuple(range(20))

    def score(held_out: tuple[int, ...], p: np.ndarray) -> dict[str, Estimate]:
        return {"concordance": concordance(own.of_patients(held_out), p, "dead")}

    found = cross_validate(
        labels, kfold(labels, 2), refit=lambda w: None, score=score,
        predict=lambda fitted, held_out: -time[list(held_out)],
    )  # fmt: skip
    assert found.result.table["value"].tolist() == pytest.approx([1.0] * 3)
    assert {"lower", "upper", "standard_error"} <= set(found.result.table.columns)


def test_folds_and_predictions_that_do_not_fit_are_refused() -> None:
    half = (Fold("a", PATIENTS[:10]),)
    twice = (Fold("a", PATIENTS), Fold("b", PATIENTS[:1]))
    for folds in (half, twice):
        with pytest.raises(CohortError, match="exactly once"):
            cross_validate(
                PATIENTS, folds, refit=mean_of_the_others, predict=repeat, score=mean_error
            )
    with pytest.raises(CohortError, match=r"fold 1: predictions have shape \(3,\)"):
        cross_validate(
            PATIENTS, kfold(PATIENTS, 2), refit=mean_of_the_others,
            predict=lambda fitted, labels: np.zeros(3), score=mean_error,
        )  # fmt: skip
    with pytest.raises(OptionError, match="unknown scores"):
        cross_validate(
            PATIENTS, kfold(PATIENTS, 2), refit=mean_of_the_others, predict=repeat,
            score=mean_error, at_least={"auc": 0.5},
        )  # fmt: skip
    with pytest.raises(OptionError, match="21 folds of 20 patients"):
        kfold(PATIENTS, 21)
    with pytest.raises(CohortError, match="19 strata labels"):
        kfold(PATIENTS, 2, strata=["a"] * 19)


def test_a_fold_without_events_has_no_slope_is_told_and_loses_no_other() -> None:
    # Nobody of the first fold has the event; in the second they come out of order.
    days = [*np.arange(1.0, 11.0), 3.0, 1.0, 2.0, 5.0, 4.0, *range(6, 11)]
    time = dict(zip(PATIENTS, days, strict=True))
    folds = (Fold("quiet", PATIENTS[:10]), Fold("busy", PATIENTS[10:]))

    def score(labels: tuple[str, ...], p: np.ndarray) -> Scores:
        event = [int(x in PATIENTS[10:15]) for x in labels]
        ends = [time[x] for x in labels]
        return {
            "slope": attempt(lambda: hazard_slope(ends, event, p, 10.0)[0]),
            "concordance": concordance(survival_process(ends, event), p, "dead"),
        }

    def predict(fitted: float, labels: tuple[str, ...]) -> np.ndarray:
        return np.array([0.9 - 0.03 * PATIENTS.index(x) for x in labels])

    found = cross_validate(
        PATIENTS, folds, refit=mean_of_the_others, predict=predict, score=score
    ).result
    slopes = found.table[found.table["score"] == "slope"].set_index("fold")["value"]
    assert np.isnan(slopes["quiet"])
    assert np.isfinite(slopes[["busy", "pooled"]]).all()
    assert "Not defined: slope of quiet (hazard slope: no event by day 10" in found.text
    assert "concordance of quiet" in found.text
    nothing = cross_validate(
        PATIENTS, folds, refit=mean_of_the_others, predict=predict,
        score=lambda _, __: {"none": float("nan")}, at_least={"none": 0.5},
    ).result  # fmt: skip
    assert nothing.verdict == "fail"
    assert "none not defined (bar 0.5)" in nothing.text
