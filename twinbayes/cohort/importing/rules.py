"""Rules of imports, each with its remedy; those of the data contract hold besides."""

from __future__ import annotations

from typing import Final

from twinbayes.cohort.contract.faults import FROM_HEADER, RULES, Faults

IMPORT_RULES: Final[dict[str, str]] = {
    # --- the mapping file; rows are its lines
    "mapping-unreadable": "Write the mapping as one YAML file; docs/import.md has an example.",
    "key-unknown": "Correct the key, or remove it.",
    "key-missing": "Add the key.",
    "value-kind": "Write what the key expects; data_schemas/mapping/v1.schema.json says it.",
    "name-unknown": "Correct the name, or declare it under variables.",
    "contradiction": "Keep one of the two.",
    "date-format": "Write a format of %d, %m, %Y and if needed %y, %H, %M, %S: '%d/%m/%Y'.",
    "origin-undeclared": "Add origin to the patients part: the column with the date of day 0.",
    # --- the source
    "source-missing": "Give the file or folder that the hospital exported.",
    "source-irregular": "Give ordinary files: pipes, devices and links that lead out of the folder "
    "are not read.",
    "source-unreadable": "Export the file again; nothing of it was used.",
    "source-too-large": "Split the file, or leave out what is not mapped.",
    "source-encoding": "Save the file as UTF-8, or declare its encoding in the mapping.",
    "source-empty": "Export the table with a header row.",
    "source-row-length": "Give the row as many cells as the header has; quote cells that contain "
    "the delimiter.",
    "source-table-missing": "Correct the table in the mapping, or add the file or sheet.",
    "source-table-ambiguous": "Write the name of the file or sheet in full.",
    "source-column-missing": "Correct the column in the mapping, or add another spelling of it.",
    "source-column-ambiguous": "Keep the one spelling in the mapping that is meant, or rename one "
    "of the columns.",
    "source-packed": "Unpack the file.",
    # --- clinical JSON
    "json-invalid": "Export the file again: a line of NDJSON, and a file of JSON, is one value.",
    "json-key-twice": "Keep one of the keys; which of the values holds nobody can tell.",
    "json-number": "Write a finite number of at most 60 digits.",
    "json-depth": "Export the file again; nothing of the standard is nested so deep.",
    "json-surrogate": "Export the file again as UTF-8.",
    "resource-type": "Give resources of FHIR R4: files of one type (NDJSON), or bundles (JSON).",
    "resource-id": "Export resources with their 'id': letters, digits, '-' and '.', at most 64.",
    "resource-twice": "Export each resource once, in its present version; keep one of the files.",
    "modifier-extension": "Export the resource without what changes its meaning, or leave it out.",
    "patient-replaced": "Merge the two records at the source, and export them again.",
    "bundle-type": "Give current resources, not a history or the response to a request.",
    "bundle-entry": "Give each entry of the bundle a resource.",
    "bundle-page": "Give all pages of the search.",
    "reference-kind": "Refer to a resource of the export as Type/id, or by its fullUrl.",
    "reference-server": "Give resources of one server: identifiers of two may be the same.",
    "view-malformed": "Correct the view definition; data_schemas/fhir/v1 has examples.",
    "view-several": "Pick one value in the path of the view by where or first().",
    "view-no-cell": "Go on in the path of the view to a value.",
    "view-path": "Correct the path of the view.",
    "date-partial": "Fill in month and day, or leave the resource out by where.",
    "time-zones": "Export times on the clock of one place, or dates without times.",
    "not-an-age": "Write ages as durations of ISO 8601, such as P25Y3M2D.",
    "time-kind": "Tell times as ages, or as timestamps; of one patient not some so, some so.",
    "phenopacket-form": "Correct the phenopacket; the schema of version 2 says its keys.",
    "phenopacket-version": "Convert the file to Phenopackets version 2.",
    "lookup-several": "Pick one of the rows by where, first or last.",
    "lookup-order": "Pick by another column, whose cells are dates or numbers.",
    "dictionary-malformed": "Export the data dictionary again; choices are '1, Male | 2, Female'.",
    "instrument-misplaced": "Export the raw data again, with the data dictionary of the same day.",
    "sample-unknown": "Add the sample to data_clinical_sample.txt, or leave its mutations out.",
    "sample-twice": "Keep one row a sample.",
    # --- cells
    "value-unmapped": "Add the value to values in the mapping, or to missing; put codes that begin "
    "with 0 in quotes.",
    "not-a-number": "Write a plain number with the decimal mark that the mapping declares, without "
    "marks for thousands.",
    "limit-misplaced": "Values of visits alone may be limits such as '<0.01'; of other numbers say "
    "under limits of the column what stands for them: {column: ..., limits: half}.",
    "not-a-date": "Write the date in the format that the mapping declares.",
    "date-in-the-future": "Correct the date, or the format (of a year of two digits, 00 to 68 are "
    "2000 to 2068); a code for no date, such as 31/12/9999, belongs under missing.",
    "after-data-cutoff": "Correct the date, or data_cutoff: the day of the export, after which "
    "nothing was known.",
    "calendar-date": "Declare date in the mapping, so that the date becomes days since the origin; "
    "in names and identifiers, replace it.",
    "origin-blank": "Fill in the date of day 0; the patient cannot be dated without it.",
    "birth-after-origin": "Check the dates of birth and of day 0; years of two digits, 00 to 68, "
    "are 2000 to 2068.",
    "unknown-patient": "Add the patient to the patients table, or set unknown_patients: list in "
    "the mapping.",
    "unit-unknown": "Write the unit in UCUM, such as g/dL, 10*9/L or mmol/L.",
    "unit-incompatible": "Correct one of the two units; for mass to substance give molar_mass.",
    "unit-other": "Say the unit of the column, and take rows of that unit by where.",
    "unit-blank": "Fill in the unit, or declare one unit for the column.",
    "censoring-contradiction": "Give the limit as '<0.01', or by the column of censoring; not "
    "differently by both.",
    "several-values": "Take one of them by where in the mapping, such as the one at baseline.",
    "variable-undeclared": "Say under values which variable it is, declare it under variables, or "
    "leave its rows out by where.",
    "closing-blank": "Fill in the vital status and the date that belongs to it.",
    "closing-contradiction": "Correct the vital status, the date of death or the last contact.",
    "excel-error": "Correct the formula that gives the error, and save the workbook.",
    "formula-unsaved": "Open the workbook, let it calculate, and save it; or paste values.",
    # --- rules of the contract whose remedy lies in the mapping
    "missing-code": "Add the code to missing in the mapping, or say under values what it means.",
    "not-allowed": "Say under values in the mapping which of them it means.",
    "level-undeclared": "Say under values in the mapping which level it means, or add it to the "
    "levels of the variable.",
    "unknown-marker": "Say under values which marker it is, declare the marker under variables, or "
    "leave its rows out by where.",
    "unknown-treatment": "Say under values which treatment it is, declare the treatment under "
    "variables, or leave its rows out by where.",
    "variable-without-column": "Map a column to the variable, or remove it from variables.",
    "below-minimum": "Check value and unit, or declare a smaller min under variables.",
    "above-maximum": "Check value and unit, or declare a larger max under variables.",
    "before-origin": "Check the dates of the cell and of day 0.",
    "not-text": "Say under values in the mapping what the number means.",
}  # fmt: skip

#: Rows that are left out and listed: rule -> reason.
LISTED: Final[dict[str, str]] = {
    "blank-row": "every cell is blank",
    "not-selected": "no part of the mapping takes the row",
    "no-value": "every value that the mapping reads of the row is blank",
    "unknown-patient": "the patient is not in the patients table",
    "withdrawn": "the record is entered in error, refuted or deleted",
    "not-in-view": "its state is none of data, or the view leaves it out",
    "excluded": "the record says what the patient has not",
}

_ALL: Final = {**RULES, **IMPORT_RULES}


def import_faults(what: str = "The import is refused", counted: str = FROM_HEADER) -> Faults:
    """Return an empty collection of faults of an import."""
    return Faults(_ALL, what, counted)
