"""Markers and quality-adjusted time on the patient's page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from twinbayes.names import DAYS_PER_YEAR, MARKER, PATIENT, TIME
from twinbayes.report.patient.evidence import default_quality
from twinbayes.serve import Explorer, Person
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.language import language_of
from twinbayes.serve.pages.markers import Panel, panels
from twinbayes.serve.pages.page import Asked

HORIZONS = np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR


@pytest.fixture
def asked(site: Any, shared_explorer: Explorer, person: Person) -> Asked:
    """Somebody of the ward who asks in English."""
    return Asked(shared_explorer, language_of("en"), True, site.audit, person, {}, {})


def forecast_of(explorer: Explorer, patient_id: str) -> xr.Dataset:
    grid = np.unique([*np.linspace(0.0, explorer.horizon, 61), *HORIZONS])
    answer: xr.Dataset = explorer.fit.twin(patient_id).forecast(explorer.horizon, grid)
    return answer.isel({PATIENT: 0})


def with_survival(
    asked: Asked, treatable: PatientRow, survival_at: Any
) -> tuple[list[Panel], np.ndarray]:
    """The panels of a patient whose survival over time is given, and survival on the grid."""
    outlook = asked.explorer.outlook(treatable.pseudonym)
    survival = survival_at(outlook.forecast[TIME].to_numpy() / DAYS_PER_YEAR)
    forecast = outlook.forecast.assign(survival=((PATIENT, TIME), survival[None]))
    return panels(asked, replace(outlook, forecast=forecast)), survival


def test_expected_values_on_the_page_are_those_of_the_forecast(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    page = site.get(f"/patients/{treatable.pseudonym}").text
    forecast = forecast_of(shared_explorer, treatable.patient_id)
    tables = page[page.index('id="markers"') :].split("<table>")[1:]
    markers = [str(m) for m in forecast[MARKER].to_numpy()]
    assert len(markers) == 2
    for marker, table in zip(markers, tables, strict=False):
        assert language_of("en").name(marker).capitalize() in table
        rows = re.findall(r"<td>([\d.,]+) <span[^>]*>\(([\d.,]+) to ([\d.,]+)\)", table)
        for day, row in zip((0.0, *HORIZONS), rows, strict=False):
            at = forecast.sel({TIME: day, MARKER: marker})
            for told, end in zip(row, ("", "_lower", "_upper"), strict=True):
                wanted = float(at[f"marker_curve{end}"])
                assert float(told.replace(",", "")) == pytest.approx(wanted, rel=0.05, abs=0.05)


def test_every_measured_value_up_to_now_is_a_point(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    visits = shared_explorer.fit.cohort.select([treatable.patient_id]).visits
    assert visits is not None
    page = site.get(f"/patients/{treatable.pseudonym}").text
    pictures = re.findall(r"<svg.*?</svg>", page[page.index('id="markers"') :], re.S)
    forecast = forecast_of(shared_explorer, treatable.patient_id)
    for marker, picture in zip(forecast[MARKER].to_numpy(), pictures, strict=True):
        mine = visits[(visits[MARKER] == marker) & (visits["day"] <= treatable.day)]
        assert picture.count('r="4"') + picture.count('fill="#ffffff"') == len(mine)
    assert "Residual disease (%)" in page
    assert "Possible values: from 0 to 100. 0 is worst, 100 is best." in page


def test_no_curve_is_drawn_for_those_who_would_hardly_be_alive(
    asked: Asked, treatable: PatientRow
) -> None:
    shown, survival = with_survival(asked, treatable, lambda years: np.exp(-2.0 * years))
    n_thick, n_shown = int((survival >= 0.5).sum()), int((survival >= 0.1).sum())
    for panel in shown:
        band = re.findall(r'<polygon points="([^"]*)" fill="#1f5c99"', panel.picture)[0]
        lines = [x.split() for x in re.findall(r'<polyline points="([^"]*)"', panel.picture)]
        assert len(band.split()) == 2 * n_shown
        assert [len(x) for x in lines] == [n_thick, n_shown - n_thick + 1]
        assert [bool(value) for _, value, _, _ in panel.rows] == [True, True, False, False]
        assert panel.rows[2][3] == "0 of 100"
        said = " ".join(panel.notes)
        assert "fewer than half would be alive" in said  # survival falls below a half at 0.35 years
        assert "from 5 months on" in said
        assert "The curve ends where fewer than 10 of 100 would be alive: after 14 months" in said


def test_a_curve_of_those_who_all_live_is_drawn_whole_and_no_caution_is_said(
    asked: Asked, treatable: PatientRow
) -> None:
    shown, survival = with_survival(asked, treatable, np.ones_like)
    for panel in shown:
        assert len(re.findall(r"<polyline", panel.picture)) == 1
        line = re.findall(r'<polyline points="([^"]*)"', panel.picture)[0]
        assert len(line.split()) == len(survival)
        assert "alive" not in " ".join(panel.notes)
        assert all(value for _, value, _, _ in panel.rows)


def test_nothing_is_drawn_where_few_are_alive_from_the_first_step(
    asked: Asked, treatable: PatientRow
) -> None:
    shown, _ = with_survival(asked, treatable, lambda years: np.where(years > 0.0, 0.01, 1.0))
    for panel in shown:
        assert "<polyline" not in panel.picture
        assert [bool(value) for _, value, _, _ in panel.rows] == [True, False, False, False]


def test_quality_adjusted_months_are_those_of_the_twin(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    fit = shared_explorer.fit
    quality = default_quality(fit)
    assert quality is not None
    grid = np.unique([*np.linspace(0.0, shared_explorer.horizon, 61), *HORIZONS])
    found = fit.twin(treatable.patient_id).quality_adjusted_time(
        quality, shared_explorer.horizon, grid
    )
    page = site.get(f"/patients/{treatable.pseudonym}").text
    told = re.search(
        r"Of the 60 months ahead, ([\d.]+) \(([\d.]+) to ([\d.]+)\) would be lived on average\. "
        r"With each day counted by its quality, that is ([\d.]+) months \(([\d.]+) to ([\d.]+)\)",
        page,
    )
    assert told
    names = [f"{n}{e}" for n in ("rmst", "quality_adjusted_time") for e in ("", "_lower", "_upper")]
    for text, name in zip(told.groups(), names, strict=True):
        assert float(text) == pytest.approx(float(found[name][0]) * 12 / 365.25, abs=0.051)
    assert "0 counts 0, 100 counts 1" in page


def test_units_are_written_as_people_write_them() -> None:
    english, italian = language_of("en"), language_of("it")
    assert english.unit("10*9/L") == "10⁹/L"
    assert english.unit("10*-3") == "10⁻³"
    assert english.unit("1") == ""
    assert (english.unit("a"), italian.unit("a")) == ("years", "anni")
