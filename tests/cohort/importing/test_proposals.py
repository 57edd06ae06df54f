"""Mappings drafted from files: near enough to import, and open about what they could not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import twinbayes as tb
from twinbayes.cohort.importing.proposing.headers import unit_of
from twinbayes.errors import CohortError


def test_the_draft_of_an_export_imports_every_patient_and_value(
    hospital: Any, tmp_path: Path
) -> None:
    source, _ = hospital.write(tmp_path)
    text = tb.propose_mapping(source)
    draft = yaml.safe_load(text)
    assert draft["decimal"] == ","
    assert draft["dates"] == "%d/%m/%Y %H:%M"
    assert draft["missing"] == ["-9"]
    assert text.startswith("# Drafted")
    (tmp_path / "draft.yaml").write_text(text)
    cohort = tb.import_cohort(source, tmp_path / "draft.yaml", tell=None)
    whole = hospital.cohort
    assert cohort.patient_ids == whole.patient_ids
    assert cohort.events.equals(whole.events)
    assert cohort.treatments is not None
    assert set(cohort.treatments["treatment"]) == {"TMO"}
    assert cohort.visits is not None
    assert len(cohort.visits) == len(whole.visits)
    assert set(cohort.patients["sex"].dropna()) == {"female", "male"}


def test_what_cannot_be_told_is_a_question_mark_and_the_import_says_where(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,who\n1,a\n2,b\n")
    (tmp_path / "map.yaml").write_text(tb.propose_mapping(tmp_path / "people.csv"))
    with pytest.raises(CohortError, match=r"'\?'"):
        tb.import_cohort(tmp_path / "people.csv", tmp_path / "map.yaml", tell=None)


@pytest.mark.parametrize(
    ("header", "unit"),
    [("WBC (10^9/L)", "10*9/L"), ("Hb g/dL", "g/dL"), ("MRD %", "%"), ("hb_g_dl", None),
     ("and/or", None), ("x" * 20_000, None)],
)  # fmt: skip
def test_the_unit_that_a_header_ends_in_is_told(header: str, unit: str | None) -> None:
    assert unit_of(header) == unit


def test_the_draft_knows_events_units_and_words_of_italian(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "Codice;Data diagnosi;Sesso;Stato;Ultimo contatto;Data recidiva;Hb g/dL\n"
        "01;01/02/2020;F;vivo;01/03/2022;05/06/2020;9,5\n"
        "02;01/02/2021;M;morto;01/03/2022;;nd\n03;01/02/2021;F;vivo;01/03/2022;;8\n"
    )
    text = tb.propose_mapping(tmp_path / "p.csv")
    (tmp_path / "map.yaml").write_text(text)
    cohort = tb.import_cohort(tmp_path / "p.csv", tmp_path / "map.yaml", tell=None)
    assert list(cohort.events["event"]) == ["relapse", "last_contact", "death", "last_contact"]
    assert list(cohort.patients["hb_g_dl"].dropna()) == [9.5, 8.0]
    assert "unit: g/dL" in text
