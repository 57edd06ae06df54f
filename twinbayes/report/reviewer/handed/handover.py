"""Checks and effects as JSON files: how evidence reaches a report that shows it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable
from json import dumps
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.checks.result import FURTHER, TOPICS, VERDICTS
from twinbayes.effects.published import publishable_effect
from twinbayes.errors import TwinbayesError
from twinbayes.private_files import write_private
from twinbayes.report.reviewer.handed.asked_effects import require_effect
from twinbayes.report.reviewer.handed.strict_json import read_json, refused

_NUMBER: Final = {
    "anyOf": [
        {"type": ["number", "string", "boolean", "null"]},
        {
            "type": "object",
            "properties": {"float": {"enum": ["nan", "inf", "-inf"]}},
            "required": ["float"],
            "additionalProperties": False,
        },
    ]
}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_CHECKS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "verdict": {"enum": list(VERDICTS)},
            "text": {"type": "string"},
            "topic": {"enum": list(TOPICS)},
            "columns": {**_TEXTS, "uniqueItems": True},
            "rows": {"type": "array", "items": {"type": "array", "items": _NUMBER}},
        },
        "required": ["name", "verdict", "text", "columns", "rows"],
        "additionalProperties": False,
    },
}
_VARIABLE: Final = {
    "type": "object",
    "properties": {
        "dims": {**_TEXTS, "uniqueItems": True},
        "attrs": {"type": "object", "additionalProperties": _NUMBER},
        "data": {"anyOf": [_NUMBER, {"type": "array"}]},
    },
    "required": ["dims", "attrs", "data"],
    "additionalProperties": False,
}
_VARIABLES: Final = {"type": "object", "additionalProperties": _VARIABLE}
_EFFECTS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "coords": _VARIABLES,
            "attrs": {"type": "object", "additionalProperties": _NUMBER},
            "dims": {"type": "object", "additionalProperties": {"type": "integer"}},
            "data_vars": _VARIABLES,
        },
        "required": ["coords", "attrs", "dims", "data_vars"],
        "additionalProperties": False,
    },
}


def write_checks(path: str | os.PathLike[str], checks: Iterable[CheckResult]) -> Path:
    """Write checks with their tables as plain JSON, small cells hidden as in a report.

    Examples
    --------
    >>> check = CheckResult("patients", "info", pd.DataFrame({"n": [40]}), "Forty patients.")
    >>> path = write_checks("checks.json", [check])
    >>> read_checks(path)[0].name
    'patients'
    """
    return write_private(path, dumps([_record(c) for c in checks], allow_nan=False))


def fingerprint_of(check: CheckResult) -> str:
    """Return the SHA-256 of a check as `write_checks` writes it: the same before and after."""
    text = dumps(_record(check), allow_nan=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _record(given: CheckResult) -> dict[str, Any]:
    c = given.published
    return {
        "name": c.name,
        "verdict": c.verdict,
        "text": c.text,
        "topic": c.topic,
        "columns": [str(k) for k in c.table.columns],
        "rows": [[_plain(v) for v in row] for row in c.table.itertuples(index=False)],
    }


def read_checks(path: str | os.PathLike[str]) -> tuple[CheckResult, ...]:
    """Read what `write_checks` wrote; an empty path means that there are none.

    Raises
    ------
    StorageError
        Naming the file, the place in it, and the rule that it breaks.

    Examples
    --------
    >>> check = CheckResult("patients", "info", pd.DataFrame({"n": [40]}), "Forty patients.")
    >>> read_checks(write_checks("checks.json", [check]))[0].text
    'Forty patients.'
    """
    if path == "":
        return ()
    records = read_json(path, _CHECKS)
    for k, record in enumerate(records):
        width = len(record["columns"])
        wrong = next((n for n, row in enumerate(record["rows"]) if len(row) != width), None)
        if wrong is not None:
            place = f"$[{k}].rows[{wrong}]"
            raise refused(Path(path).name, place, f"must have one value a column, {width}")
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


def write_effects(path: str | os.PathLike[str], effects: Iterable[xr.Dataset]) -> Path:
    """Write treatment effects as plain JSON, without what they say of single or few patients.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant",
    ...     landmark=120,
    ...     states=("remission",),
    ...     times=365.25,
    ...     subgroups=("aml_inv3", "early_t_precursor"),
    ... )
    >>> effect = treatment_effect(fit, asked)  # doctest: +SKIP
    >>> write_effects("effects.nc", [effect]).name  # doctest: +SKIP
    'effects.nc'
    """
    records = [_nested(publishable_effect(effect).to_dict(), _plain) for effect in effects]
    return write_private(path, dumps(records, allow_nan=False))


def read_effects(path: str | os.PathLike[str]) -> tuple[xr.Dataset, ...]:
    """Read what `write_effects` wrote; an empty path means that there are none.

    Raises
    ------
    StorageError
        Naming the file, the place in it, and the rule that it breaks.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant",
    ...     landmark=120,
    ...     states=("remission",),
    ...     times=365.25,
    ...     subgroups=("aml_inv3", "early_t_precursor"),
    ... )
    >>> path = write_effects("effects.nc", [treatment_effect(fit, asked)])  # doctest: +SKIP
    >>> read_effects(path)[0].attrs["summary"]  # doctest: +SKIP
    'risk_difference'
    """
    if path == "":
        return ()
    found = []
    for k, record in enumerate(read_json(path, _EFFECTS)):
        try:
            effect = xr.Dataset.from_dict(_nested(record, _number))
            require_effect(effect)
        except TwinbayesError as error:
            raise refused(Path(path).name, f"$[{k}]", f"must be a treatment effect: {error}") from (
                error
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            what = "must be a data set whose data have the dims that they name"
            raise refused(Path(path).name, f"$[{k}]", what) from error
        found.append(effect)
    return tuple(found)


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
