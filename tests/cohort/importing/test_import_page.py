"""The page on imports says what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.mapping.building import fields_of
from twinbayes.cohort.importing.mapping.description import (
    Cell,
    MappingFile,
    Omop,
)
from twinbayes.cohort.importing.readers.clinical_json.packets import COLUMNS
from twinbayes.cohort.importing.readers.clinical_json.views import packaged_views

FILE = re.compile(
    r"`([\w/-]+\.(?:csv|txt|yaml|json|ndjson))`[^`]*?"
    r"```(?:csv|text-table|yaml|json|ndjson)\n(.*?)```",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "import.md").read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next."""
    [below] = re.findall(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", page, re.DOTALL | re.MULTILINE)
    return str(below)


def imported(text: str, folder: Path) -> tuple[Cohort, str]:
    """The cohort of the files that a section shows, and what was printed; it is what it shows."""
    files = FILE.findall(text)
    for name, content in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    [mapping] = [name for name, _ in files if name.endswith(".yaml")]
    told: list[str] = []
    source = folder / str(files[0][0]).partition("/")[0]
    cohort = tb.import_cohort(source, folder / mapping, tell=told.append)
    [printed] = re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)
    assert told == [printed]
    return cohort, told[0]


def test_the_worked_example_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("pint")
    text = section(page, "A worked example")
    assert len(FILE.findall(text)) == 4
    cohort, _ = imported(text, tmp_path)
    assert cohort.patient_ids == ("001", "002", "003")
    assert list(cohort.patients["age_years"]) == [57.6, 44.5, 70.4]
    relapse = cohort.events[cohort.events["event"] == "relapse"]
    assert list(relapse["day"]) == [393.0]
    assert cohort.visits is not None
    visits = cohort.visits.set_index(["patient_id", "marker"]).sort_index()
    assert visits.loc[("001", "glucose"), "value"].item() == pytest.approx(4.996, abs=1e-3)
    assert visits.loc[("001", "mrd"), "censored"] == "left"
    assert visits.loc[("002", "mrd"), "censored"] == "right"
    assert list(visits.loc[("001", "haemoglobin"), "value"]) == [9.5, 10.1]


def test_the_example_of_adam_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    cohort, _ = imported(section(page, "CDISC ADaM"), tmp_path)
    assert list(cohort.events["day"]) == [393.0, 702.0, 1139.0]
    assert cohort.visits is not None
    assert list(cohort.visits["censored"]) == ["none", "left"]


def test_the_example_of_omop_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    cohort, _ = imported(section(page, "OMOP"), tmp_path)
    assert cohort.patient_ids == ("1", "2")
    assert list(cohort.patients["age_years"]) == [57.6, 44.5]
    assert list(cohort.patients["hb_g_dl"].fillna(-1)) == [-1.0, 8.8]
    assert list(cohort.events["event"]) == ["death", "last_contact"]
    assert cohort.visits is not None
    assert list(cohort.visits["day"]) == [7.0, 3.0]
    assert list(cohort.visits["censored"]) == ["none", "left"]


def test_the_example_of_cbioportal_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("pint")
    cohort, _ = imported(section(page, "cBioPortal"), tmp_path)
    assert cohort.genomics is not None
    assert list(cohort.genomics["TP53"]) == [1.0, 0.0]
    assert list(cohort.patients["subgroup"]) == ["AML", "AML"]
    assert list(cohort.events["day"]) == pytest.approx([23 * 30.4375, 37.5 * 30.4375])


def test_the_example_of_fhir_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("pint")
    cohort, _ = imported(section(page, "FHIR"), tmp_path)
    assert list(cohort.patients["age_years"]) == [57.6, 44.5]
    assert cohort.visits is not None
    assert list(cohort.visits["value"]) == [9.5, 5.0]
    assert list(cohort.visits["censored"]) == ["none", "left"]
    assert list(cohort.events["event"]) == ["last_contact", "death"]


def test_the_example_of_phenopackets_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("pint")
    cohort, _ = imported(section(page, "Phenopackets"), tmp_path)
    assert cohort.genomics is not None
    assert list(cohort.genomics["NPM1"]) == [1.0]
    assert cohort.visits is not None
    assert list(cohort.visits["day"]) == [7.0]
    # From 57 years, 6 months and 20 days to 61 years, 3 months and 2 days.
    assert list(cohort.events["day"]) == pytest.approx([4 * 365.25 - 3 * 30.4375 - 18], abs=1e-4)


def test_tables_and_columns_that_the_page_names_are_there(page: str) -> None:
    views = {view.name: view.columns for view in packaged_views()}
    for title, tables in (("FHIR", views), ("Phenopackets", dict(COLUMNS))):
        rows = re.findall(r"^\| (`[^|]*) \|[^|]*\| ([^|]*) \|$", section(page, title), re.MULTILINE)
        named = [name for first, _ in rows for name in re.findall(r"`(\w+)`", first)]
        assert sorted(named) == sorted(tables)
        for first, columns in rows:
            for table in re.findall(r"`(\w+)`", first):
                assert set(re.findall(r"`(\w+)`", columns)) <= set(tables[table])


def test_the_page_quotes_the_measured_import(
    page: str, stored_evidence: Callable[[str], dict[str, Any]]
) -> None:
    found = stored_evidence("import_ndjson")
    done = found["import"]
    assert f"{found['patients']:,} patients" in page
    assert f"{done['cpu_s']:.0f} CPU seconds" in page
    assert f"{done['peak_gib']:.1f} GiB" in page
    assert done["cpu_s"] < 300
    assert done["peak_gib"] < 4


def test_the_page_explains_every_key(page: str) -> None:
    explained = set(re.findall(r"`(\w+)`", page))
    keys = {key for record in (MappingFile, Cell, Omop) for key in fields_of(record)}
    assert keys | {"join"} <= explained
