"""A cohort written and read again is the same cohort, and an ordinary Frictionless folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from twinbayes.cohort import Cohort, cohort_from_tables, read_cohort
from twinbayes.errors import OptionError, StorageError


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_writing_and_reading_gives_the_same_cohort(
    cohort: Cohort, tmp_path: Path, file_format: str
) -> None:
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    back = read_cohort(cohort.write(tmp_path / "out", file_format=file_format))
    assert back.fingerprint == cohort.fingerprint
    assert back.name == "small"
    assert back.simulated is True
    assert back.source == {"title": "Small & valid"}
    for name, frame in cohort.tables.items():
        assert back.tables[name].dtypes.to_dict() == frame.dtypes.to_dict(), name


finite = st.floats(0.1, 1e6, allow_nan=False) | st.none()
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1).filter(
    lambda v: v.lower() not in {"nan", "null", "none", "n/a", "#n/a", "na", ".", "?", "-"}
)


@settings(max_examples=15, deadline=None)
@given(
    ids=st.lists(words, min_size=1, max_size=5, unique=True),
    values=st.lists(finite, min_size=5, max_size=5),
    days=st.lists(st.floats(0, 1e5), min_size=5, max_size=5),
    subgroup=words,
    note=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
def test_any_text_and_any_number_survive_the_round_trip(
    ids: list[str], values: list[float | None], days: list[float], subgroup: str, note: str
) -> None:
    n = len(ids)
    cohort = cohort_from_tables(
        "drawn",
        {
            "patients": DataFrame(
                {"patient_id": ids, "subgroup": subgroup, "centre": "x", "v": values[:n]}
            ),
            "events": DataFrame({"patient_id": ids, "day": days[:n], "event": "death"}),
            "variables": DataFrame(
                [("v", "patients", "covariate", "clinical")],
                columns=["name", "table", "role", "group"],
            ),
        },
        source={"note": note, "contact": note},
    )
    with tempfile.TemporaryDirectory() as place:
        back = read_cohort(cohort.write(Path(place) / "out"))
    assert back.fingerprint == cohort.fingerprint
    assert back.patients["v"].tolist() == pytest.approx(cohort.patients["v"].tolist(), nan_ok=True)
    assert back.source == cohort.source


def test_the_excluded_rows_travel_with_the_cohort(
    tables: dict[str, DataFrame], tmp_path: Path
) -> None:
    listed = DataFrame(
        {"table": ["raw"], "row": [7], "rule": ["no-consent"], "reason": ["withdrawn"]}
    )
    folder = cohort_from_tables("small", tables, excluded=listed).write(tmp_path / "out")
    back = read_cohort(folder)
    assert back.excluded.astype(object).to_numpy().tolist() == [
        ["raw", 7, "no-consent", "withdrawn"]
    ]


def test_blank_rows_are_listed_so_that_rows_in_are_rows_used_and_listed(
    cohort: Cohort, tmp_path: Path
) -> None:
    folder = cohort.write(tmp_path / "out")
    with (folder / "events.csv").open("a") as file:
        file.write("\n,,\n")
    back = read_cohort(folder)
    assert back.fingerprint == cohort.fingerprint
    assert back.excluded["row"].tolist() == [len(cohort.events) + 2, len(cohort.events) + 3]
    assert set(back.excluded["rule"]) == {"blank-row"}


def test_nothing_is_overwritten(cohort: Cohort, tmp_path: Path) -> None:
    cohort.write(tmp_path / "out")
    with pytest.raises(StorageError, match="nothing is overwritten"):
        cohort.write(tmp_path / "out")
    with pytest.raises(OptionError, match="'parquet'"):
        cohort.write(tmp_path / "other", file_format="xlsx")
    assert not (tmp_path / "other").exists()


def test_the_descriptor_names_each_table_with_a_closed_schema(
    cohort: Cohort, tmp_path: Path
) -> None:
    folder = cohort.write(tmp_path / "out")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    assert descriptor["twinbayes"] == {"contract": "cohort/v1", "simulated": True}
    for resource in descriptor["resources"]:
        header = (folder / resource["path"]).read_text().splitlines()[0].split(",")
        schema = resource["schema"]
        assert {field["name"] for field in schema["fields"]} == set(header)
        assert schema["fieldsMatch"] == "superset"
    patients = next(r for r in descriptor["resources"] if r["name"] == "patients")["schema"]
    stage = next(f for f in patients["fields"] if f["name"] == "stage")
    assert stage == {"name": "stage", "type": "string", "constraints": {"enum": ["early", "late"]}}


def test_a_byte_order_mark_and_windows_line_ends_are_read(cohort: Cohort, tmp_path: Path) -> None:
    folder = cohort.write(tmp_path / "out")
    for path in folder.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_cohort(folder).fingerprint == cohort.fingerprint


def test_na_means_missing_as_r_writes_it(cohort: Cohort, tmp_path: Path) -> None:
    folder = cohort.write(tmp_path / "out")
    path = folder / "patients.csv"
    path.write_text(path.read_text().replace(",\n", ",NA\n"))
    assert ",NA\n" in path.read_text()
    assert read_cohort(folder).fingerprint == cohort.fingerprint
