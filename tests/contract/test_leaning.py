"""Effects on worse and better transitions that lean together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pymc as pm
from scipy import linalg

import twinbayes as tb
from tests.support.models.standardised import offsets
from twinbayes.cohort import Cohort
from twinbayes.model import Encoding
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.centring import plane_of_sum_zero


def test_shared_effects_are_mixed_by_direction_and_keep_their_scale(
    cohort_of: Callable[[str], Cohort],
) -> None:
    spec, cohort = replace(tb.disease("registry"), trajectories=None), cohort_of("registry")
    worse = ("remission->relapse", "relapse->death_after_relapse")
    better = ("induction->remission",)
    events = replace(spec.events, worse=worse, better=better)
    model = tb.assemble(replace(spec, events=events), cohort, tb.load_priors("aml"))
    parts = ("offset", "sharing", "scale", "effect")
    names = [f"subgroup_{x}" for x in parts]
    names += ["beta_offset", "covariate_sharing", "covariate_scale"]
    drawn = pm.draw([model[n] for n in (*names, "beta")], random_seed=2, mode="FAST_COMPILE")
    level = dict(zip(parts, drawn[:4], strict=True))
    z, ratio, scale, beta = drawn[4:]
    encoding = Encoding.learn(spec.events.covariates, cohort)
    plan = events.plan(cohort)
    crude = Crude(plan)
    group = [encoding.groups.index(c.group) for c in encoding.columns]
    sign = np.array([float(x in worse) - float(x in better) for x in spec.graph.labels])

    def root(of: float) -> np.ndarray:
        """What makes offsets share `of` times what they have in common; rows of length 1."""
        joint = np.eye(len(sign)) + of**2 * np.outer(sign, sign)
        return np.asarray(linalg.sqrtm(joint)) / np.sqrt(np.diag(joint))[:, None]

    own = np.empty_like(beta)
    for g in range(len(encoding.groups)):
        mine = np.flatnonzero(np.array(group) == g)
        axes, told = crude.told(mine).along_axes(np.eye(len(mine)))
        own[mine] = offsets(z[mine].T, axes, told, scale[g][:, None]).T
    mixed = np.stack([root(ratio[g]) @ row for g, row in zip(group, own, strict=True)])
    np.testing.assert_allclose(beta, scale[group] * mixed, atol=1e-10)
    n = len(plan.encoding.subgroups)
    levels = crude.told(len(encoding.columns) + np.arange(n))
    axes, told = levels.along_axes(plane_of_sum_zero(n))
    own = offsets(level["offset"], axes, told, level["scale"][:, None])
    mixed = root(float(level["sharing"])) @ own
    np.testing.assert_allclose(level["effect"], level["scale"][:, None] * mixed, atol=1e-10)
    np.testing.assert_allclose(level["effect"].sum(axis=1), 0.0, atol=1e-12)
