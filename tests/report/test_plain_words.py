"""The sentences that are read aloud: natural frequencies, intervals, and plain doubts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.report.figures.look import (
    StateLook,
    duration_words,
    words,
)
from twinbayes.report.words import (
    Living,
    agreeing_people,
    clear_stretches,
    contrast_sentences,
    forecast_sentences,
    scenario_words,
    uncertainty_sentences,
)

LOOK = StateLook.of(("induction", "remission", "death"), ("death",))
ATTRS = {"interval_probability": 0.9, "interval_kind": "equal-tailed"}
THREE_YEARS = 3 * 365.25


def with_bounds(name: str, dims: tuple[str, ...], values: np.ndarray) -> dict[str, object]:
    return {
        f"{name}{side}": (dims, values + shift)
        for side, shift in (("", 0.0), ("_lower", -0.11), ("_upper", 0.1))
    }


@pytest.fixture
def forecast() -> xr.Dataset:
    states = np.array([[[0.02, 0.6, 0.38]]])
    return xr.Dataset(
        {
            **with_bounds("survival", ("patient", "time"), np.array([[0.62]])),
            **with_bounds("state_probability", ("patient", "time", "state"), states),
        },
        coords={"patient": ["X1"], "time": [THREE_YEARS], "state": list(LOOK.states)},
        attrs=ATTRS,
    )


def difference(lower: float, middle: float, upper: float) -> xr.Dataset:
    dims = ("patient", "time")
    return xr.Dataset(
        {
            "survival_a": (dims, [[0.6 + middle]]),
            "survival_b": (dims, [[0.6]]),
            "survival_difference": (dims, [[middle]]),
            "survival_difference_lower": (dims, [[lower]]),
            "survival_difference_upper": (dims, [[upper]]),
        },
        coords={"patient": ["X1"], "time": [THREE_YEARS]},
        attrs=ATTRS,
    )


def test_a_forecast_is_told_as_people_of_a_hundred_with_its_interval(forecast: xr.Dataset) -> None:
    living = Living.of(LOOK, ("death",))
    [told] = forecast_sentences(forecast, LOOK, living, [THREE_YEARS])
    assert told == (
        "Of 100 people like this one, about 62 (90% equal-tailed interval 51 to 72) would be alive "
        "3 years from now, and 60 of the hundred in remission (interval 49 to 70)."
    )


def test_a_difference_whose_interval_holds_zero_settles_nothing() -> None:
    living = Living.of(LOOK, ("death",))
    told = " ".join(
        contrast_sentences(difference(-0.04, 0.06, 0.15), "A", "B", living, THREE_YEARS)
    )
    assert "about 66 of 100 would be alive under “A”, and about 60 under “B”" in told
    assert "6 more under “A” (90% equal-tailed interval: from 4 fewer to 15 more)" in told
    assert "do not settle" in told
    assert "not randomised" in told


@pytest.mark.parametrize(
    ("bounds", "better"), [((0.01, 0.06, 0.1), "“A”"), ((-0.2, -0.1, -0.02), "“B”")]
)
def test_a_clear_difference_names_the_better_side(
    bounds: tuple[float, float, float], better: str
) -> None:
    living = Living.of(LOOK, ("death",))
    told = list(contrast_sentences(difference(*bounds), "A", "B", living, THREE_YEARS))
    assert told[-2] == (
        "3 years from now, the interval leaves out “no difference”: more would be alive under "
        f"{better}."
    )
    assert "not randomised" in told[-1]
    assert "settle" not in " ".join(told)


def over_time(rows: list[tuple[float, float, float, float, float]]) -> xr.Dataset:
    """A contrast from rows of day, survival under A and B, and the ends of the difference."""
    days, a, b, lower, upper = map(np.array, zip(*rows, strict=True))
    values = {
        "survival_a": a, "survival_b": b, "survival_difference": a - b,
        "survival_difference_lower": lower, "survival_difference_upper": upper,
    }  # fmt: skip
    return xr.Dataset(
        {name: (("patient", "time"), value[None]) for name, value in values.items()},
        coords={"patient": ["X1"], "time": days},
        attrs=ATTRS,
    )


def test_an_early_harm_is_told_where_the_late_difference_settles_nothing() -> None:
    month = 365.25 / 12
    contrast = over_time(
        [
            (0.0, 1.0, 1.0, 0.0, 0.0),
            (3 * month, 0.9, 0.93, -0.06, -0.01),
            (6 * month, 0.72, 0.84, -0.2, -0.04),
            (9 * month, 0.7, 0.76, -0.12, -0.01),
            (12 * month, 0.68, 0.7, -0.1, 0.05),
            (THREE_YEARS, 0.6, 0.56, -0.05, 0.12),
            (4 * 365.25, 0.6, 0.5, 0.02, 0.18),
            (5 * 365.25, 0.6, 0.45, 0.05, 0.25),
        ]
    )
    told = list(contrast_sentences(contrast, "T", "N", Living.of(LOOK, ("death",)), THREE_YEARS))
    assert "about 60 of 100 would be alive under “T”, and about 56 under “N”" in told[0]
    assert "do not settle under which more would be alive 3 years from now" in told[2]
    assert told[3:] == [
        "From 3 months to 9 months, the interval leaves out “no difference”: more would be alive "
        "under “N”.",
        "The difference is largest after 6 months: about 72 of 100 under “T” and 84 under “N”, "
        "12 fewer under “T” (interval: from 20 fewer to 4 fewer).",
        "From 4 years to the end of this forecast, the interval leaves out “no difference”: more "
        "would be alive under “T”.",
        "The difference is largest after 5 years: about 60 of 100 under “T” and 45 under “N”, "
        "15 more under “T” (interval: from 5 more to 25 more).",
        "The patients were not randomised: unrecorded reasons for treating may explain part of "
        "this.",
    ]


def test_every_clear_stretch_is_found_however_the_signs_run() -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        sign = rng.integers(-1, 2, size=rng.integers(1, 9))
        rows = [(float(k), 0.5 + 0.1 * s, 0.5, 0.1 * s - 0.05, 0.1 * s + 0.05)
                for k, s in enumerate(sign)]  # fmt: skip
        found = clear_stretches(over_time(rows))
        inside = [k for s in found for k in range(int(s.first), int(s.last) + 1)]
        assert inside == list(np.flatnonzero(sign))
        assert [s.whole for s in found] == [int(s.last) == len(sign) - 1 for s in found]
        for s in found:
            assert len(set(sign[int(s.first) : int(s.last) + 1])) == 1


def test_an_end_that_is_not_zero_never_reads_as_no_difference() -> None:
    living = Living.of(LOOK, ("death",))
    told = " ".join(contrast_sentences(difference(0.002, 0.02, 0.04), "A", "B", living, 1.0))
    assert "from less than 1 more to 4 more" in told
    told = " ".join(contrast_sentences(difference(-0.04, -0.02, -0.001), "A", "B", living, 1.0))
    assert "from 4 fewer to less than 1 fewer" in told


def at(a: float, b: float) -> xr.Dataset:
    values = {"survival_a": a, "survival_b": b, "survival_difference": a - b}
    return xr.Dataset(values)


def test_people_under_both_scenarios_and_their_difference_add_up() -> None:
    assert agreeing_people(at(0.0754, 0.0621)) == (7, 6, 1)  # each rounded: 8, 6 and 1
    rng = np.random.default_rng(5)
    pairs = [*rng.uniform(size=(300, 2)), *rng.uniform(0, 0.02, (50, 2)),
             *rng.uniform(0.98, 1.0, (50, 2)), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0),
             (0.005, 0.0), (0.995, 1.0)]  # fmt: skip
    for a, b in pairs:
        one, two, gap = agreeing_people(at(a, b))
        assert gap == round(100 * (a - b))
        assert one - two == gap
        assert 0 <= one <= 100
        assert 0 <= two <= 100
        # By brute force: none of all pairs so far apart is nearer to both.
        best = min(
            max(abs(n - 100 * a), abs(n - gap - 100 * b)) for n in range(101) if 0 <= n - gap <= 100
        )
        assert max(abs(one - 100 * a), abs(two - 100 * b)) == pytest.approx(best, abs=1e-9)
        assert best < 0.751


@pytest.mark.requirement("R-015")
def test_doubts_are_told_simulated_first_then_how_many_patients() -> None:
    told = list(uncertainty_sentences(simulated=True, subgroup_size="<5", subgroups=8))
    assert "simulated" in told[0]
    assert "fewer than 5 patients of the same subgroup" in told[1]
    [told] = uncertainty_sentences(simulated=False, subgroup_size="40", subgroups=1)
    assert "on 40 patients. Nobody" in told


def test_what_living_means_follows_from_the_states() -> None:
    assert Living.of(LOOK, ("death",)).phrase == "be alive"
    relapse = StateLook.of(("transplanted", "relapse", "dead"), ("dead",))
    living = Living.of(relapse, ("relapse", "dead"))
    assert living.phrase == "not have died"
    assert "Deaths after relapse are not in the model" in living.note
    joint = StateLook.of(("transplanted", "relapsed_or_dead"), ("relapsed_or_dead",))
    assert "free of this event: relapsed or dead" in Living.of(joint, ("relapsed_or_dead",)).phrase


def test_scenarios_are_told_from_the_landmark_on() -> None:
    start = tb.Scenario.start("allogeneic_transplant", day=150, states=("remission",))
    assert scenario_words(start, 30.0, LOOK) == (
        "allogeneic transplant after 120 days if then in remission"
    )
    assert scenario_words(tb.Scenario.none("allogeneic_transplant"), 0.0, LOOK) == (
        "no allogeneic transplant"
    )
    assert scenario_words(tb.Scenario.policy(), 0.0, LOOK) == "the registry's own policy"
    arm = tb.Scenario.given("drug_arm", 1.0) & tb.Scenario.given("dose", "very_high")
    assert scenario_words(arm, 0.0, LOOK) == "drug arm = 1 and dose = very high"


@pytest.mark.parametrize(
    ("days", "said"),
    [(1826.25, "5 years"), (365.25, "1 year"), (30.4375, "1 month"), (120.0, "120 days"),
     (547.875, "18 months"), (1.0, "1 day"), (1000.0, "2.7 years")],
)  # fmt: skip
def test_durations_are_said_in_whole_units_where_they_are_whole(days: float, said: str) -> None:
    assert duration_words(days) == said


def test_codes_become_words() -> None:
    assert words("remission->start:allogeneic_transplant") == (
        "remission → start of allogeneic transplant"
    )
    assert LOOK.place("death_in_remission") == "dead in remission"
    assert LOOK.place("remission") == "in remission"
    assert LOOK.place("in_remission") == "in remission"
    assert LOOK.place("recovered_and_adverse_event") == "recovered and adverse event"
    assert LOOK.way("remission->start:allogeneic_transplant") == (
        "remission → start of allogeneic transplant"
    )
    assert LOOK.effect("allogeneic_transplant:here_late on remission->relapse") == (
        "allogeneic transplant in this state, late, on remission → relapse"
    )
