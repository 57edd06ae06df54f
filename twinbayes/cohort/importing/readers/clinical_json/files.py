"""JSON files of a source: which there are, how messages call them, and their text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.importing.source import MOST_BYTES

NDJSON: Final = ".ndjson"
JSON: Final = ".json"
LONGEST_LINE: Final = 16 * 1024 * 1024  # bytes of one resource
_LOOKED_AT: Final = 64 * 1024  # bytes by which a file is recognised
_BOM: Final = b"\xef\xbb\xbf"
#: Names that a server gives to files of one type; others may be those of patients.
_OF_TYPE: Final = re.compile(r"([A-Z][A-Za-z]{2,40})(?:[._-][0-9]{1,3})?\.ndjson(?:\.gz)?")


def json_files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The file, or the files of a folder that end so, by name; packed ones are among them."""
    if not path.is_dir():
        return [path] if path.suffix.lower() in suffixes else []
    try:
        return sorted(p for p in path.iterdir() if (p.suffix.lower() in suffixes or _is_packed(p)))
    except OSError:
        return []


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst") and any(
        s.lower() in (NDJSON, JSON) for s in path.suffixes
    )


def start_of(path: Path) -> str:
    """The beginning of a file as text, by which it is recognised; blank if it cannot be read."""
    if not is_ordinary_file(path):
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT).decode("utf-8", "replace")
    except OSError:
        return ""


def called(path: Path, position: int, types: Collection[str]) -> str:
    """What messages call a file: its name may be a patient's, unless it is that of a type."""
    found = _OF_TYPE.fullmatch(path.name)
    known = found is not None and found[1] in types
    return path.name if known else f"file {position + 1} by name"


def lines_of(
    path: Path, name: str, faults: Faults, folder: Path | None
) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file that hold anything, one in memory at a time."""
    if not _is_readable(path, name, faults, folder):
        return
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    problem = f"line {number} is longer than {LONGEST_LINE >> 20} MiB"
                    faults.add("source-too-large", name, problem, rows=[number])
                    return
                if number == 1:
                    line = line.removeprefix(_BOM)
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError:
                    faults.add("source-encoding", name, f"line {number}: no UTF-8", rows=[number])
                    continue
                if not text.isspace():
                    yield number, text
    except OSError:
        faults.add("source-unreadable", name, "it may not be read")


def text_of(path: Path, name: str, faults: Faults, folder: Path | None) -> str | None:
    """The text of a file, or None with a fault noted."""
    if not _is_readable(path, name, faults, folder):
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            faults.add("source-too-large", name, f"it is larger than {MOST_BYTES >> 20} MiB")
            return None
        return content.decode("utf-8-sig")
    except OSError:
        faults.add("source-unreadable", name, "it may not be read")
    except UnicodeDecodeError:
        faults.add("source-encoding", name, "it is not UTF-8")
    return None


def _is_readable(path: Path, name: str, faults: Faults, folder: Path | None) -> bool:
    if not is_ordinary_file(path, folder):
        faults.add("source-irregular", name, "it is no ordinary file of this folder")
        return False
    if _is_packed(path):
        faults.add("source-packed", name, "it is packed")
        return False
    return True
