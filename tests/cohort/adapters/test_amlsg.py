"""The AMLSG adapter against the tidy tables beside the published files, and the reference case."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pandas import DataFrame

import twinbayes as tb
from twinbayes.cohort import Cohort, read_cohort
from twinbayes.errors import CohortError, OptionError

STATES = ("induction", "CR", "alive after relapse", "death without CR", "death in CR",
          "death after relapse")  # fmt: skip


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    return shared / "data" / "aml_amlsg"


@pytest.fixture(scope="session")
def amlsg(published: Path) -> Cohort:
    pytest.importorskip("rdata")
    return read_cohort(published / "upstream", adapter="amlsg")


@pytest.fixture(scope="session")
def days(amlsg: Cohort) -> DataFrame:
    """Day of each event, one row a patient."""
    wide = amlsg.events.set_index(["patient_id", "event"])["day"].unstack()  # noqa: PD010
    return wide.reindex(list(amlsg.patient_ids))


def test_patients_are_those_of_the_tidy_table(amlsg: Cohort, published: Path) -> None:
    tidy = pd.read_csv(published / "patients.csv")
    ours = amlsg.patients
    renamed = {"genomic_class": "subgroup"}
    tidy = tidy.rename(columns=renamed).assign(
        centre="centre_" + tidy["centre"].astype(str),
        sex=tidy["sex"].map({"M": "male", "F": "female"}),
    )
    assert set(ours.columns) <= set(tidy.columns)
    for column in ours.columns:
        if pd.api.types.is_numeric_dtype(ours[column].dtype):
            np.testing.assert_array_equal(ours[column], tidy[column].astype(float), column)
        else:
            assert ours[column].tolist() == tidy[column].tolist(), column


def test_genomics_is_that_of_the_tidy_table(amlsg: Cohort, published: Path) -> None:
    tidy = pd.read_csv(published / "genomics_wide.csv")
    ours = amlsg.genomics
    assert ours is not None
    assert set(ours.columns) == set(tidy.columns)
    assert ours["patient_id"].tolist() == tidy["patient_id"].tolist()
    for lesion in tidy.columns.drop("patient_id"):
        np.testing.assert_array_equal(ours[lesion], tidy[lesion].astype(float), lesion)


def test_events_and_transplants_are_those_of_the_tidy_table(amlsg: Cohort, published: Path) -> None:
    assert amlsg.treatments is not None
    starts = amlsg.treatments.rename(columns={"start_day": "day", "treatment": "event"})
    columns = ["patient_id", "day", "event"]
    ours = pd.concat([amlsg.events[columns], starts[columns]])
    names = {
        "complete_remission": "CR",
        "last_contact": "censored",
        "allogeneic_transplant": "alloHSCT",
        "autologous_transplant": "autoHSCT",
        "transplant_unknown_donor": "HSCT_unknown",
    }
    ours = ours.assign(event=ours["event"].replace(names)).sort_values(columns)
    tidy = pd.read_csv(published / "events.csv")
    tidy = tidy[tidy["event"] != "diagnosis"].sort_values(columns)
    assert ours.to_numpy().tolist() == tidy.to_numpy().tolist()


def test_transitions_follow_from_the_events(
    amlsg: Cohort, days: DataFrame, published: Path
) -> None:
    ours = transitions(amlsg, days)
    tidy = pd.read_csv(published / "transitions.csv")
    columns = list(ours.columns)
    assert (
        ours.sort_values(columns).to_numpy().tolist()
        == tidy[columns].astype(float, errors="ignore").sort_values(columns).to_numpy().tolist()
    )


def transitions(amlsg: Cohort, days: DataFrame) -> DataFrame:
    """Counting-process rows of the six states, split at allogeneic transplant (coding T)."""
    assert amlsg.treatments is not None
    allogeneic = amlsg.treatments[amlsg.treatments["treatment"] == "allogeneic_transplant"]
    transplant = allogeneic.set_index("patient_id")["start_day"].reindex(days.index)
    rows = []
    for patient, day in days.iterrows():
        state, entry, steps = 1, 0.0, []
        for target, event in ((2, "complete_remission"), (3, "relapse")):
            if not np.isnan(day[event]):
                steps.append((state, target, entry, day[event]))
                state, entry = target, day[event]
        if np.isnan(day["death"]):
            steps.append((state, 0, entry, day["last_contact"]))
        else:
            steps.append((state, state + 3, entry, day["death"]))
        moved = transplant[patient]
        for source, target, start, stop in steps:
            end = stop if stop > start else start + 0.5  # as published: half a day for ties
            event = float(target > 0)
            if start < moved < end:
                rows.append((patient, source, 0, start, moved, 0.0, 0))
                rows.append((patient, source, target, moved, end, event, 1))
            else:
                rows.append((patient, source, target, start, end, event, int(moved <= start)))
    columns = ["patient_id", "from", "to", "tstart_day", "tstop_day", "event", "post_allo"]
    return DataFrame(rows, columns=columns)


def test_counts_and_curves_are_those_of_the_reference_case(
    amlsg: Cohort, days: DataFrame, reference: Callable[[str], dict[str, Any]]
) -> None:
    measured = counts(days) | kaplan_meier(days)
    for coding, codes in (("M", coding_m(days)), ("T", days)):
        measured |= aalen_johansen(transitions(amlsg, codes), coding)
    cases = reference("multistate_amlsg_descriptive")["expected"]
    # Concordances need a model or the ELN class, neither of which the cohort holds.
    expected = [case for case in cases if "concordance" not in case["quantity"]]
    assert len(expected) == 40
    for case in expected:
        tolerance = case["tolerance"]["value"] + 1e-9
        assert measured[case["quantity"]] == pytest.approx(case["value"], abs=tolerance), case


def coding_m(days: DataFrame) -> DataFrame:
    """Relapse counts only where a remission is dated."""
    return days.assign(relapse=days["relapse"].where(days["complete_remission"].notna()))


def counts(days: DataFrame) -> dict[str, float]:
    remission, relapse = days["complete_remission"].notna(), days["relapse"].notna()
    death = days["death"].notna()
    found = {
        "patients": len(days),
        "deaths": death.sum(),
        "with CR date": remission.sum(),
        "deaths without CR, coding M": (death & ~remission).sum(),
        "deaths without CR, coding T": (death & ~remission & ~relapse).sum(),
        "censored without CR": (~death & ~remission).sum(),
        "relapses after CR": (remission & relapse).sum(),
        "relapse dates in all": relapse.sum(),
        "deaths in CR": (death & remission & ~relapse).sum(),
        "deaths after relapse, coding M": (death & remission & relapse).sum(),
        "deaths after relapse, coding T": (death & relapse).sum(),
        "censored in CR": (~death & remission & ~relapse).sum(),
    }
    return {name: float(n) for name, n in found.items()}


def kaplan_meier(days: DataFrame) -> dict[str, float]:
    last = days["death"].fillna(days["last_contact"]).to_numpy()
    died = days["death"].notna().to_numpy()
    times = np.unique(last[died])
    hazard = [(died & (last == t)).sum() / (last >= t).sum() for t in times]
    survival = np.cumprod(1 - np.array(hazard))

    def at(year: float) -> float:
        return float(survival[times <= 365.25 * year][-1])

    return {
        "Kaplan-Meier survival at 1 year": at(1),
        "Kaplan-Meier survival at 3 years": at(3),
        "Kaplan-Meier survival at 5 years": at(5),
        "median survival, days": float(times[survival <= 0.5][0]),
    }


def aalen_johansen(rows: DataFrame, coding: str) -> dict[str, float]:
    start, stop = rows["tstart_day"].to_numpy(), rows["tstop_day"].to_numpy()
    source, target = rows["from"].to_numpy(), rows["to"].to_numpy()
    occupation: NDArray[np.float64] = np.eye(6)[0]
    years = [1, 3, 5]
    found = {}
    for t in [*np.unique(stop[target > 0]), np.inf]:
        while years and t > 365.25 * years[0]:
            year = years.pop(0)
            for name, p in zip(STATES, occupation, strict=True):
                found[f"Aalen-Johansen at {year} years, coding {coding}: {name}"] = float(p)
        step = np.eye(6)
        for i in (1, 2, 3):
            at_risk = ((source == i) & (start < t) & (stop >= t)).sum()
            for j in range(1, 7):
                n = ((source == i) & (target == j) & (stop == t)).sum()
                if n:
                    step[i - 1, j - 1] += n / at_risk
                    step[i - 1, i - 1] -= n / at_risk
        occupation = occupation @ step
    return found


def test_covariates_have_the_groups_that_shrink_apart(amlsg: Cohort) -> None:
    covariates = amlsg.covariates()
    assert covariates.shape == (1540, 100)
    groups = amlsg.variables.set_index("name").loc[list(covariates.columns), "group"]
    assert groups.value_counts().to_dict() == {
        "gene": 59, "cytogenetic": 26, "clinical": 12, "treatment": 2, "design": 1,
    }  # fmt: skip
    assert len(amlsg.subgroups) == 14
    assert amlsg.patients["subgroup"].value_counts()["t6_9"] == 15
    assert len(amlsg.centres) == 45


def test_rows_of_the_variant_file_are_used_or_listed(amlsg: Cohort, published: Path) -> None:
    used = len(pd.read_csv(published / "mutations.csv"))
    calls = (published / "upstream" / "AMLSG_Genetic.txt").read_text().splitlines()
    assert used + len(amlsg.excluded) == len(calls) - 1
    assert set(amlsg.excluded["rule"]) == {"call-not-accepted", "no-clinical-record"}


def test_the_written_cohort_reads_back_the_same(amlsg: Cohort, tmp_path: Path) -> None:
    back = read_cohort(amlsg.write(tmp_path / "amlsg"))
    assert back.fingerprint == amlsg.fingerprint
    assert len(back.excluded) == len(amlsg.excluded)
    assert back.source["licence"] == "GPL-3"


def test_a_missing_or_altered_file_is_refused_with_a_remedy(
    published: Path, tmp_path: Path
) -> None:
    with pytest.raises(CohortError, match="Give the folder"):
        read_cohort(None, adapter="amlsg")
    with pytest.raises(CohortError, match=r"Clinical_Anon\.RData is missing"):
        read_cohort(tmp_path, adapter="amlsg")
    pytest.importorskip("rdata")
    copy = shutil.copytree(published / "upstream", tmp_path / "upstream")
    copy.chmod(0o755)
    for file in copy.iterdir():
        file.chmod(0o644)
    (copy / "AMLSG_Classification.txt").write_text("ID\nPD1\n")
    with pytest.raises(CohortError, match=r"Classification\.txt lacks columns"):
        read_cohort(copy, adapter="amlsg")
    (copy / "AMLSG_Clinical_Anon.RData").write_bytes(b"RDX2 junk")
    with pytest.raises(CohortError, match="Copy the file"):
        read_cohort(copy, adapter="amlsg")


def test_without_the_optional_package_the_error_names_the_extra(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(CohortError, match=r"Install twinbayes\[examples\]"):
        read_cohort(published / "upstream", adapter="amlsg")


def test_an_unknown_adapter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="'amlsg', 'cml', 'ebmt3', 'ebmt4'"):
        read_cohort(None, adapter="aml")


def test_entities_of_favourable_risk_relapse_later_than_the_others(
    amlsg: Cohort, days: DataFrame
) -> None:
    """Why the model gives them a course of their own; expected from the others' daily hazards."""
    spec = tb.disease("aml")
    (walk,) = (t for t in spec.events.time_varying if t.classes)
    favourable = amlsg.patients["subgroup"].isin(walk.classes[0]).to_numpy()
    start = days["complete_remission"].to_numpy()
    end = np.fmin(days[["relapse", "death"]].min(axis=1), days["last_contact"]) - start
    stay, relapsed = end.to_numpy(), (days["relapse"] - start == end).to_numpy()
    found = {}
    for first, last in ((0, 180), (210, 500), (500, 6000)):
        day = np.arange(first, last)[:, None]
        here, at_risk = (stay >= day) & (stay < day + 1), np.clip(stay - day, 0.0, 1.0)
        hazard = (here & relapsed & ~favourable).sum(axis=1) / np.maximum(
            np.nansum(at_risk[:, ~favourable], axis=1), 1e-9
        )
        expected = hazard @ np.nansum(at_risk[:, favourable], axis=1)
        found[first] = int((here & relapsed & favourable).sum()), round(float(expected))
    assert found == {0: (4, 49), 210: (65, 59), 500: (16, 48)}
