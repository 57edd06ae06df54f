"""REDCap exports: choices mean their labels, instruments are tables, and checkboxes columns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort.importing.readers import READERS
from twinbayes.discovery import declared_names
from twinbayes.errors import CohortError

DICTIONARY = """\
"Variable / Field Name","Form Name","Section Header","Field Type","Field Label",\
"Choices, Calculations, OR Slider Labels"
record_id,base,,text,Record,
dx,base,,text,Date,
entity,base,,dropdown,Entity,"1, AML, NPM1 | 2, APL"
sex,base,,radio,Sex,"1, Male | 2, Female"
ecog,base,,radio,ECOG,"0, Fully active | 1, Restricted"
smoker,base,,yesno,Smoker,
comorb,base,,checkbox,Comorbidity,"1, Diabetes | 2, Asthma"
last,base,,text,Last,
alive,base,,radio,Alive,"1, Yes | 0, No"
lab_day,lab_results,,text,Day,
hb,lab_results,,text,Hb,
"""
EXPORT = """\
record_id,redcap_repeat_instrument,redcap_repeat_instance,dx,entity,sex,ecog,smoker,comorb___1,\
comorb___2,last,alive,base_complete,lab_day,hb,lab_results_complete
007,,,2020-01-01,1,1,0,1,1,0,2021-01-01,1,2,,,
007,lab_results,1,,,,,,,,,,,2020-01-05,9.5,2
007,lab_results,2,,,,,,,,,,,2020-02-05,<5,2
010,,,2020-03-01,2,2,1,0,0,0,2020-06-01,0,2,,,
"""
MAPPING = """\
schema: twinbayes/mapping/v1
name: redcap
simulated: true
dates: "%Y-%m-%d"
tables:
  patients:
    table: records
    origin: dx
    columns:
      patient_id: record_id
      subgroup: entity
      centre: {constant: all}
      sex: {column: sex, values: {Male: male, "2": female}}
      ecog: ecog
      smoker: smoker
      diabetes: comorb___1
  visits:
    table: lab_results
    columns: {patient_id: record_id, day: lab_day}
    markers: {hb: hb}
  events:
    table: records
    columns: {patient_id: record_id}
    closing:
      vital_status: {column: alive, values: {"Yes": last_contact, "No": death}}
      last_contact: last
variables:
  sex: {table: patients, group: clinical, levels: [female, male]}
  ecog: {table: patients, group: clinical, min: 0, max: 4}
  smoker: {table: patients, group: clinical, min: 0, max: 1}
  diabetes: {table: patients, group: clinical, min: 0, max: 1}
  hb: {table: visits, unit: g/dL}
"""


def written(folder: Path, export: str = EXPORT, dictionary: str = DICTIONARY) -> tuple[Path, Path]:
    source = folder / "redcap"
    source.mkdir()
    (source / "export.csv").write_text(export)
    (source / "dictionary.csv").write_text(dictionary)
    (folder / "map.yaml").write_text(MAPPING)
    return source, folder / "map.yaml"


def test_codes_mean_their_labels_and_numbers_stay_numbers(tmp_path: Path) -> None:
    told: list[str] = []
    cohort = tb.import_cohort(*written(tmp_path), tell=told.append)
    people = cohort.patients
    assert cohort.patient_ids == ("007", "010")
    assert list(people["subgroup"]) == ["AML, NPM1", "APL"]
    assert list(people["sex"]) == ["male", "female"]
    assert list(people["ecog"]) == [0.0, 1.0]
    assert list(people["diabetes"]) == [1.0, 0.0]
    assert cohort.visits is not None
    assert list(cohort.visits["censored"]) == ["none", "left"]
    assert list(cohort.events["event"]) == ["last_contact", "death"]
    assert "records: 2 rows in = 2 used + 0 listed" in told[0]
    assert "comorb___2" in told[0]


def test_a_draft_of_the_export_has_its_choices(tmp_path: Path) -> None:
    text = tb.propose_mapping(written(tmp_path)[0])
    assert "Male: male" in text
    assert "lab_results" in text


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("1, Male | 2, Female", "Male | Female", "dictionary-malformed"),
        ("1, Male | 2, Female", "1, Male | 1, Female", "dictionary-malformed"),
        ('"Form Name"', '"Formular"', "dictionary-malformed"),
    ],
)
def test_a_damaged_dictionary_is_refused(tmp_path: Path, old: str, new: str, rule: str) -> None:
    places = written(tmp_path, dictionary=DICTIONARY.replace(old, new))
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(*places, tell=None)
    assert rule in set(caught.value.faults["rule"])


@pytest.mark.parametrize(
    ("old", "new", "rule", "row"),
    [
        ("007,,,2020-01-01,1,1", "007,,,2020-01-01,1,9", "value-unmapped", 2),
        (",2020-02-05,<5,2", ",2020-02-05,low,2", "not-a-number", 4),
        ("007,lab_results,1,,,,", "007,lab_results,1,,,2,", "instrument-misplaced", 3),
        ("010,,,2020-03-01,", "010,,,,", "origin-blank", 5),
        ("010,,,2020-03-01,2", "010,,,2020-03-01,", "blank", 5),
    ],
)
def test_a_bad_cell_is_told_by_its_row_of_the_export(
    tmp_path: Path, old: str, new: str, rule: str, row: int
) -> None:
    assert old in EXPORT
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(*written(tmp_path, export=EXPORT.replace(old, new)), tell=None)
    faults: pd.DataFrame = caught.value.faults
    assert row in list(faults.loc[faults["rule"] == rule, "row"])
    assert "007" not in str(caught.value)


def test_two_exports_beside_one_dictionary_are_refused(tmp_path: Path) -> None:
    source, mapping = written(tmp_path)
    (source / "again.csv").write_text(EXPORT)
    with pytest.raises(CohortError, match="2 exports and 1 data dictionaries"):
        tb.import_cohort(source, mapping, tell=None)


def test_every_reader_is_found_and_says_what_it_reads() -> None:
    names = declared_names("twinbayes.cohort.importing.readers", "READERS")
    assert set(names) == set(READERS)
    assert {"csv", "excel", "redcap", "adam", "omop", "cbioportal"} <= set(names)
    assert {"fhir", "phenopackets"} <= set(names)
    assert all(reader.what for reader in READERS.values())
