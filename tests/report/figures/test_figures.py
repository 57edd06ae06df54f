"""Every picture has axes with units, alt text, and the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from twinbayes.checks.borrowing.hazard_ratios import treatment_effects
from twinbayes.checks.suppression import publishable
from twinbayes.inference import Fit
from twinbayes.report import Picture, collect_patient
from twinbayes.report.figures.calibration import (
    calibration_by_subgroup,
    calibration_overall,
    scores_over_horizons,
)
from twinbayes.report.figures.contrast import (
    contrast,
    icon_array,
    natural_frequencies,
    people_in_states,
)
from twinbayes.report.figures.diagnostics import diagnostics, missingness
from twinbayes.report.figures.graph import state_graph
from twinbayes.report.figures.look import Clock, StateLook, look_of, spread_labels
from twinbayes.report.figures.occupation import occupation, prior_predictive
from twinbayes.report.figures.pooling import shrinkage, treatment_forest

STATES = ("induction", "remission", "death")
LOOK = StateLook.of(STATES, ("death",))
DAYS = np.linspace(0.0, 1826.25, 21)


def occupation_table() -> pd.DataFrame:
    rows = [
        (group, n, day, state, p, p, max(p - 0.1, 0.0), p + 0.1, 0.0, True)
        for group, n in (("all", 100), ("A", 60), ("B", 40))
        for day in DAYS
        for state, p in zip(STATES, (0.2, 0.5, 0.3), strict=True)
    ]
    columns = [
        "subgroup", "n", "time", "state", "predicted", "observed", "lower", "upper", "difference",
        "inside",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"inside": "boolean"})


def score_table() -> pd.DataFrame:
    rows = [
        (target, h, score, 0.7, 0.02, 0.66, 0.74, 100)
        for target in (*STATES, "any death")
        for h in (365.25, 1095.75)
        for score in ("auc", "brier", "scaled_brier")
    ]
    return pd.DataFrame(
        rows,
        columns=["target", "horizon", "score", "value", "standard_error", "lower", "upper", "n"],
    )


def diagnostics_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "max_rhat": [1.001, 1.02],
            "min_ess_bulk": [900.0, 300.0],
            "min_ess_tail": [700.0, 350.0],
        },
        index=pd.Index(["beta", "subgroup_scale"], name="variable"),
    )


def missing_table() -> pd.DataFrame:
    return pd.DataFrame(
        {"subgroup": ["A", "B"], "patients": [60, 12], "ecog": [0.5, 0.1], "ldh": [0.0, 0.5]}
    )


PICTURES: dict[str, Callable[[], Picture]] = {
    "prior predictive": lambda: prior_predictive(
        xr.DataArray(
            np.random.default_rng(0).dirichlet((1, 1, 1), (50, DAYS.size)),
            dims=("sample", "time", "state"),
            coords={"time": DAYS, "state": list(STATES)},
        ),
        LOOK,
    ),
    "state graph": lambda: state_graph(
        LOOK, {("induction", "remission"): "40", ("induction", "death"): "<5"}
    ),
    "graph with a treatment": lambda: state_graph(
        LOOK, {("induction", "remission"): "40"}, {("remission", "drug_a"): "12"}
    ),
    "ring graph": lambda: state_graph(
        LOOK,
        {("induction", "remission"): "9", ("induction", "death"): "7", ("remission", "death"): "8"},
    ),
    "calibration": lambda: calibration_overall(occupation_table(), LOOK, level=0.95),
    "calibration by subgroup": lambda: calibration_by_subgroup(
        occupation_table(), LOOK, level=0.95, smallest=50
    ),
    "scores": lambda: scores_over_horizons(score_table(), LOOK, level=0.95),
    "diagnostics": lambda: diagnostics(
        diagnostics_table(), np.random.default_rng(0).normal(size=(2, 100))
    ),
    "missingness": lambda: missingness(missing_table(), place="subgroup"),
}


def test_the_picture_of_states_shows_where_treatments_start() -> None:
    picture = PICTURES["graph with a treatment"]()
    assert "start of drug a: 12" in texts(picture)
    assert "drug a in remission 12" in picture.alt
    assert "treatments" not in PICTURES["state graph"]().caption


def test_the_largest_difference_is_told_along_the_curves_and_at_the_times_judged() -> None:
    table = occupation_table()
    whole = table[table["subgroup"] == "all"]
    day = float(whole["time"].iloc[0])
    picture = calibration_overall(table, LOOK, level=0.95, judged=[day])
    worst = whole.loc[whole["difference"].abs().idxmax()]
    held = whole.loc[whole["time"] == day, "difference"].abs().max()
    assert (
        f"{100 * abs(worst['difference']):.1f} percentage points, on day {worst['time']:.0f}"
        in picture.caption
    )
    assert picture.caption.endswith(f"at the one time judged below, {100 * held:.1f}.")


def texts(picture: Picture) -> str:
    """All words drawn in a picture."""
    return "\n".join(
        t.get_text() for t in picture.figure.findobj(mpl.text.Text) if isinstance(t, mpl.text.Text)
    )


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_same_each_time_and_can_be_read_without_eyes(name: str) -> None:
    first, second = PICTURES[name](), PICTURES[name]()
    assert len(first.alt) > 40
    assert first.caption
    png = first.png()
    assert png.startswith(b"\x89PNG")
    assert png == second.png()


def test_a_picture_saved_twice_is_the_same_file() -> None:
    picture = PICTURES["state graph"]()
    assert picture.png() == picture.png()


def test_axes_name_their_quantity_and_unit() -> None:
    assert "Time since origin (years)" in texts(PICTURES["calibration"]())
    assert "Probability" in texts(PICTURES["calibration"]())
    assert "R-hat (at most 1.01)" in texts(PICTURES["diagnostics"]())


def test_counts_below_five_are_not_drawn() -> None:
    graph = texts(PICTURES["state graph"]())
    assert "<5" in graph
    assert "3" not in graph.replace("<5", "")
    missing = texts(PICTURES["missingness"]())
    assert missing.count("<5") == 1  # one of twelve patients; the other cells show per cent
    assert "50" in missing


def test_small_subgroups_stay_out_of_the_calibration_panels() -> None:
    drawn = texts(PICTURES["calibration by subgroup"]())
    assert "A\n60" in drawn
    assert "B\n40" not in drawn


def test_a_users_style_changes_nothing() -> None:
    before = PICTURES["calibration"]().png()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert PICTURES["calibration"]().png() == before
        assert mpl.rcParams["font.size"] == 30


def test_marks_are_stamped_and_taken_off_again() -> None:
    plain = PICTURES["scores"]()
    marked = plain.marked("NOT FOR USE", "SIMULATED DATA")
    assert marked.png() != plain.png()
    assert "NOT FOR USE" not in texts(plain)


def test_html_of_a_picture_escapes_its_words() -> None:
    picture = Picture(PICTURES["scores"]().figure, 'alt "><script>', "caption <b>")
    html = picture._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert 'src="data:image/png;base64,' in html


def test_shrinkage_names_sizes_and_how_much_narrower_pooling_made_it(levels: pd.DataFrame) -> None:
    picture = shrinkage(publishable(levels), LOOK, probability=0.9, kind="equal-tailed")
    drawn = texts(picture)
    assert "A  60" in drawn
    assert "<5" in drawn
    assert "90% equal-tailed interval" in picture.caption
    whole = shrinkage(levels, LOOK, probability=0.9, kind="equal-tailed")
    assert "40% as wide" in whole.caption  # 0.8 against 2.0 on the log scale


def test_the_forest_prints_every_number_with_its_interval(fit: Fit) -> None:
    effects = treatment_effects(fit, 0.9)
    label = str(effects["effect"].iloc[0])
    mine = effects[effects["effect"] == label]
    picture = treatment_forest(mine, LOOK, effect=label, probability=0.9, kind="equal-tailed")
    drawn = texts(picture)
    for row in mine.itertuples():
        assert f"{row.median:.2f} ({row.lower:.2f} to {row.upper:.2f})" in drawn
    assert "mean of subgroups" in drawn


def test_forecast_and_contrast_pictures_say_what_the_numbers_say(fit: Fit, alive: Any) -> None:
    evidence = collect_patient(fit, alive("remission"), at=60.0)
    look = look_of(fit)
    picture = occupation(evidence.forecast, look)
    survival = evidence.forecast["survival"].isel(patient=0, time=-1).item()
    assert f"survival {survival:.0%}" in picture.alt
    assert evidence.contrast is not None
    drawn = contrast(evidence.contrast, name_a="early", name_b="never", horizon=1095.75)
    assert "higher under early" in texts(drawn)
    assert "Difference in survival (percentage points)" in texts(drawn)
    people = icon_array(
        {"early": evidence.forecast["state_probability"].isel(patient=0, time=-1)},
        look,
        horizon=1826.25,
    )
    assert f"{round(100 * survival)} of 100 alive" in texts(people)


def test_natural_frequencies_add_up_and_round_the_largest_remainders() -> None:
    assert natural_frequencies(np.array([1.0, 1.0, 1.0])) == [34, 33, 33]
    assert natural_frequencies(np.array([0.005, 0.995])) == [1, 99]
    rng = np.random.default_rng(0)
    for shares in rng.dirichlet(np.ones(6), 50):
        counts = natural_frequencies(shares)
        assert sum(counts) == 100
        assert np.abs(np.array(counts) - 100 * shares).max() < 1


def test_the_living_of_a_hundred_people_are_the_rounded_survival() -> None:
    counts = people_in_states({"induction": 0.104, "remission": 0.124, "death": 0.772}, LOOK)
    assert counts["induction"] + counts["remission"] == 23
    assert sum(counts.values()) == 100


def test_labels_move_apart_in_order_and_stay_inside() -> None:
    placed = spread_labels([0.5, 0.51, 0.52, 0.98], 0.06, 0.0, 1.0)
    assert np.all(np.diff(placed) >= 0.06 - 1e-6)
    assert max(placed) <= 1.0


def test_short_times_are_shown_in_months_and_long_ones_in_years() -> None:
    assert Clock.covering(365.25).unit == "months"
    assert Clock.covering(1826.25).unit == "years"


def test_every_state_has_a_colour_of_its_own_in_every_figure() -> None:
    colours = [LOOK.colour(s) for s in STATES]
    assert len(set(colours)) == len(STATES)
    assert LOOK.stacked == ("induction", "remission", "death")


def test_chains_that_stand_still_are_shown_with_an_infinite_rhat() -> None:
    table = diagnostics_table()
    table.iloc[0, table.columns.get_loc("max_rhat")] = np.inf
    picture = diagnostics(table, np.random.default_rng(0).normal(size=(2, 100)))
    left = picture.figure.axes[0]
    assert np.isfinite(left.get_xlim()).all()
    assert [t.get_text() for t in left.texts] == ["∞"]
    assert picture.png()
