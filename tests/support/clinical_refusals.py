"""Imports that are refused: what the refusal must say, and must not."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.errors import CohortError

DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}-\d{2}-\d{2}")


def refused(source: Path, mapping: Path, patients: Collection[str]) -> CohortError:
    """The refusal of an import, which has remedies, and names no patient and no date."""
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(source, mapping, tell=None)
    error = caught.value
    assert error.faults is not None
    said = f"{error}\n{error.faults.to_csv()}"
    assert not [patient for patient in patients if patient in said]
    assert not DATE.search(said)
    assert error.faults["remedy"].str.len().gt(10).all()
    return error


def alternating(cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Cases by their names, every other one of them with the slow tests."""
    return [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] if k % 2 else [])
        for k, (name, *case) in enumerate(cases)
    ]
