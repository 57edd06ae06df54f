"""Who enters the simulated registry: entities, centres, covariates, and what goes missing.

All numbers are invented. They are of the size one meets in acute leukaemia, so that a model
which fails here would fail there, and they describe nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Floats

CLINICAL: Final = "clinical"
GENE: Final = "gene"
CYTOGENETIC: Final = "cytogenetic"
TREATMENT: Final = "treatment"
ENVIRONMENT: Final = "environment"

CENTRES: Final = {
    "centre_A": 0.38,
    "centre_B": 0.26,
    "centre_C": 0.18,
    "centre_D": 0.12,
    "centre_E": 0.06,
}
# Where visits and samples are missed more often.
FAR_CENTRES: Final = ("centre_D", "centre_E")
# Industry and deprivation around a centre: shifts of exposure index and deprivation score.
_SURROUNDINGS: Final = {
    "centre_A": (0.0, -0.2),
    "centre_B": (0.6, 0.3),
    "centre_C": (-0.4, -0.3),
    "centre_D": (1.0, 0.7),
    "centre_E": (-0.5, 0.0),
}


@dataclass(frozen=True, slots=True)
class Entity:
    """A disease entity of the simulated registry.

    `share` is out of 240; `wbc` and `blasts` are a median in 10^9/l and a mean in %; `targeted`
    is the share treated with a targeted drug from diagnosis on.
    """

    share: int
    age: float
    male: float
    wbc: float
    blasts: float
    targeted: float


ENTITIES: Final = {
    "mixed_phenotype": Entity(70, 52, 0.58, 22, 70, 0.25),
    "acute_erythroid": Entity(50, 66, 0.62, 4, 35, 0.10),
    "aml_inv3": Entity(37, 58, 0.52, 12, 50, 0.15),
    "plasmacytoid_dendritic": Entity(28, 64, 0.72, 8, 48, 0.50),
    "early_t_precursor": Entity(21, 44, 0.66, 28, 75, 0.20),
    "acute_megakaryoblastic": Entity(16, 54, 0.50, 9, 42, 0.12),
    "aml_t6_9": Entity(12, 46, 0.50, 18, 60, 0.40),
    "acute_undifferentiated": Entity(6, 61, 0.50, 15, 80, 0.15),
}

GENES: Final = (
    "TP53", "RUNX1", "FLT3_ITD", "NRAS", "TET2", "ASXL1", "IDH2", "PHF6", "NOTCH1",
)  # fmt: skip
LESIONS: Final = ("cyto_complex_karyotype", "cyto_monosomy_7", "cyto_del_5q")
# Carriers in % by entity (in the order of ENTITIES), one row a lesion.
_CARRIERS: Final = {
    "TP53": (10, 38, 8, 12, 5, 15, 4, 16),
    "RUNX1": (18, 6, 12, 10, 14, 6, 10, 30),
    "FLT3_ITD": (16, 4, 12, 5, 12, 4, 55, 14),
    "NRAS": (16, 8, 28, 20, 22, 10, 10, 14),
    "TET2": (10, 14, 5, 42, 4, 6, 6, 16),
    "ASXL1": (8, 16, 12, 30, 4, 8, 6, 20),
    "IDH2": (8, 10, 5, 9, 6, 6, 5, 12),
    "PHF6": (14, 4, 12, 6, 22, 5, 8, 25),
    "NOTCH1": (16, 3, 3, 4, 30, 3, 3, 10),
    "cyto_complex_karyotype": (24, 40, 16, 14, 12, 28, 6, 30),
    "cyto_monosomy_7": (8, 12, 46, 6, 6, 12, 4, 14),
    "cyto_del_5q": (6, 26, 8, 8, 10, 10, 3, 10),
}


def draw_patients(n: int, rng: np.random.Generator, *, subgroup: str | None = None) -> DataFrame:
    """Draw `n` patients with every covariate known, in the columns of the data contract.

    Subgroup sizes are in fixed proportion, so that a registry of 240 has 70 to 6 patients an
    entity whatever the seed; `subgroup` draws all from one.
    """
    sizes = _sizes(n) if subgroup is None else [n * (name == subgroup) for name in ENTITIES]
    entities = rng.permutation(np.repeat(list(ENTITIES), sizes))
    centre = rng.choice(list(CENTRES), size=n, p=list(CENTRES.values()))
    of = {s: np.flatnonzero(entities == s) for s in ENTITIES}
    entity = np.zeros((n, 5))
    for name, rows in of.items():
        e = ENTITIES[name]
        entity[rows] = (e.age, e.male, np.log(e.wbc), e.blasts, e.targeted)
    around = np.array([_SURROUNDINGS[c] for c in centre])
    age = np.clip(rng.normal(entity[:, 0], 13.0), 18.0, 88.0)
    ecog = np.clip(rng.poisson(np.exp(-0.35 + 0.02 * (age - 58))), 0, 4)
    log_wbc = rng.normal(entity[:, 2], 1.0)
    blasts = np.clip(rng.normal(entity[:, 3], 18.0), 20.0, 98.0)
    log_ldh = rng.normal(np.log(330) + 0.22 * (log_wbc - np.log(15)), 0.45)
    frame = DataFrame(
        {
            names.SUBGROUP: entities,
            names.CENTRE: centre,
            "age_years": age.round(1),
            "sex": np.where(rng.random(n) < entity[:, 1], "male", "female"),
            "ecog": ecog.astype(float),
            "wbc_g_l": np.clip(np.exp(log_wbc), 0.3, 400).round(1),
            "hb_g_dl": np.clip(rng.normal(9.2, 1.6, n), 4.0, 16.0).round(1),
            "platelets_g_l": np.clip(np.exp(rng.normal(np.log(55), 0.8, n)), 3, 900).round(0),
            "ldh_u_l": np.clip(np.exp(log_ldh), 100, 6000).round(0),
            "bm_blasts_pct": blasts.round(0),
            "targeted_therapy": (rng.random(n) < entity[:, 4]).astype(float),
            "benzene_index": np.clip(rng.gamma(2.2, 1.1, n) + around[:, 0], 0, 12).round(1),
            "smoker": (rng.random(n) < 0.27 + 0.05 * around[:, 1]).astype(float),
            "deprivation": np.clip(rng.normal(around[:, 1], 0.95), -3, 4).round(2),
        }
    )
    carriers = np.zeros(n)
    for lesion, percent in _CARRIERS.items():
        for share, rows in zip(percent, of.values(), strict=True):
            carriers[rows] = share / 100
        # Complex karyotypes come mostly with a mutated TP53.
        if lesion == "cyto_complex_karyotype":
            carriers = np.where(
                frame["TP53"] == 1, np.minimum(2.4 * carriers, 0.85), 0.7 * carriers
            )
        frame[lesion] = (rng.random(n) < carriers).astype(float)
    return frame


def _sizes(n: int) -> NDArray[np.int64]:
    """Split `n` over the entities in proportion, by largest remainders."""
    exact = np.array([e.share for e in ENTITIES.values()]) * n / 240
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]] += 1
    return sizes


def hide_missing(complete: DataFrame, rng: np.random.Generator) -> DataFrame:
    """Blank what a registry would not have.

    Completely at random: single laboratory values, lesions not on a panel. At random given
    what is recorded: performance status of the old, exposure questionnaires by centre and age,
    failed sequencing by blast count and centre, cytogenetics by centre. Nothing depends on a
    missing value itself or on the outcome.
    """
    frame = complete.copy()
    n = len(frame)
    age, blasts = frame["age_years"].to_numpy(), frame["bm_blasts_pct"].to_numpy()
    far = frame[names.CENTRE].isin(FAR_CENTRES).to_numpy(dtype=float)

    def blank(columns: list[str], chance: Floats | float) -> None:
        frame.loc[rng.random(n) < chance, columns] = np.nan

    blank(["ldh_u_l"], 0.07)
    blank(["platelets_g_l"], 0.02)
    blank(["hb_g_dl"], 0.02)
    blank(["ecog"], _logistic(-2.5 + 0.03 * (age - 58)))
    blank(["benzene_index", "smoker"], _logistic(-1.9 + 0.025 * (age - 58) + 0.8 * far))
    blank(["deprivation"], 0.03)
    blank(list(GENES), _logistic(-2.8 - 0.03 * (blasts - 55) + 0.7 * far))
    blank(list(LESIONS), _logistic(np.asarray(-2.9 + 0.6 * far, dtype=np.float64)))
    for gene in ("PHF6", "NOTCH1"):
        blank([gene], 0.08)
    return frame


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def variables_table() -> DataFrame:
    """Describe every covariate, marker, score and treatment of the registry."""
    patients, visits = names.PATIENTS, names.VISITS
    rows: list[tuple[object, ...]] = [
        ("age_years", patients, "covariate", CLINICAL, "a", 18, 100, None, "Age at diagnosis"),
        ("sex", patients, "covariate", CLINICAL, None, None, None, "female|male", "Sex"),
        ("ecog", patients, "covariate", CLINICAL, "1", 0, 4, None, "ECOG performance status"),
        ("wbc_g_l", patients, "covariate", CLINICAL, "10*9/L", 0.1, 500, None, "White cells"),
        ("hb_g_dl", patients, "covariate", CLINICAL, "g/dL", 2, 20, None, "Haemoglobin"),
        ("platelets_g_l", patients, "covariate", CLINICAL, "10*9/L", 1, 1500, None, "Platelets"),
        ("ldh_u_l", patients, "covariate", CLINICAL, "U/L", 50, 10000, None,
         "Lactate dehydrogenase"),
        ("bm_blasts_pct", patients, "covariate", CLINICAL, "%", 0, 100, None,
         "Blasts in bone marrow"),
        ("targeted_therapy", patients, "covariate", TREATMENT, "1", 0, 1, None,
         "Targeted drug given from diagnosis on (1) or not (0)"),
        ("benzene_index", patients, "covariate", ENVIRONMENT, "1", 0, 15, None,
         "Index of occupational exposure to benzene"),
        ("smoker", patients, "covariate", ENVIRONMENT, "1", 0, 1, None,
         "Smoker at diagnosis (1) or not (0)"),
        ("deprivation", patients, "covariate", ENVIRONMENT, "1", -4, 5, None,
         "Deprivation of the area of residence, in standard deviations"),
    ]  # fmt: skip
    for group, lesions in ((GENE, GENES), (CYTOGENETIC, LESIONS)):
        for lesion in lesions:
            said = f"{lesion.removeprefix('cyto_')} present (1) or absent (0)"
            rows.append((lesion, "genomics", "covariate", group, "1", 0, 1, None, said))
    rows += [
        ("residual_disease_pct", visits, "marker", "burden", "%", 0.001, 100, None,
         "Leukaemic cells in bone marrow; detection limit 0.01 %"),
        ("haemoglobin", visits, "marker", "blood", "g/dL", 2, 20, None, "Haemoglobin at a visit"),
        ("platelet_count", visits, "marker", "blood", "10*9/L", 1, 1500, None,
         "Platelets at a visit; detection limit 5"),
        ("global_health", visits, "qol", "quality_of_life", "1", 0, 100, None,
         "Global health score, 100 is best"),
        ("fatigue", visits, "qol", "quality_of_life", "1", 0, 100, None,
         "Fatigue score, 100 is worst"),
        ("allogeneic_transplant", names.TREATMENTS, "treatment", "transplant", None, None, None,
         None, "Allogeneic stem-cell transplantation"),
    ]  # fmt: skip
    columns = ["name", "table", "role", "group", "unit", "min", "max", "levels", "description"]
    return pd.DataFrame(rows, columns=columns)
