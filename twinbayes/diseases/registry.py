"""The simulated rare-leukaemia registry: the embedded default."""

from __future__ import annotations

from typing import Final

from twinbayes.diseases.leukaemia import acute_leukaemia
from twinbayes.model import EventProcess, Group, ModelSpec, PiecewiseConstant, Term


def registry(*, pooling: str = "exchangeable") -> ModelSpec:
    """Describe the model of the simulated registry.

    Parameters
    ----------
    pooling
        How transplant effects of the subgroups borrow: ``complete``, ``none``,
        ``exchangeable``.
    """
    return ModelSpec(
        name="registry",
        title="Rare acute leukaemias, simulated registry",
        priors="registry",
        events=EventProcess(graph=acute_leukaemia(pooling, _FEW_EVENTS), covariates=_COVARIATES),
    )


# Some transitions have twenty events: few windows, and standardised steps.
_FEW_EVENTS: Final = PiecewiseConstant(windows=6, centred=False)

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
