"""A forecast in sentences that a clinician can read aloud: people out of a hundred, no jargon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.cohort.quality.suppression import HIDDEN, SMALLEST_CELL, SUPPRESSED
from twinbayes.names import (
    EXPECTED_EVENTS,
    PATIENT,
    RECURRENT_EVENT,
    STATE,
    STATE_PROBABILITY,
    SURVIVAL,
    TIME,
)
from twinbayes.report.figures.contrast import people_in_states
from twinbayes.report.figures.look import StateLook, duration_words, interval_words, words
from twinbayes.twin import Scenario
from twinbayes.twin.answers.follow_up import is_beyond


@dataclass(frozen=True)
class Living:
    """What "survival" means in a model, which depends on the states it has.

    Attributes
    ----------
    phrase
        Completes "about 62 would be …"; empty where the model knows no end.
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
        ends = [look.noun(s) for s in absorbing if s not in look.dead]
        if ends:
            what = " or ".join(ends)
            note = (
                f"Deaths after {what} are not in the model: whoever has reached {what} counts as "
                "not having died."
            )
            return cls("not have died", "not having died", note)
        if not look.dead:
            return cls("", "", "Death is not in the model.")
        if not any("dea" in s for s in look.dead) or any("or_dead" in s for s in look.dead):
            what = " or ".join(look.noun(s) for s in look.dead)
            return cls(f"be free of this event: {what}", "freedom from the event")
        return cls("be alive", "survival")


def scenario_words(scenario: Scenario, landmark: float, look: StateLook) -> str:
    """Say what a scenario assumes, in time from the landmark on."""
    if not scenario.named:
        return "the registry's own policy"
    said = []
    for a in scenario.assumptions:
        name = words(a.treatment)
        if a.day is None:
            said.append(f"no {name}")
        else:
            places = " or ".join(look.place(s) for s in a.states)
            then = f" if then {places}" if places else ""
            said.append(f"{name} after {duration_words(a.day - landmark)}{then}")
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
    if not living.phrase:
        yield from _state_sentences(forecast, look, horizons, label)
        return
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
            m = people_in_states(
                {state: float(states.sel({STATE: state})) for state in look.stacked}, look, n
            )[largest]
            low, high = (
                at[f"state_probability_{side}"].sel({STATE: largest}) for side in ("lower", "upper")
            )
            where = f"{look.place(largest)} {range_words(low, high, 'interval')}"
            also = f", and {m} of the hundred {where}"
        if is_beyond(forecast, day):
            yield beyond_sentence(day)
        yield f"{people} {n} {bounds} would {living.phrase} {duration_words(day)} from now{also}."


def _state_sentences(
    forecast: xr.Dataset, look: StateLook, horizons: Sequence[float], label: str
) -> Iterator[str]:
    """Say in which state most would be, where the model knows no end; nothing of a single state."""
    if len(look.alive) < 2:
        return
    for k, day in enumerate(horizons):
        states = forecast.isel({PATIENT: 0}).sel({TIME: day}, method="nearest")
        share = {s: float(states[STATE_PROBABILITY].sel({STATE: s})) for s in look.alive}
        largest = max(share, key=share.__getitem__)
        at = states.sel({STATE: largest})
        n = per_hundred(at[STATE_PROBABILITY])
        low, high = (at[f"{STATE_PROBABILITY}_{side}"] for side in ("lower", "upper"))
        people = "Of 100 people like this one, about" if k == 0 else "About"
        bounds = range_words(low, high, label if k == 0 else "interval")
        if is_beyond(forecast, day):
            yield beyond_sentence(day)
        where = look.place(largest)
        yield f"{people} {n} {bounds} would be {where} {duration_words(day)} from now."


