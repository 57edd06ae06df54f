"""The log of the normal distribution function is that of SciPy, wherever it is computed."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
from scipy import special, stats

from twinbayes.machine.special import log_ndtr, log_ndtr_with_slope
from twinbayes.tensors import log_ndtr as symbolic_log_ndtr

AT = np.array([-300.0, -38.0, -9.0, -5.0, -4.9, -1.0, -1e-9, 0.0, 1e-9, 0.7, 3.0, 8.0])


def test_it_is_that_of_scipy_in_compiled_code() -> None:
    np.testing.assert_allclose([log_ndtr(x) for x in AT], special.log_ndtr(AT), rtol=1e-13)


def test_with_its_slope_it_is_that_of_scipy() -> None:
    value, slope = np.array([log_ndtr_with_slope(x) for x in AT]).T
    np.testing.assert_allclose(value, special.log_ndtr(AT), rtol=1e-13, atol=1e-15)
    wanted = np.exp(stats.norm.logpdf(AT) - special.log_ndtr(AT))
    np.testing.assert_allclose(slope, wanted, rtol=1e-11)


def test_as_an_expression_it_is_that_of_scipy_with_its_slope() -> None:
    x = pt.dvector()
    value = symbolic_log_ndtr(x)
    run = pytensor.function([x], [value, pt.grad(value.sum(), x)], mode="FAST_COMPILE")
    found, slope = run(AT)
    np.testing.assert_allclose(found, special.log_ndtr(AT), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(
        slope, np.exp(stats.norm.logpdf(AT) - special.log_ndtr(AT)), rtol=1e-9
    )
