"""Two patients beside each other."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report.figures.look import look_of
from twinbayes.serve.access import Right
from twinbayes.serve.drawing import survival_curves
from twinbayes.serve.explorer import INTERVAL, Outlook
from twinbayes.serve.explorer.inputs import inputs_of
from twinbayes.serve.pages.numbers import BLUE, ORANGE, alive, curve_of, states, years
from twinbayes.serve.pages.page import Asked, Page, RefusedError
from twinbayes.serve.pages.patient import sentences
from twinbayes.twin.answers.follow_up import is_beyond


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """Both forecasts, each from the patient's own last day known, and what the model was told."""
    t, explorer = asked.language, asked.explorer
    one, other = both = asked.outlook(), asked.outlook("other")
    if one.row is other.row:
        raise RefusedError(422, "beside.same")
    days = [day for day in one.horizons if day in other.horizons]
    if not days:
        raise RefusedError(422, "beside.no_day")
    look, names = look_of(explorer.fit), [asked.name_of(x.row) for x in both]
    some = {s for x in both for s in explorer.reachable(x)}
    tables = []
    for day in days:
        rows = [(t("patient.survival"), *(alive(x.forecast, day) for x in both))]
        a, b = (states(x.forecast, day, look) for x in both)
        rows += [(asked.state(s), a[s], b[s]) for s in look.states if s in some]
        beyond = tuple(is_beyond(x.forecast, day) for x in both)
        tables.append((t.years(day / DAYS_PER_YEAR), beyond, rows))
    last = days[-1]
    alt = t("beside.alt", a=alive(one.forecast, last).n, b=alive(other.forecast, last).n,
            one=names[0], other=names[1], at=tables[-1][0])  # fmt: skip
    shorter = min((x.forecast for x in both), key=lambda f: float(f["time"].to_numpy()[-1]))
    until = float(shorter["time"].to_numpy()[-1])
    cut = [x.forecast.sel(time=slice(0.0, until)) for x in both]
    if not cut[0]["time"].equals(cut[1]["time"]):  # each has its own days
        cut = [f.interp(time=shorter["time"]) for f in cut]
    curves = [curve_of(cut[0], BLUE), curve_of(cut[1], ORANGE, "7 4")]
    return "beside.html.jinja", {
        "both": [(name, x.row) for name, x in zip(names, both, strict=True)],
        "cautions": [t("beside.meaning"), *_cautions(asked, names, both)],
        "names": names,
        "curve": survival_curves(years(cut[0]), curves, alt, t("patient.axis")),
        "tables": tables,
        "interval": t("patient.interval", percent=t.percent(INTERVAL)),
        "inputs": _inputs(asked, both),
    }


def _cautions(asked: Asked, names: list[str], both: tuple[Outlook, Outlook]) -> list[str]:
    """What has to be known before: of both, then of each."""
    one, other = (sentences(asked.language, x) for x in both)
    own = [(names[0], s) for s in one if s not in other]
    own += [(names[1], s) for s in other if s not in one]
    return [*(s for s in one if s in other), *(f"{name}: {s}" for name, s in own)]


def _inputs(asked: Asked, both: tuple[Outlook, Outlook]) -> list[tuple[str, str, str, bool]]:
    """Name of an input, its value in both, and whether it differs; what differs first."""
    t, fit = asked.language, asked.explorer.fit
    found = []
    for a, b in zip(*(inputs_of(fit, x.twin) for x in both), strict=True):
        one, other = (
            f"{t.told(i.value)} {'' if i.value is None else t.unit(i.unit)}".strip() for i in (a, b)
        )
        found.append((t.name(a.name), one, other, one != other))
    return sorted(found, key=lambda line: not line[3])


BESIDE: Final = Page("beside", "/patients/{patient}/beside/{other}", Right.PATIENTS, True, show)
