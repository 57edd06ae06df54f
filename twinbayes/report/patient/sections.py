"""Sections of a patient's report."""

from __future__ import annotations

from typing import Final

import pandas as pd

from twinbayes.names import (
    MARKER_CURVE,
    NEEDS_REFIT,
    PATIENT,
    STATE,
    STATE_PROBABILITY,
    TIME,
    TRANSITION,
)
from twinbayes.report.figures.borrowing import shares
from twinbayes.report.figures.contrast import contrast as contrast_picture
from twinbayes.report.figures.contrast import icon_array
from twinbayes.report.figures.counts import expected_counts
from twinbayes.report.figures.look import (
    capital,
    duration_words,
    words,
)
from twinbayes.report.figures.markers import patient_markers
from twinbayes.report.figures.occupation import occupation
from twinbayes.report.figures.picture import Picture
from twinbayes.report.html import fragments as f
from twinbayes.report.html.section import Section
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.report.patient.notes import (
    beyond_follow_up,
    cut_short,
    late_entry,
    never_started,
    replaced_scenarios,
)
from twinbayes.report.patient.numbers import count_differences, numbers, time_in_states
from twinbayes.report.patient.quality import months, quality, signed
from twinbayes.report.patient.state_differences import state_differences, state_sentences
from twinbayes.report.words import (
    NOT_FOR_USE,
    agreeing_people,
    contrast_sentences,
    count_contrast_sentences,
    count_sentences,
    forecast_sentences,
    uncertainty_sentences,
)


def verdict(evidence: PatientEvidence) -> f.Block:
    """Return the verdict of the fit, and who the report is about."""
    present, fit = evidence.present, evidence.fit
    known = {
        **({"patient": evidence.twin.patient_ids[0]} if evidence.show_patient_ids else {}),
        "subgroup": words(evidence.subgroup),
        "now": f"day {present.day:g} since origin, {_place(evidence)}",
        "treatments so far": ", ".join(
            f"{words(name)} on day {day:g}" for name, day, _ in present.started
        )
        or "none of those in the model",
        **late_entry(evidence),
    }
    simulated = fit.cohort.simulated or evidence.twin.cohort.simulated
    return f.block(
        f.banner(
            fit.verdict.usable,
            _first(fit.verdict.reasons),
            simulated=simulated,
            say=evidence.look.way,
        ),
        f.pairs(known),
        inputs(evidence),
    )


def inputs(evidence: PatientEvidence) -> f.Block | None:
    """Return what the model was told of this patient, to be held against the file; None of nobody.

    Covariates with their units, as they were at the origin.
    """
    used = {s: None for column in evidence.twin.encoding.columns for s in column.sources}
    if not used:
        return None
    row, variables = evidence.twin.cohort.covariates().iloc[0], evidence.twin.cohort.variables
    unit = dict(zip(variables["name"], variables["unit"], strict=True))
    told = {
        words(name): "not known" if pd.isna(row[name]) else _with_unit(row[name], unit.get(name))
        for name in used
    }
    return f.folded("What the model was told of this person", f.pairs(told))


def _with_unit(value: object, unit: object) -> str:
    said = f"{value:g}" if isinstance(value, int | float) else words(str(value))
    return said if not isinstance(unit, str) or unit in ("", "1") else f"{said} {unit}"


def _place(evidence: PatientEvidence) -> str:
    """The state, and since when; or when an event that recurs in it was last."""
    present, graph = evidence.present, evidence.fit.spec.graph
    own = [e for t in graph.leaving(present.state) if t.target == t.source for e in t.events]
    where = evidence.look.place(present.state)
    if not own:
        return f"{where} since day {present.entry:g}"
    events = evidence.twin.cohort.events
    last = events.loc[events["event"].isin(own), ["day", "event"]].sort_values("day").tail(1)
    told = [f"last {words(str(event))} on day {day:g}" for day, event in last.to_numpy()]
    return "; ".join([where, *(told or [f"no {words(own[0])} so far"])])


def read_aloud(evidence: PatientEvidence) -> f.Block:
    """Return the summary that a clinician can read aloud."""
    fit = evidence.fit
    simulated = fit.cohort.simulated or evidence.twin.cohort.simulated
    sentences = [
        " ".join(
            forecast_sentences(evidence.forecast, evidence.look, evidence.living, evidence.horizons)
        ),
        " ".join(
            count_sentences(evidence.counts, evidence.forecast, evidence.look, evidence.horizons)
        ),
    ]
    if evidence.contrast is not None and evidence.living.phrase:
        sentences.append(
            " ".join(
                contrast_sentences(
                    evidence.contrast, *evidence.names, evidence.living, evidence.main_horizon
                )
            )
        )
        sentences.append(" ".join(state_sentences(evidence)))
    if evidence.contrast is not None:
        horizon = evidence.main_horizon
        told = count_contrast_sentences(evidence.contrast, *evidence.names, horizon)
        sentences.append(" ".join(told))
    sentences = [text for text in sentences if text]
    sentences += uncertainty_sentences(
        simulated=simulated,
        subgroup_size=evidence.subgroup_size,
        subgroups=len(fit.cohort.subgroups),
        hundred=bool(evidence.living.phrase) or len(evidence.look.alive) > 1,
    )
    if not fit.verdict.usable:
        sentences.insert(0, NOT_FOR_USE)
    if evidence.living.note:
        sentences.append(evidence.living.note)
    inside = f.block(*(f.paragraph(text) for text in sentences))
    return f.Block(f'<div class="aloud">{inside.html}</div>')


