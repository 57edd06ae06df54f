"""A small study of four sites, up to the first expansion."""

from __future__ import annotations

import pytest

from federation_study import SITES, Told, before, cohort_of, driven, network, spec_of
from twinbayes.federation import Study


@pytest.fixture(scope="session")
def early(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All messages before the second expansion."""
    study = Study(spec_of("age_years", "sex", "mark"), SITES, draws=400)
    cohorts = {site: cohort_of(table) for site, table in network().items()}
    return driven(study, cohorts, tmp_path_factory.mktemp("early"), before("expansion", 1))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All messages of a study."""
    study = Study(spec_of("age_years", "mark"), SITES, draws=400, seed=3)
    cohorts = {site: cohort_of(table) for site, table in network().items()}
    return driven(study, cohorts, tmp_path_factory.mktemp("whole"))
