"""One person who is not in the cohort, described in the cohort's own variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import ROLE_COVARIATE
from twinbayes.errors import require_known

#: Centre of a patient treated where none of the cohort was.
NEW_CENTRE: Final = "new_centre"


def new_patient(
    like: Cohort,
    *,
    subgroup: str,
    covariates: Mapping[str, object],
    centre: str | None = None,
    events: Iterable[tuple[float, str]] = (),
    treatments: Iterable[tuple[float, str]] = (),
    day: float = 0.0,
    patient_id: str = "new",
) -> Cohort:
    """Return a cohort of one patient, described like those of another cohort.

    Parameters
    ----------
    like
        Cohort whose variables describe the patient.
    subgroup
        One of its subgroups.
    covariates
        Baseline covariates by name, in the units of ``like.variables``; those left out are
        missing.
    centre
        One of its centres; None for a centre that the cohort does not have.
    events
        ``(day, event)`` up to `day`. Without a death, follow-up ends in ``last_contact`` on
        `day`.
    treatments
        ``(start_day, treatment)`` up to `day`.
    day
        Last day known, in days since the patient's origin.
    patient_id
        Name of the patient in forecasts.

    Raises
    ------
    OptionError
        If subgroup, centre, a covariate or a treatment is unknown.
    CohortError
        If a value breaks the data contract.
    """
    require_known(subgroup, like.subgroups, "subgroup")
    if centre is not None:
        require_known(centre, like.centres, "centre")
    declared = like.variables[like.variables["role"] == ROLE_COVARIATE]
    for name in covariates:
        require_known(name, declared["name"], "covariate")
    started = list(treatments)
    known = like.variables.loc[like.variables["table"] == names.TREATMENTS, "name"]
    for _, treatment in started:
        require_known(treatment, known, "treatment")

    given = {k: float(v) if isinstance(v, (bool, np.bool_)) else v for k, v in covariates.items()}

    def row(table: str) -> DataFrame:
        columns = declared.loc[declared["table"] == table, "name"]
        return DataFrame(
            {
                names.PATIENT_ID: [patient_id],
                **{c: pd.Series([given.get(c)], dtype=object) for c in columns},
            }
        )

    place = {names.SUBGROUP: subgroup, names.CENTRE: NEW_CENTRE if centre is None else centre}
    rows = [(patient_id, when, event) for when, event in events]
    if not any(event in names.TERMINAL_EVENTS for _, _, event in rows):
        rows.append((patient_id, day, names.LAST_CONTACT))
    tables = {
        names.VARIABLES: like.variables,
        names.PATIENTS: row(names.PATIENTS).assign(**place),
        names.EVENTS: DataFrame(rows, columns=[names.PATIENT_ID, names.DAY, names.EVENT]),
    }
    if like.genomics is not None:
        tables[names.GENOMICS] = row(names.GENOMICS)
    if like.treatments is not None:
        starts = [(patient_id, when, treatment) for when, treatment in started]
        columns = [names.PATIENT_ID, "start_day", names.TREATMENT]
        tables[names.TREATMENTS] = DataFrame(starts, columns=columns)
    return cohort_from_tables(
        f"new patient like {like.name}",
        tables,
        simulated=like.simulated,
        source={"note": f"one patient described in the variables of {like.name}"},
    )
