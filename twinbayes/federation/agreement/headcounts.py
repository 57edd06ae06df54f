"""How many patients stand behind what sites release, and what is not released below a minimum.

Sums over all sites hide a patient among the others, unless there are no others: the sum of a
covariate that one patient has is that patient's. Sites therefore count first, and no sum is asked
for that has fewer than `Study.minimum` patients behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.agreement.labels import Labels, names_of
from twinbayes.federation.agreement.markers import MarkerFacts
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.likelihood.coordinates import Coordinates, places_of_effects
from twinbayes.model import EventPlan, Learnt, ModelSpec
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.covariates.columns import Column
from twinbayes.model.covariates.terms import Group, Interaction
from twinbayes.model.events.rows import rows_at_risk
from twinbayes.names import (
    CENTRE,
    CENTRE_EFFECT,
    CURVE_CENTRE_EFFECT,
    CURVE_SUBGROUP_EFFECT,
    ENTRY_ERA_EFFECT,
    SUBGROUP,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TREATMENT_SUBGROUP_EFFECT,
)

_PER_SOURCE = 4  # patients of whom it is known, not 0, neither 0 nor 1, not above 0


@dataclass(frozen=True)
class Counted:
    """Numbers of patients of all sites together.

    Attributes
    ----------
    patients
        Of all.
    subgroups
        (subgroup,)
    sources
        Of each covariate or product: known, not 0, neither 0 nor 1, not above 0.
    levels
        Of each covariate with levels, (level,).
    pairs
        Of each two covariates, of whom both are known.
    events
        (intensity,) who had one.
    markers
        With values of each marker, and with some on each turn; see `MarkerFacts.patients`.
    """

    patients: float
    subgroups: Floats
    sources: Mapping[tuple[str, ...], Floats]
    levels: Mapping[str, Floats]
    pairs: Mapping[tuple[str, str], float]
    events: Floats
    markers: Floats


@dataclass(frozen=True)
class Headcounts:
    """The order of the numbers of patients that all sites sum up before anything else.

    Attributes
    ----------
    spec, labels
        The model, and what the sites have in common.
    """

    spec: ModelSpec
    labels: Labels

    @cached_property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """Covariates without levels, and products of covariates."""
        found: dict[tuple[str, ...], None] = {}
        for term in self.spec.events.covariates:
            if isinstance(term, Group):
                found |= {(name,): None for name in self.labels.carriers[term.group]}
            elif isinstance(term, Interaction):
                found[term.names] = None
            elif term.transform != "category":
                found[(term.name,)] = None
        return tuple(found)

    @property
    def _markers(self) -> MarkerFacts:
        return MarkerFacts(self.spec)

    @cached_property
    def _names(self) -> list[str]:
        groups = [n for names in self.labels.carriers.values() for n in names]
        return list(dict.fromkeys([*names_of(self.spec.events.covariates), *groups]))

    def of_site(self, cohort: Cohort) -> Floats:
        """A site's numbers, in the order of `Counted`."""
        table, subgroup = cohort.covariates(), cohort.patients[SUBGROUP].astype(str)
        parts = [[float(cohort.n_patients)]]
        parts.append([float((subgroup == g).sum()) for g in self.labels.subgroups])
        for source in self.sources:
            raw = raw_of(source, table)
            known = raw[~np.isnan(raw)]
            parts.append([
                float(len(known)), float((known != 0.0).sum()),
                float(((known != 0.0) & (known != 1.0)).sum()), float((known <= 0.0).sum()),
            ])  # fmt: skip
        for name, levels in self.labels.levels.items():
            own = table[name].dropna().astype(str)
            parts.append([float((own == level).sum()) for level in levels])
        there = {name: table[name].notna().to_numpy() for name in self._names}
        parts.append([float((there[a] & there[b]).sum()) for a, b in combinations(self._names, 2)])
        rows = rows_at_risk(self.spec.graph, trace_histories(self.spec.graph, cohort))
        n = len(self.spec.graph.labels)
        had = [np.unique(rows.patient[rows.is_event & (rows.intensity == e)]) for e in range(n)]
        parts.append([float(len(who)) for who in had])
        parts.append(self._markers.patients(cohort))
        return np.concatenate([np.array(p, dtype=float) for p in parts])

    def counted(self, total: Floats) -> Counted:
        """The sums over all sites by their names.

        Raises
        ------
        FederationError
            They are of another length.
        """
        sizes = [1, len(self.labels.subgroups), _PER_SOURCE * len(self.sources)]
        sizes += [len(levels) for levels in self.labels.levels.values()]
        pairs = list(combinations(self._names, 2))
        sizes += [len(pairs), len(self.spec.graph.labels), len(self._markers.names)]
        if len(total) != sum(sizes):
            raise FederationError(
                f"There are {len(total)} numbers of patients where {sum(sizes)} are due. Begin the "
                "study again with one disease file everywhere."
            )
        patients, subgroups, sources, *rest = np.split(np.round(total), np.cumsum(sizes)[:-1])
        each = sources.reshape(-1, _PER_SOURCE)
        return Counted(
            float(patients[0]),
            subgroups,
            dict(zip(self.sources, each, strict=True)),
            dict(zip(self.labels.levels, rest[:-3], strict=True)),
            dict(zip(pairs, map(float, rest[-3]), strict=True)),
            rest[-2],
            rest[-1],
        )

    def require(self, counted: Counted, minimum: int) -> None:
        """Refuse a study that would ask for sums with too few patients behind them.

        Raises
        ------
        FederationError
            Names all of what is too rare, with the remedies; no number.
        """
        faults = []
        for term in self.spec.events.covariates:
            if isinstance(term, Group):
                continue  # those that are too rare are left out by themselves
            if isinstance(term, Interaction):
                if _is_thin(counted.sources[term.names], minimum):
                    faults.append(
                        f"the product {':'.join(term.names)} (take it out of the disease file)"
                    )
            elif term.transform == "category":
                thin = (counted.levels[term.name] > 0) & (counted.levels[term.name] < minimum)
                faults += [
                    f"{term.name}={level} (join it with another level at all sites, or "
                    f"spec.without_covariates({term.name!r}))"
                    for level, few in zip(self.labels.levels[term.name], thin, strict=True)
                    if few
                ]
            elif _is_thin(counted.sources[(term.name,)], minimum):
                faults.append(f"{term.name} (spec.without_covariates({term.name!r}))")
        for (a, b), n in counted.pairs.items():
            if 0 < n < minimum:
                faults.append(f"{a} and {b} known of the same patient (leave one of them out)")
        for label, n in zip(self.spec.graph.labels, counted.events, strict=True):
            if 0 < n < minimum:
                faults.append(f"the event {label} (spec.ignoring its event, or a simpler course)")
        for name, n in zip(self._markers.names, counted.markers, strict=True):
            if n < max(minimum, 1):
                faults.append(f"{name} (leave it out of the disease file)")
        if faults:
            raise FederationError(
                f"Fewer than {minimum} patients of all sites together stand behind: "
                f"{'; '.join(faults)}. Sums would be of single persons. Nothing but numbers of "
                "patients was asked; begin the study again without these."
            )


