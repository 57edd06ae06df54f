"""The quality report as a fragment of HTML: escaped, no scripts, small cells suppressed."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final

from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.quality.report import OF_NO_PEOPLE, QualityReport
from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SUPPRESSED,
    part_words,
    size_words,
    suppress,
    suppress_fractions,
)

_ROWS: Final = 60
_COVARIATES: Final = 12

_STYLE: Final = """<style>
.twinbayes-quality table {border-collapse: collapse; font-size: 0.85em; margin: 0.3em 0 1em}
.twinbayes-quality th, .twinbayes-quality td {padding: 0.15em 0.6em; text-align: right;
  border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums}
.twinbayes-quality th:first-child, .twinbayes-quality td:first-child {text-align: left}
</style>"""


def render(report: QualityReport) -> str:
    """Return the report as HTML.

    Counts below 5 are suppressed, and so is what is said of groups whose size is: events,
    fractions missing and follow-up. Single values are summed up by variable; rows of single
    patients stay in ``report.tables``.
    """
    kind = "simulated data: no row describes a real person" if report.simulated else "real data"
    tables = report.tables
    parts = [
        f"<h3>Data quality of {escape(report.name)}</h3><p><strong>{kind}</strong></p>",
        _flags(report.flags),
        _section("Overview", _overview(tables["overview"]), {}),
        _section("Patients with each event", _events(tables["events"]), {}),
        _section(
            "Follow-up by reverse Kaplan–Meier, days (deaths censored)",
            _follow_up(tables["follow_up"]),
            {},
        ),
        _missing("Missing by subgroup", tables["missing_by_subgroup"]),
        _missing("Missing by centre", tables["missing_by_centre"]),
        _section("Implausible values, by variable", _by_variable(tables["implausible"]), {}),
        _section("What detectors suspect; nothing was changed", tables["findings"], {}),
        _section("Source rows left out", _by_rule(tables["excluded"]), {}),
    ]
    return f"<div class='twinbayes-quality'>{_STYLE}{''.join(parts)}</div>"


def _flags(flags: tuple[str, ...]) -> str:
    if not flags:
        return "<p>Nothing stands out.</p>"
    items = "".join(f"<li>{escape(flag)}</li>" for flag in flags)
    return f"<p>To look at:</p><ul>{items}</ul>"


def _overview(overview: DataFrame) -> DataFrame:
    of_people = ~overview["quantity"].isin(OF_NO_PEOPLE)
    shown = overview["n"].astype(str).mask(of_people, overview["n"].map(size_words))
    return overview.assign(n=shown)


def _events(events: DataFrame) -> DataFrame:
    # Last contacts are the patients less the deaths: shown, they would undo a suppression.
    shown = events.drop(columns=names.LAST_CONTACT, errors="ignore").astype(object)
    total, sizes = events[names.SUBGROUP] == names.WHOLE, events["patients"]
    shown["patients"] = suppress(sizes, total)
    for column in shown.columns.drop([names.SUBGROUP, "patients"]):
        shown[column] = suppress(events[column], total, sizes=sizes)
    return shown


def _follow_up(follow_up: DataFrame) -> DataFrame:
    # The largest follow-up is one person's.
    shown = follow_up.drop(columns="max").astype(object)
    total, sizes = follow_up[names.SUBGROUP] == names.WHOLE, follow_up["patients"]
    shown["patients"] = suppress(sizes, total)
    shown["deaths"] = suppress(follow_up["deaths"], total, sizes=sizes)
    unknown = shown["patients"].isin((SUPPRESSED, HIDDEN))
    for column in ("quartile_1", "median", "quartile_3"):
        days = follow_up[column].map("{:.0f}".format).astype(object)
        shown[column] = days.mask(unknown | follow_up[column].isna(), "")
    return shown


def _missing(title: str, table: DataFrame) -> str:
    place, *covariates = table.columns.drop("patients")
    if not covariates:
        return _section(title, DataFrame(), {})
    weights = table["patients"] / table["patients"].sum()
    overall = table[covariates].mul(weights, axis=0).sum().sort_values(ascending=False)
    columns = list(overall.index[:_COVARIATES])
    shown = table[[place, "patients", *columns]].astype(object)
    shown[columns] = suppress_fractions(table[columns], table["patients"])
    shown["patients"] = suppress(table["patients"])
    note = f" ({len(columns)} most often missing of {len(covariates)})"
    return _section(title + (note if len(covariates) > len(columns) else ""), shown, {})


def _by_variable(implausible: DataFrame) -> DataFrame:
    if implausible.empty:
        return DataFrame()
    counts = implausible.groupby("variable", sort=False).size()
    return DataFrame({"variable": counts.index, "values": part_words(counts)})


def _by_rule(excluded: DataFrame) -> DataFrame:
    if excluded.empty:
        return DataFrame()
    counts = excluded.groupby(["table", "rule", "reason"], sort=False).size()
    return suppress(counts).rename("rows").reset_index()


def _section(title: str, table: DataFrame, formats: dict[str, Callable[[object], str]]) -> str:
    if table.empty:
        return f"<h4>{escape(title)}</h4><p>none</p>"
    head = "".join(f"<th scope='col'>{escape(str(c))}</th>" for c in table.columns)
    body = "".join(
        "<tr>" + "".join(_cell(v, formats.get(str(c))) for c, v in row.items()) + "</tr>"
        for _, row in table.head(_ROWS).iterrows()
    )
    rest = f"<p>… and {len(table) - _ROWS} more rows</p>" if len(table) > _ROWS else ""
    return (
        f"<h4>{escape(title)}</h4><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{rest}"
    )


def _cell(value: object, form: Callable[[object], str] | None) -> str:
    return f"<td>{escape(str(value) if form is None else form(value))}</td>"
