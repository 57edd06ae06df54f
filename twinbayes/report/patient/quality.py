"""Time lived, each day counted by its quality, and numbers of months in words."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from twinbayes.names import DAYS_PER_YEAR, PATIENT, QUALITY_ADJUSTED_TIME, RMST, TIME
from twinbayes.report.figures.look import duration_words, interval_words, words
from twinbayes.report.html import fragments as f
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.report.patient.notes import beyond_follow_up


def quality(evidence: PatientEvidence) -> f.Block:
    """Return time lived, each day counted by its quality."""
    found = evidence.quality
    if found is None:
        return f.not_provided("The model has no quality-of-life curve between two bounds.")
    last = duration_words(float(found[TIME].values[-1]))
    sentences = [
        f"Of the {last} from now, {months(found, RMST)} would be lived on average. With each "
        f"day counted by its quality, that is {months(found, QUALITY_ADJUSTED_TIME)}."
    ]
    if evidence.contrast is not None:
        difference = months(evidence.contrast, "quality_adjusted_time_difference", signed)
        sentences.append(
            f"Difference in quality-adjusted time: {difference}; positive is more under "
            f"“{evidence.names[0]}”."
        )
    return f.block(
        beyond_follow_up(found),
        *(f.paragraph(text) for text in sentences),
        f.paragraph(
            f"What a day counts: {words(found.attrs['quality'])}. This is the quality of the "
            "living: days dead count 0, and no score is guessed for them.",
            "note",
        ),
    )


def plain(value: float) -> str:
    """One decimal."""
    return f"{value:.1f}"


def signed(value: float) -> str:
    """One decimal, with its sign."""
    return f"{value:+.1f}".replace("-", "−")


def months(found: xr.Dataset, name: str, write: Callable[[float], str] = plain) -> str:
    """A number of days of the one patient in months, with its interval."""
    one = found.isel({PATIENT: 0})
    mean, low, high = (
        write(float(one[f"{name}{side}"]) * 12 / DAYS_PER_YEAR) for side in ("", "_lower", "_upper")
    )
    label = interval_words(found.attrs["interval_probability"], found.attrs["interval_kind"])
    return f"{mean} months ({label} {low} to {high})"
