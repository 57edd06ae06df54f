"""The quality report of a cohort as a page of its own."""

from __future__ import annotations

import os
from pathlib import Path

from twinbayes.cohort.quality.report import QualityReport
from twinbayes.report.html.page import PageSection, compose_page, write_page


def write_quality_page(report: QualityReport, out: str | os.PathLike[str]) -> Path:
    """Write the quality report as one self-contained HTML file, small cells suppressed."""
    page = compose_page(
        f"Data quality: {report.name}",
        [PageSection.of(report)],
        strip="DATA QUALITY",
        simulated=report.simulated,
    )
    return write_page(out, page)
