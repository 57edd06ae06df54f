"""Reports: pictures, evidence, and notebooks turned into one self-contained HTML file."""

from twinbayes.report.evidence import Evidence, collect
from twinbayes.report.handover import read_checks, write_checks
from twinbayes.report.picture import Picture
from twinbayes.report.reviewing import review

__all__ = ["Evidence", "Picture", "collect", "read_checks", "review", "write_checks"]
