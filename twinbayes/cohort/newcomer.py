"""One person who is not in the cohort, described in the cohort's own variables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import ROLE_COVARIATE
from twinbayes.errors import OptionError, require_known

#: Centre of a patient treated where none of the cohort was; with a `_` more where one is called so.
NEW_CENTRE: Final = "new_centre"
_MEASURED: Final = "none"  # no detection limit was met
_STARTS: Final = (names.PATIENT_ID, "start_day", names.TREATMENT)
_WITH_LIMIT: Final = 4  # values of a row of visits


def new_patient(
    like: Cohort,
    *,
    subgroup: str,
    covariates: Mapping[str, object],
    centre: str | None = None,
    events: Iterable[tuple[float, str]] = (),
    treatments: Iterable[tuple[float, str]] = (),
    visits: Iterable[tuple[float, str, float] | tuple[float, str, float, str]] = (),
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
    visits
        ``(day, marker, value)`` up to `day`, in the units of ``like.variables``; with a fourth,
        ``"left"`` or ``"right"``, where a detection limit was met.
    day
        Last day known, in days since the patient's origin.
    patient_id
        Name of the patient in forecasts.

    Raises
    ------
    OptionError
        If subgroup, centre, a covariate, a treatment or a marker is unknown, or what is given is
        no list of such rows.
    CohortError
        If a value breaks the data contract.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> person = tb.new_patient(
    ...     cohort, subgroup="acute_erythroid", covariates={"age_years": 71}
    ... )
    >>> person.patient_ids
    ('new',)
    """
    return described_patient(
        like,
        like.subgroups,
        like.centres,
        subgroup=subgroup,
        covariates=covariates,
        centre=centre,
        events=events,
        treatments=treatments,
        visits=visits,
        day=day,
        patient_id=patient_id,
    )


def described_patient(
    like: Cohort,
    subgroups: Collection[str],
    centres: Collection[str],
    *,
    subgroup: str,
    covariates: Mapping[str, object],
    centre: str | None = None,
    events: Iterable[tuple[float, str]] = (),
    treatments: Iterable[tuple[float, str]] = (),
    visits: Iterable[tuple[float, str, float] | tuple[float, str, float, str]] = (),
    day: float = 0.0,
    patient_id: str = "new",
) -> Cohort:
    """Return a cohort of one patient, of one of these subgroups and centres; see `new_patient`."""
    require_known(subgroup, subgroups, "subgroup")
    if centre is not None:
        require_known(centre, centres, "centre")
    declared = like.variables[like.variables["role"] == ROLE_COVARIATE]
    for name in covariates:
        require_known(name, declared["name"], "covariate")
    happened, started = _rows(events, (2,), "events"), _rows(treatments, (2,), "treatments")
    measured = _measured(like, visits)
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

    place = {names.SUBGROUP: subgroup, names.CENTRE: centre or _elsewhere(centres)}
    if not any(event in names.TERMINAL_EVENTS for _, event in happened):
        happened.append((day, names.LAST_CONTACT))
    tables = {
        names.VARIABLES: like.variables,
        names.PATIENTS: row(names.PATIENTS).assign(**place),
        names.EVENTS: _table(patient_id, happened, (names.PATIENT_ID, names.DAY, names.EVENT)),
    }
    if like.genomics is not None:
        tables[names.GENOMICS] = row(names.GENOMICS)
    if like.treatments is not None:
        tables[names.TREATMENTS] = _table(patient_id, started, _STARTS)
    if measured:
        columns = (names.PATIENT_ID, names.DAY, names.MARKER, "value", names.CENSORED)
        tables[names.VISITS] = _table(patient_id, measured, columns)
    return cohort_from_tables(
        f"new patient like {like.name}",
        tables,
        simulated=like.simulated,
        source={"note": f"one patient described in the variables of {like.name}"},
    )


def _elsewhere(centres: Collection[str]) -> str:
    """A name that no centre has."""
    name = NEW_CENTRE
    while name in centres:
        name += "_"
    return name


def _measured(like: Cohort, visits: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows of visits, each with its kind of censoring, of markers that the cohort has."""
    seen = _rows(visits, (_WITH_LIMIT - 1, _WITH_LIMIT), "visits")
    markers = like.variables.loc[like.variables["table"] == names.VISITS, "name"]
    for _, marker, *_ in seen:
        require_known(marker, markers, "marker")
    return [(*row, _MEASURED)[:_WITH_LIMIT] for row in seen]


def _table(patient_id: str, rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> DataFrame:
    return DataFrame([(patient_id, *row) for row in rows], columns=list(columns))


def _rows(
    given: Iterable[Sequence[Any]], widths: Sequence[int], what: str
) -> list[tuple[Any, ...]]:
    """Rows as tuples.

    Raises
    ------
    OptionError
        They are none, or of another width.
    """
    wanted = " or ".join(map(str, widths))
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise OptionError(f"{what}: give a list of rows of {wanted} values each.")
    rows: list[tuple[Any, ...]] = []
    for number, row in enumerate(given, 1):
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) not in widths:
            raise OptionError(f"{what}: row {number} has to hold {wanted} values.")
        rows.append(tuple(row))
    return rows