def forecast_picture(evidence: PatientEvidence) -> Picture:
    """Return the stacked areas with the survival ribbon."""
    return occupation(evidence.forecast, evidence.look).marked(*evidence.marks)


def counts_picture(evidence: PatientEvidence) -> Picture | None:
    """Return how many events that recur are to be expected; None where none does."""
    if not evidence.counts:
        return None
    attrs = evidence.forecast.attrs
    found = expected_counts(
        evidence.counts, evidence.look, attrs["interval_probability"], attrs["interval_kind"]
    )
    return found.marked(*evidence.marks)


def forecast(evidence: PatientEvidence) -> f.Block:
    """Return where the patient may be over time, as a picture and in numbers."""
    return f.block(
        beyond_follow_up(evidence.forecast),
        cut_short(evidence),
        forecast_picture(evidence) if len(evidence.look.stacked) > 1 else None,
        counts_picture(evidence),
        numbers(evidence),
        time_in_states(evidence),
    )


def measurements(evidence: PatientEvidence) -> f.Block:
    """Return one patient's measurements, their forecast, and whether the fit still serves."""
    forecast, visits = evidence.forecast, evidence.twin.cohort.visits
    trust = evidence.twin.reliability().iloc[0]
    if not evidence.fit.verdict.usable:
        needed = NOT_FOR_USE
    elif trust[NEEDS_REFIT]:
        needed = f"A refit is needed: {trust['reason']}."
    else:
        needed = "The fit can be used for this patient as the record stands."
    if MARKER_CURVE not in forecast or visits is None:
        return f.block(
            f.not_provided("The model has no measurements."), f.paragraph(needed, "note")
        )
    dead = list(evidence.look.dead)
    gone = forecast[STATE_PROBABILITY].isel({PATIENT: 0}).sel({STATE: dead}).sum(STATE)
    picture = patient_markers(
        forecast,
        visits,
        evidence.present.day,
        alive=1.0 - gone.transpose(TIME).to_numpy(),
        variables=evidence.twin.cohort.variables,
    )
    return f.block(picture.marked(*evidence.marks), f.paragraph(needed, "note"))


def contrast_pictures(evidence: PatientEvidence) -> tuple[Picture, ...]:
    """Return the difference over time and the hundred people; none without scenarios."""
    if evidence.contrast is None or evidence.under is None:
        return ()
    name_a, name_b = evidence.names
    horizon = evidence.main_horizon
    at = {
        name: under[STATE_PROBABILITY].isel({PATIENT: 0}).sel({TIME: horizon}, method="nearest")
        for name, under in zip((name_a, name_b), evidence.under, strict=True)
    }
    return (
        contrast_picture(evidence.contrast, name_a=name_a, name_b=name_b, horizon=horizon).marked(
            *evidence.marks
        ),
        icon_array(
            {capital(n): p for n, p in at.items()},
            evidence.look,
            horizon=horizon,
            living=agreeing_people(
                evidence.contrast.isel({PATIENT: 0}).sel({TIME: horizon}, method="nearest")
            )[:2],
        ).marked(*evidence.marks),
    )


def contrast(evidence: PatientEvidence) -> f.Block:
    """Return two ways of treating, compared."""
    pictures = contrast_pictures(evidence)
    if not pictures or evidence.contrast is None:
        if not evidence.fit.spec.graph.treatments:
            return f.not_provided("The model has no time-dependent treatment.")
        return f.not_provided("No treatment of the model can still start for this patient.")
    last = duration_words(float(evidence.contrast[TIME].values[-1]))
    notes = (replaced_scenarios(evidence), *never_started(evidence))
    if not evidence.living.phrase:  # of survival the model says nothing
        return f.block(
            beyond_follow_up(evidence.contrast),
            *notes,
            count_differences(evidence, *evidence.names),
        )
    return f.block(
        beyond_follow_up(evidence.contrast),
        *notes,
        count_differences(evidence, *evidence.names),
        pictures[0],
        f.paragraph(
            f"Difference in mean time lived within {last}: "
            f"{months(evidence.contrast, 'rmst_difference', signed)}; positive is "
            f"longer under “{evidence.names[0]}”."
        ),
        f.heading("A hundred people like this one"),
        *pictures[1:],
        state_differences(evidence, *evidence.names),
    )


