"""What has become known of a patient: a form, what it would move, and the line that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import xarray as xr

from twinbayes.errors import StorageError, TwinbayesError
from twinbayes.names import (
    DAYS_PER_YEAR,
    DEATH,
    LAST_CONTACT,
    PATIENT,
    QUALITY_ADJUSTED_TIME,
    RMST,
    STATE,
    STATE_PROBABILITY,
    SURVIVAL,
    TIME,
    VISITS,
)
from twinbayes.report.figures.look import look_of
from twinbayes.serve.access import Right
from twinbayes.serve.explorer import News, Outlook
from twinbayes.serve.explorer.updates import ChangedError
from twinbayes.serve.language import Language
from twinbayes.serve.pages.form import Field
from twinbayes.serve.pages.markers import SIGNS, expected_now, unit_of
from twinbayes.serve.pages.numbers import alive, at, states
from twinbayes.serve.pages.page import Asked, Page, RefusedError
from twinbayes.serve.pages.patient import sentences
from twinbayes.twin import Twin
from twinbayes.twin.answers.follow_up import is_beyond
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
        "lived": [],
        "markers": [],
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
    for when in days:
        both = seen.forecast, new.forecast
        rows = [
            (
                t("patient.survival"),
                *(alive(f, when) for f in both),
                _shift(t, both, when),
            )
        ]
        x, y = (states(f, when, look) for f in both)
        rows += [(asked.state(s), x[s], y[s], _shift(t, both, when, s)) for s in reachable]
        after_words = t.years(when / DAYS_PER_YEAR)
        tables.append((after_words, is_beyond(new.forecast, when), rows))
    return {
        "moved": tables,
        "lived": _lived(t, seen, new),
        "markers": _markers(asked, seen, new),
        "ends": "",
        "told": told,
        "day": news.day,
        "new": new.row,
        "cautions": [
            *_leap(asked, outlook, day),
            *_surprise(asked, outlook, after, news),
            *sentences(t, new),
        ],
    }


def _shift(
    t: Language, both: tuple[xr.Dataset, xr.Dataset], day: float, state: str | None = None
) -> str:
    """What the news move, in people of 100, from numbers that are not rounded: it may be little."""
    means = []
    for forecast in both:
        one = at(forecast, day)
        shares = one[SURVIVAL] if state is None else one[STATE_PROBABILITY].sel({STATE: state})
        means.append(100.0 * float(shares))
    return _signed(t, means[1] - means[0])


def _signed(t: Language, difference: float) -> str:
    """With its sign, to a tenth."""
    n = round(difference, 1)
    sign = "+" if n > 0.0 else "\N{MINUS SIGN}" if n < 0.0 else ""
    return sign + t.number(abs(n), 1)


def _lived(t: Language, seen: Outlook, new: Outlook) -> list[tuple[str, str, str, str]]:
    """Months to be lived within the horizon, plain and by their quality, and what moves them."""
    a, b = seen.quality, new.quality
    if a is None or b is None or float(a[TIME][-1]) != float(b[TIME][-1]):
        return []
    horizon = t.number(12.0 * float(a[TIME][-1]) / DAYS_PER_YEAR, 1)
    rows = []
    for key, name in (("update.lived", RMST), ("update.good", QUALITY_ADJUSTED_TIME)):
        x, y = (12.0 * float(one.isel({PATIENT: 0})[name]) / DAYS_PER_YEAR for one in (a, b))
        rows.append((t(key, horizon=horizon), t.number(x, 1), t.number(y, 1), _signed(t, y - x)))
    return rows


def _markers(asked: Asked, seen: Outlook, new: Outlook) -> list[tuple[str, str, str]]:
    """Each marker as it is expected on the day, without the news and with them."""
    both = (expected_now(asked, x) for x in (seen, new))
    return [(title, a, b) for (title, a), (_, b) in zip(*both, strict=True)]


def _leap(asked: Asked, outlook: Outlook, day: float) -> list[str]:
    """Whether the day is years ahead of the last one known: it may be mistyped."""
    years = (day - outlook.row.day) / DAYS_PER_YEAR
    return [asked.language("update.leap", years=years)] if years > _LONG_UNSEEN else []


def _surprise(asked: Asked, outlook: Outlook, after: Twin, news: News) -> list[str]:
    """Which values are far from what was expected: they may be mistyped."""
    t, found = asked.language, []
    if float(after.reliability().iloc[0]["surprise"]) > _SURPRISING:
        for name, value in news.values.items():
            alone = News(news.day, {name: value}).added_to(outlook.twin)
            z = float(alone.reliability().iloc[0]["surprise"])
            if z > _SURPRISING:
                found.append(t("update.surprise", marker=t.name(name), z=t.number(z, 1)))
    return found


def _told(asked: Asked, news: News) -> list[str]:
    """What was entered, in words, to be read once more before it is kept."""
    t, cohort = asked.language, asked.explorer.fit.cohort
    found = []
    for name, (value, limit) in news.values.items():
        unit = unit_of(t, cohort, name)
        found.append(f"{t.name(name)}: {SIGNS[limit]}{t.number(value, 15)} {unit}".strip())
    if news.event:
        seen = news.event == LAST_CONTACT
        found.append(t("update.seen") if seen else t.name(news.event))
    if news.treatment:
        found.append(t("update.starts", treatment=t.name(news.treatment)))
    return found or [t("update.seen")]


UPDATE: Final = Page(
    "update", "/patients/{patient}/update", Right.RECORDS, True, show, takes_forms=True, stores=True
)
