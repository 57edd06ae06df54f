"""Tables of a patient's forecast: people of a hundred, and months in states."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from twinbayes.names import (
    DAYS_PER_YEAR,
    EXPECTED_EVENTS,
    PATIENT,
    RECURRENT_EVENT,
    RESTRICTED_MEAN_TIME,
    STATE,
    STATE_PROBABILITY,
    SURVIVAL,
    TIME,
)
from twinbayes.report.figures.contrast import people_in_states
from twinbayes.report.figures.look import (
    duration_words,
    interval_words,
    words,
)
from twinbayes.report.html import fragments as f
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.report.words import number_words, per_hundred
from twinbayes.twin.answers.follow_up import is_beyond


def numbers(evidence: PatientEvidence) -> f.Block:
    """Return survival and states at every horizon as people of a hundred."""
    one = evidence.forecast.isel({PATIENT: 0})
    label = interval_words(
        evidence.forecast.attrs["interval_probability"], evidence.forecast.attrs["interval_kind"]
    )
    rows = []
    for day in evidence.horizons:
        at = one.sel({TIME: day}, method="nearest")
        late = ", beyond the follow-up" if is_beyond(evidence.forecast, day) else ""
        by_state = at[STATE_PROBABILITY]
        people = people_in_states(
            {s: float(by_state.sel({STATE: s})) for s in evidence.look.stacked},
            evidence.look,
            per_hundred(at[SURVIVAL]),
        )
        living = sum(people[s] for s in evidence.look.alive)
        row = {"from now": f"{duration_words(day)}{late}"}
        if evidence.living.noun:
            row[evidence.living.noun] = _span(living, at, SURVIVAL)
        for state in evidence.look.stacked if len(evidence.look.stacked) > 1 else ():
            row[_column(evidence.look.name(state), row)] = _span(
                people[state], at.sel({STATE: state}), STATE_PROBABILITY
            )
        for name, one_count in evidence.counts.items():
            expected = one_count.sel({TIME: day}, method="nearest")
            row[f"{evidence.look.noun(name)}, times expected"] = number_words(expected)
        rows.append(row)
    return f.table(
        pd.DataFrame(rows),
        caption=f"Posterior mean, rounded so that the states add up, and {label}",
    )


def _column(name: str, row: Mapping[str, str]) -> str:
    """The heading of a state's column, which none of the other columns has."""
    return f"{name} (state)" if name in row else name


def _span(people: int, at: xr.Dataset, name: str) -> str:
    lower, upper = (per_hundred(at[f"{name}_{side}"]) for side in ("lower", "upper"))
    return f"{people}% ({lower}–{upper}%)"


def time_in_states(evidence: PatientEvidence) -> f.Block:
    """Return the mean time in each state up to the last horizon."""
    one = evidence.forecast.isel({PATIENT: 0})
    months = 12 / DAYS_PER_YEAR
    rows = []
    for state in evidence.look.alive:
        at = one.sel({STATE: state})
        m, low, high = (
            float(at[f"{RESTRICTED_MEAN_TIME}{s}"]) * months for s in ("", "_lower", "_upper")
        )
        rows.append(
            {"state": evidence.look.name(state), "months": f"{m:.1f} ({low:.1f} to {high:.1f})"}
        )
    last = duration_words(float(one[TIME].values[-1]))
    return f.folded(f"Mean time in each state within {last}", f.table(pd.DataFrame(rows)))


def count_differences(evidence: PatientEvidence, a: str, b: str) -> f.Block | None:
    """Return expected events under two ways of treating, and their difference; None without any.

    Parameters
    ----------
    a, b
        What the two are called.
    """
    if evidence.contrast is None or RECURRENT_EVENT not in evidence.contrast.dims:
        return None
    one = evidence.contrast.isel({PATIENT: 0})
    rows = []
    for event in one[RECURRENT_EVENT].to_numpy():
        for day in evidence.horizons:
            at = one.sel({RECURRENT_EVENT: event}).sel({TIME: day}, method="nearest")
            row = {"event": words(str(event)), "within": duration_words(day)}
            for name, side in ((a, "a"), (b, "b"), ("difference", "difference")):
                stem = f"{EXPECTED_EVENTS}_{side}"
                m, low, high = (float(at[f"{stem}{s}"]) for s in ("", "_lower", "_upper"))
                row[name] = f"{m:.1f} ({low:.1f} to {high:.1f})"
            rows.append(row)
    attrs = evidence.contrast.attrs
    label = interval_words(attrs["interval_probability"], attrs["interval_kind"])
    return f.table(pd.DataFrame(rows), caption=f"Expected number of events, mean and {label}")
