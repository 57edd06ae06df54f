"""Survival: one transition, from alive to dead. The smallest event history."""

from __future__ import annotations

from typing import Final

from twinbayes.model import (
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    StateGraph,
    Term,
    Transition,
)
from twinbayes.model.baseline import Baseline
from twinbayes.model.covariates.terms import CovariateTerm


def survival(
    *,
    baseline: Baseline | None = None,
    covariates: tuple[CovariateTerm, ...] = (
        Term(name="age_years", group="clinical", transform="spline"),
        Term(name="sex", group="clinical", transform="category"),
    ),
    unshrunk: tuple[str, ...] = (),
) -> ModelSpec:
    """Describe overall survival.

    Parameters
    ----------
    baseline
        Shape of the baseline hazard; default piecewise-constant.
    covariates, unshrunk
        See `EventProcess`.
    """
    death = Transition(
        source="alive", target="dead", event="death", baseline=baseline or PiecewiseConstant()
    )
    return ModelSpec(
        name="survival",
        title="Overall survival",
        priors="survival",
        events=EventProcess(
            graph=StateGraph(states=("alive", "dead"), transitions=(death,)),
            covariates=covariates,
            unshrunk=unshrunk,
        ),
    )


DISEASES: Final = {"survival": survival}
