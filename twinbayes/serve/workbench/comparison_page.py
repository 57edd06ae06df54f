"""The page on which two fits are compared."""

from __future__ import annotations

import math
from typing import Any, Final

from twinbayes.serve.language import Language
from twinbayes.serve.pages.page import Asked, RefusedError
from twinbayes.serve.workbench.comparing import Estimate, Pair
from twinbayes.serve.workbench.workbench import Workbench

_MOST: Final = 50  # estimates that are listed
_BARS: Final = (0.1, 0.5, 1.0)  # pooled standard deviations
_DIGITS: Final = {"max_rhat": 3, "min_ebfmi": 2, "elpd": 1, "elpd_error": 1}


def show_comparison(bench: Workbench, asked: Asked) -> tuple[str, dict[str, Any]]:
    """Data, scores, models, priors and estimates of both fits, side by side."""
    found, other, t = bench.comparison, bench.other, asked.language
    if found is None or other is None:
        raise RefusedError(404)
    variables = sorted({e.variable for e in found.estimates}, key=t.name)
    chosen = asked.field("variable")
    if chosen and chosen not in variables:
        raise RefusedError(400)
    some = [e for e in found.estimates if not chosen or e.variable == chosen]
    sizes = [abs(e.difference) for e in found.estimates if math.isfinite(e.difference)]
    return "workbench/compare.html.jinja", {
        "found": found,
        "hashes": (asked.explorer.fit_hash, bench.other_hash),
        "created": [str(fit.manifest.get("created", "")) for fit in (bench.fit, other)],
        "names": [t.name(fit.spec.name) for fit in (bench.fit, other)],
        "data": [_told(t, pair) for pair in found.data],
        "groups": [
            ("compare.subgroups", [_told(t, pair) for pair in found.subgroups]),
            ("compare.events", [_told(t, pair) for pair in found.events]),
        ],
        "scores": [
            (t(f"compare.{n}"), _score(t, n, a), _score(t, n, b)) for n, a, b in found.scores
        ],
        "beyond": [(t.number(bar, 1), sum(x > bar for x in sizes)) for bar in _BARS],
        "n_estimates": len(found.estimates),
        "n_found": len(some),
        "estimates": [_row(t, e) for e in some[:_MOST]],
        "most": _MOST,
        "variables": variables,
        "chosen": chosen,
    }


def _told(t: Language, pair: Pair) -> tuple[str, str, str]:
    """Name and both values of a line about data."""
    keys = {"fingerprint", "patients", "centres"}
    name = t(f"compare.{pair.name}") if pair.name in keys else t.name(pair.name)
    if pair.name == "fingerprint":
        return name, pair.a[:16] + "…", pair.b[:16] + "…"
    a, b = (t.size(text) if text else "–" for text in (pair.a, pair.b))
    return name, a, b


def _score(t: Language, name: str, value: float | None) -> str:
    if value is None:
        return t("compare.not_stored")
    if name == "usable":
        return t("verdict.usable" if value else "verdict.not_for_use")
    return t.number(value, _DIGITS.get(name, 0))


def _row(t: Language, e: Estimate) -> tuple[str, ...]:
    difference = t.number(e.difference, 2) if math.isfinite(e.difference) else "–"
    numbers = (t.number(x, 3) for x in (e.mean_a, e.sd_a, e.mean_b, e.sd_b))
    return t.name(e.variable), t.name(e.entry) if e.entry else "", *numbers, difference
