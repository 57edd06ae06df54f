"""Two ways of treating, compared state by state: sentences, and a table."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import xarray as xr

from twinbayes.names import PATIENT, STATE, STATE_PROBABILITY, TIME
from twinbayes.report.figures.contrast import people_in_states
from twinbayes.report.figures.look import duration_words, interval_words
from twinbayes.report.html import fragments as f
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.report.words import agreeing_people, more_or_fewer, per_hundred
from twinbayes.twin.answers.follow_up import is_beyond


def people_under(evidence: PatientEvidence, day: float) -> tuple[dict[str, int], dict[str, int]]:
    """People out of a hundred in each state under the two ways, who add up.

    Parameters
    ----------
    evidence
        Of two scenarios.
    day
        Days from now.
    """
    if evidence.contrast is None or evidence.under is None:
        raise AssertionError("two ways of treating are compared, or none")
    look = evidence.look
    living = agreeing_people(_at(evidence.contrast, day))[:2]
    a, b = (
        people_in_states(
            {s: float(_at(one, day)[STATE_PROBABILITY].sel({STATE: s})) for s in look.stacked},
            look,
            n,
        )
        for one, n in zip(evidence.under, living, strict=True)
    )
    return a, b


def state_sentences(evidence: PatientEvidence) -> Iterator[str]:
    """Say in which states clearly more, or fewer, would be at the day of comparison.

    Nothing where one state is lived in.
    """
    look, contrast, day = evidence.look, evidence.contrast, evidence.main_horizon
    if len(look.alive) < 2 or contrast is None:
        return
    a, b = people_under(evidence, day)
    told = []
    for state in look.alive:
        low, high = _ends(_at(contrast, day).sel({STATE: state}))
        if low > 0.0 or high < 0.0:
            bounds = f"from {more_or_fewer(per_hundred(low))} to {more_or_fewer(per_hundred(high))}"
            told.append(f"{look.name(state)}: about {a[state]} against {b[state]} ({bounds})")
    when, names = duration_words(day), evidence.names
    if not told:
        yield (f"Nor do they settle in which state of the living people would be {when} from now.")
        return
    attrs = contrast.attrs
    label = interval_words(attrs["interval_probability"], attrs["interval_kind"])
    yield (
        f"Where they would be {when} from now does differ, of 100 under “{names[0]}” against 100 "
        f"under “{names[1]}”: {'; '.join(told)}. In brackets is the {label} of the difference."
    )


def state_differences(evidence: PatientEvidence, a: str, b: str) -> f.Block | None:
    """Return people of a hundred in each state under two ways of treating, and the difference.

    None without a contrast, or where the model has one state.

    Parameters
    ----------
    a, b
        What the two are called.
    """
    contrast, look = evidence.contrast, evidence.look
    if contrast is None or len(look.stacked) < 2:
        return None
    rows = []
    for day in evidence.horizons:
        at = _at(contrast, day)
        late = ", beyond the follow-up" if is_beyond(contrast, day) else ""
        under_a, under_b = people_under(evidence, day)
        for state in look.stacked:
            low, high = (per_hundred(x) for x in _ends(at.sel({STATE: state})))
            rows.append(
                {
                    "from now": f"{duration_words(day)}{late}",
                    "state": look.name(state),
                    a: under_a[state],
                    b: under_b[state],
                    "difference": f"{_signed(under_a[state] - under_b[state])} "
                    f"({_signed(low)} to {_signed(high)})",
                }
            )
    attrs = contrast.attrs
    label = interval_words(attrs["interval_probability"], attrs["interval_kind"])
    return f.table(
        pd.DataFrame(rows),
        caption=f"People of 100 in each state, rounded so that they add up, and {label} of the "
        "difference",
    )


def _at(answer: xr.Dataset, day: float) -> xr.Dataset:
    return answer.isel({PATIENT: 0}).sel({TIME: day}, method="nearest")


def _ends(at: xr.Dataset) -> tuple[float, float]:
    low, high = (float(at[f"{STATE_PROBABILITY}_difference_{s}"]) for s in ("lower", "upper"))
    return low, high


def _signed(people: int) -> str:
    return f"{people:+d}".replace("-", "−") if people else "0"
