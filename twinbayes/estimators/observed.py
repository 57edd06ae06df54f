"""What was observed, checked once before any estimator reads it: times, events, horizons.

NumPy turns text into numbers, masked values into the numbers beneath, and whatever is not zero into
an event. Here such values are refused instead, with their place.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.errors import CohortError, OptionError


def as_numbers(values: npt.ArrayLike, place: str, name: str, *, kinds: str = "iuf") -> Floats:
    """Return numbers as floats; NaN where one is masked.

    Parameters
    ----------
    values
        Numbers; no text, no dates.
    place, name
        What the values belong to, and what they are called there.
    kinds
        NumPy's letters for what counts as a number; ``"biuf"`` takes True for 1 and False for 0.

    Raises
    ------
    CohortError
        If some are no numbers.
    """
    found = _array(values, place, name)
    if found.dtype.kind == "O":
        require_no_row(
            np.array(
                [isinstance(x, bool | np.bool_) or not isinstance(x, Real) for x in found.flat]
            ),
            place,
            f"have a '{name}' that is no number",
            "Give numbers; no text, no missing values.",
        )
    elif found.dtype.kind not in kinds:
        raise CohortError(
            f"{place}: '{name}' has values of type {found.dtype}. Give numbers: no text, no dates, "
            "nothing that is true or false."
        )
    return _floats(found, place, name)


def as_days(values: npt.ArrayLike, place: str, name: str) -> Floats:
    """Return finite numbers of days since the origin, none before it.

    Raises
    ------
    CohortError
        If some are no numbers, not finite, or negative.
    """
    days = as_numbers(values, place, name)
    require_no_row(
        ~np.isfinite(days),
        place,
        f"have a '{name}' that is not finite",
        "Drop them, or repair the dates.",
    )
    require_no_row(
        days < 0.0,
        place,
        f"have a '{name}' that is negative",
        "Days count from the origin. Drop them, or repair the dates.",
    )
    return days


def as_indicator(event: npt.ArrayLike, place: str) -> Bools:
    """Return whether each follow-up ended in the event, from True and False or from 1 and 0.

    Raises
    ------
    CohortError
        If a value is anything else.
    """
    found = _array(event, place, "event")
    if found.dtype.kind == "b":
        return found.astype(np.bool_)
    if found.dtype.kind == "O":  # columns of true and false with gaps, or of both kinds
        found = np.array([_one_or_zero(x) for x in found.flat]).reshape(found.shape)
    elif found.dtype.kind not in "iuf":
        found = np.full(found.shape, np.nan)
    require_no_row(
        (found != 0) & (found != 1),
        place,
        "have an 'event' that is neither 0 nor 1",
        "Give 1 or True where the event happened, and 0 or False where follow-up was censored; "
        "of codes 1 and 2 that is `event == 2`.",
    )
    return np.asarray(found == 1)


def as_causes(cause: npt.ArrayLike, n_causes: int, place: str) -> Ints:
    """Return codes of causes: 0 where censored, k for the k-th cause.

    Raises
    ------
    CohortError
        If a code is no whole number from 0 to the number of causes.
    """
    codes = as_numbers(cause, place, "cause")
    require_no_row(
        ~np.isin(codes, np.arange(n_causes + 1)),
        place,
        f"have a 'cause' that is no whole number from 0 to {n_causes}",
        "Give 0 where censored, and k for the k-th of 'causes', counted from 1.",
    )
    return codes.astype(np.int64)


def as_entry(entry: npt.ArrayLike, stop: Floats, place: str) -> Floats:
    """Return the days from which patients are at risk, each before the end of follow-up.

    Raises
    ------
    CohortError
        As `as_days`; or if lengths differ, or a follow-up ends before it begins.
    """
    start = as_days(entry, place, "entry")
    require_alike(place, time=stop, entry=start)
    require_no_row(
        start >= stop,
        place,
        "have a 'time' that is not after entry",
        "Who was never at risk has no place here: repair or exclude them.",
    )
    return start


def require_alike(place: str, **columns: npt.NDArray[Any]) -> None:
    """Refuse columns that are not one value a row, or have no row.

    Raises
    ------
    CohortError
        Naming the shapes.
    """
    shapes = {column.shape for column in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 or shape[0] == 0 for shape in shapes):
        said = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise CohortError(f"{place}: shapes differ or are empty: {said}. Give one value a patient.")


def as_labels(labels: npt.ArrayLike, place: str) -> npt.NDArray[Any]:
    """Return one label a row, as they are: 1 and "1" of one list stay two labels.

    Raises
    ------
    CohortError
        If they are not one a row, one is missing, or one cannot be told from others (a list).
    """
    found = _array(labels, place, "patient")
    if found.ndim != 1:
        raise CohortError(
            f"{place}: labels of patients have shape {found.shape}. Give one label after another."
        )
    if found.dtype.kind in "SU" and not isinstance(labels, np.ndarray):
        found = pd.Index(list(labels), dtype=object).to_numpy()  # type: ignore[arg-type]
    if found.dtype.kind == "O":
        try:
            pd.unique(found)
        except TypeError as error:
            raise CohortError(
                f"{place}: a patient's label is no text or number. Give texts or numbers."
            ) from error
    require_no_row(np.asarray(pd.isna(found)), place, "have no patient", "Label them.")
    return found


def as_names(names: Iterable[str], place: str, what: str) -> tuple[str, ...]:
    """Return names as a tuple.

    Raises
    ------
    CohortError
        If they are no texts, or one is given twice.
    """
    given: object = names  # what arrives may be anything
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (None,)
    if not all(isinstance(name, str) for name in found):
        raise CohortError(
            f"{place}: '{what}' must be texts in a row, such as ('relapse', 'death')."
        )
    twice = sorted({str(name) for name in found if found.count(name) > 1})
    if twice:
        raise CohortError(
            f"{place}: '{what}' has {', '.join(map(repr, twice))} more than once. Give each a name "
            "of its own."
        )
    return tuple(str(name) for name in found)


def as_day(day: float, what: str) -> float:
    """Return one finite day, which may lie before the origin.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    try:
        found = as_numbers(day, what, "day")
    except CohortError as error:
        raise OptionError(str(error)) from error
    if found.ndim or not np.isfinite(found):
        raise OptionError(f"{what}: give one finite number of days since the origin.")
    return float(found)


