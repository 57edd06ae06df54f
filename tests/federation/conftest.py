"""A small study: the embedded registry's events without curves, by three sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed

import numpy as np
import pytest
from twinbayes.federation.crude import Counts

import twinbayes as tb
from twinbayes.federation.coordinates import Coordinates, population_model
from twinbayes.model import Learnt, ModelSpec
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
    model = population_model(spec, plan.learnt, tb.load_priors("registry"), counts)
    centre = cohort.patients[CENTRE].astype(str)
    labels = sorted(set(centre))
    named = {
        f"site_{k}": cohort.select(list(cohort.patients.loc[centre.isin(some), PATIENT_ID]))
        for k, some in enumerate((labels[:1], labels[1:2], labels[2:]), 1)
    }
    coordinates = Coordinates.of(spec, plan.learnt, model)
    return Small(spec, cohort, plan.learnt, counts, coordinates, named)
