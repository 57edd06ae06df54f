"""Tables in, a validated :class:`Cohort` out."""

from twinbayes.cohort.aggregate import Aggregate, read_aggregate
from twinbayes.cohort.newcomer import NEW_CENTRE, new_patient
from twinbayes.cohort.quality import QualityReport
from twinbayes.cohort.reading import read_cohort
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.validation import cohort_from_tables

__all__ = [
    "NEW_CENTRE",
    "Aggregate",
    "Cohort",
    "QualityReport",
    "cohort_from_tables",
    "new_patient",
    "read_aggregate",
    "read_cohort",
]
