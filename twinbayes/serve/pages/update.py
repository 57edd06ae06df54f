"""What has become known of a patient: a form, what it would move, and the line that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from twinbayes.errors import StorageError, TwinbayesError
from twinbayes.names import DAYS_PER_YEAR, DEATH, LAST_CONTACT, VISITS
from twinbayes.report.figures.look import look_of
from twinbayes.serve.access import Right
from twinbayes.serve.explorer import News, Outlook
from twinbayes.serve.explorer.updates import ChangedError
from twinbayes.serve.pages.form import Field
from twinbayes.serve.pages.markers import unit_of
from twinbayes.serve.pages.numbers import OfHundred, alive, states
from twinbayes.serve.pages.page import Asked, Page, RefusedError
from twinbayes.serve.pages.patient import sentences
from twinbayes.twin import Twin
from twinbayes.twin.updates.replay import record_fingerprint

_TEMPLATE: Final = "update.html.jinja"
_LIMITS: Final = {
    "none": "update.limit_none",
    "left": "update.limit_left",
    "right": "update.limit_right",
}
_LONGEST: Final = 36_525.0  # days since origin
_SURPRISING: Final = 2.5  # standard deviations
_LONG_UNSEEN: Final = 5.0  # years
_KEPT: Final = 201  # Created, as HTTP has it: so that the audit log tells what was kept


@dataclass(frozen=True, eq=False)
class _Form:
    """What can be entered for one patient."""

    outlook: Outlook
    day: Field
    markers: tuple[Field, ...]
    event: Field
    treatment: Field

    @property
    def fields(self) -> tuple[Field, ...]:
        return (self.day, *self.markers, self.event, self.treatment)

    @classmethod
    def of(cls, asked: Asked, outlook: Outlook) -> _Form:
        explorer, t, twin = asked.explorer, asked.language, outlook.twin
        state = twin.present[0].state
        events = [e for a in explorer.fit.spec.graph.leaving(state) for e in a.event.split("|")]
        # Death last, so that nobody chooses it in haste.
        events = sorted(dict.fromkeys([*events, LAST_CONTACT]), key=lambda e: e == DEATH)
        curves = explorer.fit.learnt.curves
        markers = () if curves is None else tuple(m.marker for m in curves.markers)
        return cls(
            outlook,
            Field("day", "day", t("update.day"), "", "", 0.0, _LONGEST, {}, is_required=True),
            tuple(_marker(asked, name) for name in markers),
            Field("event", "event", t("update.event"), "", "", None, None,
                  {e: t("update.seen") if e == LAST_CONTACT else t.name(e) for e in events}),
            Field("treatment", "treatment", t("update.treatment"), "", "", None, None,
                  {name: t.name(name) for name in explorer.treatments(twin)}),
        )  # fmt: skip


def _marker(asked: Asked, name: str) -> Field:
    cohort, t = asked.explorer.fit.cohort, asked.language
    row = cohort.variables[cohort.variables["table"] == VISITS].set_index("name").loc[name]
    low, high = (_number(row[end]) for end in ("min", "max"))
    unit = unit_of(t, cohort, name)
    return Field(f"m_{name}", name, t.name(name), "", unit, low, high, {})


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """A form; what would move; or, once it is confirmed, what was kept."""
    outlook, explorer = asked.outlook(), asked.explorer
    form = _Form.of(asked, outlook)
    row = outlook.row
    shown: dict[str, Any] = {
        "row": row,
        "name": asked.name_of(row),
        "form": form,
        "texts": {f.name: asked.field(f.name) for f in form.fields}
        | {f"limit_{f.variable}": asked.field(f"limit_{f.variable}", "none") for f in form.markers},
        "limits": _LIMITS,
        "faults": {},
        "message": "",
        "moved": None,
        "cautions": [],
        "line": None,
        "keeps": explorer.updates is not None,
        "record": record_fingerprint(outlook.twin.cohort),
    }
    if asked.sent is None:
        shown["texts"]["day"] = f"{row.day:.10g}"
        return _TEMPLATE, shown
    news, faults = _entered(asked, form)
    if faults:
        return _TEMPLATE, shown | {"faults": faults, "status": 422}
    if asked.field("confirm"):
        return _kept(asked, outlook, news, shown)
    try:
        after = news.added_to(outlook.twin)
        return _TEMPLATE, shown | _moved(asked, outlook, after, news)
    except TwinbayesError as error:  # of what was entered
        return _TEMPLATE, shown | {"message": str(error), "status": 422}


def _entered(asked: Asked, form: _Form) -> tuple[News, dict[str, str]]:
    """What has become known; and what is wrong with it, by field."""
    read, faults = {}, {}
    for one in form.fields:
        if one is form.treatment and not one.choices and asked.field(one.name):
            raise RefusedError(422, "error.treatment")
        value, fault = one.read(asked.language, asked.field(one.name))
        if fault:
            faults[one.name] = fault
        elif value is not None:
            read[one.name] = value
    values = {}
    for one in form.markers:
        limit = asked.field(f"limit_{one.variable}", "none")
        if limit not in _LIMITS:
            faults[one.name] = asked.language("update.unknown_limit")
        elif one.name in read:
            values[one.variable] = (float(read[one.name]), limit)
    day = round(float(read.get("day", 0.0)), 3)  # finer differences are those of writing it down
    news = News(day, values, str(read.get("event", "")), str(read.get("treatment", "")))
    says = values or news.treatment or news.event not in ("", LAST_CONTACT)
    if not says and not faults and day <= form.outlook.row.day:
        day_known = asked.language.number(form.outlook.row.day)
        faults["day"] = asked.language("update.nothing", day=day_known)
    return news, faults


def _kept(
    asked: Asked, outlook: Outlook, news: News, shown: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Keep what was confirmed, and say under which line."""
    explorer, row = asked.explorer, outlook.row
    if explorer.updates is None:
        raise RefusedError(422, "update.cannot_keep")
    try:
        line = explorer.keep(row.pseudonym, news, asked.field("record"), asked.person)
    except ChangedError as error:
        raise RefusedError(422, "update.changed") from error
    except StorageError as error:
        raise RefusedError(503, "update.not_kept") from error
    except TwinbayesError as error:
        return _TEMPLATE, shown | {"message": str(error), "status": 422}
    row = explorer.by_pseudonym[row.pseudonym]
    kept = {"line": line["record"], "hash": line["hash"], "row": row, "status": _KEPT}
    return _TEMPLATE, shown | kept