def raw_of(source: tuple[str, ...], table: object) -> Floats:
    """(patient,) a covariate or a product of some as it stands in the tables; NaN if unknown."""
    return Column(":".join(source), "", source, "identity", 0.0, 1.0, False).raw(table)  # type: ignore[arg-type]


def _is_thin(counts: Floats, minimum: int) -> bool:
    """Whether a covariate is known of too few, or too few have it, or have it not."""
    known, some, other = counts[:3]
    none = known - some
    return bool(0 < known < minimum or 0 < some < minimum or (other == 0.0 and 0 < none < minimum))


def behind(plan: EventPlan, coordinates: Coordinates, cohort: Cohort) -> Floats:
    """A site's numbers of patients behind parts of its likelihood.

    Returns
    -------
    ndarray
        At risk, (intensity, subgroup, window), then (coordinate,) on whom a treatment, an era or a
        time-varying effect acts; one after the other.
    """
    subgroups, rows = plan.encoding.subgroups, plan.rows
    width = max(len(e) for e in plan.edges) - 1
    at_risk = np.zeros((len(plan.edges), len(subgroups), width))
    own = cohort.patients[SUBGROUP].astype(str).to_numpy()
    for e, edges in enumerate(plan.edges):
        mine = rows.intensity == e
        for w, (low, high) in enumerate(pairwise(edges)):
            there = mine & (rows.start < high) & (rows.stop > low)
            who = own[np.unique(rows.patient[there])]
            at_risk[e, :, w] = [(who == g).sum() for g in subgroups]
    acting, data = np.zeros(coordinates.size), plan.data
    if len(data.acting):
        place = places_of_effects(coordinates, len(subgroups))
        course = data.patient[data.acting_row]
        who = data.course_patient[course] if len(data.course_patient) else course
        found = place[data.acting, plan.design.subgroup[who]]
        pairs = np.unique(np.column_stack([found, who]), axis=0)
        acting += np.bincount(pairs[:, 0], minlength=coordinates.size)
    return np.concatenate([at_risk.ravel(), acting])


