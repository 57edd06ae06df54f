from typing import Any

import numpy as np
import pytest

from twinbayes.checks import PredictedVisits, marker_coverage, visual_predictive
from twinbayes.errors import CohortError


def visits(**change: Any) -> PredictedVisits:
    """Six hundred visits of a marker that the model knows perfectly."""
    rng = np.random.default_rng(1)
    n = 600
    day = rng.uniform(0, 1000, n)
    centre = 2.0 + day / 500
    given: dict[str, Any] = {
        "marker": "score",
        "day": day,
        "value": rng.normal(centre, 1.0),
        "censored": np.full(n, "none"),
        "subgroup": np.where(np.arange(n) < 540, "common", "rare"),
        "replicated": rng.normal(centre[:, None], 1.0, (n, 400)),
    }
    return PredictedVisits(**given | change)


def test_a_right_model_covers_what_it_says_and_has_no_bias() -> None:
    result = marker_coverage([visits()])
    table = result.table.set_index("subgroup")
    assert result.verdict == "pass"
    assert table["n"].to_dict() == {"all": 600, "common": 540, "rare": 60}
    assert table.loc["all", "inside"] == pytest.approx(0.9, abs=0.03)
    assert table.loc["all", "mean_pit"] == pytest.approx(0.5, abs=0.03)


def test_a_model_that_is_too_sure_or_too_vague_is_found_out() -> None:
    one = visits()
    centre = one.replicated.mean(axis=1, keepdims=True)
    sure = visits(replicated=centre + 0.3 * (one.replicated - centre))
    vague = visits(replicated=centre + 3.0 * (one.replicated - centre))
    assert marker_coverage([sure]).verdict == "warn"
    assert marker_coverage([vague]).verdict == "warn"


def test_values_beyond_a_limit_are_right_on_their_side_of_it() -> None:
    one = visits()
    limit = 2.5
    below = one.value < limit
    cut = visits(value=np.maximum(one.value, limit), censored=np.where(below, "left", "none"))
    table = marker_coverage([cut]).table.set_index("subgroup")
    assert table.loc["all", "beyond_limit"] == below.sum()
    assert table.loc["all", "inside"] == pytest.approx(0.9, abs=0.03)
    assert table.loc["all", "mean_pit"] == pytest.approx(0.5, abs=0.03)
    wrong = visits(
        value=np.maximum(one.value, limit),
        censored=np.where(below, "left", "none"),
        replicated=one.replicated + 3.0,
    )
    assert marker_coverage([wrong]).table["inside"].iloc[0] < 0.5


def test_most_values_beyond_a_limit_or_tied_do_not_make_a_right_model_cover_more() -> None:
    rng = np.random.default_rng(2)
    one = visits()
    limit = 4.0
    below = one.value < limit
    assert below.mean() > 0.7
    cut = visits(value=np.maximum(one.value, limit), censored=np.where(below, "left", "none"))
    counts = visits(
        value=rng.poisson(1.5, 600).astype(float), replicated=rng.poisson(1.5, (600, 400))
    )
    for calibrated in (cut, counts):
        table = marker_coverage([calibrated]).table.set_index("subgroup")
        assert table.loc["all", "inside"] == pytest.approx(0.9, abs=0.03)


def test_a_value_beyond_a_limit_is_inside_by_its_share() -> None:
    """Of ten draws one lies below the limit of 0.5: of [0, 0.1] the interval from 0.05 has half."""
    two = {"day": np.zeros(2), "subgroup": np.array(["a", "a"])}
    ten = np.tile(np.arange(10.0), (2, 1))
    for value, side, share in ((0.5, "left", 0.5), (8.5, "right", 0.5), (4.0, "none", 1.0)):
        one = visits(value=np.full(2, value), censored=np.full(2, side), replicated=ten, **two)
        assert marker_coverage([one]).table["inside"].iloc[0] == pytest.approx(share)


def test_quantiles_over_time_are_those_of_the_visits() -> None:
    one = visits()
    table = visual_predictive(one)
    assert table.groupby("quantile")["n"].sum().eq(600).all()
    middle = table[table["quantile"] == 0.5]
    first = one.value[one.day <= np.quantile(one.day, 1 / 6)]
    assert middle["observed"].iloc[0] == pytest.approx(np.median(first), abs=0.02)
    assert (table["lower"] <= table["predicted"]).all()
    held = table["observed"].between(table["lower"], table["upper"]).mean()
    assert held > 0.7


def test_replicated_values_that_do_not_fit_the_visits_are_refused() -> None:
    with pytest.raises(CohortError, match=r"\(5, 400\) replicated values for 600 visits"):
        visits(replicated=np.zeros((5, 400)))
