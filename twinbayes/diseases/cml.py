"""Chronic myeloid leukaemia: BCR-ABL1 under treatment, after its stop, and molecular relapse."""

from __future__ import annotations

from typing import Final

from twinbayes.model import (
    Biphasic,
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    Since,
    StateGraph,
    Trajectories,
    Trajectory,
    Transition,
)
from twinbayes.names import CLOCK_ENTRY

_STOP: Final = "treatment_stop"


def cml() -> ModelSpec:
    """Describe the model of BCR-ABL1 and treatment-free remission.

    Under treatment the transcripts fall in two phases; from the stop on they approach a level of
    the patient's own. Values below the detection limit are censored there. Relapse is defined by
    the transcripts themselves, so that its hazard does not follow them as well.
    """
    few = PiecewiseConstant(windows=4)
    return ModelSpec(
        name="cml",
        title="Chronic myeloid leukaemia, BCR-ABL1 and treatment-free remission",
        priors="cml",
        events=EventProcess(
            graph=StateGraph(
                states=("on_treatment", "treatment_free", "molecular_relapse"),
                transitions=(
                    Transition(
                        source="on_treatment", target="treatment_free", event=_STOP, baseline=few
                    ),
                    Transition(
                        source="treatment_free",
                        target="molecular_relapse",
                        event="molecular_relapse",
                        clock=CLOCK_ENTRY,
                        baseline=few,
                    ),
                ),
            ),
        ),
        trajectories=Trajectories(
            markers=(
                Trajectory(
                    marker="bcr_abl1",
                    transform="log",
                    basis=Biphasic(),
                    turns=(Since(what=_STOP, turn="approach"),),
                ),
            )
        ),
    )


DISEASES: Final = {"cml": cml}
