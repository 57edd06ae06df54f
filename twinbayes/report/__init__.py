"""Reports: evidence, shown by a table of sections, in one self-contained HTML file."""

from twinbayes.report.figures.picture import Picture
from twinbayes.report.patient.evidence import (
    PatientEvidence,
    collect_patient,
)
from twinbayes.report.patient.reporting import twin_report
from twinbayes.report.patient.scenarios import (
    default_scenarios,
    require_scenarios_of,
    scenario_from_words,
    scenarios_from_json,
    scenarios_to_json,
)
from twinbayes.report.reviewer.evidence import ReviewEvidence, collect
from twinbayes.report.reviewer.handed.handover import (
    read_checks,
    read_effects,
    write_checks,
    write_effects,
)
from twinbayes.report.reviewer.reviewing import review

__all__ = [
    "PatientEvidence",
    "Picture",
    "ReviewEvidence",
    "collect",
    "collect_patient",
    "default_scenarios",
    "read_checks",
    "read_effects",
    "require_scenarios_of",
    "review",
    "scenario_from_words",
    "scenarios_from_json",
    "scenarios_to_json",
    "twin_report",
    "write_checks",
    "write_effects",
]
