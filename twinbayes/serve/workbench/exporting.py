"""Sign-offs and comments as files: every line, after the chain was verified."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinbayes.serve.pages.page import Answer
from twinbayes.serve.workbench.review_page import ReviewPage
from twinbayes.serve.workbench.standing import standings

COLUMNS: Final = (
    "record", "created", "person", "role", "section", "heading", "decision", "meaning", "sentence",
    "language", "text", "answers", "version", "content", "fit", "hash",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(review: ReviewPage, records: Sequence[Mapping[str, Any]], _: str) -> Answer:
    """One row a line; a text that a spreadsheet would compute begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    of = _versions(review, records)
    for record in records:
        row = {**record, "version": of[record["record"]]}
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return _file(out.getvalue(), "csv", "text/csv")


def as_json(review: ReviewPage, records: Sequence[Mapping[str, Any]], fit: str) -> Answer:
    """Every record as the file has it, hashes included, so that the chain can be checked again."""
    of = _versions(review, records)
    found = {
        "format": 1,
        "fit": fit,
        "sections": [
            {"section": s.name, "heading": s.heading, "content": s.content} for s in review.sections
        ],
        "verified": True,
        "head": records[-1]["hash"] if records else "",
        "versions": {str(number): version for number, version in of.items()},
        "records": list(records),
    }
    return _file(json.dumps(found, indent=1, ensure_ascii=False), "json", "application/json")


def _versions(review: ReviewPage, records: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Number of a line → whether it is of the section as it is now."""
    found, rest = standings(review, records)
    lines = [*(line for one in found for line in one.lines), *rest]
    return {x.record["record"]: "current" if x.is_current else "earlier" for x in lines}


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _file(content: str, ending: str, media_type: str) -> Answer:
    name = f'attachment; filename="signatures.{ending}"'
    return Answer(content, media_type, headers={"content-disposition": name})