def borrowing_picture(evidence: PatientEvidence) -> Picture | None:
    """Return where the hazards of the present state come from; None where that is not sentences."""
    table = evidence.borrowing.table
    if table.empty:
        return None
    return shares(
        table,
        of_what="the log hazards that this patient faces",
        by=TRANSITION,
        say=evidence.look.way,
    ).marked(*evidence.marks)


def rests_on(evidence: PatientEvidence) -> f.Block:
    """Return what the answer rests on: subgroup, events, borrowing, missing inputs."""
    table = evidence.rests_on
    known = evidence.subgroup in evidence.fit.encoding.subgroups
    centre = str(evidence.twin.cohort.patients["centre"].iloc[0])
    about = {
        "patients of this subgroup in the fit": evidence.subgroup_size,
        "patients in the fit": evidence.fit.cohort.n_patients,
        "subgroup": "known to the fit"
        if known
        else "NOT in the fit: its levels are drawn from the spread between subgroups",
        "centre": "known to the fit"
        if centre in evidence.fit.encoding.centres
        else "not in the fit: its levels are drawn from the spread between centres",
        "inputs not known of this patient": ", ".join(words(m) for m in evidence.missing) or "none",
    }
    shown = pd.DataFrame(
        {
            "transition": [evidence.look.way(str(t)) for t in table[TRANSITION]],
            "events in this subgroup": [str(e) for e in table["events"]],
            "borrowed from elsewhere": [
                f.NOTHING if pd.isna(b) else f"{min(max(float(b), 0.0), 1.0):.0%}"
                for b in table["borrowed"]
            ],
        }
    )
    picture = borrowing_picture(evidence)
    return f.block(
        f.pairs(about),
        *((picture,) if picture is not None else ()),
        f.check(evidence.borrowing, evidence.look),
        f.table(shown)
        if len(shown)
        else f.not_provided(
            "What subgroup levels borrow: the model has none, its hazards follow curves, or the "
            "fit has not seen this subgroup."
        ),
        f.paragraph(
            "Borrowed: how much narrower the interval of the subgroup's level became by looking at "
            "the other subgroups and the prior. That is another question than the shares above, "
            "which say whose data the hazard of this patient moves with, covariates and treatment "
            "among it: a share may be below 0, where data pull the other way. Unknown inputs are "
            "filled in by their distribution given what is known, and widen the intervals.",
            "note",
        ),
    )


def limits(evidence: PatientEvidence) -> f.Block:
    """Return what this report cannot say."""
    said = [
        "A forecast is under the registry's own treatment policy unless a scenario replaces it.",
        f"The record up to today is used, and nothing later. {_seen_later(evidence)}",
        "This is research software, not a medical device. It does not replace a clinician.",
    ]
    if evidence.contrast is not None:
        said.insert(
            1,
            "A contrast assumes that, among patients alike in all recorded respects, who was "
            "treated did not depend on anything that also changes the outcome.",
        )
    return f.bullets(said)


LEAD: Final = "One patient's forecast from today on, and what it rests on."

PATIENT_REPORT: Final[tuple[Section[PatientEvidence], ...]] = (
    Section(show=verdict),
    Section(heading="In plain words", prose="To be read aloud.", show=read_aloud),
    Section(
        heading="Forecast",
        prose="Where 100 people like this one would be over time, under the registry's own "
        "treatment policy.",
        show=forecast,
    ),
    Section(
        heading="Measurements",
        prose="What was measured so far, and what is expected.",
        show=measurements,
    ),
    Section(heading="Two ways of treating, compared", show=contrast),
    Section(
        heading="Quality-adjusted time",
        prose="Time lived, each day counted by its quality.",
        show=quality,
    ),
    Section(heading="What the answer rests on", show=rests_on),
    Section(heading="Limits", show=limits),
)


def _seen_later(evidence: PatientEvidence) -> str:
    """Whether the fit has seen another record of the patient, and what was done about it."""
    twin = evidence.twin
    if not evidence.fit.has_seen(twin.cohort)[0]:
        return "The fit has not seen this patient: its draws count as the record bears them out."
    if twin.is_as_fitted:
        return "The fit has seen this record, and no more of this patient."
    trust = twin.reliability().iloc[0]
    size = "" if pd.isna(trust["pareto_k"]) else f" (Pareto k {trust['pareto_k']:.2f})"
    kept = "That cannot be relied on here" if trust[NEEDS_REFIT] else "That holds here"
    return (
        "The fit has seen another record of this patient, such as one that goes on after today. "
        "Its draws count by how well they bear out the record up to today, over how well they "
        f"bear out what the fit has seen{size}. {kept}: {trust['ess']:.0f} effective draws"
        + (f"; {trust['reason']}." if trust[NEEDS_REFIT] else ".")
    )


def _first(reasons: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
    """The first reasons; the review of the fit has them all."""
    rest = len(reasons) - most
    return reasons if rest <= 0 else (*reasons[:most], f"and {rest} more: see the model review")