def _moved(asked: Asked, outlook: Outlook, after: Twin, news: News) -> dict[str, Any]:
    """What the record would foresee with this, beside no more than having been seen on that day."""
    explorer, t = asked.explorer, asked.language
    day = after.present[0].day
    state, told = after.present[0].state, _told(asked, news)
    if state in explorer.fit.spec.graph.absorbing:
        return {"moved": [], "ends": asked.state(state), "told": told, "day": news.day}
    new = explorer.ahead(after)
    seen = outlook
    if day > outlook.row.day:
        seen = explorer.ahead(News(day, {}).added_to(outlook.twin))
    days = [d for d in new.horizons if d in seen.horizons]
    look = look_of(explorer.fit)
    reachable = [s for s in look.states if s in {*explorer.reachable(seen)}]
    tables = []
    for at in days:
        a, b = alive(seen.forecast, at), alive(new.forecast, at)
        rows = [(t("patient.survival"), a, b, _difference(asked, a, b))]
        x, y = states(seen.forecast, at, look), states(new.forecast, at, look)
        rows += [(asked.state(s), x[s], y[s], _difference(asked, x[s], y[s])) for s in reachable]
        tables.append((t.years(at / DAYS_PER_YEAR), rows))
    return {
        "moved": tables,
        "ends": "",
        "told": told,
        "day": news.day,
        "new": new.row,
        "cautions": [*_leap(asked, outlook, day), *_surprise(asked, after), *sentences(t, new)],
    }


def _difference(asked: Asked, a: OfHundred, b: OfHundred) -> str:
    n = b.n - a.n
    key = "what_if.more" if n > 0 else "what_if.fewer" if n < 0 else "what_if.same"
    return asked.language(key, n=abs(n))


def _leap(asked: Asked, outlook: Outlook, day: float) -> list[str]:
    """Whether the day is years ahead of the last one known: it may be mistyped."""
    years = (day - outlook.row.day) / DAYS_PER_YEAR
    return [asked.language("update.leap", years=years)] if years > _LONG_UNSEEN else []


def _surprise(asked: Asked, after: Twin) -> list[str]:
    """Whether a value is far from what was expected: it may be mistyped."""
    z = float(after.reliability().iloc[0]["surprise"])
    told = asked.language.number(z, 1)
    return [asked.language("update.surprise", z=told)] if z > _SURPRISING else []


def _told(asked: Asked, news: News) -> list[str]:
    """What was entered, in words, to be read once more before it is kept."""
    t, cohort = asked.language, asked.explorer.fit.cohort
    found = []
    for name, (value, limit) in news.values.items():
        sign = {"none": "", "left": "≤ ", "right": "≥ "}[limit]
        unit = unit_of(t, cohort, name)
        found.append(f"{t.name(name)}: {sign}{t.number(value, 15)} {unit}".strip())
    if news.event:
        seen = news.event == LAST_CONTACT
        found.append(t("update.seen") if seen else t.name(news.event))
    if news.treatment:
        found.append(t("update.starts", treatment=t.name(news.treatment)))
    return found or [t("update.seen")]


UPDATE: Final = Page(
    "update", "/patients/{patient}/update", Right.RECORDS, True, show, takes_forms=True, stores=True
)
