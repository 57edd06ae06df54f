"""The page on imports says what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import twinbayes as tb
from twinbayes.cohort.importing.mapping.building import fields_of
from twinbayes.cohort.importing.mapping.description import Cell, MappingFile


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "import.md").read_text(encoding="utf-8")


def test_the_worked_example_works_as_it_is_printed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("pint")
    (tmp_path / "export").mkdir()
    blocks = re.findall(r"`([\w/]+\.(?:csv|yaml))`[^`]*?```(?:csv|yaml)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 4
    for name, text in blocks:
        (tmp_path / name).write_text(text, encoding="utf-8")
    told: list[str] = []
    cohort = tb.import_cohort(tmp_path / "export", tmp_path / "map.yaml", tell=told.append)
    [printed] = re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
    assert told == [printed]
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


def test_the_page_explains_every_key(page: str) -> None:
    explained = set(re.findall(r"`(\w+)`", page))
    assert set(fields_of(MappingFile)) | set(fields_of(Cell)) <= explained
