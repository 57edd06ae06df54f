"""How many events a comparison rests on, and what is said of all subgroups together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

from twinbayes.effects.support import Support, effective_events


@pytest.mark.parametrize(
    ("treated", "untreated", "events", "wanted"),
    [
        (50, 50, 20, 10.0),  # balanced: half of the events in each arm
        (3, 27, 13, 2 * 13 * 0.1 * 0.9),
        (3, 300, 300, 3.0),  # no arm has more events than patients
        (40, 10, 0, 0.0),
        (0, 20, 10, 0.0),
        (0, 0, 0, 0.0),
    ],
)
def test_effective_events_are_those_of_the_balanced_comparison(
    treated: int, untreated: int, events: int, wanted: float
) -> None:
    assert effective_events(treated, untreated, events) == pytest.approx(wanted)
    assert effective_events(untreated, treated, events) == pytest.approx(wanted)


def test_their_information_is_that_of_a_cox_regression_without_effect() -> None:
    # At a hazard ratio of 1 the information of the partial likelihood is share · (1 - share) at
    # every event; a tenth of 2,000 patients are treated, and 1 - exp(-1/4) of all die.
    rng = np.random.default_rng(4)
    treated = np.arange(2000) < 200
    day = rng.exponential(1.0, 2000)
    died = day < 0.25
    found = PHReg(np.minimum(day, 0.25), treated.astype(float), died.astype(int)).fit()
    balanced = effective_events(200, 1800, int(died.sum()))
    assert 1.0 / found.bse[0] ** 2 == pytest.approx(balanced / 2, rel=0.1)


def test_the_overall_support_says_how_much_of_it_there_is() -> None:
    flags = ["supported"] * 6 + ["no comparable patients"] * 2
    assert Support(pd.DataFrame({"support": flags})).overall == (
        "supported in 6 of 8 subgroups; no comparable patients in 2"
    )
    assert Support(pd.DataFrame({"support": flags[:6]})).overall == "supported"
