"""The course of an acute leukaemia, shared by every disease file that follows it.

Induction, remission, relapse and three deaths, as in Gerstung et al. (Nature Genetics 2017),
with allogeneic transplant as a time-dependent treatment whose start is part of the model.
"""

from __future__ import annotations

from typing import Final

from twinbayes.model import (
    Effect,
    PiecewiseConstant,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.model.baseline import Baseline
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import pooling_of
from twinbayes.names import CLOCK_ENTRY

TRANSPLANT: Final = "allogeneic_transplant"
_EARLY_DAYS: Final = 180.0  # deaths of the transplant itself fall mostly in its first six months
# The earlier the relapse, the sooner it kills: half a year, one, and one and a half from diagnosis.
_RELAPSE_CUTS: Final = (183.0, 365.0, 548.0)


def acute_leukaemia(
    pooling: str | Pooling = "exchangeable",
    baseline: Baseline | None = None,
    induction: Baseline | None = None,
    relapse: Baseline | None = None,
) -> StateGraph:
    """Return the state graph: 5 transitions, 3 transplant starts, 10 transplant effects.

    Parameters
    ----------
    pooling
        How transplant effects of the subgroups borrow: a name of `poolings.POOLINGS`, such as
        ``exnex``, or a strategy with its own settings.
    baseline
        Shape of every baseline hazard.
    induction
        Shape of the two that end induction; default: as the others.
    relapse
        Shape of relapse; default: as the others.
    """
    shape = baseline or PiecewiseConstant()
    early = induction or shape
    return StateGraph(
        states=(
            "induction",
            "remission",
            "relapse",
            "death_without_remission",
            "death_in_remission",
            "death_after_relapse",
        ),
        transitions=(
            Transition(
                source="induction", target="remission", event="complete_remission", baseline=early
            ),
            Transition(
                source="induction", target="death_without_remission", event="death", baseline=early
            ),
            Transition(
                source="remission", target="relapse", event="relapse", baseline=relapse or shape
            ),
            Transition(
                source="remission", target="death_in_remission", event="death", baseline=shape
            ),
            Transition(
                source="relapse",
                target="death_after_relapse",
                event="death",
                clock=CLOCK_ENTRY,
                baseline=shape,
                entry_cuts=_RELAPSE_CUTS,
            ),
        ),
        treatments=(_transplant(pooling_of(pooling), shape),),
    )


def _transplant(pooling: Pooling, shape: Baseline) -> Treatment:
    def effect(transition: str, phase: str) -> Effect:
        return Effect(treatment=TRANSPLANT, transition=transition, phase=phase, pooling=pooling)

    return Treatment(
        name=TRANSPLANT,
        early_days=_EARLY_DAYS,
        starts=(
            TreatmentStart(source="induction", treatment=TRANSPLANT, baseline=shape),
            TreatmentStart(source="remission", treatment=TRANSPLANT, baseline=shape),
            TreatmentStart(
                source="relapse",
                treatment=TRANSPLANT,
                clock=CLOCK_ENTRY,
                baseline=shape,
                entry_cuts=_RELAPSE_CUTS,
            ),
        ),
        effects=(
            effect("induction->remission", "here"),
            effect("induction->death_without_remission", "here"),
            effect("remission->relapse", "here_early"),
            effect("remission->relapse", "here_late"),
            effect("remission->relapse", "earlier"),
            effect("remission->death_in_remission", "here_early"),
            effect("remission->death_in_remission", "here_late"),
            effect("remission->death_in_remission", "earlier"),
            effect("relapse->death_after_relapse", "here"),
            effect("relapse->death_after_relapse", "earlier"),
        ),
    )
