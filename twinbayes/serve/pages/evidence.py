"""What there is to know of the fit."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.serve.access import Right
from twinbayes.serve.pages.page import Asked, Page


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The model, its patients in counts that may be shown, and the verdict with its reasons."""
    explorer, fit = asked.explorer, asked.explorer.fit
    return "evidence.html.jinja", {
        "model": asked.language.name(fit.spec.name),
        "n_patients": fit.cohort.n_patients,
        "sizes": {
            asked.language.name(k): asked.language.size(v)
            for k, v in explorer.subgroup_sizes.items()
        },
        "created": str(fit.manifest.get("created", "")),
        "hash": explorer.fit_hash,
        "reasons": fit.verdict.reasons,
    }


EVIDENCE: Final = Page("evidence", "/evidence", Right.EVIDENCE, False, show)
