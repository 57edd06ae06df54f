"""Accuracy of dynamic predictions: forecasts made at a landmark, held against what followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.checks.calibration.risk import calibration_errors
from twinbayes.checks.result import SCORES, CheckResult, CheckVerdict
from twinbayes.checks.scores.brier import brier_score, integrated_brier_score
from twinbayes.checks.scores.censoring import WEIGHTS
from twinbayes.checks.scores.cross_entropy import predictive_cross_entropy
from twinbayes.checks.scores.discrimination import time_dependent_auc
from twinbayes.errors import OptionError, require_known
from twinbayes.estimators import CountingProcess, Estimate
from twinbayes.estimators.observed import as_horizons
from twinbayes.inference import CompiledFit, Fit
from twinbayes.model.courses.history import trace_histories
from twinbayes.showing import brief
from twinbayes.twin import Scenario, Twin
from twinbayes.twin.occupation.paths import over_patients, time_nodes
from twinbayes.twin.weighting.patient_draws import PatientDraws

ANY_DEATH: Final = "any death"
ANY_FINAL: Final = "any final state"
DRAWS: Final = 500
_DAY: Final = 1.0  # stretch before an event over which its density is the mean
_ESTIMATES: Final = ("auc", "brier", "integrated_brier")
_ERRORS: Final = ("ici", "e50", "e90")
_DECIMALS: Final = 6  # of nodes in days; closer ones are the same


@brief
@dataclass(frozen=True)
class Landmark:
    """A day, the patients at risk on it, and what is asked of their forecasts.

    Attributes
    ----------
    day
        Days since origin.
    horizons
        Days since the landmark, increasing.
    targets
        Name of each target, and the states it takes together.
    weights
        How those censored in a window count: ``"model"`` or ``"ipcw"``.
    process
        What was seen of the patients at risk after the landmark, on the clock of the origin.

    Examples
    --------
    >>> landmark = Landmark.of(fit, 180.0, [180.0, 365.0], state="remission")
    >>> landmark.horizons, list(landmark.targets)
    ((180.0, 365.0), ['any death'])
    """

    day: float
    horizons: tuple[float, ...]
    targets: Mapping[str, tuple[str, ...]]
    weights: str
    process: CountingProcess = field(repr=False)

    @classmethod
    def of(
        cls,
        source: Fit | CompiledFit,
        day: float,
        horizons: Sequence[float],
        *,
        state: str | Sequence[str] | None = None,
        targets: Mapping[str, Sequence[str]] | None = None,
        weights: str = "model",
    ) -> Landmark:
        """Find who was at risk; see `landmark_accuracy` for the parameters.

        Raises
        ------
        CohortError
            A state is unknown.
        OptionError
            Horizons or weights are impossible, nobody was at risk, or nobody was followed beyond
            the first horizon.
        """
        require_known(weights, WEIGHTS, "kind of weights")
        ahead = tuple(map(float, as_horizons(list(horizons), "horizons after a landmark")))
        if min(np.diff((0.0, *ahead))) <= 0:
            raise OptionError("horizons must be increasing days since the landmark, above 0.")
        graph, cohort = source.spec.graph, source.cohort
        present = source.plan.events.histories.present
        since = cohort.entries[0]
        ids = [
            x
            for x, p, entry in zip(cohort.patient_ids, present, since, strict=True)
            if entry <= day < p.day
        ]
        if ids and state is not None:
            wanted = (state,) if isinstance(state, str) else tuple(state)
            for name in wanted:
                require_known(name, graph.states, "state")
            then = trace_histories(graph, cohort.select(ids).until(day)).present
            ids = [x for x, p in zip(ids, then, strict=True) if p.state in wanted]
        if not ids:
            raise OptionError(f"nobody is at risk on day {day:g}. Choose an earlier landmark.")
        process = counting_process(source).of_patients(ids).since(day)
        landmark = cls(day, ahead, _targets(source, targets), weights, process)
        landmark.require_followed(ids, "the cohort")
        for states in landmark.targets.values():
            for name in states:
                process.state(name)
        return landmark

    @property
    def patients(self) -> tuple[str, ...]:
        """Patients at risk, in the order of the cohort."""
        return tuple(str(x) for x in self.process.patients)

    def require_followed(self, patients: Sequence[Any], who: str) -> None:
        """Refuse a group of which nobody is at risk and followed beyond the first horizon."""
        mine = [x for x in self.patients if x in set(map(str, patients))]
        if not mine or not self._is_known(self.process.of_patients(mine), self.horizons[0]):
            raise OptionError(
                f"{who}: nobody at risk on day {self.day:g} is followed beyond day "
                f"{self.day + self.horizons[0]:g}, the first horizon. Choose earlier horizons, or "
                "larger groups."
            )

    def _is_known(self, process: CountingProcess, horizon: float) -> bool:
        """Whether anyone is followed beyond a horizon, or the last who were had a final state."""
        ends = process.follow_up()
        last = ends.exit.max()
        return bool(last > self.day + horizon or not ends.censored[ends.exit == last].any())

    @property
    def times(self) -> Floats:
        """Days since the landmark to forecast: the middle of each window, then its end."""
        ends = np.asarray(self.horizons)
        return np.concatenate([ends / 2, ends])

    def forecast(self, fit: Fit, patients: Sequence[str]) -> Floats:
        """Forecast patients at risk, from the landmark and, where censored, from their last day.

        Only the record up to the landmark, or up to the last day, conditions a patient's own
        curves and state; the draws of the population come from the fit, with all that it has seen.
        Those of patients whom it has not seen are weighted by the same record.

        Returns
        -------
        array
            Shape (patients, columns), posterior means: probability of each target at each of
            `times`; the same given the record up to the last day, NaN for who was not censored by
            then; probability of no final state by the end of follow-up or of each window; density,
            per day, of the final state on its day, NaN where there was none.
        """
        ends = self.process.of_patients(patients).follow_up()
        groups = self._groups(fit)
        at_landmark: Twin = fit.twin(list(patients), at=self.day)
        if fit.has_seen(at_landmark.cohort).all():
            at_landmark = at_landmark.as_drawn()
        own, windows = ends.exit - self.day, self.day + np.asarray(self.horizons)
        final = np.isin(fit.spec.graph.states, fit.spec.graph.absorbing)

        def ahead(i: int) -> Floats:
            drawn = at_landmark.patient_draws(i)
            state = mean_occupation(at_landmark, i, self.times, drawn)
            free = 1.0 - state[len(self.horizons) :, final].sum(axis=1)
            density = np.nan
            if ends.exit[i] <= windows[-1]:
                # A time grid of its own: the day of exit must not touch the forecast, not even
                # in the last digits, by which the AUC would rank equal patients.
                begin = max(own[i] - _DAY, 0.0)
                before, on = mean_occupation(at_landmark, i, np.array([begin, own[i]]), drawn)
                free[ends.exit[i] < windows] = 1.0 - on[final].sum()
                if not ends.censored[i]:
                    rise = float(on[ends.absorbed_in[i]] - before[ends.absorbed_in[i]])
                    density = max(rise, 0.0) / (own[i] - begin)
            return np.concatenate([(state @ groups).T.ravel(), free, [density]])

        parts = np.stack(list(over_patients(len(patients), ahead)))
        width = len(self.targets) * self.times.size
        given = np.full((len(patients), width), np.nan)
        lost = np.flatnonzero(ends.censored & (ends.exit <= windows[-1]))
        if self.weights == "model" and lost.size:
            given[lost] = self._from_last_day(fit, [patients[int(k)] for k in lost], groups)
        return np.concatenate([parts[:, :width], given, parts[:, width:]], axis=1)

    def _from_last_day(self, fit: Fit, patients: Sequence[str], groups: Floats) -> Floats:
        """Probabilities of the targets given the whole record; NaN for times already seen."""
        twin: Twin = fit.twin(list(patients))

        def ahead(i: int) -> Floats:
            left = self.day + self.times - twin.present[i].day
            out = np.full((self.times.size, groups.shape[1]), np.nan)
            out[left >= 0] = mean_occupation(twin, i, left[left >= 0]) @ groups
            return out.T.ravel()

        return np.stack(list(over_patients(len(patients), ahead)))

    def _groups(self, fit: Fit) -> Floats:
        """(state, target): 1 where the target has the state."""
        states = fit.spec.graph.states
        columns = [np.isin(states, some) for some in self.targets.values()]
        return np.stack(columns, axis=1).astype(np.float64)

    def scores(
        self, patients: Sequence[str], forecast: Floats
    ) -> dict[tuple[str, float, str], Estimate | float]:
        """Score forecasts of patients at risk, as `forecast` returns them.

        Returns
        -------
        dict
            By target, horizon and score; NaN at a horizon beyond which nobody of them is followed.
        """
        process = self.process.of_patients(patients)
        n, n_ends, n_times = len(patients), len(self.horizons), self.times.size
        width = len(self.targets) * n_times
        shape = (n, len(self.targets), n_times)
        chance, given = (forecast[:, k * width : (k + 1) * width].reshape(shape) for k in (0, 1))
        out: dict[tuple[str, float, str], Estimate | float] = {}
        for k, (name, states) in enumerate(self.targets.items()):
            p, w = np.clip(chance[:, k], 0.0, 1.0), np.clip(given[:, k], 0.0, 1.0)
            for j, horizon in enumerate(self.horizons):
                if not self._is_known(process, horizon):
                    out |= dict.fromkeys([(name, horizon, s) for s in _ESTIMATES],
                                         Estimate.undefined(n))  # fmt: skip
                    out |= dict.fromkeys([(name, horizon, s) for s in _ERRORS], float("nan"))
                    continue
                days, both = self.day + np.array([horizon / 2, horizon]), [j, n_ends + j]
                last = both[1:]

                def how(columns: list[int], w: Floats = w) -> dict[str, Any]:
                    if self.weights == "ipcw":
                        return {}
                    return {"weights": self.weights, "conditional": w[:, columns]}

                auc = time_dependent_auc(process, p[:, last], days[1:], states, **how(last))
                brier = brier_score(process, p[:, last], days[1:], states, **how(last))
                out[name, horizon, "auc"] = auc[0]
                out[name, horizon, "brier"] = brier[0]
                out[name, horizon, "integrated_brier"] = integrated_brier_score(
                    process, p[:, both], days, states, rule="simpson", **how(both)
                )
                errors = calibration_errors(process, p[:, last], days[1:], states)
                for score in _ERRORS:
                    out[name, horizon, score] = float(errors[score].iloc[0])
        free, density = forecast[:, 2 * width : -1], forecast[:, -1]
        final = set(process.absorbing or ())
        named = [name for name, states in self.targets.items() if set(states) == final]
        for j, horizon in enumerate(self.horizons):
            known = self._is_known(process, horizon)
            out[(named or [ANY_FINAL])[0], horizon, "epce"] = (
                predictive_cross_entropy(
                    process, np.clip(free[:, j], 0.0, 1.0), density, self.day + horizon
                )
                if known
                else Estimate.undefined(n)
            )
        return out


def landmark_accuracy(
    fit: Fit,
    landmark: float,
    horizons: Sequence[float],
    *,
    state: str | Sequence[str] | None = None,
    targets: Mapping[str, Sequence[str]] | None = None,
    weights: str = "model",
    draws: int = DRAWS,
    level: float = 0.95,
) -> CheckResult:
    """Score what the fit says at a landmark of the patients then at risk.

    Each is forecast from the state and the curves that the record up to the landmark gives. The
    draws of the population are those of the fit as they are, which saw all records to their end:
    the scores are in-sample. (`Fit.twin` weights them anew for each patient; here nobody's are.)
    For scores of patients that the fit has not seen use `cross_validate_landmark`.

    Parameters
    ----------
    fit
        Any fit; every state graph has scores, and curves are conditioned on the visits so far.
    landmark
        Days since origin. At risk is who is followed beyond it and in no absorbing state.
    horizons
        Days since the landmark, increasing.
    state
        Only patients in this state, or one of these, at the landmark.
    targets
        Name of each target and the states it takes together; by default death.
    weights
        ``"model"``: a patient censored in the window counts as case with the probability of the
        target that the model gives from that patient's last day, given the whole record, and as
        control with the rest. ``"ipcw"``: by the inverse probability of being observed.
    draws
        About how many draws to use, evenly spaced; means over draws need no more.
    level
        Probability of the intervals.

    Returns
    -------
    CheckResult
        One row a target, horizon and score: ``target, horizon, score, value, standard_error, lower,
        upper, n``. Scores: ``auc``; ``brier``; ``integrated_brier``, from the landmark to the
        horizon by Simpson's rule; ``ici, e50, e90``, mean, median and 90th percentile of the
        calibration error, from pseudo-values whatever the weights, without interval; and once a
        horizon ``epce``, the expected predictive cross-entropy of reaching any absorbing state
        (each a cause of its own; density per day, the mean over the day before the event).
        Information, without a bar; a failure where the fit is not usable. Each horizon is judged by
        itself: NaN, and told, where nobody at risk was followed beyond it.

    Raises
    ------
    CohortError, OptionError
        As `Landmark.of`.

    Examples
    --------
    >>> found = landmark_accuracy(fit, 365.0, [730.0], state="remission")
    >>> found.table["score"].tolist()
    ['auc', 'brier', 'integrated_brier', 'ici', 'e50', 'e90', 'epce']
    """
    if draws < 1:
        raise OptionError(f"draws must be at least 1, not {draws}.")
    asked = Landmark.of(fit, landmark, horizons, state=state, targets=targets, weights=weights)
    found = asked.scores(asked.patients, asked.forecast(fit.thinned(draws), asked.patients))
    n = len(asked.patients)
    table = pd.DataFrame(
        [
            {
                "target": target,
                "horizon": horizon,
                "score": score,
                **(value.row(level) if isinstance(value, Estimate) else {"value": value}),
                "n": n,
            }
            for (target, horizon, score), value in found.items()
        ]
    )
    aucs = table[table["score"] == "auc"].replace({"target": fit.spec.state_labels})
    scored = ", ".join(
        f"{row.target} within {row.horizon:g} days {row.value:.3f}"
        for row in aucs[aucs["value"].notna()].itertuples()
    )
    known = set(table.loc[table["value"].notna(), "horizon"])
    late = ", ".join(f"{h:g}" for h in asked.horizons if h not in known)
    text = (
        f"{n} patients at risk on day {landmark:g}, forecast from their records up to that day. "
        f"AUC: {scored or 'not defined'}. In-sample; {level:.0%} intervals from influence "
        "functions."
    )
    if late:
        text += f" NOT PROVIDED within {late} days: nobody was followed so long."
    if not fit.verdict.usable:
        text += " NOT FOR USE: the fit did not pass its gate."
    verdict: CheckVerdict = "info" if fit.verdict.usable else "fail"
    return CheckResult("accuracy of predictions at a landmark", verdict, table, text, SCORES)


def mean_occupation(twin: Twin, i: int, times: Floats, drawn: PatientDraws | None = None) -> Floats:
    """Posterior mean occupation of patient `i` at days since the landmark, (time, state)."""
    graph, day = twin.spec.graph, twin.present[i].day
    asked = np.round(times, _DECIMALS)
    if not asked.max() > 0.0:
        here = np.isin(graph.states, [twin.present[i].state]).astype(np.float64)
        return np.tile(here, (asked.size, 1))
    until = float(asked.max())
    cuts = [*(cut - day for cut in graph.entry_cuts), *asked]
    policy, own = Scenario.policy(), drawn or twin.patient_draws(i)
    longest = twin.longest_step(i, own, policy)
    nodes = np.unique(np.round(time_nodes(until, cuts, longest), _DECIMALS))
    path = twin.path(i, policy, nodes, own)
    found = path.occupation[np.searchsorted(nodes, asked)]
    return np.asarray(found.mean(axis=2, dtype=np.float64))


def _targets(
    source: Fit | CompiledFit, targets: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    if targets is not None:
        if not targets or not all(map(len, targets.values())):
            raise OptionError("give at least one target, and at least one state for each.")
        return {name: tuple(states) for name, states in targets.items()}
    states = source.spec.graph.deaths
    if not states:
        raise OptionError(
            "Death is not in this model, so that no landmark score has a default target. Give "
            "targets: states and what they are called."
        )
    return {states[0] if len(states) == 1 else ANY_DEATH: states}
