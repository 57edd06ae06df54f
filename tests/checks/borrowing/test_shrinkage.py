import numpy as np
import pytest
import xarray as xr

from twinbayes.checks import shrinkage
from twinbayes.checks.borrowing.shrinkage import exact_poisson_interval
from twinbayes.errors import CohortError, OptionError

COORDS = {"transition": ["a->b"], "subgroup": ["large", "empty"]}
OBSERVED = xr.DataArray([[30, 0]], dims=("transition", "subgroup"), coords=COORDS)
EXPECTED = xr.DataArray([[20.0, 1.5]], dims=("transition", "subgroup"), coords=COORDS)


def pooled(centre: float) -> xr.DataArray:
    draws = np.random.default_rng(70).normal(centre, 0.1, (4, 500, 1, 2))
    return xr.DataArray(draws, dims=("chain", "draw", "transition", "subgroup"), coords=COORDS)


def test_the_poisson_interval_equals_the_printed_table() -> None:
    lower, upper = exact_poisson_interval([0, 1, 10], 0.95)
    assert lower == pytest.approx([0, 0.0253, 4.7954], abs=1e-4)
    assert upper == pytest.approx([3.6889, 5.5716, 18.3904], abs=1e-4)


def test_raw_and_pooled_stand_side_by_side() -> None:
    result = shrinkage(OBSERVED, EXPECTED, pooled(0.3), sizes={"large": 70, "empty": 6}, level=0.95)
    row = result.table.iloc[0]
    lower, upper = exact_poisson_interval(30, 0.95)
    assert row["raw"] == pytest.approx(np.log(1.5))
    assert row["raw_lower"] == pytest.approx(np.log(lower / 20))
    assert row["raw_upper"] == pytest.approx(np.log(upper / 20))
    assert row["pooled"] == pytest.approx(0.3, abs=0.01)
    assert row["n"] == 70
    width = row["pooled_upper"] - row["pooled_lower"]
    assert row["borrowed"] == pytest.approx(1 - width / (row["raw_upper"] - row["raw_lower"]))
    assert result.verdict == "info"
    assert "0 of 2 pairs" in result.text


def test_a_subgroup_without_events_borrows_everything() -> None:
    row = shrinkage(OBSERVED, EXPECTED, pooled(0.0)).table.iloc[1]
    assert row["raw"] == row["raw_lower"] == -np.inf
    assert np.isfinite(row["raw_upper"])
    assert row["borrowed"] == 1.0


def test_intervals_that_do_not_meet_are_counted() -> None:
    assert "1 of 2 pairs" in shrinkage(OBSERVED, EXPECTED, pooled(-2.0)).text


def test_arrays_that_do_not_match_are_refused() -> None:
    with pytest.raises(CohortError, match="need dims transition and subgroup"):
        shrinkage(OBSERVED, EXPECTED.isel(subgroup=0), pooled(0))
    with pytest.raises(CohortError, match="chain and draw, or sample"):
        shrinkage(OBSERVED, EXPECTED, EXPECTED)
    with pytest.raises(ValueError, match="align"):
        shrinkage(OBSERVED, EXPECTED.isel(subgroup=[0]), pooled(0))
    with pytest.raises(OptionError, match="probability"):
        shrinkage(OBSERVED, EXPECTED, pooled(0), level=90)
