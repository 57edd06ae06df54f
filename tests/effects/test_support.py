"""Support of effects, the design at a landmark, and treatments that are baseline covariates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.effects import Bias, Estimand, Target, conditional_hazard_ratios, treatment_effect
from twinbayes.errors import OptionError, ScenarioError, TwinError
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    Effect,
    EventProcess,
    Interaction,
    ModelSpec,
    NoPooling,
    PiecewiseConstant,
    StateGraph,
    Term,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.twin import Scenario
from twinbayes.twin.assignment import change_in

DEATH = "alive->dead"
EFFECT = f"drug:here on {DEATH}"
LANDMARK = 100.0
FLAT = PiecewiseConstant(windows=1)
COVARIATES = (
    Term(name="arm", group="treatment", transform="binary"),
    Term(name="sex", group="clinical", transform="category"),
    Term(name="age", group="clinical"),
    Interaction(names=("arm", "age"), group="clinical"),
)
DRUG = Treatment(
    name="drug",
    starts=(TreatmentStart(source="alive", treatment="drug", baseline=FLAT),),
    effects=(Effect(treatment="drug", transition=DEATH, phase="here", pooling=NoPooling()),),
)
# subgroup: (day of the start, if any; last day; whether dead then), one a patient
RECORDS = {
    "known": [(None, 500, 1), (None, 80, 1), (None, 600, 0), (100, 400, 1), (150, 700, 0),
              (40, 900, 0), (200, 800, 1), (None, 90, 0), (None, 300, 1)],
    "never": [(None, 400, 1), (None, 700, 0), (None, 650, 0)],
    "always": [(120, 500, 1), (110, 700, 0)],
    "vague": [(130, 450, 0), (None, 460, 0)],
}  # fmt: skip


def cohort() -> Cohort:
    rows = [(group, *row) for group, some in RECORDS.items() for row in some]
    ids = [f"P{k:02d}" for k in range(len(rows))]
    rng = np.random.default_rng(1)
    begun = [(p, r[1]) for p, r in zip(ids, rows, strict=True) if r[1] is not None]
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "subgroup": [r[0] for r in rows],
                "centre": "one",
                "arm": (np.arange(len(rows)) % 2).astype(float),
                "sex": np.where(np.arange(len(rows)) % 3 == 0, "male", "female"),
                "age": rng.uniform(20, 70, len(rows)),
            }
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": [float(r[2]) for r in rows],
                "event": ["death" if r[3] else "last_contact" for r in rows],
            }
        ),
        "treatments": pd.DataFrame(
            [(p, float(day), None, "drug", None, None) for p, day in begun],
            columns=["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
        ),
        "variables": pd.DataFrame(
            [
                ("arm", "patients", "covariate", "treatment", None),
                ("sex", "patients", "covariate", "clinical", "male|female"),
                ("age", "patients", "covariate", "clinical", None),
                ("drug", "treatments", "treatment", None, None),
            ],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    return cohort_from_tables("made up", tables, simulated=True)


@pytest.fixture(scope="module")
def fit() -> Fit:
    """Draws of the prior in place of a posterior, narrowed in all subgroups but the vague one."""
    people = cohort()
    death = Transition(source="alive", target="dead", event="death", baseline=FLAT)
    spec = ModelSpec(
        name="made_up",
        title="Made up",
        priors="survival",
        events=EventProcess(
            graph=StateGraph(states=("alive", "dead"), transitions=(death,), treatments=(DRUG,)),
            covariates=COVARIATES,
            unshrunk=("treatment", "clinical"),
        ),
    )
    priors = tb.load_priors("survival").override(
        {"covariate_effect": {"arguments": {"mu": 0.0, "sigma": 0.4}}}
    )
    draws = sample_priors(spec, people, priors=priors, draws=400, seed=3)
    narrow = xr.where(draws["subgroup"] == "vague", 1.0, 0.3)
    draws["treatment_subgroup_effect"] = draws["treatment_subgroup_effect"] * narrow
    draws["log_baseline"] = draws["log_baseline"] * 0.05 - 6.5
    return Fit(
        spec,
        people,
        priors,
        xr.DataTree.from_dict({"posterior": draws}),
        Verdict(True, (), pd.DataFrame(), {}),
        {"manifest_version": 1, "prior_ids": [], "versions": {}},
        spec.plan(people).learnt,
    )


def starting(**others: object) -> Estimand:
    return Estimand.starting("drug", landmark=LANDMARK, times=365.0, **others)  # type: ignore[arg-type]


def given(a: float | str, b: float | str, name: str = "arm", **others: object) -> Estimand:
    return Estimand(
        a=Scenario.given(name, a),
        b=Scenario.given(name, b),
        times=365.0,
        **{"target": Target(landmark=0.0)} | others,  # type: ignore[arg-type]
    )


@pytest.mark.requirement("R-046")
def test_subgroups_with_nobody_to_compare_are_refused_and_named(fit: Fit) -> None:
    with pytest.raises(TwinError, match="No comparable patients in 'always', 'never'") as caught:
        treatment_effect(fit, starting())
    assert "target the subgroups 'known', 'vague'" in str(caught.value)
    assert "allow_unsupported=True" in str(caught.value)
    with pytest.raises(TwinError, match="To go on, allow_unsupported"):
        treatment_effect(fit, starting(subgroups=("never",)))


@pytest.mark.requirement("R-046")
def test_the_flag_stays_on_the_result_where_it_is_allowed(fit: Fit) -> None:
    found = treatment_effect(fit, starting(), allow_unsupported=True)
    flags = dict(zip(found["subgroup"].to_numpy(), found["support"].to_numpy(), strict=True))
    assert flags == {
        "always": "no comparable patients",
        "known": "too few events",
        "never": "no comparable patients",
        "vague": "prior-driven",
    }
    # three of six treated, four events: 2 · 4 · 1/2 · 1/2 in each arm
    assert float(found["effective_events"].sel(subgroup="known")) == 2.0
    assert found.attrs["support"] == (
        "too few events in 1 of 4 subgroups; prior-driven in 1; no comparable patients in 2"
    )
    alone = treatment_effect(fit, starting(subgroups=("known",)))
    assert alone.attrs["support"] == "too few events"


@pytest.mark.requirement("R-046")
def test_without_the_priors_nothing_counts_as_supported(fit: Fit) -> None:
    twin = fit.twin([p for p in fit.cohort.patient_ids if p != "P07"], at=LANDMARK)
    assert twin.seen is not None
    unknown = replace(twin, seen=replace(twin.seen, priors=None))
    found = treatment_effect(unknown, starting(subgroups=("known",)))
    assert np.isnan(found["prior_sd_ratio"]).all()
    assert found.attrs["support"] == "prior-driven"
    alone = treatment_effect(replace(twin, seen=None), starting(subgroups=("known",)))
    assert alone.attrs["support"] == "not checked"


def test_patients_treated_and_not_are_counted_from_the_landmark_on(fit: Fit) -> None:
    found = treatment_effect(fit, starting(subgroups=("known",))).isel(subgroup=0)
    counts = {
        "n_patients": 5,  # alive, followed and untreated on day 100: the start of that day is not
        "n_comparable": 6,
        "n_treated": 3,  # on days 100, 150 and 200; the start on day 40 came before
        "n_untreated": 3,
        "events_treated": 2,
        "events_untreated": 2,
        "share_treated": 0.5,
        "effective_number": 3.0,
    }
    assert {name: float(found[name]) for name in counts} == counts
    np.testing.assert_allclose(found["prior_sd_ratio"], 0.3, rtol=0.15)


def test_all_patients_of_the_target_are_in_or_counted_out(fit: Fit) -> None:
    found = treatment_effect(fit, starting(subgroups=("known",)))
    assert found.sizes["patient"] == 5
    assert found.attrs["left_out"] == (
        "1 no longer followed at the landmark; "
        "1 dead, or in another final state, at the landmark; "
        "2 already started drug at the landmark"
    )


@pytest.mark.parametrize(
    ("others", "error", "message"),
    [
        ({"patients": ("P05", "P02")}, TwinError, "1 already started drug at the landmark"),
        ({"patients": ("P01",)}, TwinError, "1 dead, or in another final state"),
        ({"patients": ("P07",)}, TwinError, "1 no longer followed"),
        ({"patients": ("P99",)}, TwinError, "1 of the 1 patients of the target are not in"),
        ({"patients": ("P02",), "subgroups": ("vague",)}, TwinError, "1 of another subgroup"),
        ({"subgroups": ("cured",)}, OptionError, r"subgroup of the cohort 'cured'\. Known: 'kn"),
    ],
)
def test_patients_who_do_not_belong_are_refused_without_a_name(
    fit: Fit, others: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        treatment_effect(fit, starting(**others))
    assert not any(p in str(caught.value) for p in fit.cohort.patient_ids)


def test_a_landmark_with_nobody_left_is_refused(fit: Fit) -> None:
    late = Estimand.starting("drug", landmark=2000.0, times=10.0)
    with pytest.raises(TwinError, match="Nobody belongs to the target"):
        treatment_effect(fit, late)
    with pytest.raises(TwinError, match=r"stand at the landmark, day 100\. Give the fit"):
        treatment_effect(fit.twin(["P02", "P00"], at=50.0), starting())


def test_a_twin_at_the_landmark_gives_what_the_fit_gives(fit: Fit) -> None:
    asked = starting(subgroups=("known",))
    whole = treatment_effect(fit, asked)
    twin = fit.twin([p for p in fit.cohort.patient_ids if p != "P07"], at=LANDMARK)
    assert treatment_effect(twin, asked).drop_attrs().identical(whole.drop_attrs())


def test_strangers_are_averaged_draw_by_draw(fit: Fit) -> None:
    """Each one's weights reorder the draws; a mean over reordered draws would be too certain."""
    people = fit.cohort.select(["P00", "P02", "P08"])
    named = {p: f"Q{k}" for k, p in enumerate(people.patient_ids)}
    tables = {
        name: table.assign(patient_id=table["patient_id"].map(named))
        if "patient_id" in table
        else table
        for name, table in people.tables.items()
    }
    strangers = cohort_from_tables("others", tables, simulated=True)
    asked = starting(subgroups=("known",))
    twin = fit.twin(strangers, at=LANDMARK)
    assert all(twin.patient_draws(i).weights is not None for i in range(3))
    found = treatment_effect(twin, asked, keep_draws=True)
    own = treatment_effect(fit.twin(people, at=LANDMARK), asked, keep_draws=True)
    np.testing.assert_array_equal(
        found["overall_risk_difference_draws"], own["overall_risk_difference_draws"]
    )
    assert (found["risk_a"].to_numpy() != own["risk_a"].to_numpy()).all()


