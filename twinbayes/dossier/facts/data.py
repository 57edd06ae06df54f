"""Facts of the data behind a fit: who, how many, since when, what is missing and left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pandas as pd

from twinbayes.cohort.quality.suppression import (
    SMALLEST_CELL,
    SUPPRESSED,
    part_words,
    size_words,
    suppress_fractions,
)
from twinbayes.dossier.facts.fact import Fact, Subject, Told
from twinbayes.inference import Fit
from twinbayes.names import CENTRE, SUBGROUP
from twinbayes.report.figures.look import words
from twinbayes.report.reviewer.fit import starts_used

_KNOWN: Final = {"visits": "from its visit on", "treatments": "from its start on"}
_WHOLE: Final = "all"
_QUARTERS: Final = 4  # of so many people each, or no quartile is told


def _source(subject: Subject) -> Told:
    fit = subject.fit
    cohort = fit.cohort
    kind = "simulated: nobody in it exists" if cohort.simulated else "patients"
    told = {words(str(k)): str(v) for k, v in cohort.source.items()}
    return {"cohort": cohort.name, "kind": kind, **told, "fingerprint": cohort.fingerprint}


def _setting(subject: Subject) -> Told:
    fit = subject.fit
    told = {"centres": str(len(fit.cohort.centres)), "patients by centre": _sizes(fit, CENTRE)}
    return told | ({"sites of the federation": str(len(fit.sites))} if fit.sites else {})


def _sizes(fit: Fit, by: str) -> str:
    """Patients of each group, largest first, small ones hidden and unnamed numbers with them."""
    sizes = fit.cohort.patients[by].astype(str).value_counts()
    named = zip(sizes.index, part_words(sizes), strict=True)
    return ", ".join(f"{words(name)} {n}" for name, n in named)


def _left_out(fit: Fit) -> pd.Series:
    every = pd.concat([fit.cohort.excluded, fit.set_aside], ignore_index=True)
    return every.groupby(["table", "reason"], sort=True).size()


def _exclusions(subject: Subject) -> Told:
    fit = subject.fit
    rows = _left_out(fit)
    if rows.empty:
        return {"rows excluded or without a place in the model": "none"}
    shown = zip(rows.index, part_words(rows), strict=True)
    return {f"rows left out of {table}: {why}": n for (table, why), n in shown}


def _treatments(subject: Subject) -> Told:
    fit = subject.fit
    modelled = [t.name for t in fit.spec.graph.treatments]
    if not modelled:
        return {"treatments in the model": "none"}
    rows = _left_out(fit)
    counted = pd.DataFrame(
        [(table, why) for table, why in rows.index], columns=["table", "reason"]
    ).assign(rows=part_words(rows) if len(rows) else [])
    starts = starts_used(fit.cohort, modelled, fit.set_aside, counted)
    return {
        f"starts of {row.treatment} that the model uses": f"{_few(row.used)} of "
        f"{_few(row.recorded)} recorded"
        for row in starts.itertuples(index=False)
    }


def _few(text: object) -> str:
    """A count as text, hidden where it is small."""
    said = str(text)
    return SUPPRESSED if said.isdigit() and 0 < int(said) < SMALLEST_CELL else said


def _sample_size(subject: Subject) -> Told:
    fit = subject.fit
    return {"patients": size_words(fit.cohort.n_patients), **_events(subject), **_groups(subject)}


def _groups(subject: Subject) -> Told:
    fit = subject.fit
    n = len(fit.cohort.subgroups)
    return {"subgroups": str(n), "patients by subgroup": _sizes(fit, SUBGROUP)}


def _events(subject: Subject) -> Told:
    fit = subject.fit
    table = subject.quality.tables["events"]
    whole = table[table[SUBGROUP] == _WHOLE].iloc[0].drop([SUBGROUP, "patients"])
    n = [fit.cohort.n_patients] * len(whole)
    said = zip(whole.index, part_words(whole.astype(float), n), strict=True)
    return {f"events: {words(str(name))}": count for name, count in said}


def _follow_up(subject: Subject) -> Told:
    fit = subject.fit
    table = subject.quality.tables["follow_up"]
    whole = table[table[SUBGROUP] == _WHOLE].iloc[0]
    if fit.cohort.n_patients < _QUARTERS * SMALLEST_CELL:
        return {"follow-up": "hidden: too few patients for quartiles"}
    quarter, three = whole["quartile_1"], whole["quartile_3"]
    return {
        "median follow-up, days": f"{whole['median']:.0f}",
        "quartiles of follow-up, days": f"{quarter:.0f} to {three:.0f}",
    }


def _participants(subject: Subject) -> Told:
    return {**_sample_size(subject), **_follow_up(subject), **_exclusions(subject)}


def _used(fit: Fit) -> tuple[str, ...]:
    """Covariates that the model reads, in the order of the data."""
    sources = {source for column in fit.encoding.columns for source in column.sources}
    return tuple(str(n) for n in fit.cohort.variables["name"] if str(n) in sources)


def _missing(subject: Subject) -> Told:
    fit = subject.fit
    table, n = fit.cohort.covariates(), fit.cohort.n_patients
    names = [name for name in _used(fit) if name in table]
    if not names:
        return {"covariates in the model": "none"}
    fractions = pd.DataFrame({name: [float(table[name].isna().mean())] for name in names})
    shown = suppress_fractions(fractions, pd.Series([float(n)])).iloc[0]
    told = {f"missing: {words(str(k))}": str(v) or "hidden" for k, v in shown.items()}
    return {
        "columns with a model of what is missing": str(len(fit.encoding.normal.mean)),
        **told,
    }


def _variables(fit: Fit) -> Iterator[tuple[str, str]]:
    rows = fit.cohort.variables
    curves = fit.spec.trajectories
    read = {*_used(fit), *(m.marker for m in (() if curves is None else curves.markers))}
    for row in rows.itertuples(index=False):
        name, unit = str(row.name), str(row.unit)
        known = _KNOWN.get(str(row.table), "at origin")
        with_unit = "" if unit in ("", "1", "nan", "<NA>", "None") else f"in {unit}, "
        used = "in the model" if name in read else "not in the model"
        yield words(name), f"{with_unit}known {known}, {used}"


def _characteristics(subject: Subject) -> Told:
    """Median and quartiles of numbers, and shares of two values, of covariates in the model."""
    fit = subject.fit
    table, n = fit.cohort.covariates(), fit.cohort.n_patients
    told: dict[str, str] = {}
    for name in _used(fit):
        values = pd.to_numeric(table[name], errors="coerce").dropna()
        if len(values) < _QUARTERS * SMALLEST_CELL:
            continue
        if set(values.unique()) <= {0.0, 1.0}:
            counts = pd.Series([float(values.sum()), float(len(values) - values.sum())])
            have = part_words([*counts, float(n - len(values))])[0]
            told[f"{words(name)}: patients who have it"] = have
        elif values.nunique() > SMALLEST_CELL:
            low, middle, high = values.quantile([0.25, 0.5, 0.75])
            told[f"{words(name)}: median (quartiles)"] = f"{middle:.3g} ({low:.3g} to {high:.3g})"
    return told


def _quality(subject: Subject) -> Told:
    findings = subject.quality.tables["findings"]
    kinds = findings["detector"].astype(str).unique()
    said = {f"suspected: {words(k)}": "yes, see the quality report" for k in sorted(kinds)}
    return {"kinds of faults suspected in the data": str(len(kinds)), **said}


def _when_known(subject: Subject) -> Told:
    fit = subject.fit
    return dict(_variables(fit))


def _choice(subject: Subject) -> Told:
    fit = subject.fit
    used = set(map(words, _used(fit)))
    covariates = fit.cohort.variables.query("role == 'covariate'")["name"].astype(str)
    others = [words(n) for n in covariates if words(n) not in used]
    left = ", ".join(map(str, fit.encoding.left_out))
    return {
        "covariates in the model": ", ".join(words(n) for n in _used(fit)) or "none",
        "covariates of the data that are not": ", ".join(others) or "none",
        **({"left out for want of carriers": left} if left else {}),
    }


DATA: Final[Mapping[str, Fact]] = {
    "source": Fact("cohort", _source),
    "setting": Fact("cohort.centres", _setting),
    "exclusions": Fact("cohort.excluded, set_aside", _exclusions),
    "treatments": Fact("cohort.treatments", _treatments),
    "sample_size": Fact("cohort.patients, cohort.events", _sample_size),
    "subgroups": Fact("cohort.patients", _groups),
    "follow_up": Fact("cohort.quality().tables['follow_up']", _follow_up),
    "participants": Fact("cohort", _participants),
    "missing": Fact("cohort.covariates()", _missing),
    "when_known": Fact("cohort.variables", _when_known),
    "choice": Fact("learnt.encoding, cohort.variables", _choice),
    "characteristics": Fact("cohort.covariates()", _characteristics),
    "quality": Fact("cohort.quality()", _quality),
}
"""Facts of the data, by name."""
