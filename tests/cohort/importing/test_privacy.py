"""What an import prints names no patient and no date, whatever the files are called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twinbayes as tb
from twinbayes.cohort.importing.running import run_import
from twinbayes.errors import CohortError

PEOPLE = b"""id;diagnosed;seen;wbc;stage
SECRET-1;01/02/2020;01/02/2021;3,5;early
SECRET-2;11/02/2020;05/06/2021;;late
SECRET-3;21/02/2020;05/07/2021;7;early
"""
MAPPING = """\
schema: twinbayes/mapping/v1
name: fuzz
simulated: true
decimal: ","
dates: "%d/%m/%Y"
tables:
  patients:
    table: people
    origin: diagnosed
    columns:
      {patient_id: id, subgroup: {constant: all}, centre: {constant: all}, wbc: wbc, stage: stage}
  events:
    table: people
    columns: {patient_id: id}
    closing: {last_contact: seen}
variables:
  wbc: {table: patients, group: clinical, min: 0}
  stage: {table: patients, group: clinical, levels: [early, late]}
"""


def test_columns_and_files_named_after_patients_or_dates_are_masked(
    hospital: Any, tmp_path: Path
) -> None:
    first, second = hospital.cohort.patient_ids[:2]
    main = hospital.tables["Anagrafica"]
    main[first], main[f"score {second}"], main["visit 01/02/2003"] = "1", "2", "3"
    source, mapping = hospital.write(tmp_path)
    (source / f"{first}.csv").write_text("a,b\n1,2\n")
    (source / f"{second}.csv").write_bytes(b"\xff\x00a,b\n1,2\n")
    done = run_import(source, mapping)
    said = f"{done.ledger}\n{done.ledger.to_dict()}"
    assert first not in said
    assert second not in said
    assert "2003" not in said
    assert said.count("(masked)") >= 4
    assert "Not mapped, and not to be read: 1 files or sheets" in said


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(PEOPLE)), st.integers(0, 12), st.binary(max_size=6)),
        max_size=3,
    )
)
def test_any_damage_is_a_cohort_or_one_error_without_a_patient(
    tmp_path: Path, cuts: list[tuple[int, int, bytes]]
) -> None:
    content = PEOPLE
    for start, length, put in cuts:
        content = content[:start] + put + content[start + length :]
    (tmp_path / "people.csv").write_bytes(content)
    (tmp_path / "map.yaml").write_text(MAPPING)
    told: list[str] = []
    try:
        cohort = tb.import_cohort(tmp_path / "people.csv", tmp_path / "map.yaml", tell=told.append)
    except CohortError as error:
        told.append(f"{error}\n{error.faults}")
    else:
        assert cohort.n_patients >= 1
    assert "SECRET-" not in told[0]
    assert not re.search(r"\d\d/\d\d/\d{4}", told[0])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=200))
def test_any_text_is_a_mapping_or_one_error(tmp_path_factory: Any, text: str) -> None:
    folder = tmp_path_factory.mktemp("mapping")
    (folder / "people.csv").write_bytes(PEOPLE)
    (folder / "map.yaml").write_bytes((MAPPING[: len(text) * 3] + text).encode("utf-8", "replace"))
    said = ""
    try:
        tb.import_cohort(folder / "people.csv", folder / "map.yaml", tell=None)
    except CohortError as error:
        said = str(error)
    assert "SECRET-" not in said
