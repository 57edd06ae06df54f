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
    assert table.loc["all", "inside"] > 0.9
    assert table.loc["all", "mean_pit"] == pytest.approx(0.5, abs=0.03)
    wrong = visits(
        value=np.maximum(one.value, limit),
        censored=np.where(below, "left", "none"),
        replicated=one.replicated + 3.0,
    )
    assert marker_coverage([wrong]).table["inside"].iloc[0] < 0.5


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
