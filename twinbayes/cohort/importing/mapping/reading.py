"""A mapping file read: every fault at once, each with its line, the rule and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.importing.mapping.building import FAULTY, Noted, Place, build_record
from twinbayes.cohort.importing.mapping.checking import check
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.documents import Lines, read_yaml_lines
from twinbayes.errors import CohortError

_LINE: Final = re.compile(r", line ([0-9]{1,9})")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadMapping:
    """A mapping with the name of its file and the lines of its parts."""

    file: str
    mapping: MappingFile
    lines: Lines

    def line(self, *place: str | int) -> int:
        """Line of a part, or of the nearest part around it that the file has."""
        return _line(place, self.lines)


def read_mapping(path: str | Path) -> ReadMapping:
    """Read a mapping file.

    Parameters
    ----------
    path
        The YAML file; ``data_schemas/mapping/v1.schema.json`` has its form.

    Raises
    ------
    CohortError
        All that is wrong with the file, each with its line; also as ``.faults``, where rows are
        lines and columns are places in the file.

    Examples
    --------
    >>> table = {"id": [1, 2], "diagnosis": ["aml", "apl"], "status": ["dead", "alive"]}
    >>> pd.DataFrame(table | {"last_contact": [310, 505]}).to_csv("export.csv", index=False)
    >>> from pathlib import Path
    >>> size = Path("map.yaml").write_text(tb.propose_mapping("export.csv"))
    >>> read_mapping("map.yaml").mapping.name
    'export'
    """
    path = Path(path)
    faults = import_faults("The mapping is refused", "Rows are its lines.")
    if not is_ordinary_file(path):
        faults.add("mapping-unreadable", path.name, "there is no such file")
        faults.raise_if_any()
    try:
        document, lines = read_yaml_lines(path, CohortError)
    except CohortError as error:
        problem = str(error).removeprefix(f"{path.name}: ").rstrip(".")
        at = _LINE.search(problem)
        faults.add("mapping-unreadable", path.name, problem, rows=[int(at[1])] if at else None)
        faults.raise_if_any()
        raise
    noted = Noted()
    made = mapping_of(document, noted)
    for line, place, rule, text in sorted(
        {
            (_line(place, lines), _words(place), rule, text): None
            for place, rule, text in noted.found
        },
        key=lambda fault: fault[0],
    ):
        faults.add(rule, path.name, text, column=place or None, rows=[line])
    faults.raise_if_any()
    if not isinstance(made, MappingFile):
        raise CohortError(f"{path.name}: the mapping cannot be made. Compare docs/import.md.")
    made = replace(made, views=tuple(str(path.parent / view) for view in made.views))
    return ReadMapping(file=path.name, mapping=made, lines=lines)


def mapping_of(document: Mapping[Any, Any], noted: Noted) -> object:
    """Make the mapping of a document, noting every fault; `FAULTY` if there is any."""
    made = build_record(MappingFile, document, (), noted)
    if isinstance(made, MappingFile):
        check(made, noted)
    return FAULTY if noted.found else made


def _line(place: Place, lines: Lines) -> int:
    """Line of a place, or of the nearest place around it; a single part is the first of a list."""
    found: Place = ()
    for part in place:
        if (*found, part) in lines:
            found = (*found, part)
        elif part != 0:
            break
    return lines[found]


def _words(place: Place) -> str:
    """``tables.visits[2].columns``; positions count from 1."""
    out = ""
    for part in place:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else part
    return out
