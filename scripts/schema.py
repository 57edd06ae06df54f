"""Write docs/schema.md: every variable of a fit and of a forecast, from `twinbayes.schema`."""

from __future__ import annotations

import sys
from pathlib import Path

from twinbayes import schema

TARGET = Path(__file__).resolve().parents[1] / "docs" / "schema.md"
_HEAD = """# Variables

Written by `scripts/schema.py` from `twinbayes/schema.py`; a test holds it to what fits and
forecasts have. A fit's draws are an `xarray.DataTree` (`fit.datatree`), a forecast is an
`xarray.Dataset`. Days count from the patient's origin in a fit, from the landmark in a forecast.
A word in braces stands for a marker, a kind of pooling or a part of it, or the number of a block,
where a model has several.
"""
_EACH = "Each has the dims chain and draw as well."
_COLUMNS = "| variable | dims | unit | meaning |\n|---|---|---|---|"
_PARTS = (
    ("Fit of patients: group `posterior`", _EACH, schema.POSTERIOR),
    ("Fit of aggregate data: group `posterior`", f"{_EACH} What a pooling adds of its own "
     "is named after it.", schema.AGGREGATE),
    ("Group `sample_stats`", _EACH, schema.SAMPLE_STATS),
    ("Group `constant_data`", "What a fit of patients keeps beside its draws.", schema.CONSTANTS),
    ("`Twin.forecast`", "Posterior means; the ends of the interval have the suffixes `_lower` and "
     "`_upper`, all draws, if asked for, `_draws` (and the dim sample).", schema.FORECAST),
    ("`Twin.contrast`", "With suffixes as above; a is the first scenario, b the second.",
     schema.CONTRAST),
    ("`Twin.quality_adjusted_time`", "With suffixes as above.", schema.QUALITY),
)  # fmt: skip


def page() -> str:
    """Return the page."""
    out = [_HEAD]
    for heading, prose, rows in _PARTS:
        out.append(
            f"## {heading}\n\n{prose}\n\n| variable | dims | unit | meaning |\n|---|---|---|---|"
        )
        out += [
            f"| `{row.name}` | {', '.join(row.dims) or 'none'} | {row.unit} | {row.meaning} |"
            for row in rows
        ]
        out.append("")
    return "\n".join(out)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} written\n")
