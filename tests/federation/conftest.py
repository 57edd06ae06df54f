"""Small studies: the embedded registry's events by three sites, and a made-up network of four."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import pytest

import twinbayes as tb
from federation_study import SITES, Told, before, cohort_of, driven, network, spec_of
from twinbayes.federation import Study
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.assemble import assemble_population
from twinbayes.model.events.crude import Crude
from twinbayes.names import CENTRE, PATIENT_ID


@dataclass(frozen=True)
class Small:
    """A model, everybody, what was learnt from everybody, and sites."""

    spec: ModelSpec
    cohort: tb.Cohort
    learnt: Learnt
    counts: Counts
    coordinates: Coordinates
    sites: Mapping[str, tb.Cohort]

    def somewhere(self, seed: int) -> np.ndarray:
        """A point near crude rates."""
        rng = np.random.default_rng(seed)
        return self.counts.start(self.coordinates) + rng.normal(0.0, 0.2, self.coordinates.size)


@pytest.fixture(scope="session")
def small() -> Small:
    whole = tb.disease("registry")
    spec = changed(whole, trajectories=None, associations=())
    cohort = tb.datasets.registry()
    plan = spec.plan(cohort)
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(plan.learnt.encoding.subgroups))
    model = assemble_population(spec, plan.learnt, tb.load_priors("registry"), counts)
    centre = cohort.patients[CENTRE].astype(str)
    labels = sorted(set(centre))
    named = {
        f"site_{k}": cohort.select(list(cohort.patients.loc[centre.isin(some), PATIENT_ID]))
        for k, some in enumerate((labels[:1], labels[1:2], labels[2:]), 1)
    }
    coordinates = Coordinates.of(spec, plan.learnt, model)
    return Small(spec, cohort, plan.learnt, counts, coordinates, named)


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
