"""A workbook to be filled in, with drop-downs and headers in a language, and the mapping of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.importing.mapping.description import SCHEMA
from twinbayes.documents import yaml_text
from twinbayes.errors import CohortError, StorageError, require_known
from twinbayes.private_files import require_writable, write_private

LANGUAGES: Final = ("en", "it")
DATE: Final = "date"
TEXT: Final = "text"
_LISTS: Final = "lists"
_ROWS: Final = 1000  # that have drop-downs and formats
_FORMATS: Final = {DATE: "dd/mm/yyyy", TEXT: "@"}
_HEAD: Final = (
    "# The mapping of a workbook made by `twinbayes import --template`. Correct units and ranges\n"
    "# of variables, and add your own here and on the sheet 'lists'.\n"
)

# Word of this package -> the same in each language.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    names.PATIENT_ID: ("Patient", "Paziente"),
    "origin": ("Date of diagnosis", "Data diagnosi"),
    names.SUBGROUP: ("Diagnosis", "Diagnosi"),
    names.CENTRE: ("Centre", "Centro"),
    "birth": ("Date of birth", "Data di nascita"),
    "sex": ("Sex", "Sesso"),
    "vital_status": ("Vital status", "Stato in vita"),
    "death_day": ("Date of death", "Data decesso"),
    "last_day": ("Date of last contact", "Data ultimo contatto"),
    names.DAY: ("Date", "Data"),
    names.MARKER: ("Measurement", "Misura"),
    names.VISIT_VALUE: ("Value", "Valore"),
    names.EVENT: ("Event", "Evento"),
    names.TREATMENT: ("Treatment", "Terapia"),
    "start_day": ("Start", "Inizio"),
    "stop_day": ("End", "Fine"),
    "female": ("female", "femmina"),
    "male": ("male", "maschio"),
    names.LAST_CONTACT: ("alive", "in vita"),
    names.DEATH: ("dead", "deceduto"),
    "complete_remission": ("complete remission", "remissione completa"),
    "relapse": ("relapse", "recidiva"),
    "haemoglobin": ("haemoglobin g/dL", "emoglobina g/dL"),
    "platelet_count": ("platelets 10^9/L", "piastrine 10^9/L"),
    "global_health": ("global health 0-100", "salute globale 0-100"),
    "chemotherapy": ("chemotherapy", "chemioterapia"),
    "allogeneic_transplant": ("allogeneic transplantation", "trapianto allogenico"),
}
#: Column with a drop-down -> what may be chosen.
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "sex": ("female", "male"),
    "vital_status": (names.LAST_CONTACT, names.DEATH),
    names.EVENT: ("complete_remission", "relapse"),
    names.MARKER: ("haemoglobin", "platelet_count", "global_health"),
    names.TREATMENT: ("chemotherapy", "allogeneic_transplant"),
}
#: Sheet -> its columns, and what their cells are where not anything.
_SHEETS: Final[Mapping[str, Mapping[str, str | None]]] = {
    names.PATIENTS: {
        names.PATIENT_ID: TEXT, "origin": DATE, names.SUBGROUP: TEXT, names.CENTRE: TEXT,
        "birth": DATE, "sex": None, "vital_status": None, "death_day": DATE, "last_day": DATE,
    },
    names.VISITS: {
        names.PATIENT_ID: TEXT, names.DAY: DATE, names.MARKER: None, names.VISIT_VALUE: None,
    },
    names.EVENTS: {names.PATIENT_ID: TEXT, names.DAY: DATE, names.EVENT: None},
    names.TREATMENTS: {
        names.PATIENT_ID: TEXT, "start_day": DATE, "stop_day": DATE, names.TREATMENT: None,
    },
}  # fmt: skip


def write_template(path: str | Path, language: str = "en") -> tuple[Path, Path]:
    """Write a workbook to be filled in, and beside it the mapping that reads it.

    Parameters
    ----------
    path
        The workbook, ending in ``.xlsx``; the mapping has the same name and ends in ``.yaml``.
    language
        Of headers and drop-downs, ``"en"`` or ``"it"``; the mapping reads both.

    Returns
    -------
    tuple
        The workbook and the mapping.

    Raises
    ------
    OptionError
        If the language is unknown.
    StorageError
        If one of the files is there already, or cannot be written.
    CohortError
        If openpyxl is not installed.

    Examples
    --------
    >>> [path.name for path in write_template("registry.xlsx", language="it")]
    ['registry.xlsx', 'registry.yaml']
    """
    place = LANGUAGES.index(require_known(language, LANGUAGES, "language"))
    book = Path(path)
    mapping = book.with_suffix(".yaml")
    if book.suffix != ".xlsx":
        raise StorageError(f"{book.name!r} does not end in .xlsx. Name a workbook.")
    for target in (book, mapping):
        if target.exists():
            raise StorageError(
                f"{target.name!r} is there already, and is not written over. Give another name."
            )
        require_writable(target)
    content = _workbook(place)
    return write_private(book, content), write_private(mapping, _HEAD, yaml_text(_mapping()))


def _workbook(place: int) -> bytes:
    try:
        import openpyxl
        from openpyxl.utils import get_column_letter
    except ImportError as error:
        raise CohortError(
            "A template is a workbook, and needs openpyxl. Install twinbayes[excel]."
        ) from error
    book = openpyxl.Workbook()
    book.remove(book.active)
    for sheet, columns in _SHEETS.items():
        made = book.create_sheet(sheet)
        made.append([_WORDS[name][place] for name in columns])
        made.freeze_panes = "A2"
        for k, (name, what) in enumerate(columns.items(), 1):
            letter = get_column_letter(k)
            made.column_dimensions[letter].width = 24
            if what is not None:
                for row in range(2, _ROWS + 1):
                    made.cell(row, k).number_format = _FORMATS[what]
            _validate(made, letter, name, what)
    lists = book.create_sheet(_LISTS)
    for k, (name, choices) in enumerate(_CHOICES.items(), 1):
        for row, word in enumerate((name, *choices), 1):
            lists.cell(row, k).value = _WORDS[word][place]
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _validate(sheet: Any, letter: str, name: str, what: str | None) -> None:
    """Give a column its drop-down, or allow dates alone."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    if name in _CHOICES:
        own = get_column_letter(list(_CHOICES).index(name) + 1)
        # Room for choices that people add below.
        rule = DataValidation(type="list", formula1=f"={_LISTS}!${own}$2:${own}$40")
    elif what == DATE:
        rule = DataValidation(type="date", operator="greaterThan", formula1="DATE(1900,1,1)")
    else:
        return
    rule.showErrorMessage = True
    rule.add(f"{letter}2:{letter}{_ROWS}")
    sheet.add_data_validation(rule)


