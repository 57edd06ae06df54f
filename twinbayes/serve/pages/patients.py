"""The list of patients.

A search may be by an identifier, so that it is sent as a form, and does not stand in any address.
"""

from __future__ import annotations

from typing import Any, Final

from twinbayes.serve.access import Right
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.pages.page import Asked, Page

_MOST: Final = 200  # lines of the list
_EVERYONE: Final = "everyone"


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The patients that a search finds."""
    rows = asked.explorer.rows
    sought = "" if asked.sent is None else asked.field("q")
    query, who = sought.casefold(), asked.field("who")
    chosen = {name: asked.field(name) for name in ("subgroup", "centre", "state")}

    def is_found(row: PatientRow) -> bool:
        if row.has_ended and who != _EVERYONE:
            return False
        if any(value and getattr(row, name) != value for name, value in chosen.items()):
            return False
        return not query or query in asked.name_of(row).casefold()

    found = [row for row in rows if is_found(row)]
    # What may need somebody's eye comes first.
    # The order of the cohort would tell who is who: names that are shown have the last word.
    found.sort(key=lambda row: (row.has_ended, -row.n_missing, asked.name_of(row)))
    return "patients.html.jinja", {
        "rows": found[:_MOST],
        "n_found": len(found),
        "n_all": len(rows),
        "most": _MOST,
        "query": sought,
        "beside": asked.explorer.by_pseudonym.get(asked.field("beside")),
        "everyone": who == _EVERYONE,
        "chosen": chosen,
        "choices": {
            name: sorted({str(getattr(row, name)) for row in rows})
            for name in ("subgroup", "centre", "state")
        },
    }


PATIENTS: Final = Page(
    "patients", "/", Right.PATIENTS, True, show, takes_forms=True, keeps=("beside",)
)
