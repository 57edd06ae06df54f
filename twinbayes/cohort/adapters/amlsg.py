"""AMLSG: 1,540 adults with acute myeloid leukaemia of three trials, as published.

Reads the files of the `data` folder of the repository gerstung-lab/AML-multistage
(GPL-3) that accompany Papaemmanuil et al., N Engl J Med 2016;374:2209-21 and
Gerstung et al., Nat Genet 2017;49:332-40, and codes lesions as those authors did. Day 0
is diagnosis. The published karyotype texts and ITD reads are not needed: the clinical
table already holds what was called from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.adapters.tables import Publication, dated
from twinbayes.cohort.contract.raw_tables import FIRST_DATA_ROW, is_ordinary_file
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import ROLE_COVARIATE
from twinbayes.errors import CohortError

_CLINICAL: Final = "AMLSG_Clinical_Anon.RData"
_GENETIC: Final = "AMLSG_Genetic.txt"
_CLASSES: Final = "AMLSG_Classification.txt"
# Lesions taken from the clinical table, where all assays of a gene are merged.
_MERGED_GENES: Final = ("CEBPA", "FLT3", "IDH2", "NPM1")
_CALL_COLUMNS: Final = ("SAMPLE_NAME", "GENE", "AA_CHANGE", "FINAL_CALL")
_CLASS_COLUMNS: Final = ("ID", "Overall_classification")
_PUBLICATION: Final = Publication(
    adapter="amlsg",
    give="Give the folder with the files of the data folder of gerstung-lab/AML-multistage.",
    remedy="Copy the file again.",
)
_CYTOGENETIC_PREFIX: Final = "cyto_"

# Column of the cohort's patients -> column of the published clinical table.
_PATIENT_COLUMNS: Final = {
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
# Further columns of the clinical table that the adapter needs.
_OTHER_COLUMNS: Final = (
    "Center", "Status", "OS", "CR_date", "Recurrence_date", "TPL_date", "TPL_type",
    "NPM1", "CEBPA", "FLT3_ITD", "FLT3_TKD", "FLT3_other", "MLL_PTD",
    "inv3_t3_3", "mono4_4q_abn4q", "t_9_11", "t_v_11", "complex",
)  # fmt: skip
# Type of transplant in the clinical table -> treatment. Related (ALLO), unrelated (FREMD) and
# haploidentical donors are allogeneic; the source does not know the donor of six transplants.
_TRANSPLANTS: Final = {
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


def read_amlsg(path: Path | None) -> Cohort:
    """Read the published AMLSG files.

    Parameters
    ----------
    path
        Folder with the files of the publication's ``data`` folder.

    Raises
    ------
    CohortError
        If a file is missing or altered, or the optional package ``rdata`` is not installed.
    """
    folder = _PUBLICATION.place(path)
    for file in (_CLINICAL, _GENETIC, _CLASSES):
        if not is_ordinary_file(folder / file):
            raise CohortError(
                f"amlsg: {file} is missing. Copy the whole data folder of "
                "gerstung-lab/AML-multistage."
            )
    clinical = _clinical(folder / _CLINICAL)
    calls, excluded = _calls(_text_table(folder / _GENETIC, _CALL_COLUMNS), clinical.index)
    genomics = _genomics(clinical, calls)
    classes = _text_table(folder / _CLASSES, _CLASS_COLUMNS)
    return cohort_from_tables(
        "amlsg",
        {
            names.PATIENTS: _patients(clinical, classes),
            names.GENOMICS: genomics.reset_index(names=names.PATIENT_ID),
            names.EVENTS: _events(clinical),
            names.TREATMENTS: _treatments(clinical),
            names.VARIABLES: _variables(list(genomics.columns)),
        },
        excluded=excluded,
        source={
            "title": "AMLSG adult AML, trials AML-HD98A, AML-HD98B and AMLSG 07-04",
            "origin": "data folder of gerstung-lab/AML-multistage; Papaemmanuil et al. 2016, "
            "Gerstung et al. 2017",
            "licence": "GPL-3",
            "note": "days from diagnosis; four relapses have no remission date; centres are "
            "anonymous numbers",
        },
    )


def _clinical(path: Path) -> DataFrame:
    try:
        import rdata
    except ImportError as error:
        raise CohortError(
            "amlsg: the optional package rdata is not installed. Install twinbayes[examples]."
        ) from error
    # Two follow-up columns are R `difftime`; as plain numbers they are days.
    constructors: dict[str | bytes, Any] = dict(rdata.conversion.DEFAULT_CLASS_MAP)
    constructors["difftime"] = lambda values, attributes: values
    try:
        table = rdata.read_rda(path, constructor_dict=constructors).get("clinicalData")
    except Exception:  # a parser of binary files fails in as many ways as files are damaged
        table = None
    expected = {"PDID", "gender", *_PATIENT_COLUMNS.values(), *_OTHER_COLUMNS}
    if not isinstance(table, DataFrame) or not expected <= set(table.columns):
        raise CohortError(
            f"amlsg: {path.name} does not hold the published table clinicalData. Copy the file "
            "again."
        )
    return table.set_axis(Series(table["PDID"].astype(str).to_numpy()), axis=0)


def _text_table(file: Path, columns: Sequence[str]) -> DataFrame:
    # These files mix quotation, line ends and codes such as "na"; nothing is interpreted here.
    return _PUBLICATION.read(file, columns, sep="\t", dtype=str, keep_default_na=False)


def _calls(genetic: DataFrame, patients: pd.Index) -> tuple[DataFrame, DataFrame]:
    """Return the accepted variant calls of the patients, and list the rows left out."""
    accepted = genetic["FINAL_CALL"] == "OK"
    known = genetic["SAMPLE_NAME"].isin(patients)
    reasons = {
        "call-not-accepted": ("the final call is not OK", ~accepted),
        "no-clinical-record": ("the sample has no clinical record", accepted & ~known),
    }
    listed = [
        {"table": _GENETIC, "row": int(row) + FIRST_DATA_ROW, "rule": rule, "reason": reason}
        for rule, (reason, mask) in reasons.items()
        for row in genetic.index[mask]
    ]
    return genetic[accepted & known], DataFrame(listed)


def _genomics(clinical: DataFrame, calls: DataFrame) -> DataFrame:
    genes = sorted(set(calls["GENE"]) - set(_MERGED_GENES))
    mutated = pd.crosstab(calls["SAMPLE_NAME"], calls["GENE"]) > 0
    mutated = mutated.reindex(index=clinical.index, columns=genes, fill_value=False)
    lesions: dict[str, Series] = {gene: mutated[gene].astype(float) for gene in genes}
    idh2 = calls[calls["GENE"] == "IDH2"]
    for codon in ("R140", "R172"):
        carriers = idh2.loc[idh2["AA_CHANGE"].str.contains(codon), "SAMPLE_NAME"]
        lesions[f"IDH2_{codon}"] = Series(clinical.index.isin(carriers), clinical.index, float)
    lesions["NPM1"] = _float(clinical["NPM1"])
    alleles = _float(clinical["CEBPA"])
    lesions["CEBPA_mono"] = (alleles == 1).astype(float)
    lesions["CEBPA_bi"] = (alleles == 2).astype(float)
    for lesion in ("FLT3_ITD", "FLT3_TKD", "FLT3_other", "MLL_PTD"):
        lesions[lesion] = _float(clinical[lesion])
    # The published table keeps its cytogenetic lesions between MLL_PTD and the counts of them,
    # and two late additions at its end.
    between = clinical.loc[:, "inv3_t3_3":"mono4_4q_abn4q"].columns
    for column in (*between, "t_9_11", "t_v_11"):
        lesions[_CYTOGENETIC_PREFIX + column] = _float(clinical[column])
    lesions[_CYTOGENETIC_PREFIX + "complex_karyotype"] = _float(clinical["complex"])
    return DataFrame(lesions)


def _float(values: Series) -> Series:
    return values.astype("Float64").astype(float)


def _patients(clinical: DataFrame, classes: DataFrame) -> DataFrame:
    subgroup = classes.set_index("ID")["Overall_classification"].reindex(clinical.index)
    columns = {
        name: _float(clinical[column])
        if pd.api.types.is_numeric_dtype(clinical[column].dtype)
        else clinical[column].astype(object)
        for name, column in _PATIENT_COLUMNS.items()
    }
    # The authors' code reads a missing randomisation as not allocated.
    given = {name: columns[name].fillna(0.0) for name in ("tx_atra", "tx_vpa")}
    sex: Mapping[int, str] = {1: "male", 2: "female"}
    return DataFrame(
        {
            names.PATIENT_ID: clinical.index,
            names.SUBGROUP: subgroup.to_numpy(),
            names.CENTRE: ("centre_" + clinical["Center"].astype(str)).to_numpy(),
            "sex": clinical["gender"].astype(int).map(sex).to_numpy(),
            **{name: values.to_numpy() for name, values in (columns | given).items()},
        }
    )


def _events(clinical: DataFrame) -> DataFrame:
    died = clinical["Status"] == 1
    happened = {
        "complete_remission": clinical["CR_date"],
        "relapse": clinical["Recurrence_date"],
        names.DEATH: clinical["OS"].where(died),
        names.LAST_CONTACT: clinical["OS"].where(~died),
    }
    return pd.concat(
        [dated(clinical.index, _float(days), event).dropna() for event, days in happened.items()],
        ignore_index=True,
    )


def _treatments(clinical: DataFrame) -> DataFrame:
    kind = clinical["TPL_type"].astype(object)
    done = kind.notna()
    return DataFrame(
        {
            names.PATIENT_ID: clinical.index[done],
            "start_day": _float(clinical["TPL_date"])[done].to_numpy(),
            # An unforeseen type passes as it is, to be refused as undeclared.
            names.TREATMENT: [_TRANSPLANTS.get(value, value) for value in kind[done]],
        }
    )


def _variables(lesions: Sequence[str]) -> DataFrame:
    """Return the variables table of the cohort with these lesion columns."""
    rows: list[dict[str, object]] = [
        {"table": names.PATIENTS, "role": ROLE_COVARIATE, **dict(zip(_FIELDS, row, strict=True))}
        for row in _BASELINE
    ]
    for lesion in lesions:
        cytogenetic = lesion.startswith(_CYTOGENETIC_PREFIX)
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


ADAPTERS: Final = {"amlsg": read_amlsg}