def count_sentences(
    counts: Mapping[str, xr.Dataset],
    forecast: xr.Dataset,
    look: StateLook,
    horizons: Sequence[float],
) -> Iterator[str]:
    """Say how many of each event that recurs are to be expected, at each horizon."""
    label = interval_words(forecast.attrs["interval_probability"], forecast.attrs["interval_kind"])
    for name, one in counts.items():
        for day in horizons:
            at = one.sel({TIME: day}, method="nearest")
            if is_beyond(forecast, day):
                yield beyond_sentence(day)
            yield (
                f"Within {duration_words(day)}, {look.noun(name)} is to be expected "
                f"{number_words(at)} times on average ({label} of that average)."
            )


def count_contrast_sentences(
    difference: xr.Dataset, name_a: str, name_b: str, horizon: float
) -> Iterator[str]:
    """Say how many events that recur one way of treating spares, or adds."""
    if RECURRENT_EVENT not in difference.dims:
        return
    label = interval_words(
        difference.attrs["interval_probability"], difference.attrs["interval_kind"]
    )
    at = difference.isel({PATIENT: 0}).sel({TIME: horizon}, method="nearest")
    for event in at[RECURRENT_EVENT].to_numpy():
        one = at.sel({RECURRENT_EVENT: event})
        stem = f"{EXPECTED_EVENTS}_difference"
        mean, low, high = (float(one[f"{stem}{s}"]) for s in ("", "_lower", "_upper"))
        yield (
            f"Difference in the number of times {words(str(event))} is to be expected within "
            f"{duration_words(horizon)}, “{name_a}” less “{name_b}”: {mean:+.1f} "
            f"({label} {low:+.1f} to {high:+.1f})."
        )


def number_words(at: xr.Dataset) -> str:
    """Return ``5.0 (2.1 to 9.3)`` of an expected number."""
    mean, low, high = (float(at[k]) for k in ("mean", "lower", "upper"))
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def beyond_sentence(day: float) -> str:
    """Say that nobody was followed so long, before a number that needs it."""
    return (
        f"Nobody in these data who was once where this person is now was followed for as long as "
        f"{duration_words(day)} from now: what comes next is the model's guess, which nothing seen "
        "could have checked."
    )


def agreeing_people(at: xr.Dataset) -> tuple[int, int, int]:
    """Return survival under two scenarios, and their difference, as people who add up.

    The difference is rounded by itself, as its interval and the picture of it are. The two sides
    are the whole numbers nearest to theirs among those that are so far apart.

    Parameters
    ----------
    at
        `survival_a`, `survival_b` and `survival_difference` of one patient on one day.
    """
    a, b = 100 * float(at["survival_a"]), 100 * float(at["survival_b"])
    difference = per_hundred(at["survival_difference"])
    lowest, highest = max(0, difference), min(100, 100 + difference)
    near = [n for n in range(int(a) - 1, int(a) + 3) if lowest <= n <= highest]
    first = min(near, key=lambda n: max(abs(n - a), abs(n - difference - b)))
    return first, first - difference, difference


@dataclass(frozen=True)
class Stretch:
    """Days in a row on which the interval of a difference leaves out "no difference".

    Attributes
    ----------
    first, last
        Days since the landmark.
    peak
        The day of the largest difference among them.
    whole
        Whether it goes on to the end of the forecast.
    """

    first: float
    last: float
    peak: float
    whole: bool


def clear_stretches(difference: xr.Dataset) -> tuple[Stretch, ...]:
    """Return every stretch of one patient on which survival is clearly higher on one side."""
    one = difference.isel({PATIENT: 0})
    days = one[TIME].to_numpy().astype(float)
    lower, upper = (
        one[f"survival_difference_{side}"].to_numpy().astype(float) for side in ("lower", "upper")
    )
    middle = one["survival_difference"].to_numpy().astype(float)
    sign = (lower > 0.0).astype(int) - (upper < 0.0).astype(int)
    ends = [0, *(np.flatnonzero(np.diff(sign)) + 1), len(days)]
    return tuple(
        Stretch(
            float(days[i]),
            float(days[j - 1]),
            float(days[i + int(np.argmax(np.abs(middle[i:j])))]),
            j == len(days),
        )
        for i, j in pairwise(ends)
        if sign[i] != 0
    )


