"""Natural cubic splines against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from twinbayes.estimators.splines import natural_spline_term


@pytest.mark.parametrize("knots", [(0.0, 1.0, 3.0), (-2.0, -0.5, 0.1, 4.0), (0.0, 1, 2, 3, 7)])
def test_terms_are_the_natural_splines_of_their_values_at_the_knots(
    knots: tuple[float, ...],
) -> None:
    x = np.linspace(knots[0], knots[-1], 101)
    for k in range(len(knots) - 2):
        at_knots = natural_spline_term(np.array(knots), knots, k)
        wanted = CubicSpline(knots, at_knots, bc_type="natural")(x)
        np.testing.assert_allclose(natural_spline_term(x, knots, k), wanted, atol=1e-12)


def test_terms_are_nothing_before_their_knot_and_straight_after_the_last() -> None:
    knots = (0.0, 1.0, 2.0, 5.0)
    assert not natural_spline_term(np.array([-3.0, 0.4, 1.0]), knots, 1).any()
    after = natural_spline_term(np.array([5.0, 6.0, 7.0, 8.0]), knots, 1)
    np.testing.assert_allclose(np.diff(after, 2), 0.0, atol=1e-12)


def test_what_is_unknown_stays_unknown() -> None:
    found = natural_spline_term(np.array([0.5, np.nan]), (0.0, 1.0, 2.0), 0)
    assert np.isnan(found).tolist() == [False, True]
