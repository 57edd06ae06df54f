"""The panel of a patient's markers: units, possible values, and an end where few would be alive."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.lines import Line2D

from twinbayes.report.figures.markers import patient_markers
from twinbayes.report.figures.picture import Picture

YEAR = 365.25
ALIVE = np.array([1.0, 0.8, 0.5, 0.4, 0.1, 0.05])


@pytest.fixture
def picture() -> Picture:
    times = YEAR * np.arange(len(ALIVE))
    level = np.tile([[90.0], [0.5]], (1, len(times)))
    variables = {
        name: (("patient", "marker", "time"), (level + shift)[None])
        for name, shift in (
            ("marker_curve", 0.0), ("marker_curve_lower", -0.1), ("marker_curve_upper", 0.1),
            ("marker_value_lower", -0.3), ("marker_value_upper", 30.0),
        )
    }  # fmt: skip
    forecast = xr.Dataset(
        variables,
        coords={"patient": ["p"], "marker": ["global_health", "load"], "time": times},
        attrs={"interval_probability": 0.9, "interval_kind": "equal-tailed"},
    )
    visits = pd.DataFrame(
        {"marker": ["global_health", "load"], "day": [0.0, 0.0], "value": [88.0, 0.6],
         "censored": ["none", "none"]}
    )  # fmt: skip
    described = pd.DataFrame(
        {"name": ["global_health", "load"], "unit": ["1", "%"], "min": [0.0, np.nan],
         "max": [100.0, np.nan], "description": ["Score, 100 is best", None]}
    )  # fmt: skip
    return patient_markers(forecast, visits, 0.0, alive=ALIVE, variables=described)


def lines(picture: Picture, panel: int, style: str) -> list[Line2D]:
    ax = picture.figure.axes[panel]
    return [x for x in ax.get_lines() if x.get_linestyle() == style and len(x.get_xdata()) > 2]


def test_the_curve_is_dashed_below_half_and_ends_below_a_tenth(picture: Picture) -> None:
    [solid], [dashed] = lines(picture, 0, "-"), lines(picture, 0, "--")
    shown = np.isfinite(np.asarray(solid.get_ydata(), dtype=float))
    faint = np.isfinite(np.asarray(dashed.get_ydata(), dtype=float))
    np.testing.assert_allclose(solid.get_xdata(), np.arange(5))  # the last of the six has 0.05
    np.testing.assert_array_equal(shown, [True, True, True, False, False])
    np.testing.assert_array_equal(faint, ~shown)
    assert "Dashed: fewer than half" in picture.caption
    assert "ends where fewer than 10 of 100 would be alive" in picture.caption


def test_axes_have_units_and_keep_within_possible_values(picture: Picture) -> None:
    score, load = picture.figure.axes[:2]
    assert score.get_ylim()[1] == 100.0  # the interval of a measurement reaches to 120
    assert load.get_ylabel() == "%"
    assert "Global health: possible values 0 to 100. Score, 100 is best." in picture.caption
