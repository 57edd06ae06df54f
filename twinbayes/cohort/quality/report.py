"""What a reviewer must know of the data before believing a model of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.quality.detectors.finding import Finding, findings_table
from twinbayes.cohort.quality.detectors.table import findings_of
from twinbayes.cohort.quality.measured import measured
from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SMALLEST_CELL,
    SUPPRESSED,
    part_words,
    size_words,
)
from twinbayes.cohort.tables import CohortTables
from twinbayes.estimators import reverse_kaplan_meier
from twinbayes.showing import brief

# Beyond this many robust standard deviations of the log a value is implausible.
_MAD_LIMIT: Final = 6.0
_MAD_TO_SD: Final = 1.4826
_MISSING_LIMIT: Final = 0.2
_SMALL_SUBGROUP: Final = 20
_IN_WORDS: Final = {SUPPRESSED: f"fewer than {SMALLEST_CELL}", HIDDEN: "some"}


@brief
@dataclass(frozen=True, kw_only=True, eq=False)
class QualityReport:
    """Tables and flags about the data of one cohort.

    Attributes
    ----------
    tables
        ``overview``, ``missing_by_subgroup``, ``missing_by_centre`` (fraction missing and number
        of patients), ``follow_up`` (reverse Kaplan–Meier quartiles, days), ``events`` (patients
        with each event, by subgroup), ``implausible`` (table, row, variable), ``findings``
        (detector, table, column, centre, counts as they may be shown, what, why, remedy) and
        ``excluded``. ``row`` counts data rows of the cohort's frame from 0. No table holds a
        patient identifier.
    findings
        What the detectors found, with the rows that they suspect.
    flags
        One sentence each on what needs a look, the gravest first.

    Examples
    --------
    >>> report = tb.datasets.simulated_registry().quality()
    >>> sorted(report.tables)[:2]
    ['events', 'excluded']
    """

    name: str
    simulated: bool
    tables: dict[str, DataFrame] = field(default_factory=dict)
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    flags: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        from twinbayes.cohort.quality.html import render  # only notebooks need it

        return render(self)


def assess(cohort: CohortTables) -> QualityReport:
    """Return the quality report of a cohort."""
    implausible = _implausible(cohort)
    findings = findings_of(cohort)
    tables = {
        "overview": _overview(cohort),
        "missing_by_subgroup": _missing_by(cohort, names.SUBGROUP),
        "missing_by_centre": _missing_by(cohort, names.CENTRE),
        "follow_up": _follow_up(cohort),
        "events": _events(cohort),
        "implausible": implausible,
        "findings": findings_table(findings, cohort.patients[names.CENTRE]),
        "excluded": cohort.excluded,
    }
    return QualityReport(
        name=cohort.name,
        simulated=cohort.simulated,
        tables=tables,
        findings=findings,
        flags=tuple(_flags(cohort, tables, findings)),
    )


#: Rows of the overview that count no people, and are shown whatever their size.
OF_NO_PEOPLE: Final = (f"rows of {names.VARIABLES}", "subgroups", "centres", "baseline covariates")


def _overview(cohort: CohortTables) -> DataFrame:
    tables = cohort.tables
    rows = {f"rows of {table}": len(frame) for table, frame in tables.items()}
    counts = (len(cohort.subgroups), len(cohort.centres), cohort.covariates().shape[1])
    rows |= dict(zip(OF_NO_PEOPLE[1:], counts, strict=True))
    if late := int((cohort.entries[0] > 0.0).sum()):
        rows["patients who come under observation after their origin"] = late
    rows["source rows listed as excluded"] = len(cohort.excluded)
    return DataFrame({"quantity": list(rows), "n": list(rows.values())})


def _missing_by(cohort: CohortTables, place: str) -> DataFrame:
    covariates = cohort.covariates()
    group = cohort.patients.set_index(names.PATIENT_ID)[place]
    by_group = covariates.isna().groupby(group, sort=False)
    order = cohort.subgroups if place == names.SUBGROUP else cohort.centres
    fractions = by_group.mean().reindex(list(order))
    fractions.insert(0, "patients", by_group.size().reindex(list(order)))
    incomplete = covariates.columns[covariates.isna().any()]
    return fractions[["patients", *incomplete]].rename_axis(place).reset_index()


def _terminal(cohort: CohortTables) -> DataFrame:
    """One row a patient: subgroup, last day, whether it is a last contact, day of entry."""
    terminal = cohort.events[cohort.events[names.EVENT].isin(names.TERMINAL_EVENTS)]
    last = terminal.set_index(names.PATIENT_ID).reindex(list(cohort.patient_ids))
    return DataFrame(
        {
            names.SUBGROUP: cohort.patients[names.SUBGROUP].to_numpy(),
            names.DAY: last[names.DAY].to_numpy(),
            "censored": (last[names.EVENT] == names.LAST_CONTACT).to_numpy(),
            names.ENTRY_DAY: cohort.entries[0],
        }
    )


def _follow_up(cohort: CohortTables) -> DataFrame:
    terminal = _terminal(cohort)
    rows = []
    for subgroup, part in _whole_and_parts(terminal, cohort.subgroups):
        day, censored = part[names.DAY].to_numpy(), part["censored"].to_numpy()
        entry = part[names.ENTRY_DAY].to_numpy()
        if (entry > 0.0).any():  # at risk from the entry on; who left on that day never was
            seen = entry < day
            followed = reverse_kaplan_meier(day[seen], ~censored[seen], entry=entry[seen])
        else:
            followed = reverse_kaplan_meier(day, ~censored)
        quartiles = [followed.quantile(level) for level in (0.25, 0.5, 0.75)]
        deaths = int((~censored).sum())
        rows.append((subgroup, len(part), deaths, *quartiles, float(day.max())))
    columns = [names.SUBGROUP, "patients", "deaths", "quartile_1", "median", "quartile_3", "max"]
    return DataFrame(rows, columns=columns)


def _whole_and_parts(
    frame: DataFrame, subgroups: tuple[str, ...]
) -> Iterator[tuple[str, DataFrame]]:
    yield names.WHOLE, frame
    if len(subgroups) > 1:
        for subgroup in subgroups:
            yield subgroup, frame[frame[names.SUBGROUP] == subgroup]


def _events(cohort: CohortTables) -> DataFrame:
    happened = cohort.events[[names.PATIENT_ID, names.EVENT]]
    if cohort.treatments is not None:
        started = cohort.treatments[[names.PATIENT_ID, names.TREATMENT]]
        started = started.rename(columns={names.TREATMENT: names.EVENT})
        happened = pd.concat([happened, started], ignore_index=True)
    subgroup = cohort.patients.set_index(names.PATIENT_ID)[names.SUBGROUP]
    once = happened.drop_duplicates()
    counts = pd.crosstab(once[names.PATIENT_ID].map(subgroup), once[names.EVENT])
    counts = counts[list(dict.fromkeys(once[names.EVENT]))].reindex(list(cohort.subgroups))
    counts.insert(0, "patients", subgroup.value_counts().reindex(list(cohort.subgroups)))
    counts.columns.name = None
    counts = counts.rename_axis(names.SUBGROUP).reset_index()
    if len(counts) > 1:
        total = counts.drop(columns=names.SUBGROUP).sum().to_frame().T
        counts = pd.concat(
            [total.assign(**{names.SUBGROUP: names.WHOLE}), counts], ignore_index=True
        )
    return counts[[names.SUBGROUP, *counts.columns.drop(names.SUBGROUP)]]


def _implausible(cohort: CohortTables) -> DataFrame:
    parts = []
    for one in measured(cohort):
        # Percentages and scores pile up at their ends; the declared range is their limit.
        if one.unit == "%" or one.unit.startswith("{"):
            continue
        deviation = _robust_deviation(one.values)
        far = deviation.index[deviation.abs() > _MAD_LIMIT]
        parts.append(
            DataFrame(
                {
                    "table": one.table,
                    "row": far,
                    "variable": one.name,
                    "value": one.values[far],
                    "robust_sd": deviation[far],
                }
            )
        )
    columns = ["table", "row", "variable", "value", "robust_sd"]
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True) if found else DataFrame(columns=columns)


def _robust_deviation(values: Series) -> Series:
    """Return the distance from the median in robust standard deviations, of logs of amounts."""
    known = values.dropna()
    positive = known[known > 0]
    if len(positive) and (known >= 0).all():
        # A count of zero is common and no outlier by itself: half the smallest positive value.
        known = np.log(known.clip(lower=positive.min() / 2))
    centred = known - known.median()
    spread = _MAD_TO_SD * float(centred.abs().median())
    return centred / spread if spread > 0 else centred * 0.0


def _flags(
    cohort: CohortTables, tables: dict[str, DataFrame], findings: Sequence[Finding]
) -> Iterator[str]:
    for sentence, n in zip(
        (found.sentence for found in findings), tables["findings"]["rows"], strict=True
    ):
        yield f"{sentence} Rows: {_IN_WORDS.get(n, n)}."
    far = tables["implausible"]["variable"].value_counts(sort=False)
    for name, n in zip(far.index, part_words(far), strict=True):
        limit = f"{_MAD_LIMIT:g} robust standard deviations"
        yield f"{name}: values beyond {limit} from the median: {_IN_WORDS.get(n, n)}."
    missing = cohort.covariates().isna()
    for name, n in missing.sum()[missing.mean() > _MISSING_LIMIT].items():
        few = _IN_WORDS.get(size_words(n))
        of_all = f"{n / len(missing):.0%} of" if few is None else few
        yield f"{name}: missing in {of_all} patients."
    terminal = _terminal(cohort)
    if at_once := int((terminal[names.DAY] == 0).sum()):
        few = _IN_WORDS.get(size_words(at_once), str(at_once))
        yield f"Patients whose record ends on day 0, and who say nothing on events: {few}."
    sizes = cohort.patients[names.SUBGROUP].value_counts()
    small = int((sizes < _SMALL_SUBGROUP).sum())
    if small and len(sizes) > 1:
        yield f"Subgroups of fewer than {_SMALL_SUBGROUP} patients, which will borrow: {small}."
