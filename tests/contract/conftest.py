"""A small synthetic cohort for any disease, made from its specification alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from twinbayes.cohort import Cohort
from twinbayes.diseases import DISEASES
from twinbayes.diseases.synthetic import synthetic_cohort


@pytest.fixture(scope="session")
def cohort_of() -> Callable[[str], Cohort]:
    """Return the synthetic cohort of a disease by name."""
    return cache(lambda name: synthetic_cohort(DISEASES[name]()))
