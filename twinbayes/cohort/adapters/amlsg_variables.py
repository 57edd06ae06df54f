"""The dictionary of the AMLSG cohort: where each variable comes from and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.record import ROLE_COVARIATE

CYTOGENETIC_PREFIX: Final = "cyto_"

#: Column of our patients table -> column of the published clinical table.
PATIENT_COLUMNS: Final = {
    "trial": "Study",
    "aml_type": "TypeAML",
    "age_years": "AOD",
    "ecog": "Performance_ECOG",
    "wbc_g_l": "wbc",
    "hb_g_dl": "HB",
    "platelets_g_l": "platelet",
    "ldh_u_l": "LDH",
    "bm_blasts_pct": "BM_Blasts",
    "pb_blasts_pct": "PB_Blasts",
    "splenomegaly": "Splenomegaly",
    "family_donor": "Family_donnor",
    "tx_atra": "ATRA_arm",
    "tx_vpa": "VPA",
}
#: Further columns of the clinical table that the adapter needs.
OTHER_COLUMNS: Final = (
    "Center", "Status", "OS", "CR_date", "Recurrence_date", "TPL_date", "TPL_type",
    "NPM1", "CEBPA", "FLT3_ITD", "FLT3_TKD", "FLT3_other", "MLL_PTD",
    "inv3_t3_3", "mono4_4q_abn4q", "t_9_11", "t_v_11", "complex",
)  # fmt: skip
#: Type of transplant in the clinical table -> treatment. Related (ALLO), unrelated (FREMD) and
#: haploidentical donors are allogeneic; the source does not know the donor of six transplants.
TRANSPLANTS: Final = {
    "ALLO": "allogeneic_transplant",
    "FREMD": "allogeneic_transplant",
    "HAPLO": "allogeneic_transplant",
    "AUTO": "autologous_transplant",
    "TPL_(Spenderart_unbekannt)": "transplant_unknown_donor",
}

_FIELDS: Final = ("name", "group", "unit", "min", "max", "levels", "description")
# Limits are what a body or a laboratory can produce, not what is usual.
_BASELINE: Final = (
    ("age_years", "clinical", "a", 0, 120, None, "age at diagnosis"),
    ("sex", "clinical", None, None, None, "female|male", "sex"),
    ("ecog", "clinical", "{score}", 0, 4, None, "ECOG performance status"),
    ("wbc_g_l", "clinical", "10*9/L", 0, 2000, None, "white blood cells"),
    ("hb_g_dl", "clinical", "g/dL", 1, 25, None, "haemoglobin"),
    ("platelets_g_l", "clinical", "10*9/L", 0, 3000, None, "platelets"),
    ("ldh_u_l", "clinical", "U/L", 10, 50000, None, "lactate dehydrogenase"),
    ("bm_blasts_pct", "clinical", "%", 0, 100, None, "blasts in bone marrow"),
    ("pb_blasts_pct", "clinical", "%", 0, 100, None, "blasts in peripheral blood"),
    ("splenomegaly", "clinical", "1", 0, 1, None, "enlarged spleen: 1 yes, 0 no"),
    ("aml_type", "clinical", None, None, None, "AML|sAML|tAML|oAML",
     "de novo, secondary, therapy-related or other AML"),
    ("family_donor", "clinical", "1", 0, 1, None, "matched related donor available: 1 yes, 0 no"),
    ("tx_atra", "treatment", "1", 0, 1, None,
     "allocated to all-trans retinoic acid; missing read as 0"),
    ("tx_vpa", "treatment", "1", 0, 1, None, "allocated to valproic acid; missing read as 0"),
    ("trial", "design", None, None, None, "AMLHD98A|AMLHD98B|AMLSG0704",
     "trial: HD98A up to 60 years, HD98B over 60, 07-04 up to 60"),
)  # fmt: skip
_STARTED: Final = {
    "allogeneic_transplant": "first transplant, related, unrelated or haploidentical donor",
    "autologous_transplant": "first transplant, own stem cells",
    "transplant_unknown_donor": "first transplant, donor not recorded",
}


def variable_rows(lesions: Sequence[str]) -> DataFrame:
    """Return the variables table of the cohort with these lesion columns."""
    rows: list[dict[str, object]] = [
        {"table": names.PATIENTS, "role": ROLE_COVARIATE, **dict(zip(_FIELDS, row, strict=True))}
        for row in _BASELINE
    ]
    for lesion in lesions:
        cytogenetic = lesion.startswith(CYTOGENETIC_PREFIX)
        rows.append(
            {
                "name": lesion,
                "table": names.GENOMICS,
                "role": ROLE_COVARIATE,
                "group": "cytogenetic" if cytogenetic else "gene",
                "unit": "1",
                "min": 0,
                "max": 1,
                "description": "cytogenetic lesion" if cytogenetic else "driver mutation",
            }
        )
    rows += [
        {
            "name": treatment,
            "table": names.TREATMENTS,
            "role": "treatment",
            "description": description,
        }
        for treatment, description in _STARTED.items()
    ]
    return DataFrame(rows)
