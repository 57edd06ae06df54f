"""Mappings drafted from files: near enough to import, and open about what they could not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import twinbayes as tb
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
