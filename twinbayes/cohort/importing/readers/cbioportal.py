"""cBioPortal: the folder of a study, with clinical attributes, mutations and the timeline.

Read are ``data_clinical_patient.txt``, ``data_clinical_sample.txt`` (also with an ``s``),
``data_mutations*.txt`` or ``.maf``, and ``data_timeline*.txt``. Samples get what the case list and
the gene panels say of them, mutations their patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.proposing.cbioportal import draft_cbioportal
from twinbayes.cohort.importing.readers.csv_files import text_of
from twinbayes.cohort.importing.source import Reader, SourceTable

PATIENTS: Final = ("data_clinical_patient.txt", "data_clinical_patients.txt")
SAMPLES: Final = ("data_clinical_sample.txt", "data_clinical_samples.txt")
PANELS: Final = "data_gene_panel_matrix.txt"
SEQUENCED: Final = ("case_lists", "cases_sequenced.txt")
_MUTATIONS, _TIMELINE = "data_mutations", "data_timeline"
_PATIENT, _SAMPLE, _BARCODE = "PATIENT_ID", "SAMPLE_ID", "Tumor_Sample_Barcode"
_PANEL: Final = "mutations"  # column of the matrix of gene panels
_LISTED: Final = "case_list_ids:"
_LONGEST: Final = 131_072  # characters of a cell, as of CSV files
_STRANGER: Final = Problem("sample-unknown", "the sample is not among the samples of the study")


def _recognises(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in PATIENTS)


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    try:
        names = sorted(p.name for p in path.iterdir() if p.suffix in (".txt", ".maf"))
    except OSError:
        faults.add("source-unreadable", path.name, "the folder may not be read")
        return []
    wanted = [
        name for name in names
        if name in (*PATIENTS, *SAMPLES, PANELS) or name.startswith((_MUTATIONS, _TIMELINE))
    ]  # fmt: skip
    tables = {}
    for name in wanted:
        table = _table(path / name, mapping, faults, path)
        if table is not None:
            tables[name] = table
    panels = tables.pop(PANELS, None)
    for name in (name for name in SAMPLES if name in tables):
        samples = tables[name]
        owners = _owners(samples, faults)
        if panels is not None and panels.places(_PANEL):
            given = _pairs(panels, _SAMPLE, _PANEL, faults)
            samples = _extended(samples, "GENE_PANEL", _SAMPLE, given, "")
        listed = _sequenced(path, mapping, faults)
        if listed is not None:
            samples = _extended(samples, "SEQUENCED", _SAMPLE, dict.fromkeys(listed, "yes"), "no")
        tables[name] = samples
        for other, table in tables.items():
            if other.startswith(_MUTATIONS) and not table.places(_PATIENT):
                tables[other] = _extended(table, _PATIENT, _BARCODE, owners, _STRANGER)
    return list(tables.values())


def _table(
    path: Path, mapping: MappingFile | Unmapped, faults: Faults, folder: Path
) -> SourceTable | None:
    """A table with tabs between cells, where no quotation marks are meant, below lines of ``#``."""
    text = text_of(path, mapping, faults, folder)
    if text is None:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    ended = not lines[-1]
    if ended:
        lines.pop()
    above = 0
    while above < len(lines) and lines[above].startswith("#"):
        above += 1
    header = lines[above].split("\t") if above < len(lines) else []
    if not any(name.strip() for name in header):
        faults.add("source-empty", path.name, "it has no header")
        return None
    rows: list[list[object]] = []
    numbers, blank, wrong, long = [], [], [], []
    last = len(lines) - above
    for number, line in enumerate(lines[above + 1 :], 2):
        cells = line.split("\t")
        if path.name.startswith(_MUTATIONS) and (ended or number < last):
            # Mutations may end with their last cell that is filled in.
            cells += [""] * (len(header) - len(cells))
        if not line.strip():
            blank.append(number)
        elif len(cells) != len(header):
            wrong.append(number)
        elif max(map(len, cells)) > _LONGEST:
            long.append(number)
        else:
            rows.append(list(cells))
            numbers.append(number)
    if wrong:
        problem = f"the row has not {len(header)} cells"
        faults.add("source-row-length", path.name, problem, rows=wrong)
    if long:
        faults.add("source-unreadable", path.name, "a cell is too long", rows=long)
    names = tuple(name.strip() for name in header)
    return SourceTable(name=path.name, header=names, rows=rows, numbers=numbers, blank=blank)


def _owners(samples: SourceTable, faults: Faults) -> dict[str, object]:
    """Sample -> its patient."""
    return _pairs(samples, _SAMPLE, _PATIENT, faults)


def _pairs(table: SourceTable, key: str, value: str, faults: Faults) -> dict[str, object]:
    """What a table says of each sample, once."""
    places = [table.places(name) for name in (key, value)]
    for name, at in zip((key, value), places, strict=True):
        if len(at) != 1:
            problem = "the column is not there" if not at else f"{len(at)} columns are called so"
            rule = "source-column-missing" if not at else "source-column-ambiguous"
            faults.add(rule, table.name, problem, column=name)
    if any(len(at) != 1 for at in places):
        return {}
    out: dict[str, object] = {}
    twice = []
    for number, row in zip(table.numbers, table.rows, strict=True):
        sample, said = (str(row[at[0]]).strip() for at in places)
        if sample in out:
            twice.append(number)
        out.setdefault(sample, said)
    if twice:
        faults.add("sample-twice", table.name, "the sample has a row already", column=key,
                   rows=twice)  # fmt: skip
    return out


def _sequenced(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[str] | None:
    """Samples of the case list of those that were sequenced, None where there is no such list."""
    place = path.joinpath(*SEQUENCED)
    if not place.exists() and not place.is_symlink():
        return None
    text = text_of(place, mapping, faults, path)
    lines = [] if text is None else text.splitlines()
    found = [line.removeprefix(_LISTED) for line in lines if line.startswith(_LISTED)]
    if text is not None and len(found) != 1:
        faults.add("source-unreadable", place.name, f"it has not one line of {_LISTED}")
    return [one.strip() for line in found for one in line.split("\t") if one.strip()]


def _extended(
    table: SourceTable, name: str, key: str, said: Mapping[str, object], otherwise: object
) -> SourceTable:
    """The table with a further column, by another."""
    at = table.places(key)
    cells = [said.get(str(row[at[0]]).strip(), otherwise) if at else "" for row in table.rows]
    return SourceTable(
        name=table.name,
        header=(*table.header, name),
        rows=[[*row, cell] for row, cell in zip(table.rows, cells, strict=True)],
        numbers=table.numbers,
        blank=table.blank,
    )


READERS: Final = {
    "cbioportal": Reader(
        what="cBioPortal: the folder of a study, with data_clinical_patient.txt",
        recognises=_recognises,
        read=_read,
        whole=True,
        rank=2,
        drafts=draft_cbioportal,
    )
}
