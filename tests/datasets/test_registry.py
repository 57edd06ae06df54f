"""The simulated registry: a valid cohort, censored and incomplete as a registry is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twinbayes import datasets
from twinbayes.cohort import Cohort, read_cohort
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.errors import OptionError

SIZES = [70, 50, 37, 28, 21, 16, 12, 6]
ALWAYS_KNOWN = {"age_years", "sex", "wbc_g_l", "bm_blasts_pct", "targeted_therapy"}


@pytest.fixture(scope="module")
def registry() -> Cohort:
    return datasets.registry()


@pytest.fixture(scope="module")
def large() -> Cohort:
    cohort, _ = simulate_registry(seed=5, n_patients=6000)
    return cohort


def test_the_registry_has_the_size_that_is_promised_and_says_it_is_simulated(
    registry: Cohort,
) -> None:
    assert registry.n_patients == 240
    assert registry.patients["subgroup"].value_counts().tolist() == SIZES
    assert len(registry.centres) == 5
    assert registry.patients["centre"].value_counts().max() > 4 * 5
    assert registry.simulated
    assert "SIMULATED" in registry.source["note"]
    assert "no row describes a real person" in registry.source["origin"]
    assert all(patient.startswith("SIM") for patient in registry.patient_ids)


def test_it_survives_being_written_and_read_back(registry: Cohort, tmp_path: Path) -> None:
    again = read_cohort(registry.write(tmp_path / "registry"))
    assert again.fingerprint == registry.fingerprint
    assert again.simulated
    assert again.source == registry.source


def test_the_same_seed_gives_the_same_registry_and_another_seed_another(registry: Cohort) -> None:
    assert datasets.registry(seed=20260101).fingerprint == registry.fingerprint
    assert datasets.registry(seed=1).fingerprint != registry.fingerprint


def test_entities_keep_their_proportions_at_any_size(large: Cohort) -> None:
    assert large.patients["subgroup"].value_counts().tolist() == [25 * size for size in SIZES]
    small, _ = simulate_registry(seed=1, n_patients=41)
    assert small.n_patients == 41
    assert small.patients["subgroup"].nunique() == 8


def test_a_patients_days_are_distinct_in_order_and_tenths_after_the_origin(large: Cohort) -> None:
    assert large.treatments is not None
    starts = large.treatments.rename(columns={"start_day": "day"})[["patient_id", "day"]]
    days = pd.concat([large.events[["patient_id", "day"]], starts])
    assert not days.duplicated().any()
    assert days["day"].min() >= 0.1
    np.testing.assert_allclose(days["day"] * 10, np.round(days["day"] * 10), atol=1e-6)
    wide = large.events.pivot_table(index="patient_id", columns="event", values="day")
    end = wide[["death", "last_contact"]].min(axis=1)
    assert wide["relapse"].notna().sum() > 100
    assert not (wide["relapse"].notna() & wide["complete_remission"].isna()).any()
    assert (wide["complete_remission"] < wide["relapse"].fillna(np.inf)).sum() == wide[
        "complete_remission"
    ].notna().sum()
    assert (wide["relapse"].dropna() < end[wide["relapse"].notna()]).all()


def test_follow_up_lasts_five_to_eight_years_and_few_are_lost_before(large: Cohort) -> None:
    censored = large.events.query("event == 'last_contact'")["day"] / 365.25
    assert censored.max() <= 8.0
    assert ((censored >= 5) & (censored <= 8)).mean() > 0.75
    early = (censored < 5).sum() / large.n_patients
    assert 0.02 < early < 0.10


def test_enough_happens_to_estimate_something(registry: Cohort) -> None:
    counts = registry.events["event"].value_counts()
    assert counts["complete_remission"] > 130
    assert counts["relapse"] > 50
    assert 100 < counts["death"] < 200
    assert registry.treatments is not None
    assert len(registry.treatments) > 80


def test_covariates_are_missing_where_they_should_be_and_nowhere_else(large: Cohort) -> None:
    missing = large.covariates().isna().mean()
    assert set(missing.index[missing == 0]) == ALWAYS_KNOWN
    assert missing.max() < 0.25
    assert large.genomics is not None
    genes = large.genomics[["TP53", "RUNX1", "NRAS"]].isna()
    # A failed assay loses the whole panel.
    assert genes.all(axis=1).equals(genes.any(axis=1))


def test_questionnaires_are_missing_at_random_given_centre_and_age(large: Cohort) -> None:
    patients = large.patients.assign(unknown=large.patients["benzene_index"].isna())
    far = patients["centre"].isin(["centre_D", "centre_E"])
    assert patients[far]["unknown"].mean() > patients[~far]["unknown"].mean() + 0.05
    old = patients["age_years"] > 65
    assert patients[old]["unknown"].mean() > patients[~old]["unknown"].mean() + 0.03


def test_a_complete_registry_has_the_same_histories_and_nothing_missing(registry: Cohort) -> None:
    whole, _ = simulate_registry(seed=20260101, complete=True)
    pd.testing.assert_frame_equal(whole.events, registry.events)
    assert not whole.covariates().isna().to_numpy().any()
    assert whole.visits is not None
    assert registry.visits is not None
    assert len(whole.visits) > len(registry.visits)
    seen = registry.covariates()
    pd.testing.assert_frame_equal(whole.covariates().where(seen.notna()), seen, check_dtype=False)


def test_detection_limits_are_censoring_and_not_zeros(large: Cohort) -> None:
    assert large.visits is not None
    left = large.visits.query("censored == 'left'")
    assert left.groupby("marker")["value"].unique().map(list).to_dict() == {
        "platelet_count": [5.0],
        "residual_disease_pct": [0.01],
    }
    burden = large.visits.query("marker == 'residual_disease_pct'")
    assert 0.1 < (burden["censored"] == "left").mean() < 0.5
    assert burden.query("censored == 'none'")["value"].min() >= 0.01


def test_residual_disease_is_low_in_remission_and_rises_at_relapse(large: Cohort) -> None:
    assert large.visits is not None
    wide = large.events.pivot_table(index="patient_id", columns="event", values="day")
    burden = large.visits.query("marker == 'residual_disease_pct'").join(wide, on="patient_id")
    remission = burden["day"].gt(burden["complete_remission"]) & ~burden["day"].gt(
        burden["relapse"]
    )
    relapse = burden["day"].gt(burden["relapse"])
    assert burden[remission]["value"].median() < 0.05
    assert burden[relapse]["value"].median() > 5


def test_quality_of_life_is_on_its_scale_and_thins_out_after_bad_scores(large: Cohort) -> None:
    assert large.visits is not None
    qol = large.visits[large.visits["marker"].isin(["global_health", "fatigue"])]
    assert qol["value"].between(0, 100).all()
    # Among those seen at the first questionnaire, the worse stop sooner: it is often their last.
    first = qol.query("marker == 'global_health' and day == 0").set_index("patient_id")["value"]
    last_day = qol.groupby("patient_id")["day"].max().reindex(first.index)
    alive = large.events.query("event in ['death', 'last_contact'] and day > 300")["patient_id"]
    first, last_day = first[first.index.isin(alive)], last_day[last_day.index.isin(alive)]
    stopped = last_day == 0
    assert stopped[first < 35].mean() > stopped[first > 60].mean() + 0.05


def test_every_declared_variable_is_used_and_visits_can_be_left_out(registry: Cohort) -> None:
    assert registry.visits is not None
    used = {*registry.covariates().columns, *registry.visits["marker"], "allogeneic_transplant"}
    assert used == set(registry.variables["name"])
    groups = registry.variables.query("role == 'covariate'")["group"].value_counts()
    assert groups.to_dict() == {
        "gene": 9, "clinical": 8, "cytogenetic": 3, "environment": 3, "treatment": 1,
    }  # fmt: skip
    bare, _ = simulate_registry(seed=20260101, visits=False)
    assert bare.visits is None
    assert "visits" not in set(bare.variables["table"])
    pd.testing.assert_frame_equal(bare.events, registry.events)


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(OptionError, match="the least is 40"):
        simulate_registry(seed=1, n_patients=39)
    with pytest.raises(OptionError, match="accrual alone takes 3"):
        simulate_registry(seed=1, follow_up_years=3)
