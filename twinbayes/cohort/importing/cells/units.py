"""Units of UCUM: what a value in one is in another. Pint knows the units, this file their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.errors import CohortError

# Atoms of UCUM that take a prefix, and their names in pint.
_METRIC: Final[Mapping[str, str]] = {
    "L": "liter", "l": "liter", "g": "gram", "m": "meter", "s": "second", "mol": "mole",
    "U": "enzyme_unit", "kat": "katal", "Pa": "pascal", "bar": "bar", "J": "joule", "W": "watt",
    "cal": "calorie", "V": "volt", "A": "ampere", "K": "kelvin", "Hz": "hertz", "N": "newton",
    "Bq": "becquerel", "Gy": "gray", "Sv": "sievert", "m[Hg]": "mercury_metre",
    "[IU]": "arbitrary_iu", "[iU]": "arbitrary_iu", "eq": "arbitrary_eq", "osm": "arbitrary_osm",
}  # fmt: skip
# Those that do not.
_OTHER: Final[Mapping[str, str]] = {
    "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year",
    "%": "percent", "[ppm]": "ppm", "[in_i]": "inch", "[ft_i]": "foot", "[lb_av]": "pound",
    "[oz_av]": "ounce", "t": "metric_ton", "1": "dimensionless",
}  # fmt: skip
_TEMPERATURES: Final[Mapping[str, str]] = {
    "Cel": "degree_Celsius", "[degF]": "degree_Fahrenheit", "K": "kelvin",
}  # fmt: skip
_PREFIXES: Final[Mapping[str, float]] = {
    "k": 1e3, "h": 1e2, "da": 1e1, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9,
    "p": 1e-12, "f": 1e-15, "M": 1e6, "G": 1e9,
}  # fmt: skip
# Of arbitrary units, each its own dimension: nothing but their like converts into them.
_DEFINED: Final = (
    *("arbitrary_iu = [arbitrary_iu]", "arbitrary_eq = [arbitrary_eq]"),
    *("arbitrary_osm = [arbitrary_osm]", "mercury_metre = 133322.387415 pascal"),
)
_ANNOTATION: Final = re.compile(r"\{[^{}]*\}")
_ALONE: Final = re.compile(r"(?<![^./])\{[^{}]*\}(?![^./])")
_POWER_OF_TEN: Final = re.compile(r"10[*^]([+-]?[0-9]{1,2})")
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,8}")
_EXPONENT: Final = re.compile(r"(.*?[^0-9+-])([+-]?[0-9])?")
_LONGEST: Final = 40


class Conversion(NamedTuple):
    """From one unit to another: value times slope, plus intercept."""

    slope: float
    intercept: float

    def of(self, value: float) -> float:
        """Return a value in the other unit."""
        return float(f"{value * self.slope + self.intercept:.12g}")


def conversion(
    given: str, wanted: str, molar_mass: float | None = None
) -> Conversion | Problem | None:
    """How values in one unit become values in another.

    Parameters
    ----------
    given, wanted
        Units in UCUM.
    molar_mass
        In g/mol, from mass to amount of substance or back.

    Returns
    -------
    Conversion | Problem | None
        None where nothing is to be done.

    Raises
    ------
    CohortError
        If the units differ and pint is not installed.

    Examples
    --------
    >>> conversion("g/dL", "g/dL") is None
    True
    """
    if given == wanted:
        return None
    registry = _registry()
    if given in _TEMPERATURES and wanted in _TEMPERATURES:
        at = [_in(registry, t, _TEMPERATURES[given], _TEMPERATURES[wanted]) for t in (0.0, 1.0)]
        return Conversion(at[1] - at[0], at[0])
    a, b = _quantity(registry, given), _quantity(registry, wanted)
    if a is None or b is None:
        return Problem("unit-unknown", "the unit is none of UCUM that is known")
    if molar_mass is not None and a.dimensionality != b.dimensionality:
        per_mole = registry.Quantity(molar_mass, "gram / mole")
        down, up = a / per_mole, a * per_mole
        a = down if down.dimensionality == b.dimensionality else up
    if a.dimensionality != b.dimensionality:
        return Problem("unit-incompatible", "the unit measures something else than the variable's")
    return Conversion(float((a / b).to("dimensionless").magnitude), 0.0)


def is_unit(text: str) -> bool:
    """Whether a unit of UCUM is known, so that values can be converted."""
    return text in _TEMPERATURES or _quantity(_registry(), text) is not None


@cache
def _registry() -> Any:
    try:
        import pint
    except ImportError as error:
        raise CohortError(
            "Converting units needs pint. Install twinbayes[units], or declare the unit of the "
            "column as that of its variable."
        ) from error
    registry = pint.UnitRegistry()
    for definition in _DEFINED:
        registry.define(definition)
    return registry


def _in(registry: Any, value: float, given: str, wanted: str) -> float:
    return float(registry.Quantity(value, given).to(wanted).magnitude)


def _quantity(registry: Any, unit: str) -> Any:
    """One of a unit as a quantity of pint, or None if it is not known."""
    if len(unit) > _LONGEST or not unit.isascii():
        return None
    text = _ANNOTATION.sub("", _ALONE.sub("1", unit))
    first, *others = re.split(r"([./])", text)
    if not first and others[:1] != ["/"]:
        return None
    out = registry.Quantity(1.0, "dimensionless") if not first else _factor(registry, first)
    for sign, part in zip(others[::2], others[1::2], strict=True):
        factor = _factor(registry, part)
        if out is None or factor is None:
            return None
        out = out / factor if sign == "/" else out * factor
    return out


def _factor(registry: Any, text: str) -> Any:
    if (power := _POWER_OF_TEN.fullmatch(text)) is not None:
        return registry.Quantity(10.0 ** int(power[1]), "dimensionless")
    if _WHOLE.fullmatch(text):
        return registry.Quantity(float(text), "dimensionless")
    found = _EXPONENT.fullmatch(text)
    if found is None:
        return None
    atom, exponent = found[1], int(found[2] or 1)
    if atom in _METRIC or atom in _OTHER:
        return registry.Quantity(1.0, _METRIC.get(atom) or _OTHER[atom]) ** exponent
    for prefix, size in _PREFIXES.items():
        rest = atom.removeprefix(prefix)
        if rest != atom and rest in _METRIC:
            return registry.Quantity(size, _METRIC[rest]) ** exponent
    return None
