"""Published survival data as cohorts: one death, age and sex where known, one treatment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes import names
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import ModelSpec, Term

SHARED: Final = Path(os.environ.get("TWINBAYES_SHARED", Path(__file__).parents[2] / "shared"))
_MONTH: Final = names.DAYS_PER_YEAR / 12


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a data set lies, and which of its columns mean what.

    Attributes
    ----------
    file
        Below the folder of the published data.
    time, dead
        Column of the time, and what tells deaths apart.
    unit
        Days in one unit of time.
    age, sex, treatment
        Columns, or None; `treatment` is compared with its first value.
    """

    file: str
    time: str
    dead: Callable[[pd.DataFrame], pd.Series]
    unit: float
    age: str | None = None
    sex: str | None = None
    treatment: str | None = None

    def cohort(self, name: str) -> Cohort:
        """Read the file: one row a patient, the last one where a patient has several."""
        table = pd.read_csv(SHARED / "data" / self.file)
        if "id" in table:
            table = table.groupby("id", sort=False).tail(1)
        ids = [f"{name}-{k + 1}" for k in range(len(table))]
        # a death on the day of entry happened during that day
        day = np.maximum(table[self.time].to_numpy(dtype=float) * self.unit, 0.5)
        patients = pd.DataFrame(
            {
                names.PATIENT_ID: ids,
                names.SUBGROUP: name,
                names.CENTRE: "published",
            }
        )
        if self.age:
            patients["age_years"] = table[self.age].to_numpy(dtype=float)
        if self.sex:
            # words as they are; of two codes, the smaller is taken as male
            sex = table[self.sex].astype(str)
            codes = dict(
                zip(sorted(set(sex) - {"male", "female"}), ("male", "female"), strict=False)
            )
            patients["sex"] = sex.replace(codes).to_numpy()
        if self.treatment:
            first = table[self.treatment].iloc[0]
            patients["treated"] = (table[self.treatment] != first).to_numpy().astype(float)
        event = np.where(self.dead(table), "death", names.LAST_CONTACT)
        events = pd.DataFrame({names.PATIENT_ID: ids, names.DAY: day, names.EVENT: event})
        tables = {
            names.PATIENTS: patients,
            names.EVENTS: events,
            names.VARIABLES: _variables(patients.columns),
        }
        return cohort_from_tables(name, tables)

    def spec(self) -> ModelSpec:
        """Overall survival by what is known at entry."""
        terms = (
            (Term(name="age_years", group="clinical", transform="spline"), self.age),
            (Term(name="sex", group="clinical", transform="category"), self.sex),
            (Term(name="treated", group="treatment", transform="binary"), self.treatment),
        )
        return tb.disease("survival", covariates=tuple(term for term, known in terms if known))


def _variables(columns: Sequence[str]) -> pd.DataFrame:
    common = {"table": names.PATIENTS, "role": "covariate"}
    known = (
        {"name": "age_years", "group": "clinical", "unit": "years", "min": 0.0, "max": 120.0},
        {"name": "sex", "group": "clinical", "levels": "female|male"},
        {"name": "treated", "group": "treatment", "min": 0.0, "max": 1.0},
    )
    return pd.DataFrame([common | row for row in known if row["name"] in columns])


_TRIALS: Final = "historical_controls"
_SMALL: Final = "leukemia_small"

SURVIVAL: Final[Mapping[str, Published]] = {
    "cetux": Published(
        file=f"{_TRIALS}/cetux.csv", time="years", dead=lambda t: t["d"] == 1,
        unit=names.DAYS_PER_YEAR, treatment="treat",
    ),
    "e1684": Published(
        file=f"{_TRIALS}/e1684.csv", time="survtime", dead=lambda t: t["survcens"] == 1,
        unit=names.DAYS_PER_YEAR, age="age", sex="sex", treatment="treatment",
    ),
    "e1690": Published(
        file=f"{_TRIALS}/e1690.csv", time="survtime", dead=lambda t: t["survcens"] == 1,
        unit=names.DAYS_PER_YEAR, age="age", sex="sex", treatment="treatment",
    ),
    "e1694": Published(
        file=f"{_TRIALS}/e1694.csv", time="failtime", dead=lambda t: t["failind"] == 1,
        unit=_MONTH, age="age", sex="sex", treatment="treatment",
    ),
    "lung": Published(
        file=f"{_SMALL}/survival_lung_ncctg.csv", time="time", dead=lambda t: t["status"] == 2,
        unit=1.0, age="age", sex="sex",
    ),
    "mgus1": Published(
        file=f"{_SMALL}/survival_mgus1.csv", time="stop", dead=lambda t: t["event"] == "death",
        unit=1.0, age="age", sex="sex",
    ),
    "kmsurv_bmt": Published(
        file=f"{_SMALL}/kmsurv_bmt.csv", time="t1", dead=lambda t: t["d1"] == 1,
        unit=1.0, age="z1", sex="z3",
    ),
    "kmsurv_alloauto": Published(
        file=f"{_SMALL}/kmsurv_alloauto.csv", time="time", dead=lambda t: t["delta"] == 1,
        unit=_MONTH, treatment="type",
    ),
}  # fmt: skip
