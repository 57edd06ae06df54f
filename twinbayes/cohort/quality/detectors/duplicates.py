"""One person under two identifiers: pairs of patients who agree in more than chance allows.

Each column gives evidence, after Fellegi and Sunter: where two patients agree, the log of how rare
the value is; where they differ, the log of how rarely one person's records do. A pair is suspected
if its evidence outweighs the number of pairs there are, so that a cohort with few columns, in which
many people look the same, raises no alarm. Only pairs that agree in two telling columns are looked
at, which keeps the time linear in the patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.arrays import Floats, Ints
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.tables import CohortTables

_DIFFER: Final = 0.1  # share of columns in which two records of one person differ
_WEIGHT: Final = 0.8  # of each column's evidence: columns tell partly the same
_CHANCE: Final = 1e-4  # of one false pair in a cohort
_YEAR: Final = 1.0  # ages of one person at two diagnoses may differ so much
_TELLING: Final = 8  # columns whose pairs of equal values are looked at
_SAME: Final = 30  # patients of one pair of values, beyond which it tells nothing
# A column follows from another if of so many patients alike there so many are alike here.
_ALIKE: Final = 0.1
_FOLLOWS: Final = 0.6
_VISITS: Final = 3  # first visits of each marker that are compared


def duplicates(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield pairs of patients who seem to be one person."""
    first, second = _pairs(cohort, line)
    if not len(first):
        return
    centre = cohort.patients[names.CENTRE].to_numpy(dtype=object)
    across = int((centre[first] != centre[second]).sum())
    where = "in two centres" if across else "in one centre"
    if 0 < across < len(first):
        where = "in two centres or in one"
    rows = np.unique(np.concatenate([first, second]))
    yield Finding(
        detector="one person twice",
        table=names.PATIENTS,
        column=names.PATIENT_ID,
        what=f"pairs of patients, {where}, who may be one person",
        why="they agree in sex, age, covariates and visits far more than two people do by chance",
        remedy="Ask the centres, and keep one record of each person.",
        n_rows=len(rows),
        n_patients=len(rows),
        of_patients=cohort.n_patients,
        rows={names.PATIENTS: rows},
    )


def _pairs(cohort: CohortTables, line: Timeline) -> tuple[Ints, Ints]:
    """Pairs of patients beyond chance, by their numbers."""
    n = cohort.n_patients
    table = _columns(cohort, line)
    none = np.empty(0, dtype=np.int64)
    if n < 2 or table.shape[1] < 2:
        return none, none
    codes = np.column_stack([pd.factorize(table[c])[0] for c in table])
    logs = np.zeros(codes.shape)
    for k in range(codes.shape[1]):
        known = codes[:, k] >= 0
        if known.any():
            sizes = np.bincount(codes[known, k])
            logs[known, k] = -np.log(sizes[codes[known, k]] / known.sum())
    apart = _apart(codes, logs)
    codes, logs = codes[:, apart], logs[:, apart]
    first, second = _candidates(codes, logs)
    if not len(first):
        return none, none
    score = _evidence(codes, logs, first, second)
    score += _age_evidence(cohort, first, second)
    bar = np.log(n * (n - 1) / 2) - np.log(_CHANCE)
    found = score > bar
    return first[found], second[found]


def _columns(cohort: CohortTables, line: Timeline) -> DataFrame:
    """What two records of one person share: one row a patient, by number."""
    covariates = cohort.covariates().reset_index(drop=True)
    columns = {f"covariate {c}": column for c, column in covariates.items() if c != "age_years"}
    if "sex" in cohort.patients and "sex" not in covariates:
        columns["sex"] = cohort.patients["sex"]
    if cohort.visits is not None:
        visits = cohort.visits.assign(who=line.who[names.VISITS])
        visits = visits[visits[names.CENSORED] == "none"]
        number = visits.groupby(["who", names.MARKER]).cumcount()
        for k in range(_VISITS):
            for marker, rows in visits[number == k].groupby(names.MARKER):
                values = rows.set_index("who")[names.VISIT_VALUE]
                columns[f"visit {k} {marker}"] = values.reindex(np.arange(line.n))
    columns |= {k: Series(day) for k, day in _days(line).items()}
    return DataFrame({k: v for k, v in columns.items() if v.dropna().unique().size > 1})


