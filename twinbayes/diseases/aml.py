"""Acute myeloid leukaemia of adults under intensive treatment."""

from __future__ import annotations

from typing import Final

from twinbayes.diseases.leukaemia import acute_leukaemia
from twinbayes.model import (
    EventProcess,
    Exchangeable,
    Group,
    Interaction,
    ModelSpec,
    PiecewiseConstant,
    Term,
    TimeVarying,
)
from twinbayes.model.pooling.protocol import Pooling


def aml(
    *,
    pooling: str | Pooling = "exchangeable",
    favourable: tuple[str, ...] = ("inv16", "t8_21", "t15_17", "CEBPA_bi"),
) -> ModelSpec:
    """Describe the AML model: 5 transitions, 3 treatment starts, 14 genomic subgroups.

    Parameters
    ----------
    pooling
        How transplant effects of the subgroups borrow: a name of `poolings.POOLINGS`, such as
        ``exnex``, or a strategy with its own settings.
    favourable
        Subgroups of favourable risk, as the cohort names them: these hardly relapse in the half
        year of treatment, then as others do, and after the second year hardly again. Empty where
        there are none; their hazard of relapse is then proportional to that of the rest.
    """
    classes = (favourable,) if favourable else ()
    late = TimeVarying(of="subgroup", on="remission->relapse", classes=classes)
    return ModelSpec(
        name="aml",
        title="Acute myeloid leukaemia, intensively treated adults",
        priors="aml",
        events=EventProcess(
            graph=acute_leukaemia(pooling, induction=_INDUCTION, relapse=_RELAPSE),
            covariates=_COVARIATES,
            subgroup=_SUBGROUPS,
            worse=_WORSE,
            better=_BETTER,
            time_varying=(late,) if favourable else (),
        ),
    )


# High-risk disease is so at each turn: it resists induction, relapses, and kills after relapse.
_WORSE: Final = (
    "induction->death_without_remission",
    "remission->relapse",
    "remission->death_in_remission",
    "relapse->death_after_relapse",
)
# Some never reach remission and yet live for years: their hazards are not those of the first year.
_INDUCTION: Final = PiecewiseConstant(windows=9, tail=8)
_BETTER: Final = ("induction->remission",)
# Some entities are quite unlike the rest, each in its own way.
_SUBGROUPS: Final = Exchangeable(nu=4.0)
# The hazard of relapse climbs and falls within the first year.
_RELAPSE: Final = PiecewiseConstant(windows=12)

_COVARIATES: Final = (
    Term(name="age_years", group="clinical", transform="spline"),
    Term(name="sex", group="clinical", transform="category"),
    Term(name="ecog", group="clinical"),
    Term(name="aml_type", group="clinical", transform="category"),
    Term(name="wbc_g_l", group="clinical", transform="log"),
    Term(name="hb_g_dl", group="clinical"),
    Term(name="platelets_g_l", group="clinical", transform="log"),
    Term(name="ldh_u_l", group="clinical", transform="log"),
    Term(name="bm_blasts_pct", group="clinical"),
    Term(name="pb_blasts_pct", group="clinical"),
    Term(name="splenomegaly", group="clinical", transform="binary"),
    Term(name="tx_atra", group="treatment", transform="binary"),
    Term(name="tx_vpa", group="treatment", transform="binary"),
    Group(group="gene", min_carriers=8),
    Group(group="cytogenetic", min_carriers=8),
    Interaction(names=("NPM1", "FLT3_ITD")),
    Interaction(names=("NPM1", "DNMT3A")),
    Interaction(names=("FLT3_ITD", "DNMT3A")),
    Interaction(names=("NPM1", "FLT3_ITD", "DNMT3A")),
    Interaction(names=("NPM1", "NRAS")),
    Interaction(names=("TP53", "cyto_complex_karyotype")),
)


DISEASES: Final = {"aml": aml}