def contrast_sentences(
    difference: xr.Dataset, name_a: str, name_b: str, living: Living, horizon: float
) -> Iterator[str]:
    """Say what two ways of treating would mean for a hundred people like this one.

    At one horizon, and then wherever else the interval of the difference leaves out none.
    """
    one = difference.isel({PATIENT: 0})
    label = interval_words(
        difference.attrs["interval_probability"], difference.attrs["interval_kind"]
    )
    at = one.sel({TIME: horizon}, method="nearest")
    if is_beyond(difference, horizon):
        yield beyond_sentence(horizon)
    a, b, middle = agreeing_people(at)
    yield (
        f"{_sentence_start(duration_words(horizon))} from now, about {a} of 100 would "
        f"{living.phrase} under “{name_a}”, and about {b} under “{name_b}”."
    )
    yield (
        f"The difference is {more_or_fewer(middle)} under “{name_a}” ({label}: "
        f"{_ends_in_words(at)})."
    )
    stretches = clear_stretches(difference)
    now = float(at[TIME])
    if not any(s.first <= now <= s.last for s in stretches):
        yield (
            "The interval includes “no difference”: these data do not settle under which more "
            f"would {living.phrase} {duration_words(horizon)} from now."
        )
    for stretch in stretches:
        yield from _stretch_sentences(one, stretch, name_a, name_b, living, told=now)
    yield (
        "The patients were not randomised: unrecorded reasons for treating may explain part of "
        "this."
        if stretches
        else "The patients were not randomised either."
    )


def _stretch_sentences(
    one: xr.Dataset, stretch: Stretch, name_a: str, name_b: str, living: Living, told: float
) -> Iterator[str]:
    """Say where and by how much survival is clearly higher; the numbers of one day are known."""
    at = one.sel({TIME: stretch.peak})
    higher = name_a if float(at["survival_difference"]) > 0 else name_b
    if stretch.first == stretch.last:
        when = f"{duration_words(stretch.first)} from now"
    else:
        last = "the end of this forecast" if stretch.whole else duration_words(stretch.last)
        when = f"from {duration_words(stretch.first)} to {last}"
    yield (
        f"{_sentence_start(when)}, the interval leaves out “no difference”: more would "
        f"{living.phrase} under “{higher}”."
    )
    if stretch.peak == told:
        return
    a, b, middle = agreeing_people(at)
    yield (
        f"The difference is largest after {duration_words(stretch.peak)}: about {a} of 100 under "
        f"“{name_a}” and {b} under “{name_b}”, {more_or_fewer(middle)} under “{name_a}” "
        f"(interval: {_ends_in_words(at)})."
    )


NOT_FOR_USE: Final = (
    "NOT FOR USE: the computation did not pass its checks, and no number here may be relied on."
)


def uncertainty_sentences(
    *, simulated: bool, subgroup_size: str, subgroups: int, hundred: bool = True
) -> Iterator[str]:
    """Say plainly how far all this may be trusted; sizes as they may be shown.

    `hundred`: whether people out of a hundred have been spoken of.
    """
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
        f"{few} patients{lent}."
        + " Nobody can say which of the hundred this person will be."
        * hundred
    )


def _ends_in_words(at: xr.Dataset) -> str:
    """Both ends of the interval of a difference; one that is not none never reads as none."""
    said = []
    for side in ("lower", "upper"):
        end = float(at[f"survival_difference_{side}"])
        people = per_hundred(end)
        small = people == 0 and end != 0.0
        said.append(
            f"less than 1 {'more' if end > 0 else 'fewer'}" if small else more_or_fewer(people)
        )
    return f"from {said[0]} to {said[1]}"


def _sentence_start(text: str) -> str:
    return text[:1].upper() + text[1:]


def more_or_fewer(people: int) -> str:
    """Return ``2 more``, ``3 fewer``, or that there is no difference."""
    if people == 0:
        return "none more and none fewer"
    return f"{people} more" if people > 0 else f"{-people} fewer"
