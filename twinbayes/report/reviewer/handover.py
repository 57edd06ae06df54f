"""Checks and effects as JSON files: how evidence reaches the notebook that shows it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.checks.result import FURTHER
from twinbayes.documents import read_json
from twinbayes.effects.published import publishable_effect
from twinbayes.errors import ReportError


def write_checks(path: str | Path, checks: Iterable[CheckResult]) -> Path:
    """Write checks with their tables as plain JSON, small cells hidden as in a report."""
    records = [
        {
            "name": c.name,
            "verdict": c.verdict,
            "text": c.text,
            "topic": c.topic,
            "columns": [str(k) for k in c.table.columns],
            "rows": [[_plain(v) for v in row] for row in c.table.itertuples(index=False)],
        }
        for c in (given.published for given in checks)
    ]
    target = Path(path)
    target.write_text(json.dumps(records, allow_nan=False), encoding="utf-8")
    return target


def read_checks(path: str | Path) -> tuple[CheckResult, ...]:
    """Read what `write_checks` wrote; an empty path means that there are none."""
    if not str(path):
        return ()
    records = read_json(Path(path), ReportError)
    return tuple(
        CheckResult(
            r["name"],
            r["verdict"],
            pd.DataFrame([[_number(v) for v in row] for row in r["rows"]], columns=r["columns"]),
            r["text"],
            r.get("topic", FURTHER),  # files of earlier versions have none
        )
        for r in records
    )


def write_effects(path: str | Path, effects: Iterable[xr.Dataset]) -> Path:
    """Write treatment effects as plain JSON, without what they say of single or few patients."""
    records = [_nested(publishable_effect(effect).to_dict(), _plain) for effect in effects]
    target = Path(path)
    target.write_text(json.dumps(records, allow_nan=False), encoding="utf-8")
    return target


def read_effects(path: str | Path) -> tuple[xr.Dataset, ...]:
    """Read what `write_effects` wrote; an empty path means that there are none."""
    if not str(path):
        return ()
    records = read_json(Path(path), ReportError)
    return tuple(xr.Dataset.from_dict(_nested(record, _number)) for record in records)


def _nested(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change every number and text within lists and dictionaries."""
    if isinstance(value, dict) and value.keys() != {"float"}:
        return {str(key): _nested(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_nested(inner, change) for inner in value]
    return change(value)


def _plain(value: Any) -> object:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        # JSON has no such numbers; a one-entry object cannot be mistaken for text.
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    return str(value)


def _number(value: Any) -> Any:
    return float(value["float"]) if isinstance(value, dict) else value