def too_few(coordinates: Coordinates, counted: Counted, acting: Floats, minimum: int) -> Ints:
    """Coordinates that fewer than `minimum` patients of all sites have: nobody is taken to.

    Effects of rare subgroups, and of what acts on few.
    """
    thin = [np.zeros(0, dtype=np.int64)]
    rare = with_company(counted.subgroups, counted.subgroups < minimum, minimum)
    if SUBGROUP_EFFECT in coordinates.places:
        thin.append(coordinates.by_column(SUBGROUP_EFFECT)[:, rare].ravel())
    if CURVE_SUBGROUP_EFFECT in coordinates.places:
        thin.append(coordinates.table(CURVE_SUBGROUP_EFFECT)[:, rare].ravel())
    for name in (TREATMENT_SUBGROUP_EFFECT, ENTRY_ERA_EFFECT, TIME_VARYING_EFFECT):
        if name in coordinates.places:
            place = coordinates.places[name]
            thin.append(np.arange(place.start, place.stop)[acting[place] < minimum])
    return np.unique(np.concatenate(thin))


def held_back(
    coordinates: Coordinates, learnt: Learnt, cohort: Cohort, plan: EventPlan, minimum: int
) -> Ints:
    """Coordinates that tell of this site alone and have too few patients or events behind them.

    A centre's own deviation in one intensity, or in a coefficient of curves. The site's patients
    are taken not to have it. Where those of too small centres are too few together, the next centre
    is held back `with_company`.
    """
    here = {CENTRE_EFFECT, CURVE_CENTRE_EFFECT} & set(coordinates.places)
    if not here or minimum < 1:
        return np.zeros(0, dtype=np.int64)
    centres = list(learnt.encoding.centres)
    of_patient = cohort.patients[CENTRE].astype(str).to_numpy()
    of_event = of_patient[plan.rows.patient[plan.rows.is_event]]
    of_kind = plan.rows.intensity[plan.rows.is_event]
    patients = np.array([np.sum(of_patient == label) for label in centres], dtype=float)
    small = with_company(patients, (patients > 0) & (patients < minimum), minimum)
    few = small | (patients < minimum)
    thin: list[int] = []
    if CURVE_CENTRE_EFFECT in here:
        thin += list(coordinates.table(CURVE_CENTRE_EFFECT)[:, few].ravel())
    if CENTRE_EFFECT not in here:
        return np.array(sorted(thin), dtype=np.int64)
    place = coordinates.by_column(CENTRE_EFFECT)
    thin += [
        int(place[e, k])
        for k, label in enumerate(centres)
        for e in range(len(place))
        if few[k] or np.sum((of_event == label) & (of_kind == e)) < minimum
    ]
    return np.array(sorted(thin), dtype=np.int64)


def with_company(patients: Floats, thin: Bools, minimum: int) -> Bools:
    """Which of some exclusive groups are held back, so that no difference tells of the thin ones.

    All patients less those of the other groups are those of the thin ones: where these are too few
    together, the next smallest groups are held back with them.

    Examples
    --------
    >>> patients = np.array([20.0, 2.0, 7.0, 0.0])
    >>> with_company(patients, patients < 5, 5)
    array([False,  True,  True,  True])
    """
    out = thin.copy()
    for k in np.argsort(patients, kind="stable"):
        if not 0.0 < patients[out].sum() < minimum:
            break
        out[k] = True
    return out


def joined_cells(expansion: Expansion, at_risk: Floats, minimum: int) -> Expansion:
    """An expansion in which cells with fewer than `minimum` patients are joined with others.

    In each window those of rare subgroups count with those of the subgroup that has most patients
    there. Sums over cells stay as they are.
    """
    n, n_subgroups, width = at_risk.shape
    if expansion.expected.shape[1] != n_subgroups * width:
        return expansion  # all subgroups are together
    expected, slopes = expansion.expected.copy(), [s.copy() for s in expansion.slope]
    for e in range(n):
        host = at_risk[e].argmax(axis=0)
        for g, w in np.argwhere(at_risk[e] < minimum):
            cell, other = g * width + w, host[w] * width + w
            if cell != other:
                expected[e, other] += expected[e, cell]
                slopes[e][other] += slopes[e][cell]
                expected[e, cell], slopes[e][cell] = 0.0, 0.0
    return replace(expansion, expected=expected, slope=tuple(slopes))
