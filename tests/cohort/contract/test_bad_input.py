"""Every kind of bad input is refused with place, rule and remedy, and without an identifier."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corrupted_files  # noqa: F401 - joins its own ways to the others
from corruptions import CORRUPTIONS, Expected, load, put, store
from twinbayes.cohort import read_cohort
from twinbayes.cohort.contract.faults import RULES
from twinbayes.errors import CohortError


def spoiled(folder: Path, name: str, k: int) -> tuple[CohortError, Expected]:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "cohort"
        shutil.copytree(folder, copy)
        expected = CORRUPTIONS[name](copy, k)
        with pytest.raises(CohortError) as caught:
            read_cohort(copy)
    return caught.value, expected


def names_no_patient(error: CohortError) -> bool:
    faults = "" if error.faults is None else error.faults.to_csv()
    return not re.search(r"SECRET", str(error) + faults)


@pytest.mark.requirement("R-001")
@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
@settings(max_examples=2, deadline=None)
@given(k=st.integers(0, 1000))
def test_bad_input_is_refused_with_place_rule_and_remedy(
    valid_folder: Path, name: str, k: int
) -> None:
    error, (rule, table, row) = spoiled(valid_folder, name, k)
    faults = error.faults
    assert faults is not None
    found = faults[(faults["rule"] == rule) & (faults["table"] == table)]
    assert len(found), f"expected {rule} in {table}, found\n{error}"
    if row is None:
        assert found["row"].isna().any()
    elif row > 0:
        assert row in set(found["row"])
    assert (found["remedy"] == RULES[rule]).all()
    assert f"{table}" in str(error)
    assert f"{rule} {(faults['rule'] == rule).sum()}" in str(error)
    assert names_no_patient(error)


def test_at_least_25_kinds_are_tried_and_every_rule_is_among_them(
    valid_folder: Path, tmp_path: Path
) -> None:
    copies = ((name, shutil.copytree(valid_folder, tmp_path / name)) for name in CORRUPTIONS)
    reached = {CORRUPTIONS[name](copy, 1)[0] for name, copy in copies}
    assert len(CORRUPTIONS) >= 25
    assert reached == set(RULES) - {"not-a-table"}  # which no file can be


@pytest.mark.requirement("R-001")
def test_faults_of_several_tables_are_reported_together(valid_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(valid_folder, tmp_path / "cohort")
    one_each = (
        "a negative event day", "a blank centre", "an undeclared marker",
        "a dose above its maximum", "a lesion coded 2 or -1",
    )  # fmt: skip
    expected = [CORRUPTIONS[name](copy, 3) for name in one_each]
    with pytest.raises(CohortError) as caught:
        read_cohort(copy)
    faults = caught.value.faults
    assert faults is not None
    found = set(zip(faults["rule"], faults["table"], faults["row"], strict=True))
    assert set(expected) <= found
    for rule, table, row in expected:
        assert f"{table}, row {row}" in str(caught.value)
        assert RULES[rule] in str(caught.value)


def test_a_thousand_faults_make_a_short_message_and_a_full_table(
    valid_folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(valid_folder, tmp_path / "cohort")
    frame = load(copy, "visits")
    many = pd.concat([frame] * 30, ignore_index=True)
    store(copy, "visits", many.assign(day=range(len(many)), value="high"))
    with pytest.raises(CohortError) as caught:
        read_cohort(copy)
    faults = caught.value.faults
    assert faults is not None
    assert (faults["rule"] == "not-a-number").sum() == len(many) > 1000
    assert len(str(caught.value).splitlines()) < 30
    assert f"not-a-number {len(many)}" in str(caught.value)


@pytest.mark.requirement("R-002")
@settings(max_examples=25, deadline=None)
@given(
    table=st.sampled_from(["patients", "events", "visits", "treatments", "genomics", "variables"]),
    k=st.integers(0, 1000),
    column=st.integers(0, 20),
    text=st.text(max_size=12) | st.floats().map(str) | st.just("SECRET-001"),
)
def test_any_text_in_any_cell_is_read_or_refused_without_an_identifier(
    valid_folder: Path, table: str, k: int, column: int, text: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "cohort"
        shutil.copytree(valid_folder, copy)
        columns = load(copy, table).columns
        text = text.encode("utf-8", "ignore").decode()
        put(copy, table, columns[column % len(columns)], text, k)
        try:
            cohort = read_cohort(copy)
        except CohortError as error:
            refused = error
        else:
            rows_in = len(load(copy, table))
            listed = (cohort.excluded["table"] == table).sum()
            assert len(cohort.tables[table]) + listed == rows_in
            return
    assert names_no_patient(refused)


@pytest.mark.requirement("R-002")
@pytest.mark.parametrize(
    "table", ["patients", "events", "visits", "treatments", "genomics", "variables"]
)
def test_an_identifier_in_any_cell_is_never_repeated(
    valid_folder: Path, table: str, tmp_path: Path
) -> None:
    frame = load(valid_folder, table)
    errors: list[CohortError] = []
    for number, column in enumerate(frame.columns):
        for k in range(len(frame)) if table == "variables" else (0,):
            copy = tmp_path / f"{number}-{k}"
            shutil.copytree(valid_folder, copy)
            put(copy, table, column, "SECRET-001", k)
            try:
                read_cohort(copy)
            except CohortError as error:
                errors.append(error)
    assert errors
    assert all(names_no_patient(error) for error in errors)


@settings(max_examples=25, deadline=None)
@given(
    table=st.sampled_from(["patients", "events", "visits", "datapackage"]),
    junk=st.binary(max_size=200),
)
def test_any_bytes_in_a_file_are_refused_as_faults(
    valid_folder: Path, table: str, junk: bytes
) -> None:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "cohort"
        shutil.copytree(valid_folder, copy)
        (copy / (f"{table}.json" if table == "datapackage" else f"{table}.csv")).write_bytes(junk)
        with pytest.raises(CohortError) as caught:
            read_cohort(copy)
    assert caught.value.faults is not None
    assert names_no_patient(caught.value)


def test_a_path_that_is_no_folder_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"Give a folder with datapackage\.json"):
        read_cohort(tmp_path / "absent")
    with pytest.raises(CohortError, match="Give the cohort folder"):
        read_cohort(None)