def test_a_given_covariate_moves_hazards_by_its_coefficient(fit: Fit) -> None:
    found = treatment_effect(fit, given(1.0, 0.0), keep_draws=True)
    twin = fit.twin(at=0.0)
    population, columns = twin.population, list(twin.encoding.labels)
    age = fit.cohort.covariates()["age"].to_numpy()
    arm = population.coef[columns.index("arm"), 0]
    by = columns.index("arm:age")
    slope = population.coef[by, 0] / twin.encoding.columns[by].scale
    product = fit.cohort.covariates()["arm"].to_numpy() * age
    i = 3
    drawn = twin.patient_draws(i)  # at day 0, without what the fit has seen of the patient later
    assert drawn.weights is not None
    arm, slope = arm[drawn.weights.index], slope[drawn.weights.index]
    now = np.log(drawn.ratios.hazard[0]) - arm * (product[i] > 0) - slope * product[i]
    # nobody starts the drug under neither scenario's own words: the policy stays
    closed = treatment_effect(
        fit, given(1.0, 0.0, intercurrent={"drug": "hypothetical"}), keep_draws=True
    )
    rate = drawn.population.rate[0, 0] * np.exp(now)
    a = -np.expm1(-rate * np.exp(arm + slope * age[i]) * 365.0)
    b = -np.expm1(-rate * 365.0)
    np.testing.assert_allclose(closed["risk_a"][i, 0], a.mean(), atol=3e-5)
    np.testing.assert_allclose(closed["risk_b"][i, 0], b.mean(), atol=3e-5)
    np.testing.assert_allclose(closed["risk_difference"][i, 0], (a - b).mean(), atol=3e-5)
    assert not np.allclose(found["risk_b"][i, 0], b.mean(), atol=3e-5)


