"""Tables in, a validated :class:`Cohort` out."""

from twinbayes.cohort.record import Cohort

__all__ = ["Cohort"]
