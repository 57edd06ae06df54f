"""Simulated trials: what is drawn is what the design says."""

from __future__ import annotations

import numpy as np
import pytest

from twinbayes.errors import OptionError
from twinbayes.trials import TrialDesign, Truth

SIZES = (6, 20, 70)


def drawn(design: TrialDesign, trials: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """(trial, subgroup) true values and first columns of the results."""
    found = [design.simulate(k, 3) for k in range(trials)]
    first = [data.table.iloc[:, 1].to_numpy() for data, _ in found]
    return np.array([true for _, true in found]), np.array(first)


def test_under_the_null_all_subgroups_have_the_value() -> None:
    true, _ = drawn(TrialDesign(sizes=SIZES, truth=Truth(scenario="null", value=0.2)), 5)
    np.testing.assert_allclose(true, 0.2, rtol=1e-14)


def test_exchangeable_log_odds_have_the_mean_and_spread_of_the_truth() -> None:
    truth = Truth(scenario="exchangeable", value=0.3, heterogeneity=0.5)
    true, responders = drawn(TrialDesign(sizes=SIZES, truth=truth))
    eta = np.log(true / (1 - true))
    np.testing.assert_allclose(eta.mean(axis=0), np.log(0.3 / 0.7), atol=4 * 0.5 / 4000**0.5)
    np.testing.assert_allclose(eta.std(axis=0), 0.5, rtol=0.05)
    standard = (responders - SIZES * true) / np.sqrt(SIZES * true * (1 - true))
    np.testing.assert_allclose(standard.std(axis=0), 1.0, rtol=0.05)
    np.testing.assert_allclose(standard.mean(axis=0), 0.0, atol=0.06)


def test_the_discordant_subgroup_lies_the_shift_away_and_the_others_do_not() -> None:
    truth = Truth(scenario="one_discordant", value=0.2, discordant="s2", shift=np.log(6.0))
    true, _ = drawn(TrialDesign(sizes=SIZES, truth=truth), 3)
    np.testing.assert_allclose(true, [[0.2, 0.6, 0.2]] * 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("outcome", "values", "mean", "sd"),
    [
        ("rate", (0.5, 1.0, 2.0), (6.0, 40.0, 280.0), np.sqrt((6.0, 40.0, 280.0))),
        ("mean", (-1.0, 0.0, 2.0), (-1.0, 0.0, 2.0), 3.0 / np.sqrt(SIZES)),
        ("log_hazard_ratio", (-1.0, 0.0, 2.0), (-1.0, 0.0, 2.0), 3.0 / np.sqrt(SIZES)),
    ],
)
def test_results_scatter_around_the_truth_as_their_outcome_does(
    outcome: str, values: tuple[float, ...], mean: tuple[float, ...], sd: np.ndarray
) -> None:
    truth = Truth(scenario="all_different", values=values)
    design = TrialDesign(
        sizes=SIZES, truth=truth, outcome=outcome, patient_sd=3.0, patient_time=2.0
    )
    true, first = drawn(design)
    np.testing.assert_array_equal(true, [values] * len(true))
    assert np.all(np.abs(first.mean(axis=0) - mean) < 4.5 * sd / len(first) ** 0.5)
    np.testing.assert_allclose(first.std(axis=0), sd, rtol=0.06)


def test_a_trial_depends_on_its_number_and_the_seed_alone() -> None:
    truth = Truth(scenario="exchangeable", value=0.3, heterogeneity=0.5)
    design = TrialDesign(sizes=SIZES, truth=truth)
    data, true = design.simulate(7, 1)
    _ = design.simulate(8, 1)
    again, same = design.simulate(7, 1)
    assert data.fingerprint == again.fingerprint
    np.testing.assert_array_equal(true, same)
    assert not np.array_equal(true, design.simulate(7, 2)[1])


def test_all_smallest_subgroups_are_the_rarest() -> None:
    design = TrialDesign(sizes=(9, 4, 4), truth=Truth(scenario="null", value=0.5))
    assert design.rarest == ("s2", "s3")
    assert design.discordant == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "odd"}, "Unknown scenario 'odd'. Known: 'null'"),
        ({"scenario": "null"}, "value is missing"),
        ({"scenario": "null", "value": 0.2, "shift": 1.0}, "shift has no meaning here"),
        ({"scenario": "one_discordant", "value": 0.2, "discordant": "s1"}, "shift is missing"),
        ({"scenario": "exchangeable", "value": 0.2, "heterogeneity": -1.0}, "must be 0 or more"),
    ],
)
def test_a_truth_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Truth(**options)  # type: ignore[arg-type]


NULL = Truth(scenario="null", value=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": ()}, "at least 1 a subgroup"),
        ({"sizes": (3, 0)}, "at least 1 a subgroup"),
        ({"sizes": (3, 2), "labels": ("a", "a")}, "different labels"),
        ({"sizes": (3,), "outcome": "odds"}, "Unknown outcome"),
        ({"sizes": (3,), "truth": Truth(scenario="null", value=1.0)}, "between 0 and 1"),
        ({"sizes": (3,), "patient_sd": 0.0}, "must be positive"),
        (
            {"sizes": (3, 4), "truth": Truth(scenario="all_different", values=(0.1,))},
            "found 1 of 2 subgroups",
        ),
        (
            {"sizes": (3,), "truth": Truth(
                scenario="one_discordant", value=0.2, discordant="x", shift=1.0)},
            "Unknown discordant subgroup 'x'. Known: 's1'",
        ),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        TrialDesign(**({"truth": NULL} | options))  # type: ignore[arg-type]
