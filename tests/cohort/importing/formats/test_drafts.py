"""Mappings drafted by the standards of the formats: what the standard names is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import adam_files
import cbioportal_study
import omop_database
import twinbayes as tb
from twinbayes.cohort import Cohort


def drafted(source: Any, folder: Path, **changed: str) -> Cohort:
    """The cohort of a draft; `changed` fills in what it left open."""
    text = tb.propose_mapping(source)
    for old, new in changed.items():
        text = text.replace(f"{old}: ['?']", f"{old}: {new}")
    (folder / "draft.yaml").write_text(text)
    return tb.import_cohort(source, folder / "draft.yaml", tell=None)


@pytest.mark.parametrize("form", ["xpt", "csv"])
def test_the_draft_of_adam_data_sets_imports_events_and_values(
    form: str, small: Cohort, tmp_path: Path
) -> None:
    pytest.importorskip("pyreadstat")
    write = {"xpt": adam_files.write_xpt, "csv": adam_files.write_csv}[form]
    source, _ = write(adam_files.as_adam(small), tmp_path)
    cohort = drafted(source, tmp_path)
    assert cohort.events.equals(small.events)
    assert cohort.visits is not None
    assert small.visits is not None
    assert sorted(cohort.visits["value"]) == sorted(small.visits["value"])
    assert set(cohort.visits["marker"]) == set(small.visits["marker"])
    assert list(cohort.patients["age_years"]) == list(small.patients["age_years"])


def test_without_parameters_of_survival_the_draft_takes_the_ends_from_the_subjects(
    tmp_path: Path,
) -> None:
    (tmp_path / "adam").mkdir()
    (tmp_path / "adam" / "adsl.csv").write_text(
        "USUBJID,TRT01P,TRTSDT,TRTEDT,DTHDT,LSTALVDT,SEX,AGEGR1,STAGE\n"
        "1,Drug,2020-01-01,2020-02-01,2020-03-01,2020-03-01,F,<65,I\n"
        "2,Placebo,2020-01-02,2020-02-01,,2021-03-01,U,<65,II\n3,Drug,2020-01-02,,,2021-03-01,M,,I\n"
    )
    cohort = drafted(tmp_path / "adam", tmp_path)
    assert list(cohort.events["event"]) == ["death", "last_contact", "last_contact"]
    assert list(cohort.events["day"]) == [60.0, 424.0, 424.0]
    assert cohort.treatments is not None
    assert list(cohort.treatments["treatment"]) == ["Drug", "Placebo", "Drug"]
    assert list(cohort.treatments["stop_day"].fillna(-1)) == [31.0, 30.0, -1.0]
    assert list(cohort.patients["sex"].fillna("")) == ["female", "", "male"]
    assert list(cohort.covariates()) == ["sex", "STAGE"]


def test_the_draft_of_an_omop_database_asks_for_the_diagnosis_alone(
    small: Cohort, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb")
    written = omop_database.as_omop(small)
    source, _ = omop_database.write_duckdb(written, tmp_path)
    text = tb.propose_mapping(source)
    assert text.count("?") == 2  # one of them in the lines above
    found = yaml.safe_load(text)
    concepts = found["omop"]["concepts"]["measurement"]
    assert omop_database.OWN + 999 in concepts  # whoever checks the draft takes it out
    groups = written.mapping["omop"]["diagnosis"]
    written.tables["measurement"] = written.tables["measurement"].query(
        f"measurement_concept_id != {omop_database.OWN + 999}"
    )
    (tmp_path / "again").mkdir()
    source, _ = omop_database.write_duckdb(written, tmp_path / "again")
    cohort = drafted(source, tmp_path, diagnosis=str(groups))
    assert cohort.n_patients == small.n_patients
    assert cohort.visits is not None
    assert small.visits is not None
    assert sorted(cohort.visits["value"]) == sorted(small.visits["value"])
    assert list(cohort.visits["censored"]).count("left") == list(
        small.visits["censored"]).count("left")  # fmt: skip
    assert list(cohort.patients["age_years"]) == list(small.patients["age_years"])
    ends = small.events[small.events["event"].isin(["death", "last_contact"])]
    assert list(cohort.events["event"]) == list(ends["event"])


def test_the_draft_of_a_study_imports_mutations_and_the_timeline(
    small: Cohort, tmp_path: Path
) -> None:
    source, _ = cbioportal_study.write_study(cbioportal_study.as_study(small), tmp_path)
    cohort = drafted(source, tmp_path)
    expected = cbioportal_study.in_whole_days(small)
    assert cohort.events.equals(expected.events)
    assert list(cohort.patients["subgroup"]) == list(expected.patients["subgroup"])
    assert cohort.genomics is not None
    assert expected.genomics is not None
    for gene in cohort.genomics.columns[1:]:
        assert list(cohort.genomics[gene]) == list(expected.genomics[gene].fillna(0.0))


def test_without_a_timeline_the_draft_of_a_study_takes_survival_in_months(tmp_path: Path) -> None:
    pytest.importorskip("pint")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "data_clinical_patient.txt").write_text(
        "PATIENT_ID\tSEX\tOS_STATUS\tOS_MONTHS\n1\tMale\t1:DECEASED\t12\n2\tNA\t0:LIVING\t24\n"
    )
    cohort = drafted(tmp_path / "study", tmp_path)
    assert list(cohort.events["event"]) == ["death", "last_contact"]
    assert list(cohort.events["day"]) == [365.25, 730.5]
