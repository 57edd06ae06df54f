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
from twinbayes.cohort.adapters.amlsg_variables import (
    CYTOGENETIC_PREFIX,
    OTHER_COLUMNS,
    PATIENT_COLUMNS,
    TRANSPLANTS,
    variable_rows,
)
from twinbayes.cohort.contract.files import FIRST_DATA_ROW
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.errors import CohortError

_CLINICAL: Final = "AMLSG_Clinical_Anon.RData"
_GENETIC: Final = "AMLSG_Genetic.txt"
_CLASSES: Final = "AMLSG_Classification.txt"
# Lesions taken from the clinical table, where all assays of a gene are merged.
_MERGED_GENES: Final = ("CEBPA", "FLT3", "IDH2", "NPM1")


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
    if path is None:
        raise CohortError(
            "amlsg: no path. Give the folder with the files of the data folder of "
            "gerstung-lab/AML-multistage."
        )
    for file in (_CLINICAL, _GENETIC, _CLASSES):
        if not (path / file).is_file():
            raise CohortError(
                f"amlsg: {file} is missing. Copy the whole data folder of "
                "gerstung-lab/AML-multistage."
            )
    clinical = _clinical(path / _CLINICAL)
    calls, excluded = _calls(
        _text_table(path / _GENETIC, ("SAMPLE_NAME", "GENE", "AA_CHANGE", "FINAL_CALL")),
        clinical.index,
    )
    genomics = _genomics(clinical, calls)
    classes = _text_table(path / _CLASSES, ("ID", "Overall_classification"))
    return cohort_from_tables(
        "amlsg",
        {
            names.PATIENTS: _patients(clinical, classes),
            names.GENOMICS: genomics.reset_index(names=names.PATIENT_ID),
            names.EVENTS: _events(clinical),
            names.TREATMENTS: _treatments(clinical),
            names.VARIABLES: variable_rows(list(genomics.columns)),
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
    expected = {"PDID", "gender", *PATIENT_COLUMNS.values(), *OTHER_COLUMNS}
    if not isinstance(table, DataFrame) or not expected <= set(table.columns):
        raise CohortError(
            f"amlsg: {path.name} does not hold the published table clinicalData. Copy the file "
            "again."
        )
    return table.set_axis(Series(table["PDID"].astype(str).to_numpy()), axis=0)


def _text_table(path: Path, columns: Sequence[str]) -> DataFrame:
    # These files mix quotation, line ends and codes such as "na"; nothing is interpreted here.
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except ValueError:  # decoding and parsing errors inherit it
        table = DataFrame()
    if not set(columns) <= set(table.columns):
        raise CohortError(
            f"amlsg: {path.name} lacks columns {', '.join(columns)}. Copy the file again."
        )
    return table


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
        lesions[CYTOGENETIC_PREFIX + column] = _float(clinical[column])
    lesions[CYTOGENETIC_PREFIX + "complex_karyotype"] = _float(clinical["complex"])
    return DataFrame(lesions)


def _float(values: Series) -> Series:
    return values.astype("Float64").astype(float)


def _patients(clinical: DataFrame, classes: DataFrame) -> DataFrame:
    subgroup = classes.set_index("ID")["Overall_classification"].reindex(clinical.index)
    columns = {
        name: _float(clinical[column])
        if pd.api.types.is_numeric_dtype(clinical[column].dtype)
        else clinical[column].astype(object)
        for name, column in PATIENT_COLUMNS.items()
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
    dated = {
        "complete_remission": clinical["CR_date"],
        "relapse": clinical["Recurrence_date"],
        names.DEATH: clinical["OS"].where(died),
        names.LAST_CONTACT: clinical["OS"].where(~died),
    }
    return pd.concat(
        [
            DataFrame({names.PATIENT_ID: clinical.index, names.DAY: _float(days).to_numpy()})
            .dropna()
            .assign(event=event)
            for event, days in dated.items()
        ],
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
            names.TREATMENT: [TRANSPLANTS.get(value, value) for value in kind[done]],
        }
    )
