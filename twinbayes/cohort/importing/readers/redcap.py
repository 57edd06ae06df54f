"""REDCap: a CSV export of raw data beside its data dictionary.

Rows of a repeating instrument become a table of that name, all other rows the table ``records``.
Choices of the dictionary say what codes mean; checkboxes are columns such as ``comorbidity___1``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.readers.csv_files import read_text_table, text_files
from twinbayes.cohort.importing.source import Reader, SourceTable, folded

RECORDS: Final = "records"
_FIELD: Final = "variable / field name"
_FORM: Final = "form name"
_TYPE: Final = "field type"
_CHOICES: Final = "choices, calculations, or slider labels"
_REPEAT: Final = "redcap_repeat_instrument"
_CODED: Final = ("radio", "dropdown")
_YES_NO: Final[Mapping[str, dict[str, str]]] = {
    "yesno": {"1": "Yes", "0": "No"},
    "truefalse": {"1": "True", "0": "False"},
}
_CHECKBOX: Final = re.compile(r"(.+?)___(.+)")
_HEADER: Final = 4096  # bytes of a file in which a dictionary is recognised


def _is_dictionary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return folded(start.lstrip('"').partition("\n")[0]).startswith(_FIELD)


def _dictionaries(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return [p for p in text_files(path) if p.is_file() and _is_dictionary(p)]


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    dictionaries = _dictionaries(path)
    exports = [p for p in text_files(path) if p not in dictionaries]
    if len(dictionaries) != 1 or len(exports) != 1:
        problem = f"{len(exports)} exports and {len(dictionaries)} data dictionaries, not one each"
        faults.add("source-missing", path.name, problem)
        return []
    fields = read_text_table(dictionaries[0], mapping, faults, path)
    export = read_text_table(exports[0], mapping, faults, path)
    if fields is None or export is None:
        return []
    labels, forms = _labels(fields, faults)
    return _by_instrument(export, labels, forms, faults)


def _labels(
    fields: SourceTable, faults: Faults
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Field -> code -> label, and field -> form."""
    labels: dict[str, dict[str, str]] = {}
    forms: dict[str, str] = {}
    at = {name: place[0] for name in (_FIELD, _FORM, _TYPE) if (place := fields.places(name))}
    choices = next(
        (k for k, name in enumerate(fields.header) if folded(name).startswith(_CHOICES[:7])), None
    )
    if len(at) < 3 or choices is None:
        problem = "a column of field names, forms, types or choices is not there"
        faults.add("dictionary-malformed", fields.name, problem)
        return {}, {}
    for number, row in zip(fields.numbers, fields.rows, strict=True):
        name, form, kind = (str(row[at[key]]).strip() for key in (_FIELD, _FORM, _TYPE))
        forms[name] = form
        if kind in _YES_NO:
            labels[name] = _YES_NO[kind]
        elif kind in _CODED or kind == "checkbox":
            coded = _choices(str(row[choices]))
            if coded is None:
                faults.add(
                    "dictionary-malformed", fields.name, "the choices cannot be read",
                    column=fields.header[choices], rows=[number],
                )  # fmt: skip
            elif kind in _CODED:
                labels[name] = coded
    return labels, forms


def _choices(text: str) -> dict[str, str] | None:
    """``1, Male | 2, Female`` as code -> label, or None."""
    out: dict[str, str] = {}
    for part in text.split("|"):
        code, comma, label = part.partition(",")
        if not comma or not code.strip() or code.strip() in out:
            return None
        out[code.strip()] = label.strip()
    return out


def _by_instrument(
    export: SourceTable,
    labels: Mapping[str, Mapping[str, str]],
    forms: Mapping[str, str],
    faults: Faults,
) -> list[SourceTable]:
    """Cut the export at its column of repeating instruments: one table each, with its fields."""
    place = export.places(_REPEAT)
    of_row = [str(row[place[0]]).strip() if place else "" for row in export.rows]
    known = {form for form in forms.values() if form}
    # The export says instruments by name, or by label: "Lab results" is lab_results.
    named = {folded(form.replace("_", " ")): form for form in known}
    instruments = [named.get(folded(i.replace("_", " ")), i) for i in of_row]
    repeating = {i for i in instruments if i}
    tables = []
    for instrument in ("", *sorted(repeating)):
        taken = [k for k, own in enumerate(instruments) if own == instrument]
        columns = [
            k for k, column in enumerate(export.header)
            if _belongs(_field(column), instrument, repeating, forms)
        ]  # fmt: skip
        others = sorted(set(range(len(export.header))) - set(columns))
        wrong = [export.numbers[k] for k in taken
                 if any(str(export.rows[k][c]).strip() for c in others)]  # fmt: skip
        if wrong:
            problem = "the row has values of another instrument"
            faults.add("instrument-misplaced", export.name, problem, rows=wrong)
        tables.append(
            SourceTable(
                name=instrument or RECORDS,
                header=tuple(export.header[k] for k in columns),
                rows=[[export.rows[k][c] for c in columns] for k in taken],
                numbers=[export.numbers[k] for k in taken],
                blank=() if instrument else export.blank,
                labels=labels,
            )
        )
    return tables


def _field(column: str) -> str:
    """The field of a column; checkboxes have one column a choice."""
    found = _CHECKBOX.fullmatch(column)
    return column if found is None else found[1]


def _belongs(field: str, instrument: str, repeating: set[str], forms: Mapping[str, str]) -> bool:
    """Whether a field is of an instrument; identifiers and fields of no form are of all."""
    form = forms.get(field, field.removesuffix("_complete"))
    first = next(iter(forms), None)
    if field == first or (form not in repeating and field not in forms):
        return True
    return form == instrument if instrument else form not in repeating


READERS: Final = {
    "redcap": Reader(
        what="REDCap: a folder with a CSV export of raw data and its data dictionary",
        recognises=lambda path: bool(_dictionaries(path)),
        read=_read,
        whole=True,
        rank=2,
    )
}
