"""Non-parametric curves against the published and recomputed reference cases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    kaplan_meier,
    landmark_aalen_johansen,
    nelson_aalen,
    transition_probabilities,
)
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
AML_STATES = (
    "induction", "CR", "alive after relapse",
    "death without CR", "death in CR", "death after relapse",
)  # fmt: skip
EBMT_STATES = ("Tx", "Rec", "AE", "Rec+AE", "Rel", "Death")


def expected_values(case: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    found = [e for e in case["expected"] if e["quantity"].startswith(prefix)]
    assert found, f"the reference case has no quantity that starts with {prefix!r}"
    return found


@pytest.fixture(scope="module")
def aml(shared: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = shared / "data" / "aml_amlsg"
    return pd.read_csv(folder / "patients.csv"), pd.read_csv(folder / "transitions.csv")


def as_process(rows: pd.DataFrame) -> CountingProcess:
    return CountingProcess(
        rows["tstart_day"].to_numpy(),
        rows["tstop_day"].to_numpy(),
        rows["from"].to_numpy() - 1,
        rows["to"].to_numpy() - 1,
        AML_STATES,
        rows["patient_id"].to_numpy(),
    )


def coding_m(patients: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A relapse counts only after a remission: the few others stay in induction until death."""
    stray = patients.loc[patients["relapse_day"].notna() & patients["cr_day"].isna(), "patient_id"]
    rows = rows.copy()
    theirs = rows["patient_id"].isin(stray)
    rows.loc[theirs, "from"] = 1
    rows.loc[theirs & (rows["to"] == 3), "to"] = 0
    rows.loc[theirs & (rows["to"] == 6), "to"] = 4
    return rows


def test_survival_of_the_aml_patients_equals_the_reference(
    aml: tuple[pd.DataFrame, pd.DataFrame], reference: Any
) -> None:
    case, patients = reference("multistate_amlsg_descriptive"), aml[0]
    curve = kaplan_meier(patients["os_day"], patients["death"])
    for entry in expected_values(case, "Kaplan-Meier survival at"):
        years = int(re.findall(r"at (\d+) year", entry["quantity"])[0])
        assert curve.at(years * YEAR) == pytest.approx(entry["value"], abs=5e-7)
    (median,) = expected_values(case, "median survival, days")
    assert curve.quantile(0.5) == median["value"]


@pytest.mark.parametrize("coding", ["M", "T"])
def test_state_occupation_of_the_aml_patients_equals_the_reference(
    aml: tuple[pd.DataFrame, pd.DataFrame], reference: Any, coding: str
) -> None:
    case = reference("multistate_amlsg_descriptive")
    patients, rows = aml
    process = as_process(coding_m(patients, rows) if coding == "M" else rows)
    occupation = aalen_johansen(process, initial="induction")
    entries = [e for e in case["expected"] if f"coding {coding}: " in e["quantity"]]
    assert len(entries) == {"M": 6, "T": 18}[coding]
    for entry in entries:
        years = int(re.findall(r"at (\d+) year", entry["quantity"])[0])
        state = AML_STATES.index(entry["quantity"].split(": ")[1])
        ours = occupation.at(years * YEAR)[state]
        assert ours == pytest.approx(entry["value"], abs=entry["tolerance"]["value"])


@pytest.mark.parametrize("coding", ["M", "T"])
def test_event_counts_of_the_aml_patients_equal_the_reference(
    aml: tuple[pd.DataFrame, pd.DataFrame], reference: Any, coding: str
) -> None:
    case = reference("multistate_amlsg_descriptive")
    patients, rows = aml
    process = as_process(coding_m(patients, rows) if coding == "M" else rows)
    table = nelson_aalen(process)
    counts = table.groupby("transition")["n_event"].sum()
    value = {e["quantity"]: e["value"] for e in case["expected"]}
    assert process.patients.size == value["patients"]
    assert counts["induction->CR"] == value["with CR date"]
    assert counts["induction->death without CR"] == value[f"deaths without CR, coding {coding}"]
    assert counts["CR->alive after relapse"] == value["relapses after CR"]
    assert counts["CR->death in CR"] == value["deaths in CR"]
    after = counts["alive after relapse->death after relapse"]
    assert after == value[f"deaths after relapse, coding {coding}"]
    deaths = counts[[name for name in counts.index if "death" in name]].sum()
    assert deaths == value["deaths"]


def ebmt4_process(shared: Path) -> CountingProcess:
    """At-risk intervals from the dates of each patient, in years."""
    raw = pd.read_csv(shared / "data" / "hsct_mstate" / "ebmt4.csv")
    moves = {0: (("rec", 1), ("ae", 2)), 1: (("recae", 3),), 2: (("recae", 3),), 3: ()}
    rows = []
    for patient in raw.to_dict("records"):
        state, day = 0, 0.0
        while state < 4:
            ends = [*moves[state], ("rel", 4), ("srv", 5)]
            happened = [(patient[n], to) for n, to in ends if patient[f"{n}.s"] == 1]
            stop, to = min(happened, default=(patient["srv"], -1))
            # A later state may not be entered before follow-up ends.
            rows.append((day / YEAR, stop / YEAR, state, to, patient["id"]))
            if to < 0:
                break
            state, day = to, stop
    start, stop, origin, target, label = map(np.array, zip(*rows, strict=True))
    return CountingProcess(start, stop, origin, target, EBMT_STATES, label)