def as_times(times: npt.ArrayLike, what: str) -> Floats:
    """Return days at which something is asked for, in whatever shape; they may be infinite.

    Raises
    ------
    OptionError
        If one is no number, or NaN.
    """
    try:
        days = as_numbers(times, what, "time")
    except CohortError as error:
        raise OptionError(str(error)) from error
    if np.isnan(days).any():
        raise OptionError(f"{what}: a time is NaN. Give days.")
    return days


def as_horizon(horizon: float, what: str, origin: float = 0.0) -> float:
    """Return the one day at which something is asked for.

    Raises
    ------
    OptionError
        As `as_horizons`; or if there are several.
    """
    days = as_horizons(horizon, what, origin)
    if days.size > 1:
        raise OptionError(f"{what}: give one day, not {days.size}.")
    return float(days[0])


def as_horizons(horizons: npt.ArrayLike, what: str, origin: float = 0.0) -> Floats:
    """Return days at which something is asked for, each finite and not before the origin.

    Parameters
    ----------
    horizons
        One day, or several.
    what
        Name of the days in the message.
    origin
        First day that may be asked for.

    Raises
    ------
    OptionError
        If one is no number, not finite, or before the origin; or if there is none.
    """
    try:
        days = np.atleast_1d(as_numbers(horizons, what, "day"))
    except CohortError as error:
        raise OptionError(str(error)) from error
    if days.ndim != 1 or days.size == 0:
        raise OptionError(f"{what}: give one day or more in a row, not shape {days.shape}.")
    bad = ~(np.isfinite(days) & (days >= origin))
    if bad.any():
        raise OptionError(
            f"{what}: {days[bad][0]:g} is not a day from the origin ({origin:g}) on. Give days "
            "since the origin."
        )
    return days


def require_known_until(days: Floats, known_until: float, what: str) -> None:
    """Refuse days beyond those that the data can speak of.

    Parameters
    ----------
    days
        Days asked for.
    known_until
        Last day on which the estimate is known.
    what
        What was asked for.

    Raises
    ------
    OptionError
        Naming the first such day.
    """
    beyond = days > known_until
    if beyond.any():
        raise OptionError(
            f"{what}: nobody was followed until day {days[beyond].min():g}; the last day known is "
            f"{known_until:g}. Choose an earlier day."
        )


def require_no_row(bad: Bools, place: str, what: str, remedy: str) -> None:
    """Refuse rows that are bad, with their number and the place of the first.

    Raises
    ------
    CohortError
        If any is.
    """
    if bad.any():
        raise CohortError(
            f"{place}: {int(bad.sum())} rows {what}, first at row {int(np.argmax(bad))}. {remedy}"
        )


def _array(values: npt.ArrayLike, place: str, name: str) -> npt.NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        if hidden.any() and values.dtype.kind in "biuf":
            return np.where(hidden, np.nan, values.data.astype(np.float64))
        if hidden.any():
            shown = values.data.astype(object)
            shown[hidden] = None
            return np.asarray(shown)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise CohortError(
            f"{place}: '{name}' has rows of different lengths. Give one value a patient."
        ) from error


def _floats(found: npt.NDArray[Any], place: str, name: str) -> Floats:
    try:
        return found.astype(np.float64, copy=False)
    except OverflowError as error:
        raise CohortError(
            f"{place}: '{name}' has a number that is too large. Repair it."
        ) from error


def _one_or_zero(value: object) -> float:
    """1 or 0 where the value is that number or a truth value, else NaN."""
    if not isinstance(value, Real | np.bool_) or value not in (0, 1):
        return float("nan")
    return float(value)
