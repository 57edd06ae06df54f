"""What the writers of a cohort in standard formats share: dates, cells, and the mapping's frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pandas import DataFrame

from clinical_cohort import variables_of
from twinbayes.cohort import Cohort

FIRST = datetime(1998, 11, 3, 8, 30)


@dataclass
class Written:
    """Tables of a format by name, and the mapping that reads them back."""

    cohort: Cohort
    tables: dict[str, DataFrame] = field(default_factory=dict)
    mapping: dict[str, Any] = field(default_factory=dict)

    def map_into(self, folder: Path) -> Path:
        path = folder / "map.yaml"
        path.write_text(yaml.safe_dump(self.mapping, sort_keys=False), encoding="utf-8")
        return path


def day_zero(cohort: Cohort) -> dict[str, datetime]:
    """Patient -> moment of day 0, over three years."""
    return {p: FIRST + timedelta(days=(37 * k) % 1095) for k, p in enumerate(cohort.patient_ids)}


def moments(frame: DataFrame, column: str, zero: Mapping[str, datetime]) -> list[datetime | None]:
    """Days since the origin as moments; the registry has them to a tenth."""
    return [
        None if np.isnan(day) else zero[p] + timedelta(minutes=round(day * 1440))
        for p, day in zip(frame["patient_id"], frame[column], strict=True)
    ]


def number(value: float) -> str:
    """A number as text, blank where missing."""
    return "" if np.isnan(value) else repr(float(value)).removesuffix(".0")


def limits(visits: DataFrame) -> list[str]:
    """Values as text, limits of detection as ``<5``."""
    signs = {"none": "", "left": "<", "right": ">"}
    pairs = zip(visits["censored"], visits["value"], strict=True)
    return [signs[censored] + number(value) for censored, value in pairs]


def covariates(cohort: Cohort) -> list[str]:
    """Columns of patients that are numbers, but for the age."""
    fixed = ("patient_id", "subgroup", "centre", "sex", "age_years")
    return [c for c in cohort.patients.columns if c not in fixed]


def frame_of(cohort: Cohort, tables: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole mapping."""
    head = {"schema": "twinbayes/mapping/v1", "name": cohort.name, "simulated": True}
    return {**head, **more, "tables": tables, "variables": variables_of(cohort)}
