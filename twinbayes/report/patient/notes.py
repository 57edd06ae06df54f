"""What a patient's report must say beside its numbers: late entry, horizons, and priors alone."""

from __future__ import annotations

import xarray as xr

from twinbayes.names import FOLLOWED_UNTIL, TIME, TREATMENT
from twinbayes.report.figures.look import duration_words, words
from twinbayes.report.html import fragments as f
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.twin.answers.follow_up import is_beyond


def late_entry(evidence: PatientEvidence) -> dict[str, str]:
    """Since when the patient is under observation, where that is after the landmark."""
    entry = float(evidence.twin.cohort.entries[0][0])
    if entry <= evidence.present.day:
        return {}
    return {
        "under observation": f"from day {entry:g} on: on the day of this forecast nobody had seen "
        "the patient yet, and who is seen later has lived until then"
    }


def never_started(evidence: PatientEvidence) -> list[f.Block]:
    """Say which treatments of the scenarios nobody of the fit has ever started."""
    table = evidence.fit.cohort.treatments
    given = set() if table is None else set(table[TREATMENT].astype(str))
    named = dict.fromkeys(a.treatment for s in evidence.scenarios or () for a in s.assumptions)
    return [
        f.paragraph(
            f"Nobody of these data started {words(name)}: what is said of it rests on the prior "
            "alone.",
            "note",
        )
        for name in named
        if name not in given
    ]


def replaced_scenarios(evidence: PatientEvidence) -> f.Block | None:
    """Say that these are not the scenarios that the disease names; None where they are."""
    reporting = evidence.fit.spec.reporting
    if not evidence.replaced or reporting is None:
        return None
    named = " and ".join(f"“{text}”" for text in reporting.scenarios)
    return f.paragraph(
        f"The description of the disease names {named} to be compared. This patient cannot be "
        "given both from the day of the forecast on: compared is what can still be done.",
        "note",
    )


def cut_short(evidence: PatientEvidence) -> f.Block | None:
    """Say that the horizon ends before the one asked for; None where it does not."""
    last = float(evidence.forecast[TIME].values[-1])
    if last >= evidence.asked_until:
        return None
    return f.paragraph(
        f"Shown up to {duration_words(last)} from now, not {duration_words(evidence.asked_until)}: "
        "the description of the disease lets reports look no further beyond the follow-up.",
        "note",
    )


def beyond_follow_up(answer: xr.Dataset) -> f.Block | None:
    """Say from when on nobody was followed so long; None where all times are within."""
    last = float(answer[TIME].values[-1])
    if not is_beyond(answer, last):
        return None
    until = duration_words(float(answer.attrs[FOLLOWED_UNTIL]))
    return f.paragraph(
        f"Beyond the follow-up: nobody of the fit who was once in this state was followed for "
        f"longer than {until} from now. What is shown of later days, and of mean times up to "
        f"{duration_words(last)}, is the model's alone.",
        "note",
    )
