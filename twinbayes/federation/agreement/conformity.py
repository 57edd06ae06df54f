"""Whether what a server asks for is what was agreed on: sites look before they answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.agreement.facts import Facts
from twinbayes.federation.agreement.markers import with_curves
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.covariates.columns import Column
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.names import ENTRY_ERA_EFFECT, TIME_VARYING_EFFECT, TREATMENT_SUBGROUP_EFFECT


def require_learnt(spec: ModelSpec, learnt: Learnt, facts: Facts, total: Floats) -> None:
    """Refuse columns and windows that do not follow from the sums: they could single out a patient.

    Another machine may round differently.
    """
    columns, left_out, edges = facts.columns_and_edges(total)
    found = learnt.encoding
    same = (
        (found.left_out, found.subgroups, found.centres)
        == (left_out, facts.labels.subgroups, facts.labels.centres)
        and len(found.columns) == len(columns)
        and all(_is_same(a, b) for a, b in zip(found.columns, columns, strict=True))
        and [len(e) for e in learnt.edges] == [len(e) for e in edges]
        and all(np.allclose(a, b) for a, b in zip(learnt.edges, edges, strict=True))
        and _has_curves(spec, learnt, facts.scales(total))
    )
    if not same:
        raise FederationError(
            "Columns or windows of the question are not those that follow from the sums it "
            "carries: the server has another version of twinbayes, or asks for what was not "
            "agreed on. Nothing was answered."
        )


def _has_curves(spec: ModelSpec, learnt: Learnt, scales: tuple[MarkerScale, ...]) -> bool:
    """Whether knots and scales of curves are these, and their columns those of hazards."""
    if not scales or learnt.curves is None:
        return not scales and learnt.curves is None
    expected = with_curves(spec, learnt.encoding, scales).to_dict()
    return _is_near(learnt.curves.to_dict(), expected)


def _is_near(a: object, b: object) -> bool:
    """Whether plain data are the same but for rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_near(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_is_near, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b))
    return type(a) is type(b) and a == b


def _is_same(a: Column, b: Column) -> bool:
    mine, theirs = ((c.centre, c.scale, *c.knots) for c in (a, b))
    rest, others = (replace(c, centre=0.0, scale=0.0, knots=()) for c in (a, b))
    return rest == others and len(mine) == len(theirs) and np.allclose(mine, theirs)


def require_known(learnt: Learnt, cohort: Cohort) -> None:
    """Refuse a cohort with subgroups or centres that were not there when all agreed."""
    for what, mine, known in (
        ("subgroups", cohort.subgroups, learnt.encoding.subgroups),
        ("centres", cohort.centres, learnt.encoding.centres),
    ):
        if set(mine) - set(known):
            raise FederationError(
                f"The site's cohort has {what} that it had not when the study began. Give the "
                "cohort that the study began with, or begin another study."
            )


def require_told(coordinates: Coordinates, held: Ints) -> None:
    """Refuse treatments with too few patients behind them, where patients have own effects."""
    for name in (TREATMENT_SUBGROUP_EFFECT, ENTRY_ERA_EFFECT, TIME_VARYING_EFFECT):
        place = coordinates.places.get(name, slice(0, 0))
        thin = [coordinates.labels[k] for k in held if place.start <= k < place.stop]
        if thin:
            raise FederationError(
                f"Too few patients of all sites stand behind {', '.join(thin)}, and what curves "
                "or a frailty make of the time under it cannot be left out. Pool this effect "
                "completely over subgroups in the disease file, or leave it out."
            )
