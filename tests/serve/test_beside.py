"""Two patients beside each other, and days that count by what somebody says they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from served_pages import Text, numbers
from twinbayes.names import DAYS_PER_YEAR, PATIENT, TIME
from twinbayes.report.figures.look import look_of
from twinbayes.serve import Explorer
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.language import language_of
from twinbayes.twin import Quality, Scenario


def test_both_columns_are_the_forecasts_of_the_two(
    site: Any, shared_explorer: Explorer, treatable: PatientRow, another: PatientRow
) -> None:
    page = site.get(f"/patients/{treatable.pseudonym}/beside/{another.pseudonym}")
    days = np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR
    rows = [r for r in Text(page.text).rows if r and r[0] == "Alive"]
    assert len(rows) == len(days)
    for k, row in enumerate((treatable, another)):
        twin = shared_explorer.fit.twin(row.patient_id)
        answer = twin.forecast(shared_explorer.horizon, days).isel({PATIENT: 0})
        for cells, day in zip(rows, days, strict=True):
            at = answer.sel({TIME: day})
            wanted = [round(100 * float(at[f"survival{s}"])) for s in ("", "_lower", "_upper")]
            assert numbers(cells[k + 1]) == wanted
    ages = [shared_explorer.fit.cohort.patients.set_index("patient_id").loc[r.patient_id,
            "age_years"] for r in (treatable, another)]  # fmt: skip
    told = next(r for r in Text(page.text).rows if r and r[0] == "age")
    assert [float(cell.split()[0]) for cell in told[1:]] == pytest.approx(ages, abs=0.1)
    assert page.text.index("no effect of a treatment") < page.text.index("<svg")
    log = site.audit.records()[-1]
    assert log["patient"] == f"{treatable.pseudonym} {another.pseudonym}"


def test_who_is_set_beside_whom_is_chosen_from_the_list(
    site: Any, treatable: PatientRow, another: PatientRow
) -> None:
    page = site.get(f"/?beside={treatable.pseudonym}").text
    assert f'href="/patients/{treatable.pseudonym}/beside/{another.pseudonym}?lang=en"' in page
    assert f'href="?beside={treatable.pseudonym}&amp;lang=it"' in page
    assert "beside/" not in site.get("/?beside=nobody").text
    same = site.get(f"/patients/{treatable.pseudonym}/beside/{treatable.pseudonym}")
    assert same.status_code == 422
    assert site.get(f"/patients/{treatable.pseudonym}/beside/p-nobody").status_code == 404


def test_months_are_those_of_the_contrast_under_these_weights(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    fit = shared_explorer.fit
    living = look_of(fit).alive
    weights = dict(zip(living, (0.25, 0.75, 0.5), strict=True))
    asked = "&".join(f"u{k}={w}" for k, w in enumerate(weights.values()))
    twin = fit.twin(treatable.patient_id)
    present = twin.present[0]
    name = shared_explorer.treatments(twin)[0]
    page = site.get(f"/patients/{treatable.pseudonym}/what-if?treatment={name}&wait=30&{asked}")
    grid = np.unique([*np.linspace(0, shared_explorer.horizon, 61),
                      *(np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR)])  # fmt: skip
    contrast = twin.contrast(
        Scenario.start(name, day=present.day + 30, states=(present.state,)),
        Scenario.none(name),
        shared_explorer.horizon,
        grid,
        quality=Quality(utilities=weights),
    ).isel({PATIENT: 0})
    t = language_of("en")
    found = [r for r in Text(page.text).rows if r and r[0] in ("Lived", t("weights.counted"))]
    assert len(found) == 2
    for cells, what in zip(found, ("rmst", "quality_adjusted_time"), strict=True):
        for cell, part in zip(cells[1:], ("a", "b", "difference"), strict=True):
            wanted = 12 * float(contrast[f"{what}_{part}"]) / DAYS_PER_YEAR
            if part == "difference":  # that of the numbers beside it
                a, b = (float(c.split(" (")[0]) for c in cells[1:3])
                wanted = a - b
            said = cell.split(" (")[0].replace("\N{MINUS SIGN}", "-")
            assert float(said) == pytest.approx(wanted, abs=0.0501)
    # Days that all count in full are months lived.
    full = "&".join(f"u{k}=1" for k in range(len(living)))
    page = site.get(f"/patients/{treatable.pseudonym}/what-if?treatment={name}&wait=30&{full}")
    lived, counted = (r for r in Text(page.text).rows if r and r[0] in ("Lived", found[1][0]))
    assert lived[1:] == counted[1:]


@pytest.mark.parametrize("asked", ["u0=2", "u0=-0.1", "u0=x", "u0=0.5", "u0=1e-1&u1=1&u2=1",
                                   "u0=nan&u1=1&u2=1", "u0=&u1=1&u2=1"])  # fmt: skip
def test_weights_that_are_none_are_refused(site: Any, treatable: PatientRow, asked: str) -> None:
    answer = site.get(f"/patients/{treatable.pseudonym}/what-if?{asked}")
    assert answer.status_code == 422
    assert "A number from 0 to 1 is needed for each state." in answer.text
