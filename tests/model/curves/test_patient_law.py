"""Patients' coefficients have the law of the model, whatever their visits say beforehand."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy import stats

import twinbayes as tb
from chance import drawn_seed
from twinbayes.model.curves.patients import OwnCoefficients, Spreads


def test_coefficients_are_normal_around_their_means_with_the_given_covariance() -> None:
    spec = tb.disease("registry")
    plan = spec.plan(tb.datasets.registry()).curves
    assert plan is not None
    learnt = plan.learnt
    index = learnt.varying
    labels = tuple(learnt.labels[k] for k in index)
    n, width = len(plan.visits[0].count), len(index)
    natural, level = np.ones(len(learnt.labels)), np.zeros(len(learnt.labels))
    own = OwnCoefficients(labels, index, plan.visits, natural, level, ())
    rng = np.random.default_rng(drawn_seed())
    root = np.tril(rng.normal(size=(width, width)))
    root[range(width), range(width)] = rng.uniform(0.2, 2.0, width)
    mean = rng.normal(size=(n, len(learnt.labels)))
    spreads = Spreads(*(pt.as_tensor(x) for x in (root, root @ root.T, np.ones(width))))
    coords = {"patient": range(n), "patient_term": labels, "patient_term_again": labels}
    with pm.Model(coords=coords):
        whole = own.build(pt.as_tensor(mean), spreads)
        drawn = np.asarray(pm.draw(whole, draws=40, random_seed=rng))
    off = (drawn - mean)[:, :, index]
    independent = np.linalg.solve(root, off.reshape(-1, width).T)
    for row in independent:  # the smallest p is below 1e-6 once in a hundred thousand runs
        assert stats.kstest(row, "norm").pvalue > 1e-6
    np.testing.assert_allclose(np.corrcoef(independent), np.eye(width), atol=0.06)
