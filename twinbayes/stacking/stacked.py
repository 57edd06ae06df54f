"""The stack: weights of members, what they scored, and the mixture for other patients."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from twinbayes.checks.result import CheckResult
from twinbayes.cohort import Cohort
from twinbayes.errors import NotUsableError, require_known
from twinbayes.names import WHOLE
from twinbayes.showing import table
from twinbayes.stacking.answers import fitted_member
from twinbayes.stacking.gain import Gain
from twinbayes.stacking.members import STACK, Member
from twinbayes.stacking.outcome import Outcome
from twinbayes.stacking.predictor import StackPredictor

WHOLE_COHORT = "all patients"


@dataclass(frozen=True, repr=False)
class Stack:
    """Members weighted for prediction, and how good that is.

    Made by `stack`.

    Attributes
    ----------
    table
        One row a member, and ``stack``: ``member, score, standard_error, difference, lower, upper,
        weight, floored, usable``. Scores are mean log scores of predictions for patients who were
        left out, higher is better; differences are to the best member alone, with their interval
        of probability 0.9; weights are the common ones; ``floored`` is the share of predictions
        below the least probability that is scored.
    weights
        Learnt on all folds. Index ``subgroup``, the first row ``all`` the common weights; one
        column a member.
    gain
        Over the best member alone. Prints as ``none`` unless its interval lies above 0.
    result
        The same as a check: information; a failure where a fit did not pass its gate.
    amount
        How many patients the common weights count for in each subgroup; infinite where subgroups
        have no weights of their own.
    landmarks, horizons
        Days since origin; days since the landmark.
    best_use
        ``stack``, or the member to use alone; empty where nothing may be used.

    Examples
    --------
    >>> class Half:
    ...     def __init__(self, days):
    ...         self.days = days
    ...     def predict_survival(self, patients, days):
    ...         return np.tile(0.5 ** (days / self.days), (len(patients), 1))
    >>> halves = [SurvivalMember("short", fixed=Half(400)), SurvivalMember("long", fixed=Half(4e3))]
    >>> found = tb.stack(halves, tb.datasets.simulated_registry(), horizons=[365, 730], folds=5)
    >>> found.weights.columns.tolist()
    ['short', 'long']
    """

    table: pd.DataFrame
    weights: pd.DataFrame
    gain: Gain
    result: CheckResult
    amount: float
    landmarks: tuple[float, ...]
    horizons: tuple[float, ...]
    best_use: str
    outcome: Outcome = field(repr=False)
    members: tuple[Member, ...] = field(repr=False)
    cohort: Cohort = field(repr=False)
    seed: int = 0

    @property
    def text(self) -> str:
        """What was found, in sentences."""
        return self.result.text

    def __repr__(self) -> str:
        return repr(self.result).replace("<CheckResult", "<Stack", 1)

    def __str__(self) -> str:
        return str(self.result)

    def _repr_html_(self) -> str:
        head = ("subgroup", *map(str, self.weights.columns))
        rows = [
            (str(name), *(f"{weight:.3f}" for weight in row))
            for name, row in zip(self.weights.index, self.weights.to_numpy(), strict=True)
        ]
        return self.result._repr_html_() + table(
            "weights of members, learnt on all folds", head, rows
        )

    def predictor(self, use: str = STACK) -> StackPredictor:
        """Fit the members to all patients, to predict others.

        Parameters
        ----------
        use
            ``"stack"``: the mixture. Or the name of a member: that one alone, such as the one that
            `best_use` names.

        Raises
        ------
        OptionError
            If there is no such member.
        ModelError
            If a member cannot be fitted.
        NotUsableError
            If a fit behind it did not pass its gate, in a fold or now.
        """
        require_known(use, (STACK, *(member.name for member in self.members)), "member")
        weights = self.weights
        if use != STACK:
            alone = (np.array(weights.columns) == use).astype(float)
            weights = pd.DataFrame(alone[None], index=weights.index[:1], columns=weights.columns)
        failed = self.table.loc[~self.table["usable"], "member"].tolist()
        if use in failed:
            raise NotUsableError(
                f"{use!r} is NOT FOR USE: fits of {', '.join(map(repr, failed[:-1]))} did not pass "
                "their gate in some folds. Give these members more effort, or leave them out."
            )
        process = self.outcome.process(self.cohort)
        seeds = np.random.SeedSequence([self.seed, 1]).generate_state(len(self.members))
        fitted = {}
        for member, seed in zip(self.members, seeds, strict=True):
            if not (weights[member.name] > 0.0).any():
                continue
            one = fitted_member(member, self.cohort, self.outcome, process, int(seed), WHOLE_COHORT)
            if one.unusable:
                raise NotUsableError(
                    f"member {member.name!r}, {WHOLE_COHORT}: {one.unusable}. Give it more effort, "
                    "or stack without it."
                )
            fitted[member.name] = one
        weights = weights[list(fitted)]
        return StackPredictor(
            use, fitted, weights, self.outcome, self.landmarks, self.horizons,
            frozenset(map(str, weights.index)) - {WHOLE},
        )  # fmt: skip
