"""Continuous variables of a cohort: the values of each, with the centre of every value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from pandas import Series

from twinbayes import names
from twinbayes.cohort.tables import CohortTables


class Measured(NamedTuple):
    """Values of one continuous variable, indexed by the row of its table, and their centres."""

    table: str
    name: str
    unit: str
    values: Series
    centre: Series


def measured(cohort: CohortTables) -> Iterator[Measured]:
    """Yield what is measured: covariates that are no scores, and markers where not censored."""
    units = cohort.variables.set_index("name")["unit"].fillna("")
    patients = cohort.patients
    for name in cohort.covariates().columns.intersection(patients.columns):
        values = patients[name]
        # Scores and yes/no have too few values for a unit or an outlier.
        if pd.api.types.is_numeric_dtype(values.dtype) and values.nunique() > 10:
            centre = patients[names.CENTRE]
            yield Measured(names.PATIENTS, str(name), str(units[name]), values, centre)
    if cohort.visits is not None:
        centre = patients.set_index(names.PATIENT_ID)[names.CENTRE]
        observed = cohort.visits[cohort.visits[names.CENSORED] == "none"]
        for marker, rows in observed.groupby(names.MARKER, sort=False):
            where = rows[names.PATIENT_ID].map(centre)
            unit = str(units[str(marker)])
            yield Measured(names.VISITS, str(marker), unit, rows[names.VISIT_VALUE], where)
