"""Members that fail, lie or mislabel: refused by name and fold, and no patient is named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from chance import drawn_seed
from known_hazards import KnownHazard, drawn_cohort
from twinbayes.errors import CohortError, ModelError, NotUsableError, OptionError
from twinbayes.stacking import Outcome, SpecMember, SubgroupCurves, SurvivalMember
from twinbayes.stacking.cells import Cells

SEED = drawn_seed(__name__)
TRUTH = KnownHazard(1 / 700, 0.8)
HORIZONS = (300.0, 700.0)


class Answers:
    """A model that answers as a function of what it is asked."""

    def __init__(self, answer: Callable[[pd.DataFrame, np.ndarray], Any]) -> None:
        self.answer = answer

    def predict_survival(self, patients: pd.DataFrame, days: np.ndarray) -> Any:
        return self.answer(patients, days)


@pytest.fixture(scope="module")
def cohort() -> tb.Cohort:
    return drawn_cohort(80, TRUTH.predict_survival, np.random.default_rng(SEED))


def stacked(cohort: tb.Cohort, *members: Any, **options: Any) -> Any:
    asked: dict[str, Any] = {"horizons": HORIZONS, "folds": 3, "seed": 1}
    return tb.stack(list(members), cohort, **(asked | options))


def member(answer: Callable[[pd.DataFrame, np.ndarray], Any]) -> SurvivalMember:
    return SurvivalMember("theirs", fixed=Answers(answer))


def fails(patients: pd.DataFrame, days: np.ndarray) -> Any:
    raise KeyError(f"no row of {patients.index[0]}")


@pytest.mark.requirement("R-078")
@pytest.mark.parametrize("when", ["fit", "predict"])
def test_what_their_errors_say_is_neither_told_nor_logged(
    cohort: tb.Cohort, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    def learn(table: pd.DataFrame) -> Any:
        if when == "fit":
            raise ValueError(f"bad row {table.index[0]}")
        return Answers(fails)

    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError) as caught:
        stacked(cohort, SurvivalMember("theirs", fit=learn))
    text = str(caught.value)
    assert "member 'theirs', fold 1" in text
    assert "KeyError" in text or "ValueError" in text
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(error)
        error = error.__cause__ or error.__context__
    assert "SECRET" not in caplog.text


def flat(patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
    return np.full((len(patients), days.size), 0.5)


WRONG: dict[str, Callable[[pd.DataFrame, np.ndarray], Any]] = {
    "complex": lambda p, d: flat(p, d) + 0j,
    "NaN": lambda p, d: np.where(np.arange(len(p))[:, None] == 0, np.nan, flat(p, d)),
    "infinite": lambda p, d: flat(p, d) * np.inf,
    "increasing": lambda p, d: np.tile(np.linspace(0.2, 0.8, d.size), (len(p), 1)),
    "above 1": lambda p, d: flat(p, d) + 0.6,
    "negative": lambda p, d: flat(p, d) - 0.6,
    "text": lambda p, d: flat(p, d).astype(str),
    "booleans": lambda p, d: flat(p, d) > 0.2,
    "transposed": lambda p, d: flat(p, d).T,
    "one number": lambda p, d: 0.5,
    "nothing": lambda p, d: None,
    "objects": lambda p, d: np.full((len(p), d.size), object()),
    "masked": lambda p, d: np.ma.masked_array(flat(p, d), mask=True),
    "ragged": lambda p, d: [[0.5]] * (len(p) - 1) + [[0.5, 0.4, 0.3]],
    "no labels": lambda p, d: pd.DataFrame(flat(p, d), columns=d),
    "days as text": lambda p, d: pd.DataFrame(flat(p, d), p.index, [f"{x:g}" for x in d]),
    "other days": lambda p, d: pd.DataFrame(flat(p, d), p.index, d + 1.0),
    "a patient twice": lambda p, d: pd.DataFrame(flat(p, d), [p.index[0]] * len(p), d),
    "a patient too many": lambda p, d: pd.DataFrame(0.5, [*p.index, "SECRET"], d),
    "a series": lambda p, d: pd.Series(0.5, p.index),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_survival_is_refused_by_name_and_fold(cohort: tb.Cohort, what: str) -> None:
    with pytest.raises(ModelError, match=r"member 'theirs', fold 1: ") as caught:
        stacked(cohort, member(WRONG[what]))
    assert "SECRET" not in str(caught.value)


def test_tables_in_another_order_are_matched_by_label(cohort: tb.Cohort) -> None:
    def shuffled(patients: pd.DataFrame, days: np.ndarray) -> pd.DataFrame:
        found = pd.DataFrame(TRUTH.predict_survival(patients, days), patients.index, days)
        rng = np.random.default_rng(SEED)
        return found.iloc[rng.permutation(len(found)), rng.permutation(days.size)]

    one = stacked(cohort, member(shuffled), landmarks=(0.0, 100.0))
    two = stacked(cohort, SurvivalMember("t", fixed=TRUTH), landmarks=(0.0, 100.0))
    assert one.table["score"].tolist() == two.table["score"].tolist()


def test_a_model_that_changes_its_table_changes_nothing_else(cohort: tb.Cohort) -> None:
    def greedy(patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        found = TRUTH.predict_survival(patients, days)
        patients.loc[:, "x1"] = 0.0
        days[:] = 1.0
        return found

    before = cohort.fingerprint
    one = stacked(cohort, member(greedy), SurvivalMember("same", fixed=TRUTH))
    assert one.table["score"][0] == one.table["score"][1]
    assert cohort.fingerprint == before


@pytest.mark.requirement("R-078")
def test_members_see_no_future_and_no_patient_of_the_fold(cohort: tb.Cohort) -> None:
    seen: list[set[str]] = []

    def learn(table: pd.DataFrame) -> Any:
        assert {"entry", "time", "dead", "x1", "subgroup", "centre"} <= set(table)
        seen.append(set(table.index))

        def answer(patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
            assert not {"entry", "time", "dead"} & set(patients)
            assert not seen[-1] & set(patients.index)
            return flat(patients, days)

        return Answers(answer)

    class Looks:
        name, unusable = "looks", ""

        def require(self, outcome: Any) -> None: ...

        def fitted(self, *_: Any) -> Any:
            return self

        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            assert patients.events["day"].max() <= day
            assert (patients.events["event"] != "death").all()
            return np.full((patients.n_patients, ahead.size, 2), 0.5)

    stacked(cohort, SurvivalMember("theirs", fit=learn), Looks(), landmarks=(0.0, 100.0))
    assert len(seen) == 3


def test_names_are_unique_and_stack_is_reserved(cohort: tb.Cohort) -> None:
    with pytest.raises(OptionError, match="no member may be called 'stack'"):
        SurvivalMember("stack", fixed=TRUTH)
    with pytest.raises(OptionError, match="'curves' is there more than once"):
        stacked(cohort, SubgroupCurves(), SubgroupCurves(by_subgroup=False))
    with pytest.raises(OptionError, match="a member is a ModelSpec"):
        stacked(cohort, TRUTH)
    with pytest.raises(OptionError, match="a member is a ModelSpec"):
        stacked(cohort, SubgroupCurves)
    with pytest.raises(OptionError, match="one or more"):
        stacked(cohort)
    for wrong in ("curves", None, {"curves": SubgroupCurves()}, SubgroupCurves()):
        with pytest.raises(OptionError, match="members must be a list"):
            tb.stack(wrong, cohort, horizons=[300])  # type: ignore[arg-type]
    for name in ("", "  ", None, 3):
        with pytest.raises(OptionError, match="name of a member"):
            SubgroupCurves(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("smallest", [0, -1, 2.5, True, None, "20"])
def test_curves_of_no_patients_are_refused(smallest: Any) -> None:
    with pytest.raises(OptionError, match="1 or more"):
        SubgroupCurves(smallest=smallest)


def test_members_of_other_packages_need_a_model_that_predicts(cohort: tb.Cohort) -> None:
    with pytest.raises(OptionError, match="one of fit and fixed"):
        SurvivalMember("theirs")
    with pytest.raises(OptionError, match="one of fit and fixed"):
        SurvivalMember("theirs", fit=lambda t: TRUTH, fixed=TRUTH)
    with pytest.raises(OptionError, match="predict_survival"):
        SurvivalMember("theirs", fixed=KnownHazard)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"fold 1.*predict_survival"):
        stacked(cohort, SurvivalMember("theirs", fit=lambda table: 3))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="effort has seed"):
        SpecMember("own", tb.disease("survival"), effort={"seed": 1})
    with pytest.raises(ModelError, match="give a ModelSpec"):
        SpecMember("own", "survival")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizons": [300, 5000]}, "5000"),
        ({"horizons": []}, "horizons of a stack"),
        ({"horizons": [700, 300]}, "increasing days"),
        ({"horizons": [0, 300]}, "above 0"),
        ({"horizons": 300}, "a list of days"),
        ({"horizons": "300"}, "a list of days"),
        ({"landmarks": [-5.0]}, "landmarks of a stack"),
        ({"landmarks": [9000.0]}, "nobody is at risk on day 9000"),
        ({"folds": 1}, "1 folds of 80"),
        ({"folds": 81}, "81 folds of 80"),
        ({"folds": True}, "folds must be a number"),
        ({"folds": 2.5}, "folds must be a number"),
        ({"folds": None}, "folds must be a number"),
        ({"folds": "age"}, "'age' is continuous"),
        ({"folds": "patient_id"}, "no column 'patient_id'"),
        ({"folds": "hospital"}, "no column 'hospital'"),
        ({"strata": "age"}, "'age' is continuous"),
        ({"what": "hazard"}, "Unknown kind of prediction"),
        ({"what": "occupation"}, "ModelSpec among its members"),
        ({"by_subgroup": "yes"}, "by_subgroup is True or False"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_that_cannot_be_are_refused(
    cohort: tb.Cohort, options: dict[str, Any], says: str
) -> None:
    with pytest.raises((OptionError, CohortError), match=says):
        stacked(cohort, SubgroupCurves(), **options)


def test_a_fold_that_leaves_too_little_is_named_with_its_number() -> None:
    rng = np.random.default_rng(SEED)
    few = drawn_cohort(40, KnownHazard(1e-9).predict_survival, rng)
    with pytest.raises(CohortError, match=r"fold 1: without it \d+ patients .* and 0 of them"):
        stacked(few, SurvivalMember("theirs", fixed=TRUTH))
    short = drawn_cohort(60, TRUTH.predict_survival, rng, longest=400.0)
    with pytest.raises(OptionError, match="beyond the horizon"):
        stacked(short, SubgroupCurves(), horizons=[399.0, 450.0])


def test_a_member_that_is_not_for_use_takes_every_claim_away() -> None:
    parts = (KnownHazard(1 / 250, 1.5), KnownHazard(1 / 1500, -1.5))

    def truth(x: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        return sum(0.5 * p.predict_survival(x, days) for p in parts)  # type: ignore[return-value]

    drawn = drawn_cohort(500, truth, np.random.default_rng([SEED, 7]))

    class NotForUse:
        name, unusable = "unmixed", "its fit did not pass its gate"

        def require(self, outcome: Any) -> None: ...

        def fitted(self, *_: Any) -> Any:
            return self

        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            alive = parts[1].predict_survival(patients.covariates(), ahead)
            return np.stack([alive, 1 - alive], axis=2)

    first = SurvivalMember("first", fixed=parts[0])
    whole = stacked(drawn, first, SurvivalMember("second", fixed=parts[1]), by_subgroup=False)
    assert whole.gain.claimed
    one = stacked(drawn, first, NotForUse(), by_subgroup=False)
    assert one.gain.value == pytest.approx(whole.gain.value)
    assert not one.gain.claimed
    assert str(one.gain) == "none"
    assert "gain" not in one.text.lower()
    assert "NOT FOR USE" in one.text
    assert one.result.verdict == "fail"
    assert one.best_use == ""
    assert one.table.set_index("member")["usable"].to_dict() == {
        "first": True, "unmixed": False, "stack": False,
    }  # fmt: skip
    with pytest.raises(NotUsableError, match="unmixed"):
        one.predictor()


def test_a_member_of_scikit_survival(cohort: tb.Cohort) -> None:
    linear = pytest.importorskip("sksurv.linear_model")
    from sksurv.util import Surv

    class Cox:
        def __init__(self, table: pd.DataFrame) -> None:
            outcome = Surv.from_arrays(table["dead"], table["time"])
            self.model = linear.CoxPHSurvivalAnalysis(alpha=0.1).fit(table[["x1"]], outcome)

        def predict_survival(self, patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
            steps = self.model.predict_survival_function(patients[["x1"]])
            return np.stack([step(np.minimum(days, step.domain[1])) for step in steps])

    one = stacked(cohort, SurvivalMember("Cox", fit=Cox), SubgroupCurves(), landmarks=(0.0, 60.0))
    assert one.weights.loc["all"].sum() == pytest.approx(1.0)
    given = one.predictor("Cox").survival(cohort.select(cohort.patient_ids[:2]), [300.0])
    assert given.shape == (2, 1)


def test_whatever_a_member_of_ones_own_raises_names_it_and_no_patient(cohort: tb.Cohort) -> None:
    class Own:
        name, unusable = "own", ""

        def require(self, outcome: Any) -> None: ...

        def fitted(self, *_: Any) -> Any:
            return self

        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            return np.full((patients.n_patients, ahead.size, 2), 0.5)

    class RefusesAll(Own):
        def require(self, outcome: Any) -> None:
            raise KeyError("SECRET0001")

    class LearnsNothing(Own):
        def fitted(self, *_: Any) -> Any:
            return 3

    class AboveOne(Own):
        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            return 2.5 * super().occupation(patients, day, ahead)

    class SumsToLess(Own):
        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            return 0.9 * super().occupation(patients, day, ahead)

    class Forgets(Own):
        def occupation(self, patients: tb.Cohort, day: float, ahead: np.ndarray) -> np.ndarray:
            return super().occupation(patients, day, ahead)[1:]

    said = {
        RefusesAll: "survival: it raised KeyError",
        LearnsNothing: "fold 1: it raised AttributeError",
        SumsToLess: "fold 1: its probabilities of the states do not sum to 1",
        AboveOne: "fold 1: it predicted what are no probabilities",
        Forgets: "fold 1: it predicted an array of shape",
    }
    for kind, says in said.items():
        with pytest.raises(ModelError, match=f"member 'own', {says}") as caught:
            stacked(cohort, kind())
        assert "SECRET" not in str(caught.value)


def test_patients_who_come_late_count_from_the_landmark_that_they_reached(
    cohort: tb.Cohort,
) -> None:
    """Under observation from day 50 on: at risk on day 100, not on day 0."""
    first = cohort.events.set_index("patient_id")["day"]
    late = [p for p in cohort.patient_ids if first[p] > 60.0][:20]
    patients = cohort.patients.assign(
        entry_day=np.where(cohort.patients["patient_id"].isin(late), 50.0, 0.0)
    )
    tables = {**cohort.tables, "patients": patients}
    since = tb.cohort_from_tables("late", tables, simulated=True, source={"title": "Drawn"})
    outcome = Outcome("survival")
    cells = Cells.of(
        outcome, outcome.process(since), since.patient_ids, since.entries[0], (0.0, 100.0),
        (300.0,), None,
    )  # fmt: skip
    there = np.isin(np.array(since.patient_ids), late)
    assert not cells.at_risk[0][there].any()
    assert cells.at_risk[0][~there].all()
    assert (cells.at_risk[1] == np.array([first[p] > 100.0 for p in since.patient_ids])).all()
    one = stacked(since, SurvivalMember("theirs", fixed=TRUTH), landmarks=(0.0, 100.0))
    assert np.isfinite(one.table["score"]).all()
