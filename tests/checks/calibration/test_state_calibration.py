import re
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

from twinbayes.checks import CheckResult, prediction_scores, state_occupation_calibration
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    competing_process,
    survival_process,
)

Simulator = Callable[..., CountingProcess]
TIMES = (0.5, 1.0, 1.5)


def forecast_of_each_group(own: CountingProcess, groups: np.ndarray) -> xr.DataArray:
    """Give every patient the Aalen–Johansen estimate of their group."""
    values = np.empty((own.patients.size, len(TIMES), len(own.states)))
    for group in np.unique(groups):
        members = groups == group
        values[members] = aalen_johansen(own.of_patients(own.patients[members])).at(TIMES)
    return xr.DataArray(
        values,
        dims=("patient", "time", "state"),
        coords={
            "patient": own.patients,
            "time": list(TIMES),
            "state": list(own.states),
            "subgroup": ("patient", groups),
        },
    )


@pytest.fixture
def cohort(illness_death: Simulator) -> tuple[CountingProcess, xr.DataArray]:
    own = illness_death(150, 50)
    groups = np.where(
        np.arange(150) < 100, "common", np.where(np.arange(150) < 145, "other", "rare")
    )
    return own, forecast_of_each_group(own, groups)


def test_a_forecast_equal_to_the_estimates_passes_with_small_groups_shown_apart(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    result = state_occupation_calibration(predicted, own, times=TIMES)
    table = result.table
    assert result.verdict == "pass"
    assert table.groupby("subgroup")["n"].first().to_dict() == {
        "all": 150, "common": 100, "other": 45, "rare": 5,
    }  # fmt: skip
    assert table.groupby("subgroup")["counts"].all().to_dict() == {
        "all": True, "common": True, "other": True, "rare": False,
    }  # fmt: skip
    assert len(table) == 4 * 3 * 3
    assert table.loc[table["subgroup"] == "common", "difference"].abs().max() < 1e-12


def test_patients_and_states_are_matched_by_label_not_by_place(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    shuffled = predicted.isel(patient=np.random.default_rng(0).permutation(150), state=[2, 0, 1])
    a = state_occupation_calibration(predicted, own, times=TIMES).table
    b = state_occupation_calibration(shuffled, own, times=TIMES).table
    keys = ["subgroup", "time", "state"]
    gap = a.set_index(keys)["predicted"] - b.set_index(keys)["predicted"]
    assert gap.abs().max() < 1e-12


def test_a_shift_of_the_whole_fails_where_it_lies_outside_the_band(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    shift = xr.DataArray([-0.2, 0.0, 0.2], dims="state")
    result = state_occupation_calibration(predicted + shift, own, times=TIMES)
    assert result.verdict == "fail"
    assert "20.0 percentage points (bar 3, or the 95% band" in result.text


@pytest.mark.parametrize(("n", "verdict"), [(187, "pass"), (20_000, "fail")])
def test_the_bar_scales_with_the_number_of_patients(n: int, verdict: str) -> None:
    """4 points beside a probability of 0.3: the standard error is 0.0335 of 187, and 0.0032."""
    seen = round(0.3 * n)
    own = competing_process(
        [1.0] * seen + [9.0] * (n - seen), [1] * seen + [0] * (n - seen), causes=("dead",)
    )
    alive, dead = own.states[0], own.states[1]
    value = {alive: 1 - seen / n - 0.04, dead: seen / n + 0.04}
    predicted = xr.DataArray(
        np.tile([value[s] for s in own.states], (n, 1, 1)),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": [2.0], "state": list(own.states)},
    )
    result = state_occupation_calibration(predicted, own, times=[2.0])
    assert result.verdict == verdict
    spread = 1.96 * np.sqrt(0.3 * 0.7 / n)
    assert (spread > 0.04) == (verdict == "pass")
    said = re.search(r"reaches up to ([0-9.]+) to either side", result.text)
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * spread, rel=0.08)


def test_a_handful_of_patients_passes_nothing() -> None:
    own = competing_process([1.0] * 3 + [9.0] * 5, [1] * 3 + [0] * 5, causes=("dead",))
    predicted = xr.DataArray(
        np.tile([5 / 8, 3 / 8], (8, 1, 1)),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": [2.0], "state": list(own.states)},
    )
    result = state_occupation_calibration(predicted, own, times=[2.0])
    assert result.verdict == "info"
    assert "can hardly contradict a prediction" in result.text


def test_a_subgroup_out_of_its_band_warns_and_is_named_unless_it_is_small(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    wrong = xr.DataArray([-0.3, 0.0, 0.3], dims="state")
    off = xr.where(predicted["subgroup"] == "rare", predicted + wrong, predicted)
    off = off.assign_coords(subgroup=predicted["subgroup"])
    assert state_occupation_calibration(off, own, times=TIMES).verdict == "pass"
    off = xr.where(predicted["subgroup"] == "other", predicted + wrong, predicted)
    off = off.assign_coords(subgroup=predicted["subgroup"])
    result = state_occupation_calibration(off, own, times=TIMES, tolerance=0.2)
    assert result.verdict == "warn"
    assert " Outside: other. " in result.text
    counted = result.table[result.table["counts"] & (result.table["subgroup"] != "all")]
    worst = counted.loc[counted["difference"].abs().idxmax()]
    assert result.text.endswith(
        f"outside its band: other, {worst['state']} on day {worst['time']:.3g}, predicted "
        f"{worst['predicted']:.1%}, observed {worst['observed']:.1%}."
    )
    whole = result.table[result.table["subgroup"] == "all"]
    most = whole.loc[whole["difference"].abs().idxmax()]
    assert f"{most['state']} on day {most['time']:.3g}, predicted" in result.text


def test_where_nobody_was_seen_the_exact_binomial_limit_takes_the_place_of_the_band() -> None:
    own = competing_process([1.0] * 10 + [9.0] * 30, [1] * 10 + [0] * 30, causes=("a", "b"))
    predicted = xr.DataArray(
        np.tile([0.70, 0.25, 0.05], (40, 1, 1)),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": [2.0], "state": list(own.states)},
    )
    table = state_occupation_calibration(predicted, own, times=[2.0]).table.set_index("state")
    assert table.loc["b", "observed"] == 0.0
    assert table.loc["b", "upper"] == pytest.approx(1 - 0.025 ** (1 / 40))
    assert bool(table.loc["b", "inside"])


@pytest.mark.parametrize("n", [40, 66, 100])
def test_the_band_covers_what_it_says_where_events_are_few(n: int) -> None:
    """Chance that the band of one cause covers its probability, by summing over all outcomes."""
    for probability in (0.01, 0.02, 0.0455, 0.08):
        covered = {"cloglog": 0.0, "plain": 0.0}
        for seen in range(n + 1):
            chance = binom.pmf(seen, n, probability)
            if chance < 1e-5:
                continue
            own = competing_process(
                [1.0] * seen + [9.0] * (n - seen), [1] * seen + [0] * (n - seen), causes=("a", "b")
            )
            predicted = xr.DataArray(
                np.tile([1 - probability, probability, 0.0], (n, 1, 1)),
                dims=("patient", "time", "state"),
                coords={"patient": own.patients, "time": [2.0], "state": list(own.states)},
            )
            for band in covered:
                found = state_occupation_calibration(predicted, own, times=[2.0], band=band).table
                inside = found.set_index(["subgroup", "state"]).loc[("all", "a"), "inside"]
                covered[band] += chance * bool(inside)
        assert covered["cloglog"] > 0.93
        if (n, probability) == (66, 0.0455):
            assert covered["plain"] < 0.86


def test_a_time_beyond_the_follow_up_of_a_group_is_not_judged(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    short = own.patients[:50]
    cut = own.of_patients(short)
    early = cut.stop < 1.2
    brief = CountingProcess(
        cut.start[early], cut.stop[early], cut.from_state[early], cut.to_state[early],
        own.states, cut.patient[early], own.absorbing,
    )  # fmt: skip
    few = predicted.sel(patient=brief.patients)
    table = state_occupation_calibration(few, brief, times=TIMES).table
    assert table.loc[table["time"] == 1.5, "inside"].isna().all()
    assert table.loc[table["time"] == 0.5, "inside"].notna().all()


def test_what_does_not_match_is_refused(cohort: tuple[CountingProcess, xr.DataArray]) -> None:
    own, predicted = cohort
    with pytest.raises(OptionError, match="not among the predicted times"):
        state_occupation_calibration(predicted, own, times=[1.25])
    with pytest.raises(CohortError, match="not of the same patients"):
        state_occupation_calibration(predicted.isel(patient=slice(9)), own, times=TIMES)
    with pytest.raises(CohortError, match="same states"):
        state_occupation_calibration(predicted.isel(state=[0, 1]), own, times=TIMES)
    with pytest.raises(CohortError, match="expected patient, time, state"):
        state_occupation_calibration(predicted.isel(time=0), own, times=TIMES)
    with pytest.raises(CohortError, match="3 subgroup labels"):
        state_occupation_calibration(predicted, own, times=TIMES, subgroup=["a", "b", "c"])


def test_every_state_and_every_union_is_scored_at_every_horizon(
    cohort: tuple[CountingProcess, xr.DataArray],
) -> None:
    own, predicted = cohort
    result = prediction_scores(predicted, own, TIMES, combined={"alive": ("well", "ill")})
    table = result.table
    assert len(table) == 4 * 3 * 3
    wide = table.set_index(["target", "horizon", "score"])["value"]
    # Being alive is not being dead: the same scores for one and the other.
    for score in ("auc", "brier", "scaled_brier"):
        assert wide["alive", 1.0, score] == pytest.approx(wide["dead", 1.0, score])
    assert ((table["lower"] <= table["value"]) & (table["value"] <= table["upper"])).all()


def test_each_horizon_is_judged_by_itself_and_none_shows_half_a_number() -> None:
    # Followed for 400 days at most; asked at 300, 2000 and, of the group in which all have died.
    time = np.array([100.0, 200.0, 400.0, 400.0, 50.0, 150.0])
    own = competing_process(time, [1, 1, 0, 0, 1, 1], causes=["dead"])
    days = (300.0, 2000.0)
    predicted = xr.DataArray(
        np.full((6, 2, 2), 0.5),
        dims=("patient", "time", "state"),
        coords={
            "patient": own.patients,
            "time": list(days),
            "state": list(own.states),
            "subgroup": ("patient", ["open"] * 4 + ["ended"] * 2),
        },
    )
    result = state_occupation_calibration(predicted, own, times=days, smallest=2)
    table = result.table.set_index(["subgroup", "time", "state"]).sort_index()
    assert table.loc[("all", 300.0, "dead"), "observed"] == pytest.approx(4 / 6)
    assert table.loc[("open", 300.0, "dead"), "observed"] == pytest.approx(2 / 4)
    numbers = ["observed", "lower", "upper", "difference", "inside"]
    for group in ("all", "open"):
        assert table.loc[(group, 2000.0), numbers].isna().all(axis=None)
    assert table.loc[("ended", 2000.0, "dead"), "observed"] == 1.0  # all have died: known
    assert "NOT PROVIDED at 2000 days: nobody was followed so long." in result.text
    late = state_occupation_calibration(predicted, own, times=[2000.0])
    assert late.verdict == "not_provided"
    for day in (-5.0, np.nan):
        with pytest.raises(OptionError, match="times of a calibration"):
            state_occupation_calibration(predicted, own, times=[day])


def test_scores_at_one_horizon_do_not_hang_on_another() -> None:
    time = np.array([100.0, 200.0, 250.0, 400.0, 390.0, 150.0])
    own = competing_process(time, [1, 1, 0, 0, 1, 0], causes=["dead"])
    days = [160.0, 300.0, 2000.0]
    p = np.random.default_rng(0).random((6, 3))
    predicted = xr.DataArray(
        np.stack([1 - p, p], axis=2),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": days, "state": list(own.states)},
    )
    result = prediction_scores(predicted, own, days)
    table = result.table.set_index(["target", "horizon", "score"])["value"]
    alone = prediction_scores(predicted, own, [300.0]).table.set_index(
        ["target", "horizon", "score"]
    )["value"]
    assert table.loc[alone.index].to_numpy() == pytest.approx(alone.to_numpy())
    assert table.xs(2000.0, level="horizon").isna().all()
    assert "NOT PROVIDED at 2000 days: nobody is followed beyond" in result.text
    assert prediction_scores(predicted, own, [2000.0]).verdict == "not_provided"
    with pytest.raises(OptionError, match="horizons of a score"):
        prediction_scores(predicted, own, [-5.0])


def test_of_one_state_there_is_nothing_to_say() -> None:
    own = CountingProcess([0.0, 0.0], [2.0, 3.0], [0, 0], [-1, -1], ("well",))
    predicted = xr.DataArray(
        np.ones((2, 3, 1)),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": list(TIMES), "state": ["well"]},
    )
    result = state_occupation_calibration(predicted, own, times=TIMES)
    assert result.verdict == "not_provided"
    assert "numbers of events" in result.text


def of_twelve(died: int) -> CheckResult:
    """Twelve patients followed for two years, of whom some die in the first; 20 % are predicted."""
    ends = [100.0 + k if k < died else 730.0 + k for k in range(12)]
    own = survival_process(ends, [1] * died + [0] * (12 - died))
    predicted = xr.DataArray(
        np.broadcast_to([0.8, 0.2], (12, 1, 2)),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": [365.0], "state": ["alive", "dead"]},
    )
    return state_occupation_calibration(predicted, own, times=[365.0])


def test_a_probability_that_tells_a_small_count_is_not_shown() -> None:
    # Three of 12: the Aalen-Johansen estimate is 3 / 12, and the count follows from it.
    found = of_twelve(3)
    assert found.table["observed"].tolist() == pytest.approx([0.75, 0.25])
    assert found.table["shown"].tolist() == [False, False]
    published = found.published.table
    assert published["predicted"].tolist() == pytest.approx([0.8, 0.2])
    for name in ("observed", "lower", "upper", "difference", "inside"):
        assert published[name].isna().all(), name
    assert "observed 25" not in found.text
    assert "5.0 percentage points" not in found.text
    assert "What was observed of alive, dead is hidden" in found.text
    # Six of 12 may be told.
    found = of_twelve(6)
    assert found.published.table["observed"].tolist() == pytest.approx([0.5, 0.5])
    assert "observed 50.0%" in found.text
    assert "hidden" not in found.text


def test_where_nobody_went_anywhere_nothing_was_tested() -> None:
    found = of_twelve(0)
    assert found.verdict == "info"
    assert "Nobody was seen to leave a state: this is no test." in found.text
