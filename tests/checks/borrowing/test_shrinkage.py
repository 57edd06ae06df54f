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


def test_pairs_of_few_events_are_not_shown_and_not_counted() -> None:
    """Of 3 events nothing is shown, nor of the subgroup that would give them away."""
    coords = {"transition": ["a->b"], "subgroup": ["a", "b", "c", "d"]}
    dims = ("transition", "subgroup")
    observed = xr.DataArray([[30, 3, 60, 80]], dims=dims, coords=coords)
    expected = xr.DataArray([[30.0, 0.1, 60.0, 8.0]], dims=dims, coords=coords)
    draws = np.random.default_rng(71).normal(0.0, 0.1, (4, 500, 1, 4))
    at_zero = xr.DataArray(draws, dims=("chain", "draw", *dims), coords=coords)
    result = shrinkage(observed, expected, at_zero)
    shown = result.published.table["raw_lower"].notna()
    # By hand: b (log 30) and d (log 10) are far from 0, a and c are at it; b is of few events.
    assert not shown[1]
    apart = int(shown[3])
    assert f"{apart} of {shown.sum()} pairs" in result.text
    assert f"meet; {4 - shown.sum()} more are of few events." in result.text
