"""What a fact of a fit is: where in it that lies, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from twinbayes.cohort import QualityReport
from twinbayes.inference import Fit
from twinbayes.inference.densities.log_prior import used_priors

type Told = Mapping[str, str]
"""Label and value, each in words; nothing of it names a patient or counts fewer than 5."""


@dataclass(frozen=True)
class Subject:
    """A fit, and what several facts need of it, computed once."""

    fit: Fit

    @cached_property
    def quality(self) -> QualityReport:
        """The quality report of its cohort."""
        return self.fit.cohort.quality()

    @cached_property
    def used_priors(self) -> frozenset[str]:
        """Names of the entries of the prior set that the model took."""
        return used_priors(self.fit)


@dataclass(frozen=True)
class Fact:
    """One answer that a fit gives of itself.

    Attributes
    ----------
    where
        Part of the fit from which it is computed.
    of
        From a fit to labels and values; empty where the fit has none.
    """

    where: str
    of: Callable[[Subject], Told]
