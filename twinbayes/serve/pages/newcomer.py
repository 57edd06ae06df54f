"""One person who is not in the cohort: a form, and the forecast of what was entered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import TwinbayesError
from twinbayes.names import DAYS_PER_YEAR, PATIENT_ID, VARIABLES
from twinbayes.serve.access import Right
from twinbayes.serve.explorer import Explorer
from twinbayes.serve.language import Language
from twinbayes.serve.pages.form import Entered, Field, entered, fields
from twinbayes.serve.pages.page import Asked, Page
from twinbayes.serve.pages.patient import answer

_WIDEST: Final = 3  # inputs that are listed
_COMPARED: Final = 6  # inputs whose effects are computed from all draws
_SCREENED: Final = 100  # draws by which these are found
_TAILS: Final = (0.1, 0.9)
_TEMPLATE: Final = "new.html.jinja"


@dataclass(frozen=True)
class Effect:
    """What survival would be if one input that is missing were known.

    Attributes
    ----------
    field
        The input.
    low, high
        The value under which fewest, and most, would be alive; and how many of 100.
    """

    field: Field
    low: tuple[Any, int]
    high: tuple[Any, int]


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """A blank form; or, where it was sent, what is wrong with it, or the forecast."""
    explorer, t = asked.explorer, asked.language
    some = fields(explorer, t)
    values: dict[str, Any] = {
        "groups": [(name, list(of)) for name, of in groupby(some, lambda f: f.group)],
        "entered": Entered({f.name: "" for f in some}, {}, {}),
        "message": "",
        "outlook": None,
        "initial": asked.state(explorer.fit.spec.graph.states[0]),
    }
    if asked.sent is None:
        return _TEMPLATE, values
    given = values["entered"] = entered(asked, some)
    values["status"] = 422
    if given.faults:
        return _TEMPLATE, values
    try:
        outlook = explorer.newcomer(given.person(explorer))
        middle = outlook.horizons[len(outlook.horizons) // 2]
        effects = effects_of_missing(explorer, given, some, middle)
    except TwinbayesError as error:  # of this person's own values
        return _TEMPLATE, values | {"message": str(error)}
    return _TEMPLATE, values | answer(asked, outlook) | {
        "status": 200,
        "outlook": outlook,
        "effects": [_told(t, effect) for effect in effects],
        "effects_at": t("new.effects_at", at=t.years(middle / DAYS_PER_YEAR)),
    }


def effects_of_missing(
    explorer: Explorer, given: Entered, some: tuple[Field, ...], day: float
) -> list[Effect]:
    """The three missing inputs that would move survival at a day the most, the widest first.

    Numbers are set to the 10 % and 90 % quantiles of the patients of the fit, others to each of
    their levels; all else stays as it was entered. Six are found by 100 draws, and compared by
    all.
    """
    trials = {f: _values(explorer.fit.cohort, f) for f in some if _is_missing(f, given)}
    person = given.person(explorer)
    rough = _widest(_effects(explorer, person, trials, day, _SCREENED), _COMPARED)
    trials = {effect.field: trials[effect.field] for effect in rough}
    return _widest(_effects(explorer, person, trials, day, None), _WIDEST)


def _widest(found: list[tuple[float, Effect]], n: int) -> list[Effect]:
    return [effect for _, effect in sorted(found, key=lambda one: -one[0])[:n]]


def _is_missing(field: Field, given: Entered) -> bool:
    return bool(field.group) and field.variable not in given.values


def _values(cohort: Cohort, field: Field) -> tuple[Any, ...]:
    """What an input is set to, none of a number that nobody has."""
    if field.choices:
        return tuple(field.read_choice(value) for value in field.choices)
    known = pd.to_numeric(cohort.covariates()[field.variable]).dropna()
    return tuple(dict.fromkeys(map(float, known.quantile(list(_TAILS))))) if len(known) else ()


def _effects(
    explorer: Explorer,
    person: Cohort,
    trials: dict[Field, tuple[Any, ...]],
    day: float,
    draws: int | None,
) -> list[tuple[float, Effect]]:
    """Each input with the width of what survival may be."""
    pairs = [(field, value) for field, values in trials.items() for value in values]
    if not pairs:
        return []
    survival = explorer.survival(_with_each(person, pairs), day, draws)
    found = []
    for field in trials:
        mine = [k for k, (of, _) in enumerate(pairs) if of is field]
        if len(mine) < 2:
            continue
        low, high = (mine[int(pick(survival[mine]))] for pick in (np.argmin, np.argmax))
        ends = [(pairs[k][1], round(100 * float(survival[k]))) for k in (low, high)]
        found.append((float(survival[high] - survival[low]), Effect(field, *ends)))
    return found


def _with_each(person: Cohort, pairs: list[tuple[Field, Any]]) -> Cohort:
    """The same person again and again, each time with one input known."""
    names = [f"trial {k}" for k in range(len(pairs))]
    tables = {VARIABLES: person.variables}
    for name, table in person.tables.items():
        if name == VARIABLES:
            continue
        tables[name] = pd.concat(
            [table.astype(object).assign(**{PATIENT_ID: one}) for one in names], ignore_index=True
        )
        for k, (field, value) in enumerate(pairs):
            if field.variable in table.columns:  # of patients and genomics: one row a person
                tables[name].loc[k, field.variable] = value
    return cohort_from_tables("trials", tables, simulated=person.simulated, source={})


def _told(t: Language, effect: Effect) -> tuple[str, str, str]:
    """Name of the input, and both ends in words."""
    field = effect.field

    def end(value: Any, n: int) -> str:
        if field.choices:
            said = next(
                told for key, told in field.choices.items() if field.read_choice(key) == value
            )
        else:
            said = f"{t.number(float(value), 2)} {field.unit}".strip()
        return f"{said}: {t('patient.of_hundred', n=n)}"

    return t.name(field.variable), end(*effect.low), end(*effect.high)


NEWCOMER: Final = Page("new person", "/new", Right.PATIENTS, True, show, takes_forms=True)
