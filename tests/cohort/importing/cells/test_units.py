"""Units: conversions against factors by hand."""

from __future__ import annotations

import sys

import pytest

from twinbayes.cohort.importing.cells import units
from twinbayes.cohort.importing.cells.units import Conversion, conversion
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.errors import CohortError


@pytest.mark.requirement("R-011")
@pytest.mark.parametrize(
    ("given", "wanted", "molar_mass", "value", "expected"),
    [
        ("g/dL", "g/L", None, 9.5, 95.0),
        ("mg/dL", "mmol/L", 180.156, 90.0, 90 / 18.0156),  # glucose
        ("mmol/L", "mg/dL", 180.156, 5.0, 90.078),
        ("umol/L", "mg/dL", 113.12, 88.4, 0.99998),  # creatinine
        ("10*3/uL", "10*9/L", None, 4.2, 4.2),
        ("10*6/mL", "10*9/L", None, 4.2, 4.2),
        ("%", "1", None, 50.0, 0.5),
        ("Cel", "K", None, 37.0, 310.15),
        ("[degF]", "Cel", None, 98.6, 37.0),
        ("mo", "a", None, 12.0, 1.0),
        ("[IU]/mL", "[IU]/L", None, 2.0, 2000.0),
        ("U/L", "ukat/L", None, 60.0, 1.0),
        ("mm[Hg]", "kPa", None, 120.0, 15.99868),
        ("g/m2", "mg/m2", None, 1.2, 1200.0),
        ("mg.h/L", "g.h/L", None, 1500.0, 1.5),
        ("{score}", "1", None, 3.0, 3.0),
        ("{cells}/uL", "/L", None, 2.0, 2e6),
        ("/uL", "10*9/L", None, 4200.0, 4.2),
        ("kg", "[lb_av]", None, 1.0, 2.2046226),
    ],
)
def test_values_become_those_of_the_other_unit(
    given: str, wanted: str, molar_mass: float | None, value: float, expected: float
) -> None:
    pytest.importorskip("pint")
    found = conversion(given, wanted, molar_mass)
    assert isinstance(found, Conversion)
    assert found.of(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.requirement("R-011")
@pytest.mark.parametrize(
    ("given", "wanted", "molar_mass", "rule"),
    [
        ("mg/dL", "mmol/L", None, "unit-incompatible"),
        ("mg/dL", "s", 180.0, "unit-incompatible"),
        ("[IU]/L", "U/L", None, "unit-incompatible"),
        ("eq/L", "mol/L", None, "unit-incompatible"),
        ("furlong", "m", None, "unit-unknown"),
        ("mg//", "g", None, "unit-unknown"),
        ("", "g", None, "unit-unknown"),
        (".", "g", None, "unit-unknown"),
        ("g.", "g", None, "unit-unknown"),
        ("g" * 20_000, "g", None, "unit-unknown"),
        ("__import__", "g", None, "unit-unknown"),
        ("g**9", "g", None, "unit-unknown"),
    ],
)
def test_units_that_do_not_convert_are_a_problem(
    given: str, wanted: str, molar_mass: float | None, rule: str
) -> None:
    pytest.importorskip("pint")
    found = conversion(given, wanted, molar_mass)
    assert isinstance(found, Problem)
    assert found.rule == rule


def test_the_same_unit_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pint", None)
    units._registry.cache_clear()
    assert conversion("g/dL", "g/dL") is None
    with pytest.raises(CohortError, match=r"twinbayes\[units\]"):
        conversion("g/dL", "g/L")
    units._registry.cache_clear()
