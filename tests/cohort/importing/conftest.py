"""A simulated registry as hospitals would export it, and the mapping that reads it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas import DataFrame

from twinbayes.cohort import Cohort
from twinbayes.datasets.simulated.simulate import simulate_registry

FIRST = datetime(1998, 11, 3)
DATES = "%d/%m/%Y %H:%M"
SEX = {"M": "male", "F": "female"}


@dataclass
class Hospital:
    """Tables as text by name, and the mapping of them."""

    cohort: Cohort
    tables: dict[str, DataFrame] = field(default_factory=dict)
    mapping: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, *, delimiter: str = ";") -> tuple[Path, Path]:
        """Write CSV files and the mapping; return both places."""
        source = folder / "export"
        source.mkdir(parents=True)
        for name, table in self.tables.items():
            table.to_csv(source / f"{name}.csv", sep=delimiter, index=False)
        return source, self.write_mapping(folder)

    def write_mapping(self, folder: Path) -> Path:
        path = folder / "map.yaml"
        path.write_text(yaml.safe_dump(self.mapping, sort_keys=False, allow_unicode=True))
        return path


@pytest.fixture(scope="session")
def registry() -> Cohort:
    return simulate_registry(seed=11, n_patients=60)[0]


def day_zero(patients: list[str]) -> dict[str, datetime]:
    """Patient -> date of day 0, over three years."""
    return {p: FIRST + timedelta(days=(37 * k) % 1095) for k, p in enumerate(patients)}


def dates_of(frame: DataFrame, column: str, zero: dict[str, datetime]) -> list[str]:
    return [
        "" if np.isnan(d) else (zero[p] + timedelta(minutes=round(d * 1440))).strftime(DATES)
        for p, d in zip(frame["patient_id"], frame[column], strict=True)
    ]


def comma(value: float) -> str:
    """A number with a decimal comma, blank where missing."""
    return "" if np.isnan(value) else repr(float(value)).removesuffix(".0").replace(".", ",")


def variables_of(cohort: Cohort) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for row in cohort.variables.to_dict(orient="records"):
        entry = {k: v for k, v in row.items() if k != "name" and v == v and v is not None}
        if "levels" in entry:
            entry["levels"] = entry["levels"].split("|")
        out[row["name"]] = entry
    return out


def hospital_of(registry: Cohort) -> Hospital:
    """Coded values, dates, decimal commas, wide visits, wide dates of events."""
    zero = day_zero(list(registry.patient_ids))
    people = registry.patients
    main = DataFrame({"Codice": people["patient_id"], "Diagnosi": people["subgroup"]})
    main["Data diagnosi"] = [zero[p].strftime(DATES) for p in people["patient_id"]]
    main["Sesso"] = people["sex"].map({to: code for code, to in SEX.items()}).fillna("n.d.")
    main["Centro"] = people["centre"].str.removeprefix("centre_")
    numbers = [c for c in people.columns if c not in ("patient_id", "subgroup", "centre", "sex")]
    for name in numbers:
        main[name] = [comma(v) or "-9" for v in people[name]]
    assert registry.genomics is not None
    for name in registry.genomics.columns[1:]:
        main[name] = [
            {0.0: "neg", 1.0: "pos"}.get(v, "") for v in registry.genomics[name].to_numpy()
        ]
    for event in ("complete_remission", "relapse", "death", "last_contact"):
        own = registry.events[registry.events["event"] == event]
        when = dict(zip(own["patient_id"], dates_of(own, "day", zero), strict=True))
        main[f"date_of_{event}"] = [when.get(p, "") for p in people["patient_id"]]
    main["status"] = ["died" if d else "alive" for d in main["date_of_death"]]
    main["Note"] = "free text"
    return Hospital(
        cohort=registry,
        tables={"Anagrafica": main, "Visite": visits_of(registry, zero),
                "Terapie": therapies_of(registry, zero)},
        mapping=mapping_of(registry, numbers),
    )  # fmt: skip


def visits_of(registry: Cohort, zero: dict[str, datetime]) -> DataFrame:
    """One row a visit, several columns of markers, limits as '<5'."""
    visits = registry.visits
    assert visits is not None
    sign = visits["censored"].map({"none": "", "left": "<", "right": ">"})
    cells = sign + visits["value"].map(comma)
    wide = visits.assign(cell=cells).pivot_table(
        index=["patient_id", "day"], columns="marker", values="cell", aggfunc="first"
    )
    wide = wide.reset_index().fillna("")
    out = DataFrame({"ID paziente": wide["patient_id"]})
    out["Data"] = dates_of(wide, "day", zero)
    return pd.concat([out, wide.drop(columns=["patient_id", "day"])], axis=1)


def therapies_of(registry: Cohort, zero: dict[str, datetime]) -> DataFrame:
    given = registry.treatments
    assert given is not None
    return DataFrame(
        {
            "Codice": given["patient_id"],
            "inizio": dates_of(given, "start_day", zero),
            "terapia": "TMO",
            "linea": given["line"].astype(int).astype(str),
        }
    )


def mapping_of(registry: Cohort, numbers: list[str]) -> dict[str, Any]:
    visits, genomics = registry.visits, registry.genomics
    assert visits is not None
    assert genomics is not None
    return {
        "schema": "twinbayes/mapping/v1",
        "name": "simulated_registry",
        "simulated": True,
        "missing": ["-9", "NA", "n.d."],
        "decimal": ",",
        "dates": DATES,
        "tables": {
            "patients": {
                "table": "Anagrafica",
                "origin": "Data diagnosi",
                "columns": {
                    "patient_id": ["ID paziente", "Codice"],
                    "subgroup": "Diagnosi",
                    "centre": {"column": "Centro",
                               "values": {c.removeprefix("centre_"): c for c in registry.centres}},
                    "sex": {"column": "Sesso", "values": dict(SEX)},
                    **{name: name for name in numbers},
                },
            },
            "genomics": {
                "table": "Anagrafica",
                "columns": {
                    "patient_id": "Codice",
                    **{
                        name: {"column": name, "values": {"neg": 0, "pos": 1}}
                        for name in genomics.columns[1:]
                    },
                },
            },
            "visits": {
                "table": "Visite",
                "columns": {"patient_id": "ID paziente", "day": "Data"},
                "markers": {str(m): str(m) for m in visits["marker"].unique()},
            },
            "events": {
                "table": "Anagrafica",
                "columns": {"patient_id": "Codice"},
                "events": {
                    "complete_remission": "date_of_complete_remission",
                    "relapse": "date_of_relapse",
                },
                "closing": {
                    "vital_status": {"column": "status",
                                     "values": {"died": "death", "alive": "last_contact"}},
                    "death": "date_of_death",
                    "last_contact": "date_of_last_contact",
                },
            },
            "treatments": {
                "table": "Terapie",
                "columns": {
                    "patient_id": "Codice",
                    "start_day": "inizio",
                    "treatment": {"column": "terapia", "values": {"TMO": "allogeneic_transplant"}},
                    "line": "linea",
                },
            },
        },
        "variables": variables_of(registry),
    }  # fmt: skip


@pytest.fixture
def hospital(registry: Cohort) -> Hospital:
    return hospital_of(registry)
