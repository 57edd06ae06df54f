"""A forecast in sentences that a clinician can read aloud: people out of a hundred, no jargon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import xarray as xr

from twinbayes.cohort.quality.suppression import HIDDEN, SMALLEST_CELL, SUPPRESSED
from twinbayes.names import PATIENT, STATE, STATE_PROBABILITY, SURVIVAL, TIME
from twinbayes.report.figures.look import (
    StateLook,
    duration_words,
    interval_words,
    state_words,
    words,
)
from twinbayes.twin import Scenario
from twinbayes.twin.answers.follow_up import is_beyond


@dataclass(frozen=True)
class Living:
    """What "survival" means in a model, which depends on the states it has.

    Attributes
    ----------
    phrase
        Completes "about 62 would be …".
    noun
        Names the quantity.
    note
        What a listener could misunderstand; empty if nothing.
    """

    phrase: str
    noun: str
    note: str = ""

    @classmethod
    def of(cls, look: StateLook, absorbing: Sequence[str]) -> Living:
        """Return the wording for the states of one model."""
        ends = [state_words(s).removeprefix("in ") for s in absorbing if s not in look.dead]
        if ends:
            what = " or ".join(ends)
            note = (
                f"Deaths after {what} are not in the model: whoever has reached {what} counts as "
                "not having died."
            )
            return cls("not have died", "not having died", note)
        if not any("dea" in s for s in look.dead) or any("or_dead" in s for s in look.dead):
            what = " or ".join(state_words(s).removeprefix("in ") for s in look.dead)
            return cls(f"be free of this event: {what}", "freedom from the event")
        return cls("be alive", "survival")


def scenario_words(scenario: Scenario, landmark: float) -> str:
    """Say what a scenario assumes, in time from the landmark on."""
    if not scenario.named:
        return "the registry's own policy"
    said = []
    for a in scenario.assumptions:
        name = words(a.treatment)
        if a.day is None:
            said.append(f"no {name}")
        else:
            places = " or ".join(state_words(s) for s in a.states)
            said.append(f"{name} after {duration_words(a.day - landmark)} if then {places}")
    for s in scenario.settings:
        value = words(s.value) if isinstance(s.value, str) else f"{s.value:g}"
        said.append(f"{words(s.covariate)} = {value}")
    return " and ".join(said)


def per_hundred(value: float | xr.DataArray) -> int:
    """Return a probability as people out of a hundred."""
    return round(100 * float(value))


def range_words(lower: float | xr.DataArray, upper: float | xr.DataArray, label: str = "") -> str:
    """Return ``(90% equal-tailed interval 51 to 72)``, in people out of a hundred."""
    return f"({label + ' ' if label else ''}{per_hundred(lower)} to {per_hundred(upper)})"


def forecast_sentences(
    forecast: xr.Dataset, look: StateLook, living: Living, horizons: Sequence[float]
) -> Iterator[str]:
    """Say how many of a hundred people like this one would be where, at each horizon."""
    one = forecast.isel({PATIENT: 0})
    label = interval_words(forecast.attrs["interval_probability"], forecast.attrs["interval_kind"])
    for k, day in enumerate(horizons):
        at = one.sel({TIME: day}, method="nearest")
        n = per_hundred(at[SURVIVAL])
        bounds = range_words(
            at["survival_lower"], at["survival_upper"], label if k == 0 else "interval"
        )
        people = "Of 100 people like this one, about" if k == 0 else "About"
        states = at[STATE_PROBABILITY]
        largest = max(look.alive, key=lambda s: float(states.sel({STATE: s})))
        also = ""
        if len(look.alive) > 1 and float(states.sel({STATE: largest})) >= 0.01:
            m = per_hundred(states.sel({STATE: largest}))
            low, high = (
                at[f"state_probability_{side}"].sel({STATE: largest}) for side in ("lower", "upper")
            )
            also = f", {m} of them {state_words(largest)} {range_words(low, high, 'interval')}"
        if is_beyond(forecast, day):
            yield beyond_sentence(day)
        yield f"{people} {n} {bounds} would {living.phrase} {duration_words(day)} from now{also}."


def beyond_sentence(day: float) -> str:
    """Say that nobody was followed so long, before a number that needs it."""
    return (
        f"Nobody in these data who was once where this person is now was followed for as long as "
        f"{duration_words(day)} from now: what comes next is the model's guess, which nothing seen "
        "could have checked."
    )


def contrast_sentences(
    difference: xr.Dataset, name_a: str, name_b: str, living: Living, horizon: float
) -> Iterator[str]:
    """Say what two ways of treating would mean for a hundred people like this one."""
    at = difference.isel({PATIENT: 0}).sel({TIME: horizon}, method="nearest")
    label = interval_words(
        difference.attrs["interval_probability"], difference.attrs["interval_kind"]
    )
    when = duration_words(horizon)
    if is_beyond(difference, horizon):
        yield beyond_sentence(horizon)
    a, b = per_hundred(at["survival_a"]), per_hundred(at["survival_b"])
    yield (
        f"{when[:1].upper()}{when[1:]} from now, about {a} of 100 would {living.phrase} under "
        f"“{name_a}”, and about {b} under “{name_b}”."
    )
    middle, lower, upper = (
        per_hundred(at[f"survival_difference{s}"]) for s in ("", "_lower", "_upper")
    )
    yield (
        f"The difference is {_more_or_fewer(middle)} under “{name_a}” ({label}: from "
        f"{_more_or_fewer(lower)} to {_more_or_fewer(upper)})."
    )
    if float(at["survival_difference_lower"]) > 0 or float(at["survival_difference_upper"]) < 0:
        better = name_a if float(at["survival_difference"]) > 0 else name_b
        yield (
            f"The interval leaves out “no difference”, in favour of “{better}”. The patients were "
            "not randomised, so unrecorded reasons for treating may explain part of this."
        )
    else:
        yield (
            "The interval includes “no difference”: these data do not settle which is better for "
            "this person. The patients were not randomised either."
        )


NOT_FOR_USE: Final = (
    "NOT FOR USE: the computation did not pass its checks, and no number here may be relied on."
)


def uncertainty_sentences(*, simulated: bool, subgroup_size: str, subgroups: int) -> Iterator[str]:
    """Say plainly how far all this may be trusted; sizes as they may be shown."""
    if simulated:
        yield (
            "All data behind this are simulated. The numbers describe no real disease and no real "
            "person, and must not be used for care."
        )
    few = {SUPPRESSED: f"fewer than {SMALLEST_CELL}", HIDDEN: "some"}.get(
        subgroup_size, subgroup_size
    )
    lent = " of the same subgroup and on what related subgroups lend" if subgroups > 1 else ""
    yield (
        "These numbers are averages over what the model cannot tell apart. They rest on "
        f"{few} patients{lent}. Nobody can say which of the hundred this person will be."
    )


def _more_or_fewer(people: int) -> str:
    if people == 0:
        return "none more and none fewer"
    return f"{people} more" if people > 0 else f"{-people} fewer"
