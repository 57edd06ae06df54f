"""Reports: pictures, evidence, and notebooks turned into one self-contained HTML file."""

from twinbayes.report.evidence import Evidence, collect
from twinbayes.report.handover import read_checks, read_effects, write_checks, write_effects
from twinbayes.report.patient import (
    PatientEvidence,
    collect_patient,
    default_scenarios,
    scenarios_from_json,
    scenarios_to_json,
)
from twinbayes.report.picture import Picture
from twinbayes.report.reviewing import review
from twinbayes.report.twin_reporting import twin_report

__all__ = [
    "Evidence",
    "PatientEvidence",
    "Picture",
    "collect",
    "collect_patient",
    "default_scenarios",
    "read_checks",
    "read_effects",
    "review",
    "scenarios_from_json",
    "scenarios_to_json",
    "twin_report",
    "write_checks",
    "write_effects",
]
