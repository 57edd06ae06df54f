"""The numbers behind the simulated registry. All are invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

from pandas import DataFrame

from twinbayes.datasets.simulated.paths import (
    DEATHS,
    INDUCTION,
    RELAPSE,
    REMISSION,
    TRANSPLANT,
    Intensity,
)
from twinbayes.datasets.simulated.patients import CENTRES, ENTITIES, GENES, LESIONS
from twinbayes.datasets.simulated.truth import Covariate, MarkerTruth, RegistryTruth
from twinbayes.names import CLOCK_ENTRY, CLOCK_ORIGIN

_WITHOUT, _IN, _AFTER = DEATHS

# Days at which windows open, and the log hazard per day in each.
_INTENSITIES: Final = (
    Intensity(INDUCTION, REMISSION, CLOCK_ORIGIN,
              (0, 15, 30, 50, 80, 150), (-8.5, -4.3, -3.3, -3.8, -5.0, -6.6)),
    Intensity(INDUCTION, _WITHOUT, CLOCK_ORIGIN,
              (0, 30, 90, 365), (-5.9, -6.2, -5.6, -6.3)),
    Intensity(REMISSION, RELAPSE, CLOCK_ORIGIN,
              (0, 90, 250, 500, 900, 1500), (-7.8, -6.7, -6.5, -7.2, -8.1, -9.1)),
    Intensity(REMISSION, _IN, CLOCK_ORIGIN,
              (0, 180, 500), (-8.1, -8.4, -9.2)),
    Intensity(RELAPSE, _AFTER, CLOCK_ENTRY,
              (0, 60, 180, 400, 900), (-5.2, -5.3, -5.8, -6.7, -7.5)),
    Intensity(INDUCTION, None, CLOCK_ORIGIN,
              (0, 60, 150, 400), (-9.2, -6.7, -7.1, -9.0)),
    Intensity(REMISSION, None, CLOCK_ORIGIN,
              (0, 60, 120, 220, 400), (-8.1, -5.9, -5.1, -6.4, -9.4)),
    Intensity(RELAPSE, None, CLOCK_ENTRY,
              (0, 40, 120, 250), (-6.9, -5.4, -6.4, -8.5)),
)  # fmt: skip
_LABELS: Final = tuple(i.label for i in _INTENSITIES)

_COVARIATES: Final = (
    Covariate("age_years", centre=58, scale=10),
    Covariate("sex", "level", level="male", other="female"),
    Covariate("ecog", centre=1),
    Covariate("wbc_g_l", "log", centre=2.4),
    Covariate("hb_g_dl", centre=9.2, scale=2),
    Covariate("platelets_g_l", "log", centre=4.0),
    Covariate("ldh_u_l", "log", centre=5.8),
    Covariate("bm_blasts_pct", centre=55, scale=20),
    Covariate("targeted_therapy"),
    Covariate("benzene_index", centre=2.5, scale=2),
    Covariate("smoker"),
    Covariate("deprivation"),
    *(Covariate(lesion) for lesion in (*GENES, *LESIONS)),
)

# Log hazard ratios per scale of the covariate, in the order of _INTENSITIES: remission, death
# without it, relapse, death in remission, death after relapse, then the transplant starts from
# induction, remission and relapse. Those not named are zero on all.
_BETA: Final = {
    "age_years": (-0.20, 0.35, 0.10, 0.40, 0.20, -0.55, -0.65, -0.55),
    "sex=male": (0.00, 0.05, 0.05, 0.10, 0.00, 0.00, 0.00, 0.00),
    "ecog": (-0.15, 0.40, 0.05, 0.25, 0.15, -0.30, -0.30, -0.30),
    "log_wbc_g_l": (-0.08, 0.15, 0.12, 0.00, 0.10, 0.00, 0.00, 0.00),
    "hb_g_dl": (0.00, -0.10, 0.00, -0.10, 0.00, 0.00, 0.00, 0.00),
    "log_platelets_g_l": (0.08, -0.18, 0.00, -0.05, 0.00, 0.00, 0.00, 0.00),
    "log_ldh_u_l": (-0.20, 0.25, 0.10, 0.00, 0.10, 0.00, 0.00, 0.00),
    "bm_blasts_pct": (-0.05, 0.00, 0.10, 0.00, 0.05, 0.00, 0.00, 0.00),
    "targeted_therapy": (0.25, -0.10, -0.35, 0.00, -0.15, 0.00, -0.15, 0.10),
    "benzene_index": (0.00, 0.00, 0.15, 0.05, 0.05, 0.00, 0.00, 0.00),
    "smoker": (0.00, 0.15, 0.00, 0.35, 0.10, 0.00, -0.10, 0.00),
    "deprivation": (-0.08, 0.12, 0.00, 0.15, 0.10, -0.10, -0.20, -0.15),
    "TP53": (-0.55, 0.20, 0.60, 0.10, 0.45, 0.00, 0.30, 0.00),
    "RUNX1": (-0.25, 0.00, 0.20, 0.00, 0.10, 0.00, 0.20, 0.00),
    "FLT3_ITD": (0.00, 0.05, 0.45, 0.00, 0.20, 0.00, 0.35, 0.10),
    "ASXL1": (-0.15, 0.00, 0.15, 0.00, 0.15, 0.00, 0.10, 0.00),
    "IDH2": (0.10, 0.00, -0.15, 0.00, 0.00, 0.00, 0.00, 0.00),
    "NOTCH1": (0.10, 0.00, -0.25, 0.00, 0.00, 0.00, 0.00, 0.00),
    "cyto_complex_karyotype": (-0.30, 0.15, 0.40, 0.00, 0.30, 0.10, 0.35, 0.00),
    "cyto_monosomy_7": (-0.25, 0.00, 0.35, 0.00, 0.15, 0.10, 0.30, 0.00),
}

# One row an intensity, one column an entity (centre), against the average.
_SUBGROUP: Final = (
    (0.35, -0.30, -0.35, 0.15, 0.25, -0.20, 0.20, -0.10),
    (-0.15, 0.20, 0.05, 0.05, -0.20, 0.10, -0.10, 0.05),
    (-0.20, 0.25, 0.30, 0.10, -0.30, 0.15, 0.05, -0.35),
    (-0.05, 0.10, 0.00, 0.05, -0.10, 0.05, -0.05, 0.00),
    (-0.10, 0.20, 0.20, -0.05, -0.10, 0.10, -0.15, -0.10),
    (0.00, -0.10, 0.15, 0.00, 0.05, 0.00, 0.05, -0.15),
    (0.05, -0.20, 0.30, -0.10, 0.10, 0.05, 0.15, -0.35),
    (0.05, -0.10, 0.10, 0.00, 0.05, -0.05, 0.05, -0.10),
)
_CENTRE: Final = (
    (0.10, -0.05, 0.05, -0.15, 0.05),
    (-0.15, 0.05, 0.00, 0.20, -0.10),
    (-0.05, 0.05, 0.00, 0.05, -0.05),
    (-0.20, 0.10, 0.00, 0.20, -0.10),
    (-0.10, 0.00, 0.05, 0.10, -0.05),
    (0.30, 0.10, -0.10, -0.40, 0.10),
    (0.35, 0.10, -0.05, -0.60, 0.20),
    (0.25, 0.10, 0.00, -0.45, 0.10),
)

# (phase, index of the intensity, population effect, deviations by entity). The transplant costs
# lives early and prevents relapse later: most in mixed-phenotype leukaemia, least in the erythroid.
_NONE: Final = (0.0,) * len(ENTITIES)
_AGAINST_RELAPSE: Final = (-0.40, 0.45, 0.10, -0.15, -0.25, 0.20, -0.10, 0.15)
_AGAINST_SURVIVAL: Final = (-0.15, 0.30, 0.10, 0.00, -0.20, 0.05, -0.15, 0.05)
_TRANSPLANT: Final = (
    ("here", 0, 0.30, (0.05, -0.10, 0.05, 0.00, 0.05, -0.05, 0.05, -0.05)),
    ("here", 1, 0.10, (-0.05, 0.15, 0.00, -0.05, -0.05, 0.05, -0.10, 0.05)),
    ("here_early", 2, -0.50, tuple(0.5 * d for d in _AGAINST_RELAPSE)),
    ("here_late", 2, -1.20, _AGAINST_RELAPSE),
    ("earlier", 2, -0.30, _NONE),
    ("here_early", 3, 1.70, _AGAINST_SURVIVAL),
    ("here_late", 3, 0.60, _AGAINST_SURVIVAL),
    ("earlier", 3, 0.80, _NONE),
    ("here", 4, -0.80, (-0.20, 0.25, 0.05, -0.05, -0.10, 0.10, -0.10, 0.05)),
    ("earlier", 4, 0.30, _NONE),
)


def _by_state(induction: float, remission: float, relapse: float) -> Mapping[str, float]:
    values = {INDUCTION: induction, REMISSION: remission, RELAPSE: relapse}
    return MappingProxyType(values)


_MARKERS: Final = {
    # log10 of per cent: in remission about half are below the detection limit of -2
    "residual_disease_pct": MarkerTruth(
        _by_state(1.3, -1.9, 1.2), _by_state(-0.5, 0.2, 0.1), -0.5, 0.45, 0.30
    ),
    "haemoglobin": MarkerTruth(
        _by_state(9.0, 11.8, 9.6), _by_state(0.5, 0.3, -0.5), -0.5, 0.9, 0.7
    ),
    # log10 of 10^9/l
    "platelet_count": MarkerTruth(
        _by_state(1.65, 2.20, 1.75), _by_state(0.3, 0.02, -0.3), -0.15, 0.18, 0.14
    ),
    "global_health": MarkerTruth(
        _by_state(46.0, 66.0, 44.0), _by_state(10.0, 2.0, -8.0), -7.0, 12.0, 9.0
    ),
    "fatigue": MarkerTruth(
        _by_state(58.0, 36.0, 60.0), _by_state(-6.0, -1.5, 8.0), 6.0, 13.0, 10.0
    ),
}


@cache
def registry_truth() -> RegistryTruth:
    """Return the generative parameters of the packaged simulated registry.

    Examples
    --------
    >>> truth = tb.datasets.registry_truth()
    >>> len(truth.intensities), truth.beta.shape
    (8, (24, 8))
    """
    labels = [c.label for c in _COVARIATES]
    beta = DataFrame.from_dict(_BETA, orient="index", columns=list(_LABELS), dtype=float)
    effects = {f"{TRANSPLANT}:{phase} on {_LABELS[k]}": (pop, dev)
               for phase, k, pop, dev in _TRANSPLANT}  # fmt: skip
    return RegistryTruth(
        intensities=_INTENSITIES,
        covariates=_COVARIATES,
        beta=beta.reindex(labels, fill_value=0.0),
        subgroup_effect=_frame(_SUBGROUP, _LABELS, tuple(ENTITIES)),
        centre_effect=_frame(_CENTRE, _LABELS, tuple(CENTRES)),
        treatment_effect={label: population for label, (population, _) in effects.items()},
        treatment_deviation=_frame(
            [deviation for _, deviation in effects.values()], tuple(effects), tuple(ENTITIES)
        ),
        markers=_MARKERS,
    )


def _frame(
    rows: Sequence[Sequence[float]], index: tuple[str, ...], columns: tuple[str, ...]
) -> DataFrame:
    return DataFrame([list(row) for row in rows], index=list(index), columns=list(columns))
