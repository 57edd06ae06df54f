"""Tables in, a validated `Cohort` out."""

from twinbayes.cohort.aggregate import Aggregate, read_aggregate
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.importing.proposing.draft import propose_mapping
from twinbayes.cohort.importing.running import import_cohort
from twinbayes.cohort.newcomer import NEW_CENTRE, new_patient
from twinbayes.cohort.quality.report import QualityReport
from twinbayes.cohort.reading import read_cohort
from twinbayes.cohort.record import Cohort

__all__ = [
    "NEW_CENTRE",
    "Aggregate",
    "Cohort",
    "QualityReport",
    "cohort_from_tables",
    "import_cohort",
    "new_patient",
    "propose_mapping",
    "read_aggregate",
    "read_cohort",
]
