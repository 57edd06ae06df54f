"""Phenopackets v2 of GA4GH as JSON: a file each, or lists of them, into tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.readers.clinical_json.files import (
    JSON,
    json_files,
    start_of,
    text_of,
)
from twinbayes.cohort.importing.readers.clinical_json.packets import Packets
from twinbayes.cohort.importing.readers.clinical_json.phenopacket_form import misfit
from twinbayes.cohort.importing.readers.clinical_json.strict_text import JsonError, items, parse
from twinbayes.cohort.importing.source import Reader, SourceTable

_TABLE: Final = "phenopackets"
_MARKS: Final = re.compile(r'"(?:metaData|phenotypicFeatures|subject)"\s*:')
_OTHER: Final = '"resourceType"'
_OTHER_VERSION: Final = Problem("phenopacket-version", "it is not of version 2")
_OTHER_KIND: Final = Problem("phenopacket-form", "it is a family or a cohort, no phenopacket")
_MOST_FAULTS: Final = 100  # of one file


def _recognises(path: Path) -> bool:
    starts = (start_of(one) for one in json_files(path, (JSON,)))
    return any(_MARKS.search(text) and _OTHER not in text for text in starts)


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    files = json_files(path, (JSON,))
    folder = path if path.is_dir() else None
    packets, n, read = Packets(), len(faults), False
    for k, file in enumerate(files):
        # Files may be named after patients: messages tell them by their position.
        name = _TABLE if len(files) == 1 else f"{_TABLE}, file {k + 1} by name"
        text = text_of(file, name, faults, folder)
        if text is not None:
            read = _take_all(text, name, k, packets, faults) or read
    if not read and len(faults) == n and files:
        faults.add("source-empty", _TABLE, "there is no phenopacket in it")
    return packets.tables(len(files))


def _take_all(text: str, name: str, file: int, packets: Packets, faults: Faults) -> bool:
    """Add the phenopacket of a file, or each of its list; returns whether there was any."""
    listed = text.lstrip(" \t\r\n").startswith("[")
    number = found = 0
    try:
        for number, packet in enumerate(items(text) if listed else [parse(text)], 1):
            problem = _unfit(packet) or packets.take(packet, file, number)
            if problem is not None:
                found += 1
                said = f"phenopacket {number}: {problem.text}"
                faults.add(problem.rule, name, said, rows=[number])
            if found >= _MOST_FAULTS:
                break
    except JsonError as error:
        said = f"after phenopacket {number}: {error.problem.text}"
        faults.add(error.problem.rule, name, said, rows=[number + 1])
    return number > 0


def _unfit(packet: Any) -> Problem | None:
    """What makes a value no phenopacket of version 2."""
    if isinstance(packet, dict):
        if "members" in packet or "proband" in packet:
            return _OTHER_KIND
        about = packet.get("metaData")
        version = about.get("phenopacketSchemaVersion") if isinstance(about, dict) else None
        if isinstance(version, str) and version.split(".")[0] != "2":
            return _OTHER_VERSION
    return misfit(packet)


READERS: Final = {
    "phenopackets": Reader(
        what="Phenopackets v2: a JSON file of one or a list, or a folder of them",
        recognises=_recognises,
        read=_read,
        whole=True,
        rank=3,
    )
}
