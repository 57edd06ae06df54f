"""Support of an effect: who in the fit was treated so and otherwise, and what the prior alone says.

An effect is estimated from patients of the same subgroup who were in the same state, some treated
and some not. Where there are none, where the data hardly narrowed the prior, or where there are too
few events to tell the two apart, it says so.

The bar of events is that of regressions of hazards: ten events a coefficient (Peduzzi, Concato,
Feinstein & Holford 1995, Journal of Clinical Epidemiology 48, 1503-1510), in the balanced
comparison that says as much. What a comparison says of a log hazard ratio is events times share
treated times share not treated (Schoenfeld 1981, Biometrika 68, 316-319), so that the bar counts
positivity too: a share near 0 or 1 makes events count for little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.effects.estimand import Reading
from twinbayes.errors import TwinError
from twinbayes.model.courses.graph import EARLIER, StateGraph
from twinbayes.model.courses.history import Episode
from twinbayes.names import SUBGROUP
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.scenario import Setting
from twinbayes.twin.twin import Twin
from twinbayes.twin.weighting.seen import SeenByFit

SUPPORTED: Final = "supported"
PRIOR_DRIVEN: Final = "prior-driven"
TOO_FEW: Final = "too few events"
NOBODY: Final = "no comparable patients"
UNCHECKED: Final = "not checked"
_NARROWER: Final = 0.9  # of the prior's standard deviation, above which the data added little
_EVENTS_AN_ARM: Final = 5.0  # of a balanced comparison: ten events for its one coefficient
_PRIOR_DRAWS: Final = 1000
FLAGS: Final = (SUPPORTED, TOO_FEW, PRIOR_DRIVEN, UNCHECKED, NOBODY)


@dataclass(frozen=True)
class Support:
    """Support by subgroup.

    Attributes
    ----------
    table
        Index: subgroup. Of the fitted cohort `n_comparable` (in the states of the target on the
        day of the landmark, not yet treated), `n_treated` and `n_untreated` (of those who were
        in a state in which the treatment may start, from the landmark on: who started it
        there, and who did not; of a covariate: who had the one value, and who the other),
        `events_treated`, `events_untreated` (reached the endpoint), `share_treated`,
        `effective_number` (harmonic mean of treated and untreated: the size of each arm of a
        balanced comparison that says as much), `effective_events` (see that function),
        `prior_sd_ratio` (spread of the subgroup's log
        hazard ratios after the data over that before), `n_patients` of the target, and
        `support`: ``supported``, ``too few events``, ``prior-driven``, ``no comparable patients``,
        ``not checked``.
    """

    table: pd.DataFrame

    @property
    def overall(self) -> str:
        """The support of all subgroups where it is the same, else in how many it is which."""
        counts = self.table["support"].value_counts()
        found = [flag for flag in FLAGS if flag in counts]
        if len(found) == 1:
            return found[0]
        first, *rest = found
        said = f"{first} in {counts[first]} of {len(self.table)} subgroups"
        return "; ".join([said, *(f"{flag} in {counts[flag]}" for flag in rest)])


def require_supported(support: Support) -> None:
    """Refuse subgroups with nobody to compare.

    Raises
    ------
    TwinError
        Naming the subgroups, and what can be done.
    """
    table = support.table
    bare = [str(g) for g in table.index[table["support"] == NOBODY]]
    if bare:
        rest = [str(g) for g in table.index if g not in bare]
        remedy = f"target the subgroups {', '.join(map(repr, rest))}, or " if rest else ""
        raise TwinError(
            f"No comparable patients in {', '.join(map(repr, bare))}: nobody there was treated, or "
            f"nobody was not, in the states of this comparison. To go on, {remedy}"
            "allow_unsupported=True: the effect there is then that of the other subgroups and of "
            "the prior, and is marked so."
        )


def effective_events(treated: int, untreated: int, events: int) -> float:
    """Return the events in each arm of a balanced comparison that says as much.

    A log hazard ratio has the information events · share treated · share untreated (Schoenfeld
    1981), whichever arm the events are in. No arm has more events than patients.

    Parameters
    ----------
    treated, untreated
        Patients of each arm.
    events
        Of both arms together.

    Examples
    --------
    >>> effective_events(50, 50, 20)
    10.0
    """
    both = treated + untreated
    if both == 0:
        return 0.0
    return min(2.0 * events * (treated / both) * (untreated / both), treated, untreated)


def support_of(twin: Twin, reading: Reading) -> Support:
    """Count, in the cohort of the fit, the patients on whom an effect rests.

    Parameters
    ----------
    twin
        The patients of the estimand.
    reading
        The estimand.

    Returns
    -------
    Support
        One row a subgroup of the target.
    """
    mine = twin.cohort.patients[SUBGROUP].astype(str).to_numpy()
    groups = sorted(set(mine))
    sizes = [int(np.sum(mine == g)) for g in groups]
    seen = twin.seen
    if seen is None or seen.told is not None or not reading.contrasted:
        blank = pd.DataFrame({"n_patients": sizes}, index=pd.Index(groups, name=SUBGROUP))
        return Support(blank.assign(support=UNCHECKED))
    courses = _courses(twin, seen)
    rows = []
    for group, size in zip(groups, sizes, strict=True):
        parts = [_counts(twin, seen, courses, reading, n, group) for n in reading.contrasted]
        worst = min(parts, key=lambda part: part["effective_number"])
        ratios = [_prior_ratio(twin, seen, reading, n, group) for n in reading.contrasted]
        ratio = float(np.max(ratios))  # not a number if any is not: then nothing is known
        bare = worst["effective_number"] == 0.0 or worst["n_comparable"] == 0
        told = worst | {"effective_events": min(part["effective_events"] for part in parts)}
        flag = NOBODY if bare else _flag(told["effective_events"], ratio)
        rows.append({"n_patients": size, **told, "prior_sd_ratio": ratio, "support": flag})
    return Support(pd.DataFrame(rows, index=pd.Index(groups, name=SUBGROUP)))


def _flag(events: float, prior_ratio: float) -> str:
    """Support where there is somebody to compare."""
    if not prior_ratio <= _NARROWER:
        return PRIOR_DRIVEN
    return SUPPORTED if events >= _EVENTS_AN_ARM else TOO_FEW


def _courses(twin: Twin, seen: SeenByFit) -> list[list[Episode]]:
    """Episodes of every patient of the fitted cohort; none of those who did not count."""
    courses: list[list[Episode]] = [[] for _ in seen.cohort.patient_ids]
    for episode in seen.histories(twin.spec.graph).episodes:
        if seen.weight[episode.patient] > 0.0:
            courses[episode.patient].append(episode)
    return courses


def _counts(
    twin: Twin,
    seen: SeenByFit,
    everybody: list[list[Episode]],
    reading: Reading,
    name: str,
    group: str,
) -> dict[str, float]:
    """Patients of a subgroup of the fitted cohort, treated and not."""
    cohort, graph = seen.cohort, twin.spec.graph
    inside = cohort.patients[SUBGROUP].astype(str).to_numpy() == group
    members = set(np.flatnonzero(inside & (seen.weight > 0.0)).tolist())
    courses = {i: everybody[i] for i in members}
    day = min(p.day for p in twin.present)
    if name in {t.name for t in graph.treatments}:
        sides = _by_start(courses, reading, name, graph, day)
        comparable = _standing_at(courses, twin, name, group)
    else:
        sides = _by_value(cohort.covariates()[name], members, reading, name)
        comparable = len(members)
    treated, untreated = (len(s) for s in sides)
    happened = [sum(_reached(courses[i], reading, day) for i in some) for some in sides]
    both = treated + untreated
    return {
        "n_comparable": comparable,
        "n_treated": treated,
        "n_untreated": untreated,
        "events_treated": happened[0],
        "events_untreated": happened[1],
        "share_treated": treated / both if both else np.nan,
        "effective_number": 2.0 * treated * untreated / both if both else 0.0,
        "effective_events": effective_events(treated, untreated, sum(happened)),
    }


def start_states(reading: Reading, name: str, graph: StateGraph) -> tuple[str, ...]:
    """States in which the scenarios start a treatment; all in which it can start, if none say."""
    said = [
        a
        for s in (reading.a, reading.b)
        for a in s.assumptions
        if a.treatment == name and a.day is not None
    ]
    can = tuple(s.source for s in graph.treatment(name).starts)
    if not said or any(not a.states for a in said):
        return can
    return tuple(dict.fromkeys(state for a in said for state in a.states))


def _by_start(
    courses: dict[int, list[Episode]], reading: Reading, name: str, graph: StateGraph, day: float
) -> tuple[list[int], list[int]]:
    """Who started a treatment in a state of the comparison from the landmark on, and who not."""
    states = start_states(reading, name, graph)
    starts = {
        k
        for k, i in enumerate(graph.intensities)
        if i in graph.starts and getattr(i, "treatment", "") == name and i.source in states
    }
    treated, untreated = [], []
    for patient, course in courses.items():
        waiting = [
            e for e in course if e.state in states and e.stop >= day and name not in dict(e.phases)
        ]
        if any(e.exit in starts for e in waiting):
            treated.append(patient)
        elif waiting:
            untreated.append(patient)
    return treated, untreated


def _by_value(
    values: pd.Series, members: set[int], reading: Reading, name: str
) -> tuple[list[int], list[int]]:
    """Who had the value of a covariate that `a` gives, and who had that of `b`, or any other."""
    given = [[x.value for x in s.settings if x.covariate == name] for s in (reading.a, reading.b)]
    had = list(values)

    def with_value(side: list[float | str], other: list[float | str]) -> list[int]:
        if side:
            return [i for i in sorted(members) if had[i] == side[0]]
        return [i for i in sorted(members) if pd.notna(had[i]) and had[i] != other[0]]

    return with_value(*given), with_value(*given[::-1])


def _standing_at(courses: dict[int, list[Episode]], twin: Twin, name: str, group: str) -> int:
    """How many were in the states of the target, not yet treated, on a day of its landmarks."""
    mine = twin.cohort.patients[SUBGROUP].astype(str).to_numpy() == group
    present = [p for p, m in zip(twin.present, mine, strict=True) if m]
    states, days = {p.state for p in present}, {p.day for p in present}
    first, last = min(days), max(days)
    return sum(
        any(
            e.state in states and e.start <= last and e.stop >= first and name not in dict(e.phases)
            for e in course
        )
        for course in courses.values()
    )


def _reached(course: list[Episode], reading: Reading, day: float) -> bool:
    endpoint = reading.endpoint
    into = {k for k, t in enumerate(endpoint.graph.transitions) if t.target in endpoint.states}
    return any(e.exit in into and e.stop >= day for e in course)


def _prior_ratio(twin: Twin, seen: SeenByFit, reading: Reading, name: str, group: str) -> float:
    """Spread of a subgroup's log hazard ratios under the posterior over that under the prior."""
    if group not in twin.encoding.subgroups or seen.priors is None:
        return float("nan")
    spreads = []
    under_priors = seen.under_priors(twin.spec, twin.learnt, _PRIOR_DRAWS)
    for population in (twin.population, under_priors):
        logs = _log_ratios(twin, population, reading, name, group)
        low, high = np.quantile(logs, [0.16, 0.84], axis=-1) if len(logs) else (0.0, 0.0)
        spreads.append(float(np.sqrt(np.sum((np.asarray(high) - low) ** 2))))
    return spreads[0] / spreads[1] if spreads[1] > 0.0 else float("nan")


