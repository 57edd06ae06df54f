"""Tables in, a validated :class:`Cohort` out."""

from twinbayes.cohort.newcomer import NEW_CENTRE, new_patient
from twinbayes.cohort.quality import QualityReport
from twinbayes.cohort.reading import read_cohort
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.validation import cohort_from_tables

__all__ = [
    "NEW_CENTRE",
    "Cohort",
    "QualityReport",
    "cohort_from_tables",
    "new_patient",
    "read_cohort",
]
