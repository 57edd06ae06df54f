"""The page on imports says of clinical formats what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.readers.clinical_json.packets import COLUMNS
from twinbayes.cohort.importing.readers.clinical_json.views import packaged_views


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "import.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def worked_example(text: str, folder: Path) -> tuple[Cohort, str, str]:
    """The cohort of an example as it is printed, what was told, and what the page says is."""
    pytest.importorskip("pint")
    blocks = re.findall(r"\n`([\w/.-]+)`:\n\n```(?:ndjson|json|yaml)\n(.*?)```", text, re.DOTALL)
    for name, content in blocks:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    told: list[str] = []
    source = folder / blocks[0][0].partition("/")[0]
    cohort = tb.import_cohort(source, folder / blocks[-1][0], tell=told.append)
    [printed] = re.findall(r"```console\n(.*?)\n```", text, re.DOTALL)
    return cohort, told[0], printed


def test_the_example_of_fhir_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    cohort, told, printed = worked_example(section(page, "FHIR"), tmp_path)
    assert told == printed
    assert list(cohort.patients["age_years"]) == [57.6, 44.5]
    assert cohort.visits is not None
    assert list(cohort.visits["value"]) == [9.5, 5.0]
    assert list(cohort.visits["censored"]) == ["none", "left"]
    assert list(cohort.events["event"]) == ["last_contact", "death"]


def test_the_example_of_phenopackets_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    cohort, told, printed = worked_example(section(page, "Phenopackets"), tmp_path)
    assert told == printed
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