def _log_ratios(
    twin: Twin, population: Population, reading: Reading, name: str, group: str
) -> Floats:
    """(row, draw) log hazard ratios of `a` against `b` that act where the comparison begins."""
    graph = twin.spec.graph
    if name in {t.name for t in graph.treatments}:
        states = start_states(reading, name, graph)
        source = {t.label: t.source for t in graph.transitions}
        mine = [k for k, e in enumerate(graph.effects) if e.treatment == name]
        here = [
            k
            for k in mine
            if source[graph.effects[k].transition] in states and graph.effects[k].phase != EARLIER
        ]
        rows: Floats = population.effect[here or mine, twin.encoding.subgroups.index(group)]
        return rows
    members = np.flatnonzero(twin.cohort.patients[SUBGROUP].astype(str).to_numpy() == group)
    out = np.zeros(population.coef.shape[1:])
    for sign, scenario in ((1.0, reading.a), (-1.0, reading.b)):
        settings: tuple[Setting, ...] = scenario.settings
        if settings:
            change = twin.design_change(settings)
            for k, column in enumerate(change.columns):
                out += sign * change.by[members, k].mean() * population.coef[column]
    states_now: Sequence[str] = sorted({twin.present[i].state for i in members})
    leaving = [k for k, t in enumerate(graph.transitions) if t.source in states_now]
    return out[leaving]
