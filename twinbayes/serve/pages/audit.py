"""The audit log, read."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.serve.access import Right
from twinbayes.serve.pages.page import Asked, Page

_MOST: Final = 200


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The last lines, verified, the newest first."""
    records = asked.audit.records()
    return "audit.html.jinja", {
        "records": records[: -_MOST - 1 : -1],
        "n_all": len(records),
        "head": records[-1]["hash"] if records else "",
    }


AUDIT: Final = Page("audit", "/audit", Right.AUDIT, False, show)