def _days(line: Timeline) -> dict[str, Floats]:
    """Days of events and treatment starts; of several on one day, which may be one thing, one."""
    seen: list[Floats] = []
    days = {}
    for name, day in line.kinds.items():
        again = np.any([day == other for other in seen], axis=0) if seen else np.zeros(line.n, bool)
        days[f"day {name}"] = np.where(again, np.nan, day)
        seen.append(day)
    return days


def _apart(codes: Ints, logs: Floats) -> list[int]:
    """Columns that do not follow from another one: a value in two units is no second evidence."""
    n, width = codes.shape
    order = np.argsort(-logs.mean(axis=0), kind="stable")
    kept = np.ones(width, dtype=bool)
    rare = (
        np.array([np.exp(-logs[codes[:, k] >= 0, k]).mean() for k in range(width)]) < _FOLLOWS / 2
    )
    for place, k in enumerate(order):
        if not kept[k]:
            continue
        who = np.flatnonzero(codes[:, k] >= 0)
        who = who[np.argsort(codes[who, k], kind="stable")]
        same = np.flatnonzero(np.diff(codes[who, k]) == 0)
        if len(same) < max(_ALIKE * n, 10):
            continue
        a, b = codes[who[same]], codes[who[same + 1]]
        known = (a >= 0) & (b >= 0)
        follows = ((a == b) & known).sum(axis=0) > _FOLLOWS * np.maximum(known.sum(axis=0), 1)
        kept[[j for j in order[place + 1 :] if follows[j] and rare[j]]] = False
    return list(np.flatnonzero(kept))


def _candidates(codes: Ints, logs: Floats) -> tuple[Ints, Ints]:
    """Pairs that share two values of telling columns, each pair once."""
    n = len(codes)
    telling = np.argsort(-logs.mean(axis=0), kind="stable")[:_TELLING]
    found: list[NDArray[np.int64]] = []
    for a, b in combinations(telling, 2):
        known = np.flatnonzero((codes[:, a] >= 0) & (codes[:, b] >= 0))
        key = codes[known, a] * (codes[:, b].max() + 1) + codes[known, b]
        order = np.argsort(key, kind="stable")
        key, who = key[order], known[order]
        starts = np.flatnonzero(np.append(True, np.diff(key) != 0)) if len(key) else key
        sizes = np.diff(np.append(starts, len(key)))
        small = np.repeat((sizes > 1) & (sizes <= _SAME), sizes)
        key, who = key[small], who[small]
        for step in range(1, _SAME):
            same = np.flatnonzero(key[step:] == key[:-step]) if step < len(key) else key[:0]
            if not len(same):
                break
            low, high = np.sort(np.stack([who[same], who[same + step]]), axis=0)
            found.append(low * n + high)
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    pairs = np.unique(np.concatenate(found))
    return pairs // n, pairs % n


def _evidence(codes: Ints, logs: Floats, first: Ints, second: Ints) -> Floats:
    """Sum of the evidence of all columns that both patients have, (pair,)."""
    score = np.zeros(len(first))
    for k in range(codes.shape[1]):
        a, b = codes[first, k], codes[second, k]
        known = (a >= 0) & (b >= 0)
        agreeing = float(np.mean(np.exp(-logs[codes[:, k] >= 0, k])))  # chance of two people
        differ = np.log(_DIFFER / max(1.0 - agreeing, _DIFFER))
        score += np.where(known, np.where(a == b, _WEIGHT * logs[first, k], differ), 0.0)
    return score


def _age_evidence(cohort: CohortTables, first: Ints, second: Ints) -> Floats:
    """Evidence of ages within a year, (pair,); far ages rule a pair out."""
    if "age_years" not in cohort.patients or cohort.patients["age_years"].notna().sum() < 2:
        return np.zeros(len(first))
    age = cohort.patients["age_years"].to_numpy(dtype=float)
    known = np.sort(age[~np.isnan(age)])
    low = np.searchsorted(known, age - _YEAR, side="left")
    high = np.searchsorted(known, age + _YEAR, side="right")
    near = np.maximum(high - low, 1) / len(known)
    gap = np.abs(age[first] - age[second])
    found = np.where(gap <= _YEAR, -_WEIGHT * np.log(near[first]), -np.inf)
    return np.where(np.isnan(gap), 0.0, found)
