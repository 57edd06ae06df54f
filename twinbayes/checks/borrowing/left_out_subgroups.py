"""How well a pooling foretells the treatment effects of a subgroup that it has not seen.

Given the hazards without treatment, what happened to a subgroup under a treatment enters as a
Poisson count, ``events * theta - expected * exp(theta)``. The hazards are those of one fit, so that
poolings are compared on the same counts; the effects, their mean and their spread are integrated
out, over all subgroups and again over all but one. The ratio of the two is the predictive
probability of the one (Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84, 802-829).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import gammaln, logsumexp

from twinbayes.arrays import Floats
from twinbayes.checks.borrowing.record_scores import RecordScores
from twinbayes.checks.result import CheckResult
from twinbayes.errors import ModelError
from twinbayes.inference import Fit
from twinbayes.model import Complete, Exchangeable, ExNex, NoPooling
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.names import CHAIN, DRAW, EFFECT, SUBGROUP, TREATMENT_SUBGROUP_EFFECT
from twinbayes.priors import PriorEntry

_SYMMETRIC: Final = (NoPooling, Complete, Exchangeable, ExNex)
_MEANS: Final = 80  # quantiles of the prior of the mean, of that of the spread,
_SPREADS: Final = 24
_LAWS: Final = 200  # and draws from the law of an unseen subgroup at each pair


def left_out_subgroups(
    fit: Fit, poolings: Mapping[str, Pooling], *, draws: int = 400
) -> CheckResult:
    """Score poolings of treatment effects on each subgroup in turn, from the others alone.

    Parameters
    ----------
    fit
        Gives the hazards without treatment; its own pooling of the effects hardly matters.
    poolings
        Name -> strategy. Without pooling, an unseen subgroup has the prior of its own.
    draws
        Posterior draws to take the mean hazards over.

    Returns
    -------
    CheckResult
        One row a pooling, best first: ``elpd``, the sum of the log predictive probabilities of the
        events of the subgroups; the ``difference`` to the best and its ``standard_error``,
        subgroups paired; then the elpd of each subgroup.

    Raises
    ------
    ModelError
        The model has no treatment effects, hazards that follow trajectories, or events between
        two days; or a pooling under which subgroups are not all alike, or an unseen one unknown.

    Examples
    --------
    >>> poolings = {"alike": Exchangeable(), "one": Complete()}
    >>> found = left_out_subgroups(fit, poolings)  # doctest: +SKIP
    >>> sorted(found.table["pooling"])  # doctest: +SKIP
    ['alike', 'one']
    """
    effects = fit.spec.graph.effects
    if not effects or not poolings or draws < 1:
        raise ModelError(
            "Scores of left-out subgroups need a model with treatment effects, at least one "
            "pooling, and at least one draw."
        )
    if len(fit.plan.events.data.course_patient):
        raise ModelError(
            "Some events of this cohort lie between two days: they are no counts under a "
            "treatment. Left-out subgroups are scored where every event is dated."
        )
    for name, pooling in poolings.items():
        if not isinstance(pooling, _SYMMETRIC):
            raise ModelError(
                f"Pooling {name!r} says nothing of a subgroup that it has not seen, or treats one "
                "subgroup unlike the others, and cannot be scored on each in turn. Known: "
                f"{', '.join(x.__name__ for x in _SYMMETRIC)}."
            )
    events, expected = treated_counts(fit, draws=draws)
    present = (expected > 0.0).any(axis=0)
    elpd = {}
    for name, pooling in poolings.items():
        total = np.zeros(expected.shape[1])
        for k, effect in enumerate(effects):
            mean = fit.priors.get_entry("treatment_effect", effect.label)
            spread = fit.priors.get_entry("treatment_heterogeneity", effect.label)
            total += unseen_scores(pooling, mean, spread, events[k], expected[k])
        elpd[name] = total[present]
    labels = [x for x, here in zip(fit.encoding.subgroups, present, strict=True) if here]
    return _result(elpd, labels)


def treated_counts(fit: Fit, *, draws: int) -> tuple[Floats, Floats]:
    """Count events under each effect, and those that there would be on average without it.

    Returns
    -------
    events, expected
        Shape (effect, subgroup).
    """
    scores = RecordScores(fit.thinned(draws))
    group = fit.cohort.patients[SUBGROUP].astype(str).to_numpy()
    member = (group[:, None] == np.array(fit.encoding.subgroups)).astype(float)
    events, expected = [], []
    for effect in fit.spec.graph.effects:
        score, information = scores.of_treatment(effect.label)
        theta = scores.posterior[TREATMENT_SUBGROUP_EFFECT].sel({EFFECT: effect.label})
        ratio = np.exp(theta.transpose(CHAIN, DRAW, SUBGROUP).to_numpy())
        hazard = (information @ member) / ratio.reshape(-1, member.shape[1])
        expected.append(hazard.mean(axis=0))
        # of a Poisson likelihood, the score is the events less the information
        events.append(np.round((score + information).mean(axis=0) @ member, 6))
    return np.array(events), np.array(expected)


def unseen_scores(
    pooling: Pooling, mean: PriorEntry, spread: PriorEntry, events: Floats, expected: Floats
) -> Floats:
    """Log predictive probability of each subgroup's events given those of the others.

    Parameters
    ----------
    pooling
        How effects borrow.
    mean, spread
        Priors of the mean effect and of the heterogeneity; without pooling, `mean` alone is the
        prior of each effect.
    events, expected
        Shape (subgroup,): counts, and their means at an effect of 0.

    Returns
    -------
    ndarray
        Shape (subgroup,); 0 where nothing is expected.
    """
    if isinstance(pooling, NoPooling):
        laws = np.array([[mean.quantile(p) for p in _midpoints(_LAWS)]])
    else:
        grid = np.meshgrid(
            [mean.quantile(p) for p in _midpoints(_MEANS)],
            [spread.quantile(p) for p in _midpoints(_SPREADS)],
        )
        means, spreads = (np.repeat(x.reshape(-1, 1), _LAWS, axis=1) for x in grid)
        laws = pooling.draw_new(means, spreads, np.random.default_rng(0))
        if isinstance(pooling, Complete):
            laws = laws[:, :1]
    each = np.zeros((len(events), len(laws)))
    for j in np.flatnonzero(expected > 0.0):
        rate = laws + np.log(expected[j])
        poisson = events[j] * rate - np.exp(rate) - gammaln(events[j] + 1.0)
        each[j] = logsumexp(poisson, axis=1) - np.log(laws.shape[1])
    total = each.sum(axis=0)
    return np.array([logsumexp(total) - logsumexp(total - mine) for mine in each])


def _midpoints(n: int) -> Floats:
    return np.asarray((np.arange(n) + 0.5) / n)


def _result(elpd: Mapping[str, Floats], labels: list[str]) -> CheckResult:
    ranked = sorted(elpd, key=lambda name: -elpd[name].sum())
    best = elpd[ranked[0]]
    rows = [
        {
            "pooling": name,
            "elpd": float(elpd[name].sum()),
            "difference": float((elpd[name] - best).sum()),
            "standard_error": float(np.sqrt(len(best) * np.var(elpd[name] - best, ddof=1))),
            **dict(zip(labels, elpd[name].tolist(), strict=True)),
        }
        for name in ranked
    ]
    text = f"Effects in {len(labels)} subgroups, each from the others: {ranked[0]} foretells best."
    return CheckResult("left-out subgroups", "info", pd.DataFrame(rows), text)
