"""The simulated rare-leukaemia registry: the embedded default."""

from __future__ import annotations

from typing import Final

from twinbayes.diseases.leukaemia import TRANSPLANT, acute_leukaemia
from twinbayes.model import (
    EventProcess,
    Group,
    ModelSpec,
    Normal,
    PiecewiseConstant,
    Polynomial,
    Since,
    Term,
    Trajectories,
    Trajectory,
)
from twinbayes.model.pooling.protocol import Pooling


def registry(*, pooling: str | Pooling = "exchangeable") -> ModelSpec:
    """Describe the simulated registry: the course, residual disease, and quality of life.

    Patients differ in the level of each marker. Remission, relapse and transplantation turn curves
    in the same way for all: with two to ten visits each, no more can be told of a patient.

    Parameters
    ----------
    pooling
        How transplant effects of the subgroups borrow: a name of `poolings.POOLINGS`, such as
        ``exnex``, or a strategy with its own settings.
    """
    return ModelSpec(
        name="registry",
        title="Rare acute leukaemias, simulated registry",
        priors="registry",
        events=EventProcess(graph=acute_leukaemia(pooling, _FEW_EVENTS), covariates=_COVARIATES),
        trajectories=Trajectories(markers=_MARKERS),
    )


_TURNS: Final = (
    Since(what="complete_remission", varies=False),
    Since(what="complete_remission", turn="bend", varies=False),
    Since(what="relapse", varies=False),
    Since(what="relapse", turn="bend", varies=False),
    Since(what=TRANSPLANT, varies=False),
)
_LEVEL: Final = Polynomial(degree=0)
_MARKERS: Final = (
    # values below the detection limit are recorded as such, and censored there
    Trajectory(marker="residual_disease_pct", transform="log", basis=_LEVEL, turns=_TURNS),
    Trajectory(
        marker="global_health",
        basis=_LEVEL,
        family=Normal(floor=0.0, ceiling=100.0),
        turns=_TURNS,
    ),
)


# Some transitions have twenty events: few windows.
_FEW_EVENTS: Final = PiecewiseConstant(windows=6)

_COVARIATES: Final = (
    Term(name="age_years", group="clinical"),
    Term(name="sex", group="clinical", transform="category"),
    Term(name="ecog", group="clinical"),
    Term(name="wbc_g_l", group="clinical", transform="log"),
    Term(name="hb_g_dl", group="clinical"),
    Term(name="platelets_g_l", group="clinical", transform="log"),
    Term(name="ldh_u_l", group="clinical", transform="log"),
    Term(name="bm_blasts_pct", group="clinical"),
    Term(name="targeted_therapy", group="treatment", transform="binary"),
    Term(name="benzene_index", group="environment"),
    Term(name="smoker", group="environment", transform="binary"),
    Term(name="deprivation", group="environment"),
    Group(group="gene"),
    Group(group="cytogenetic"),
)


DISEASES: Final = {"registry": registry}
