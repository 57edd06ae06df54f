"""The published series of BCR-ABL1 as a cohort, against counts of its own files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "cml_bcrabl"


@pytest.fixture(scope="module")
def cohort(folder: Path) -> Cohort:
    return tb.read_cohort(folder, adapter="cml")


def test_patients_measurements_and_stops_are_those_of_the_files(
    cohort: Cohort, folder: Path
) -> None:
    long = pd.read_csv(folder / "hahnel2020_long.csv")
    visits = cohort.visits
    assert visits is not None
    assert cohort.n_patients == 21
    assert len(visits) == len(long) == 706
    assert (visits["censored"] == "left").sum() == long["left_censored"].sum() == 258
    assert visits["value"].sum() == pytest.approx(long["bcr_abl_pct"].sum())
    assert (visits["day"] == 0).sum() == (long["months"] <= 0).sum()
    counts = cohort.events["event"].value_counts()
    assert counts["treatment_stop"] == counts["last_contact"] == 21


def test_relapse_is_the_first_measurement_above_the_bar_after_the_stop(cohort: Cohort) -> None:
    days = cohort.events.pivot_table(index="patient_id", columns="event", values="day")
    relapsed = days["molecular_relapse"].dropna()
    assert 8 <= len(relapsed) <= 10  # of ten relapses, some were found beyond the series
    for patient, day in relapsed.items():
        mine = cohort.visits[cohort.visits["patient_id"] == patient]  # type: ignore[index]
        after = mine[(mine["day"] > days.loc[patient, "treatment_stop"]) & (mine["value"] > 0.1)]
        assert after["day"].min() == pytest.approx(day)


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="is not a readable CSV file"):
        tb.read_cohort(tmp_path, adapter="cml")
    with pytest.raises(CohortError, match="no path"):
        tb.read_cohort(None, adapter="cml")
