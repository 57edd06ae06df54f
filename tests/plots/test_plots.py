"""Plots: what is drawn are the numbers of the answers, and every picture says what it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from arviz import PlotCollection
from matplotlib.figure import Figure
from scipy.stats import gamma

import twinbayes as tb
from flat_hazard import YEAR, counted
from twinbayes.cohort import cohort_from_tables
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import kaplan_meier
from twinbayes.inference import Fit
from twinbayes.plots import plot_forecast


@pytest.fixture(scope="module")
def stored(root: Path) -> Fit:
    """Ten draws for 16 simulated patients, not for use."""
    found = tb.load_fit(root / "tests" / "data" / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def said(figure: Figure) -> str:
    """All words on a figure."""
    return " ".join(
        [t.get_text() for ax in figure.axes for t in (*ax.texts, ax.title, ax._left_title)]
        + [t.get_text() for t in figure.texts]
    )


def test_a_twin_is_plotted_as_it_is_forecast(stored: Fit) -> None:
    twin = stored.twin(stored.cohort.patient_ids[:2], at=0)
    wanted = twin.forecast(730.5)
    given = plt.figure().subplots()
    ax = twin.plot(730.5, what="survival", patient=1, ax=given)
    assert ax is given
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), wanted["survival"][1])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), wanted["time"] / YEAR)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(float(wanted["survival_lower"][1].min()))
    assert "90% equal-tailed interval" in said(ax.figure)
    assert "NOT FOR USE" in said(ax.figure)
    assert "SIMULATED DATA" in said(ax.figure)
    stacked = twin.plot(730.5)
    np.testing.assert_array_equal(stacked.lines[2].get_ydata(), wanted["survival"][0])


def test_a_contrast_is_plotted_as_it_is(stored: Fit) -> None:
    start = tb.Scenario.start("allogeneic_transplant", day=120)
    none = tb.Scenario.none("allogeneic_transplant")
    found = stored.twin(stored.cohort.patient_ids[0], at=0).contrast(start, none, 730.5)
    ax = tb.plot_contrast(found)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found["survival_difference"][0])
    assert "percentage points" in ax.get_ylabel()
    both = tb.plot_contrast(found, what="survival")
    for line, side in zip(both.lines, "ab", strict=True):
        np.testing.assert_array_equal(line.get_ydata(), found[f"survival_{side}"][0])
    assert "NOT FOR USE" in said(ax.figure)


def test_a_cohort_is_plotted_as_kaplan_and_meier_estimate(exact_fit: Fit) -> None:
    cohort = exact_fit.cohort
    ax = cohort.plot()
    died = (cohort.events["event"] == "death").to_numpy()
    days = cohort.events["day"].to_numpy()
    curve = kaplan_meier(days, died)
    x, y = ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
    np.testing.assert_allclose(y[:-1], curve.at(x[:-1] * YEAR), atol=1e-9)
    np.testing.assert_allclose(ax.lines[0].get_ydata() + ax.lines[1].get_ydata(), 1.0)
    # The curve ends with the fifth last whose end of follow-up is seen.
    assert x[-1] * YEAR == pytest.approx(np.sort(days[~died])[-5])
    assert "95% pointwise bands" in said(ax.figure)


def test_states_of_few_people_are_named_and_not_drawn(stored: Fit) -> None:
    ax = stored.cohort.plot(stored.spec)
    drawn = {line.get_label() for line in ax.lines}
    entered = stored.with_groups("observed_data").datatree["observed_data"]["events"]
    for label in stored.spec.graph.labels:
        target = label.partition("->")[2]
        n = int((entered.sel(transition=label) > 0).sum())
        if target in stored.spec.graph.states and target.startswith("death") and 0 < n < 5:
            assert target.replace("_", " ") not in drawn
    assert "too few" in said(ax.figure)


def test_cohorts_of_fewer_than_five_are_not_plotted(stored: Fit) -> None:
    few = stored.cohort.select(stored.cohort.patient_ids[:4])
    with pytest.raises(CohortError, match="fewer than 5 patients"):
        few.plot()


def test_where_all_states_are_of_few_nothing_is_drawn_and_that_is_said(exact_fit: Fit) -> None:
    # Three of twelve died: who is alive would tell how many.
    chosen = ["p00", "p04", "p06", *(f"p{k:02d}" for k in range(1, 19, 2))]
    ax = exact_fit.cohort.select(chosen).plot()
    assert not ax.lines
    assert ax.get_legend() is None
    assert "too few: alive, dead" in said(ax.figure)


def test_hazards_are_plotted_per_patient_year(exact_fit: Fit) -> None:
    ax = exact_fit.plot_hazards("alive->dead", interval=0.8)
    shape, rate = counted(exact_fit.cohort)
    law = gamma(shape, scale=1.0 / rate)
    assert ax.patches[0].get_data().values[0] == pytest.approx(law.median(), rel=1e-3)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(law.ppf(0.1), rel=1e-2)
    assert band.max() == pytest.approx(law.ppf(0.9), rel=1e-2)
    assert ax.get_ylabel() == "Events per patient-year"


def test_draws_are_plotted_by_arviz(stored: Fit) -> None:
    for plot in (stored.plot_trace, stored.plot_rank):
        found = plot()
        assert isinstance(found, PlotCollection)
        worst = stored.verdict.table.sort_values("max_rhat", ascending=False)["worst_rhat_at"]
        drawn = set(map(str, found.viz["plot"].data_vars))
        assert drawn <= set(worst)
        assert len(drawn) == 4
        assert "NOT FOR USE" in said(found.viz["figure"].item())
        assert list(plot("marker_sd").viz["plot"].data_vars) == ["marker_sd"]
    assert isinstance(stored.plot_forest(), PlotCollection)


def test_what_cannot_be_plotted_is_refused(stored: Fit) -> None:
    with pytest.raises(OptionError, match="Unknown variable of the posterior 'nothing'"):
        stored.plot_trace("nothing")
    with pytest.raises(OptionError, match="Unknown transition"):
        stored.plot_hazards("nowhere")
    forecast = stored.twin(at=0).forecast(365.25, grid=2)
    with pytest.raises(OptionError, match="position from 0 to 15"):
        plot_forecast(forecast, patient=16)
    with pytest.raises(OptionError, match=r"what Twin\.contrast returns"):
        tb.plot_contrast(forecast)
    with pytest.raises(OptionError, match="Unknown plot of a forecast"):
        plot_forecast(forecast, what="pie")
    with pytest.raises(OptionError, match="ax must be Matplotlib axes"):
        plot_forecast(forecast, ax="here")  # type: ignore[arg-type]


def test_small_cohorts_show_no_small_numbers() -> None:
    ids = ["a", "b", "c"]
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": "one", "centre": "one"}),
        "events": pd.DataFrame({"patient_id": ids, "day": 10.0, "event": "death"}),
        "variables": pd.DataFrame(
            [("x", "visits", "marker", "laboratory", "1")],
            columns=["name", "table", "role", "group", "unit"],
        ),
    }
    cohort = replace(cohort_from_tables("few <b>", tables), source={"title": "<i>"})
    assert "<5 patients" in repr(cohort)
    assert "<5 events" in repr(cohort)
    html = cohort._repr_html_()
    assert "<td>&lt;5</td>" in html
    assert "<b>" not in html
    assert "<i>" not in html
