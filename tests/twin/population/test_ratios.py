"""Hazard ratios of one patient: the hazards of a twin are those of the fused likelihood."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.model import ModelSpec
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import log_likelihood
from twinbayes.model.spec import ModelPlan
from twinbayes.names import CENTRE, SUBGROUP
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import course_record, patient_ratios


def test_a_known_patient_has_the_likelihood_of_the_fit_with_every_term_of_the_hazard(
    every_hazard_term: tuple[Cohort, ModelSpec, ModelPlan, xr.Dataset],
) -> None:
    cohort, spec, plan, posterior = every_hazard_term
    process, learnt = spec.events, plan.learnt
    draws = EventDraws.from_posterior(posterior, learnt.encoding)
    wanted = log_likelihood(draws, plan.events.data)
    varying = process.varying(learnt.encoding, learnt.edges)
    population = Population.from_draws(draws, learnt.encoding, learnt.edges, varying)
    design, place = plan.events.design, cohort.patients
    known = np.flatnonzero(~(design.variances > 0.0).any(axis=1))
    acting = {f for r, i in enumerate(plan.events.rows.patient) if i in known
              for f in plan.events.rows.effects[r]}  # fmt: skip
    assert {f >= draws.n_treatments + draws.n_eras for f in acting} == {True, False}
    for i in known:
        labels = str(i), str(place[SUBGROUP].iloc[i]), str(place[CENTRE].iloc[i])
        ratios = patient_ratios(population, process, learnt.encoding, design, i, labels)
        record = course_record(population, ratios, plan.events.data, i)
        found = record.loglik(population.frailty)
        np.testing.assert_allclose(found, wanted[:, i], rtol=1e-11)