@pytest.fixture(scope="module")
def ebmt4(shared: Path) -> CountingProcess:
    return ebmt4_process(shared)


def test_transplant_events_equal_the_reference(ebmt4: CountingProcess, reference: Any) -> None:
    counts = nelson_aalen(ebmt4).groupby("transition")["n_event"].sum()
    entries = expected_values(reference("multistate_ebmt4_null"), "events ")
    assert len(entries) == len(counts) == 12
    for entry in entries:
        name = entry["quantity"].removeprefix("events ").replace(" -> ", "->")
        assert counts[name] == entry["value"]


def test_transplant_state_occupation_and_its_errors_equal_the_reference(
    ebmt4: CountingProcess, reference: Any
) -> None:
    occupation = aalen_johansen(ebmt4, initial="Tx").dataset([1.0, 2.0, 5.0, 8.0])
    for entry in [
        e for e in expected_values(reference("multistate_ebmt4_null"), "P(state") if e["sd"]
    ]:
        state, years = re.findall(r"P\(state (\S+) at (\d+) years \| Tx", entry["quantity"])[0]
        ours = occupation.sel(time=float(years), state=state)
        assert float(ours["probability"]) == pytest.approx(entry["value"], abs=2e-4)
        assert float(ours["standard_error"]) == pytest.approx(entry["sd"], abs=5e-4)


def test_transplant_transition_probabilities_from_one_year_equal_the_reference(
    ebmt4: CountingProcess, reference: Any
) -> None:
    ours = transition_probabilities(ebmt4, 1.0, [2.0, 5.0])["probability"]
    entries = [
        e for e in reference("multistate_ebmt4_null")["expected"] if "at 1 year)" in e["quantity"]
    ]
    assert len(entries) == 20
    for entry in entries:
        state, years, origin = re.findall(
            r"P\(state (\S+) at (\d+) years \| (\S+) at 1 year", entry["quantity"]
        )[0]
        found = float(ours.sel(from_state=origin, time=float(years), state=state))
        assert found == pytest.approx(entry["value"], abs=2e-4)


def test_transplant_cumulative_hazards_equal_the_reference(
    ebmt4: CountingProcess, reference: Any
) -> None:
    table = nelson_aalen(ebmt4)
    names = [f"{EBMT_STATES[h]}->{EBMT_STATES[j]}" for h, j in ebmt4.transitions]
    entries = expected_values(reference("multistate_ebmt4_null"), "cumulative hazard of")
    for name, entry in zip(names, entries, strict=True):
        own = table[table["transition"] == name]
        for years, value in zip((1.0, 5.0), entry["value"], strict=True):
            ours = own.loc[own["time"] <= years, "cumulative_hazard"].iloc[-1]
            assert ours == pytest.approx(value, abs=2e-4)


def test_landmark_estimate_stays_near_the_markov_estimate_of_the_same_transplants(
    ebmt4: CountingProcess,
) -> None:
    markov = transition_probabilities(ebmt4, 1.0, [5.0]).sel(from_state="Rec+AE", time=5.0)
    landmark = landmark_aalen_johansen(ebmt4, 1.0, "Rec+AE").dataset([5.0]).isel(time=0)
    gap = np.abs(landmark["probability"].to_numpy() - markov["probability"].to_numpy())
    assert gap.max() < 3 * float(landmark["standard_error"].max())


@pytest.fixture(scope="module")
def pbc(shared: Path) -> pd.DataFrame:
    rows = pd.read_csv(shared / "reference" / "data" / "pbc_trial312.csv")
    return rows.assign(years=rows["time"] / YEAR, died=rows["status"] == 2)


def test_restricted_mean_survival_of_the_pbc_arms_equals_the_reference(
    pbc: pd.DataFrame, reference: Any
) -> None:
    value = {e["quantity"]: e for e in reference("rmst_pbc")["expected"]}
    curves = {}
    for arm, name in ((2, "placebo"), (1, "D-penicillamine")):
        rows = pbc[pbc["trt"] == arm]
        curves[name] = kaplan_meier(rows["years"], rows["died"])
        mean, error = curves[name].restricted_mean(10.0)
        wanted = value[f"RMST to 10 years, {name}"]
        assert mean == pytest.approx(wanted["value"], abs=1e-4)
        assert error == pytest.approx(wanted["sd"], abs=1e-4)
        table = curves[name].table([5.0, 10.0])
        for years, row in zip((5, 10), table.itertuples(), strict=True):
            wanted = value[f"S({years}), {name}"]
            assert row.survival == pytest.approx(wanted["value"], abs=1e-4)
            assert row.standard_error == pytest.approx(wanted["sd"], abs=1e-4)
    (m1, s1), (m0, s0) = (curves[n].restricted_mean(10.0) for n in ("D-penicillamine", "placebo"))
    assert m1 - m0 == pytest.approx(value["difference"]["value"], abs=1e-4)
    assert np.hypot(s1, s0) == pytest.approx(value["difference"]["sd"], abs=1e-4)