def test_given_what_a_patient_has_changes_nothing(fit: Fit) -> None:
    twin = fit.twin(["P00", "P01"], at=0.0)
    arms = fit.cohort.covariates().loc[["P00", "P01"], "arm"].tolist()
    assert arms == [0.0, 1.0]
    plain = twin.forecast(365.0, [365.0])
    for i, arm in enumerate(arms):
        same = twin.forecast(365.0, [365.0], scenario=Scenario.given("arm", arm))
        np.testing.assert_array_equal(plain["survival"][i], same["survival"][i])
        other = twin.forecast(365.0, [365.0], scenario=Scenario.given("arm", 1.0 - arm))
        assert float(plain["survival"][i, 0]) != float(other["survival"][i, 0])


def test_levels_are_given_by_name_and_counted(fit: Fit) -> None:
    found = treatment_effect(fit, given("male", "female", "sex"), allow_unsupported=True)
    known = found.sel(subgroup="known")
    assert [int(known[n]) for n in ("n_treated", "n_untreated", "n_comparable")] == [3, 6, 9]
    # the draws are those of the prior: the data added nothing
    assert known["support"].item() == "prior-driven"
    assert found.attrs["scenario_a"] == "sex = male"


def test_a_bias_of_a_covariate_moves_the_scenario_that_gives_it(fit: Fit) -> None:
    asked = given(1.0, 0.0, summary="hazard_ratio", intercurrent={"drug": "hypothetical"})
    plain = treatment_effect(fit, asked)
    moved = treatment_effect(fit, asked, bias=Bias(mean=0.5))
    np.testing.assert_allclose(
        moved["hazard_ratio"] / plain["hazard_ratio"], np.exp(-0.5), rtol=2e-3
    )
    np.testing.assert_array_equal(moved["survival_b"], plain["survival_b"])


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario.given("weight", 1.0), "Unknown covariate 'weight'. This model has 'arm', 'sex'"),
        (Scenario.given("sex", 1.0), "'sex' must be given the name of a level, not 1.0"),
        (Scenario.given("arm", "yes"), "'arm' must be given a number, not 'yes'"),
        (Scenario.given("sex", "other"), "levels that the fit has not seen: 'other'"),
    ],
)
def test_covariates_that_cannot_be_given_are_refused(
    fit: Fit, scenario: Scenario, message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        fit.twin("P00", at=0.0).forecast(365.0, 3, scenario=scenario)


def test_covariates_are_given_at_the_origin_only_and_once(fit: Fit) -> None:
    with pytest.raises(ScenarioError, match="use the landmark at=0"):
        fit.twin("P00", at=50.0).forecast(365.0, 3, scenario=Scenario.given("arm", 1.0))
    with pytest.raises(ScenarioError, match="Two assumptions about 'arm'"):
        Scenario.given("arm", 1.0) & Scenario.given("arm", 0.0)
    for value in (float("nan"), None):
        with pytest.raises(ScenarioError, match="a number or a level"):
            Scenario.given("arm", value)  # type: ignore[arg-type]


def test_a_covariate_that_acts_on_curves_too_cannot_be_given(fit: Fit, joint_fit: Fit) -> None:
    table = fit.cohort.covariates()
    arm = Scenario.given("arm", 1.0).settings
    with pytest.raises(ScenarioError, match="also acts on curves"):
        change_in(fit.encoding, table, arm, elsewhere=("arm",))
    # on hazards alone it can, and the curve of the patient stays
    patient = joint_fit.cohort.patient_ids[0]
    twin = joint_fit.twin(patient, at=0.0)
    a, b = (
        twin.forecast(730.0, 4, scenario=Scenario.given("d_penicillamine", x)) for x in (0.0, 1.0)
    )
    np.testing.assert_array_equal(a["marker_curve"], b["marker_curve"])
    assert float(a["survival"][0, -1]) != float(b["survival"][0, -1])
    asked = given(1.0, 0.0, "d_penicillamine", summary="rmst_difference")
    found = treatment_effect(joint_fit, asked)
    assert found.sizes["patient"] == joint_fit.cohort.n_patients
    assert np.isfinite(found["overall_rmst_difference"]).all()


def test_a_missing_covariate_cannot_be_changed(fit: Fit) -> None:
    patients = fit.cohort.patients.copy()
    patients.loc[0, "arm"] = np.nan
    tables = {**fit.cohort.tables, "patients": patients}
    twin = replace(fit.twin(at=0.0), cohort=cohort_from_tables("gap", tables, simulated=True))
    twin = replace(twin, cohort=twin.cohort.until(0.0), seen=None)
    with pytest.raises(ScenarioError, match=r"'arm' is missing in 1 patient\(s\)"):
        treatment_effect(twin, given(1.0, 0.0))


@pytest.mark.requirement("R-048")
def test_hazard_ratios_of_the_model_are_those_of_its_parameters(fit: Fit) -> None:
    found = conditional_hazard_ratios(fit, "drug", interval=0.8)
    draws = fit.datatree["posterior"]["treatment_subgroup_effect"]
    mine = draws.sel(effect=EFFECT, subgroup="known").to_numpy().ravel()
    one = found.sel(effect=EFFECT, subgroup="known")
    np.testing.assert_allclose(one["hazard_ratio"], np.exp(mine.mean()))
    np.testing.assert_allclose(one["hazard_ratio_upper"], np.exp(np.quantile(mine, 0.9)))
    assert found.attrs["interval_probability"] == 0.8
    with pytest.raises(OptionError, match=r"treatment 'aspirin'\. Known: 'drug'"):
        conditional_hazard_ratios(fit, "aspirin")
