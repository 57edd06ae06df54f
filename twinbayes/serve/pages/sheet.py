"""The patient sheet: one A4 page that is printed, and needs nothing beside itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from twinbayes.serve.access import Right
from twinbayes.serve.drawing import survival_curves
from twinbayes.serve.explorer import Outlook
from twinbayes.serve.explorer.inputs import Input, measured_of
from twinbayes.serve.language import Language
from twinbayes.serve.pages.comparing import (
    conditions,
    confounding,
    curves_of,
    lines,
    names_of,
    support,
)
from twinbayes.serve.pages.numbers import alive, years
from twinbayes.serve.pages.page import Asked, Page, Reading
from twinbayes.serve.pages.patient import curve, forecast_of
from twinbayes.serve.rendering import ENVIRONMENT, STYLES

TEMPLATE: Final = "sheet.html.jinja"
STYLE: Final = "sheet.css"
_LETTERS: Final = 24  # of a picture that is a third of the page wide


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The sheet as a page of the explorer."""
    values = values_of(asked, asked.outlook(), datetime.now().astimezone())
    return TEMPLATE, values | {"style": None}


def sheet_html(reading: Reading, pseudonym: str, printed: datetime) -> str:
    """The sheet of one patient as a file that needs nothing beside itself.

    Parameters
    ----------
    reading
        In which language, and whether the patient is named.
    pseudonym
        Who.
    printed
        The date that the sheet has.

    Raises
    ------
    TwinError
        Nobody has this pseudonym, or nothing can be forecast.
    """
    values = values_of(reading, reading.explorer.outlook(pseudonym), printed)
    fit = reading.explorer.fit
    return ENVIRONMENT.get_template(TEMPLATE).render(
        t=reading.language,
        words=reading.language.name,
        asked=reading,
        usable=fit.verdict.usable,
        simulated=fit.cohort.simulated,
        style=STYLES[STYLE],
        **values,
    )


def values_of(reading: Reading, outlook: Outlook, printed: datetime) -> dict[str, Any]:
    """What a sheet shows: the numbers of the patient's page, and the default comparison."""
    t, explorer = reading.language, reading.explorer
    shown = forecast_of(reading, outlook)
    compared = explorer.default_comparison(outlook)
    told, missing = _parted(t, shown["inputs"], measured_of(explorer.fit, outlook.twin))
    values: dict[str, Any] = shown | {
        "printed": t.day(printed),
        "model": t.name(explorer.fit.spec.name),
        "hash": explorer.fit_hash,
        "told": told,
        "missing": missing,
        "begun": [t("sheet.begun_on", treatment=t.name(name), day=t.number(day))
                  for name, day, _ in outlook.twin.present[0].started],
        "compared": compared is not None,
    }  # fmt: skip
    if compared is None:
        return values | {"curve": curve(t, outlook, _LETTERS)}
    day, at = shown["horizons"][len(shown["horizons"]) // 2]
    a, b = (alive(answer, day).n for answer in (compared.a, compared.b))
    names = names_of(reading, compared)
    return values | {
        "curve": survival_curves(
            years(compared.a),
            curves_of(compared),
            t("sheet.curve_alt", a=a, b=b, at=at, first=names[0], second=names[1]),
            t("patient.axis"),
            _LETTERS,
        ),
        "names": names,
        "cautions": [*support(reading, compared), *shown["cautions"]],
        "conditions": conditions(reading, compared),
        "confounding": confounding(reading, compared),
        "lines": {day: lines(reading, compared, day) for day, _ in shown["horizons"]},
    }


def _parted(
    t: Language, inputs: list[tuple[str, str, str]], measured: list[Input]
) -> tuple[list[tuple[str, str]], list[str]]:
    """What is known of a patient, as name and value; and names of what is not."""
    unknown = t("patient.not_known")
    told = [(n, f"{value} {unit}".strip()) for n, value, unit in inputs if value != unknown]
    missing = [name for name, value, _ in inputs if value == unknown]
    for one in measured:
        name = t.name(one.name)
        if one.value is None or one.day is None:
            missing.append(name)
            continue
        limit = {"left": "≤ ", "right": "≥ "}.get(one.censored, "")
        value = f"{limit}{t.told(one.value)} {t.unit(one.unit)}".strip()
        told.append((name, t("sheet.measured_on", value=value, day=t.number(one.day))))
    return told, missing


SHEET: Final = Page("sheet", "/patients/{patient}/sheet", Right.PATIENTS, True, show)