def _mapping() -> dict[str, Any]:
    """The mapping of the workbook in any language."""

    def column(name: str, **more: Any) -> Any:
        spellings = list(dict.fromkeys(_WORDS[name]))
        if name in _CHOICES:
            values = {word: own for own in _CHOICES[name] for word in _WORDS[own]}
            more["values"] = values
        return {"column": spellings, **more} if more else spellings

    patient = {names.PATIENT_ID: column(names.PATIENT_ID)}
    date = "%d/%m/%Y"
    clinical = {"table": names.PATIENTS, "group": "clinical"}
    return {
        "schema": SCHEMA,
        "name": "registry",
        "simulated": False,
        "dates": date,
        "tables": {
            names.PATIENTS: {
                "table": names.PATIENTS,
                "origin": column("origin"),
                "columns": {
                    **patient,
                    names.SUBGROUP: column(names.SUBGROUP),
                    names.CENTRE: column(names.CENTRE),
                    "age_years": column("birth", date=date),
                    "sex": column("sex"),
                },
            },
            names.VISITS: {
                "table": names.VISITS,
                "columns": patient
                | {n: column(n) for n in (names.DAY, names.MARKER, names.VISIT_VALUE)},
            },
            names.EVENTS: [
                {
                    "table": names.PATIENTS,
                    "columns": patient,
                    "closing": {
                        "vital_status": column("vital_status"),
                        "death": column("death_day"),
                        "last_contact": column("last_day"),
                    },
                },
                {
                    "table": names.EVENTS,
                    "columns": patient | {n: column(n) for n in (names.DAY, names.EVENT)},
                },
            ],
            names.TREATMENTS: {
                "table": names.TREATMENTS,
                "columns": patient
                | {n: column(n) for n in ("start_day", "stop_day", names.TREATMENT)},
            },
        },
        "variables": {
            "age_years": {**clinical, "unit": "a", "min": 0, "max": 120},
            "sex": {**clinical, "levels": list(_CHOICES["sex"])},
            "haemoglobin": {"table": names.VISITS, "unit": "g/dL", "min": 1, "max": 25},
            "platelet_count": {"table": names.VISITS, "unit": "10*9/L", "min": 0, "max": 3000},
            "global_health": {"table": names.VISITS, "role": "qol", "min": 0, "max": 100},
            **{name: {"table": names.TREATMENTS} for name in _CHOICES[names.TREATMENT]},
        },
    }
