"""Stacking: members fitted without each fold, and weighted by what they foretold of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.checks.out_of_sample.cross_validation import Fold
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, require_known, require_seed, told
from twinbayes.estimators import CountingProcess
from twinbayes.names import SUBGROUP, WHOLE
from twinbayes.stacking.answers import fitted_member, predicted, require_able
from twinbayes.stacking.cells import Cells
from twinbayes.stacking.folds import (
    fold_numbers,
    inner_parts,
    labels_of,
    made_folds,
    require_learnable,
)
from twinbayes.stacking.members import Member, SpecMember, as_members
from twinbayes.stacking.outcome import KINDS, Outcome, as_stack_days
from twinbayes.stacking.scoring import Predictions, Scored, judged, scored
from twinbayes.stacking.stacked import Stack
from twinbayes.stacking.weights import Weights, choose_amount, learn


def stack(
    members: Sequence[Any],
    cohort: Cohort,
    *,
    horizons: Sequence[float],
    landmarks: Sequence[float] = (0.0,),
    folds: int | str = 10,
    what: str = "survival",
    by_subgroup: bool = True,
    strata: str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Stack:
    """Weight several models for prediction by what they foretell of patients left out.

    Stacking of predictive distributions (Yao, Vehtari, Simpson & Gelman 2018): every member is
    fitted without each fold and predicts the fold's patients; the weights are those whose mixture
    has the highest mean log score of these predictions. Patients censored before a horizon are
    stood for by others, by the inverse probability of being observed.

    Parameters
    ----------
    members
        `ModelSpec` objects, or `SpecMember`, `SubgroupCurves`, `SurvivalMember`, or what has the
        methods of these. Names are unique; none is ``stack``.
    cohort
        The patients.
    horizons
        Days since a landmark, increasing, above 0. Somebody must be followed beyond each.
    landmarks
        Days since origin, increasing. Patients count at each on which they are followed and in no
        absorbing state.
    folds
        A number of folds, drawn with the subgroups spread evenly; or the name of a column of
        labels, such as ``"centre"``: each group is left out in turn.
    what
        ``"survival"``; or ``"occupation"``: the states of the first model, which all models have.
    by_subgroup
        Whether subgroups have weights of their own, shrunk to the common ones by an amount that
        cross-validation chooses. Own weights are taken only where they score better than common
        ones by more than a standard error.
    strata
        Column of labels within which censoring is alike, such as the trial. Default: it is alike
        for all.
    seed
        Of folds and fits.
    progress
        Told fold and member before each fit.

    Returns
    -------
    Stack
        Look at its `gain` first: ``none`` means that one member alone is as good.

    Raises
    ------
    OptionError, CohortError
        If an option, or what the cohort holds for it, is not possible.
    ModelError
        If a member cannot be fitted or predicts what are no probabilities; names member and fold.

    Notes
    -----
    Each landmark and horizon counts the same, and of each every patient at risk. The stack is
    scored with weights, and amounts of shrinkage, learnt without the fold that is scored; the
    weights that are returned are learnt on all folds. The gain is to the member with the highest
    mean score over all folds, one and the same in all of them. Predictions that the weights are
    learnt from are of patients of other folds, by fits which saw the fold that is scored.

    A predicted probability below 0.0001 is scored as 0.0001.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> curves = [SubgroupCurves(), SubgroupCurves("curve of all", by_subgroup=False)]
    >>> found = tb.stack(curves, cohort, horizons=[365, 730], folds=5, seed=1)
    >>> found.table["member"].tolist()
    ['curves', 'curve of all', 'stack']
    """
    asked = _asked(
        members, cohort, horizons, landmarks, folds, what, by_subgroup, strata, seed, progress
    )
    predictions = _cross_predict(asked, progress)
    weights, nested = _weighted(asked, predictions)
    found = scored(asked.cells, predictions, nested, asked.fold if asked.grouped else None)
    return _told(asked, predictions, weights, found)


@dataclass(frozen=True)
class _Asked:
    """A question to members, checked."""

    members: tuple[Member, ...]
    cohort: Cohort
    outcome: Outcome
    process: CountingProcess
    cells: Cells
    folds: tuple[Fold, ...]
    fold: Ints
    grouped: bool
    by_subgroup: bool
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @property
    def subgroup(self) -> Ints:
        """(patient,) number of the subgroup."""
        codes = pd.Index(self.cohort.subgroups).get_indexer(
            pd.Index(self.cohort.patients[SUBGROUP])
        )
        return np.asarray(codes, dtype=np.int64)


def _asked(
    members: Sequence[Any],
    cohort: Cohort,
    horizons: Sequence[float],
    landmarks: Sequence[float],
    folds: int | str,
    what: str,
    by_subgroup: bool,
    strata: str | None,
    seed: int,
    progress: object,
) -> _Asked:
    require_known(what, KINDS, "kind of prediction")
    seed, found = require_seed(seed), as_members(members)
    if not isinstance(cohort, Cohort):
        raise OptionError(
            f"a stack needs a Cohort, such as read_cohort returns, not {told(cohort)}."
        )
    given: object = by_subgroup
    if not isinstance(given, bool):
        raise OptionError(f"by_subgroup is True or False, not {told(given)}.")
    if progress is not None and not callable(progress):
        raise OptionError(f"progress is a function of a text, not {told(progress)}.")
    ahead = as_stack_days(horizons, "horizons of a stack", above=True)
    days = as_stack_days(landmarks, "landmarks of a stack", above=False)
    outcome = _outcome(what, found)
    for member in found:
        require_able(member, outcome)
    made, grouped = made_folds(cohort, folds, seed)
    label = None
    if strata is not None:
        label = labels_of(cohort, strata, "strata")
    process = outcome.process(cohort)
    cells = Cells.of(outcome, process, cohort.patient_ids, cohort.entries[0], days, ahead, label)
    fold = fold_numbers(cohort.patient_ids, made)
    require_learnable(made, fold, (cells.weight > 0.0).any(axis=0), _moved(cohort, process))
    return _Asked(found, cohort, outcome, process, cells, made, fold, grouped, by_subgroup, seed)


def _outcome(what: str, members: tuple[Member, ...]) -> Outcome:
    if what == "survival":
        return Outcome(what)
    specs = [member.spec for member in members if isinstance(member, SpecMember)]
    if not specs:
        raise OptionError(
            "a stack of occupation needs a ModelSpec among its members: whose states?"
        )
    return Outcome(what, specs[0])


def _moved(cohort: Cohort, process: CountingProcess) -> Bools:
    """Who was seen to leave a state, (patient,)."""
    who = set(process.patient[process.to_state >= 0].tolist())
    return np.array([p in who for p in cohort.patient_ids], dtype=np.bool_)


def _cross_predict(asked: _Asked, progress: Callable[[str], None] | None) -> Predictions:
    """Fit each member without each fold, and look up what it gave to what was seen of the fold."""
    cells, count = asked.cells, len(asked.cells.horizons)
    likelihood = np.ones((len(asked.members), *cells.state.shape))
    unusable = dict.fromkeys(asked.names, 0)
    ahead = np.asarray(cells.horizons)
    for f, fold in enumerate(asked.folds):
        out = asked.fold == f
        rest = _chosen(cells.patients, ~out)
        train, seen = asked.cohort.select(rest), asked.process
        seen = seen.select(np.isin(seen.patient, rest))
        # What was known on each landmark of those then at risk, and nothing after it.
        known = {
            k: asked.cohort.select(_chosen(cells.patients, here)).until(day)
            for k, day in enumerate(cells.landmarks)
            if (here := out & cells.at_risk[k]).any()
        }
        seeds = np.random.SeedSequence([asked.seed, 0, f]).generate_state(len(asked.members))
        for m, member in enumerate(asked.members):
            if progress is not None:
                progress(f"{fold.name}: {member.name}")
            fitted = fitted_member(member, train, asked.outcome, seen, int(seeds[m]), fold.name)
            unusable[member.name] += bool(fitted.unusable)
            for k, people in known.items():
                day, here = cells.landmarks[k], out & cells.at_risk[k]
                p = predicted(fitted, member.name, asked.outcome, people, day, ahead, fold.name)
                for h in range(count):
                    state = cells.state[k * count + h, here]
                    there = state >= 0
                    value = np.ones(state.size)
                    value[there] = p[there, h, state[there]]
                    likelihood[m, k * count + h, here] = value
    return Predictions(asked.names, likelihood, unusable)


def _chosen(patients: tuple[str, ...], which: Bools) -> list[str]:
    return [p for p, yes in zip(patients, which, strict=True) if yes]


def _weighted(asked: _Asked, predictions: Predictions) -> tuple[Weights, Floats]:
    """Weights learnt on all folds; and mixtures by weights learnt without each fold."""
    q = predictions.floored
    count = asked.cells.weight * len(asked.cells.patients)
    group, number = asked.subgroup, len(asked.cohort.subgroups)

    def learnt(use: Bools) -> Weights:
        some = q[:, :, use], count[:, use], group[use], number
        amount = float(np.inf)
        if asked.by_subgroup:
            amount = choose_amount(*some, inner_parts(asked.fold[use]))
        return learn(*some, amount)

    nested = np.ones(count.shape)
    for f in range(len(asked.folds)):
        out = asked.fold == f
        nested[:, out] = learnt(~out).mixed(q[:, :, out], group[out])
    return learnt(np.ones(group.size, dtype=np.bool_)), nested


def _told(asked: _Asked, predictions: Predictions, weights: Weights, found: Scored) -> Stack:
    index = pd.Index([WHOLE, *asked.cohort.subgroups], name="subgroup")
    by_subgroup = np.vstack([weights.common, weights.by_subgroup])
    table = pd.DataFrame(by_subgroup, index=index, columns=list(asked.names))
    result, best = judged(
        found,
        predictions,
        weights,
        what=asked.outcome.what,
        cells=asked.cells,
        folds=len(asked.folds),
        grouped=asked.grouped,
        by_subgroup=asked.by_subgroup,
    )
    return Stack(
        result.table, table, found.gain, result, weights.amount, asked.cells.landmarks,
        asked.cells.horizons, best, asked.outcome, asked.members, asked.cohort, asked.seed,
    )  # fmt: skip
