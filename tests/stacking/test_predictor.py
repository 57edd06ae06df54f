"""Mixtures for new patients, and stacks of occupation with models of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from chance import drawn_seed
from known_hazards import KnownHazard, drawn_cohort
from twinbayes.errors import ModelError, NotUsableError, OptionError, TwinError
from twinbayes.estimators import aalen_johansen
from twinbayes.stacking import Outcome, SpecMember, Stack, SubgroupCurves, SurvivalMember, members
from twinbayes.stacking.cells import Cells

SEED = drawn_seed(__name__)
HORIZONS = (300.0, 700.0)
MODELS = {"steep": KnownHazard(1 / 700, 1.0), "flat": KnownHazard(1 / 900)}
STORED = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"


@pytest.fixture(scope="module")
def cohort() -> tb.Cohort:
    return drawn_cohort(120, MODELS["steep"].predict_survival, np.random.default_rng(SEED))


@pytest.fixture(scope="module")
def found(cohort: tb.Cohort) -> Stack:
    both = [SurvivalMember(name, fixed=model) for name, model in MODELS.items()]
    return tb.stack(both, cohort, horizons=HORIZONS, landmarks=(0.0, 100.0), folds=3, seed=SEED)


@pytest.fixture(scope="module")
def strangers() -> tb.Cohort:
    drawn = drawn_cohort(30, MODELS["flat"].predict_survival, np.random.default_rng([SEED, 1]))
    table = drawn.patients
    assert {"a", "b", "c"} >= set(table["subgroup"])
    patients = table.assign(subgroup=table["subgroup"].replace({"c": "never seen"}))
    tables = {**drawn.tables, "patients": patients}
    return tb.cohort_from_tables("others", tables, simulated=True, source={"title": "Drawn"})


@pytest.mark.parametrize("landmark", [0.0, 100.0])
def test_members_are_mixed_by_the_weights_of_the_subgroup(
    found: Stack, strangers: tb.Cohort, landmark: float
) -> None:
    last = strangers.events.set_index("patient_id")["day"]
    ids = [p for p in strangers.patient_ids if last[p] > landmark]
    people = strangers.select(ids)
    given = found.predictor().survival(people, (100.0, 700.0), at=landmark)
    table = people.covariates()
    for k, name in enumerate(ids):
        group = people.patients["subgroup"].iloc[k]
        weights = found.weights.loc[group if group in found.weights.index else "all"]
        parts = [
            model.predict_survival(table.loc[[name]], landmark + np.array([100.0, 700.0]))
            / model.predict_survival(table.loc[[name]], np.array([landmark]))
            for model in MODELS.values()
        ]
        by_hand = weights.to_numpy() @ np.vstack(parts)
        assert given.loc[name].to_numpy() == pytest.approx(by_hand)


def test_one_member_predicts_alone(found: Stack, strangers: tb.Cohort) -> None:
    given = found.predictor("flat").survival(strangers, [300.0])
    assert given.to_numpy() == pytest.approx(np.exp(-300.0 / 900.0))


def test_what_the_weights_were_not_learnt_for_is_refused(
    found: Stack, strangers: tb.Cohort
) -> None:
    ready = found.predictor()
    for horizons, says in (
        ([800.0], "at most 700"), ([0.0], "above 0"), ([300.0, 200.0], "increasing"), (5, "a list"),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=says):
            ready.survival(strangers, horizons)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="landmarks"):
        ready.survival(strangers, at=50.0)
    with pytest.raises(OptionError, match="landmarks"):
        ready.survival(strangers, at=np.array([0.0, 100.0]))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="must be a Cohort"):
        ready.survival(strangers.patients)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="Unknown member"):
        found.predictor("steeper")
    assert strangers.events["day"].min() < 100.0
    with pytest.raises(TwinError, match="are not followed on day 100"):
        ready.survival(strangers, at=100.0)


def test_weighted_shares_of_states_are_near_the_curve_of_aalen_and_johansen() -> None:
    fit: Any = tb.load_fit(STORED)
    cohort = tb.datasets.simulated_registry()
    outcome = Outcome("occupation", fit.spec)
    process = outcome.process(cohort)
    cells = Cells.of(
        outcome, process, cohort.patient_ids, cohort.entries[0], (0.0,), (365.0,), None
    )
    curve = aalen_johansen(process, initial=outcome.present(cohort, 0.0)[0]).at([365.0])[0]
    given = SubgroupCurves("one", by_subgroup=False).fitted(cohort, outcome, process, 0)
    p = given.occupation(cohort.select(cohort.patient_ids[:2]), 0.0, np.array([365.0]))
    assert p == pytest.approx(np.tile(curve, (2, 1, 1)))
    seen = cells.state[0] >= 0
    shares = np.bincount(cells.state[0][seen], cells.weight[0][seen], curve.size)
    assert cells.weight.sum() == pytest.approx(1.0, abs=0.02)
    assert shares == pytest.approx(curve, abs=0.1)


def test_a_model_of_the_package_is_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    fit: Any = tb.load_fit(STORED)
    asked: list[dict[str, Any]] = []

    def quick(spec: Any, cohort: tb.Cohort, **options: Any) -> Any:
        asked.append(options | {"ids": cohort.patient_ids})
        return fit

    monkeypatch.setattr(members, "fit_model", quick)
    known = tb.datasets.simulated_registry().select(fit.cohort.patient_ids)
    own = SpecMember("own", fit.spec, effort={"draws": 7})
    for what in ("occupation", "survival"):
        asked.clear()
        one = tb.stack(
            [own, SubgroupCurves()], known, horizons=[200, 365], landmarks=[0, 60], folds=2,
            what=what, seed=3,
        )  # fmt: skip
        assert [call["draws"] for call in asked] == [7, 7]
        assert asked[0]["seed"] != asked[1]["seed"]
        assert not set(asked[0]["ids"]) & (set(known.patient_ids) - set(asked[0]["ids"]))
        assert one.result.verdict == "fail"
        assert "NOT FOR USE" in one.text
        assert np.isfinite(one.table["score"]).all()
        if one.weights["own"].any():
            with pytest.raises(NotUsableError, match="'own' is NOT FOR USE"):
                one.predictor("own")
    theirs = SurvivalMember("theirs", fixed=MODELS["flat"])
    with pytest.raises(ModelError, match="predicts survival, not the states"):
        tb.stack([own, theirs], known, horizons=[200], folds=2, what="occupation")
    two = tb.disease("survival", covariates=())
    with pytest.raises(ModelError, match=r"member 'other', occupation: its states are alive, dead"):
        tb.stack([own, SpecMember("other", two)], known, horizons=[200], what="occupation")


def test_curves_of_states_sum_to_one() -> None:
    fit: Any = tb.load_fit(STORED)
    cohort = tb.datasets.simulated_registry()

    own = SpecMember("own", fit.spec)
    outcome = Outcome("occupation", own.spec)
    one = SubgroupCurves().fitted(cohort, outcome, outcome.process(cohort), 0)
    people = cohort.select(cohort.patient_ids[:5])
    p = one.occupation(people, 0.0, np.array([100.0, 365.0]))
    assert p.sum(axis=2) == pytest.approx(np.ones((5, 2)))
