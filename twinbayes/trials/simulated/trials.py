"""Simulated trials, each fitted by every analysis: what a worker does, given numbers of trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.cohort.aggregate import Aggregate
from twinbayes.errors import FitError, OptionError
from twinbayes.inference.aggregate_fit import CompiledAggregate, compile_aggregate
from twinbayes.inference.fit import Fit
from twinbayes.inference.fitting import compile_fit
from twinbayes.inference.gate.diagnostics import diagnose
from twinbayes.inference.gate.verdict import judge
from twinbayes.inference.samplers.short_run import Sampling, sample_short
from twinbayes.inference.samplers.threads import one_thread_each
from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import SUBGROUP_VALUE, AggregateSpec
from twinbayes.names import SUBGROUP
from twinbayes.priors import PriorSet
from twinbayes.trials.simulated.design import TrialDesign

type Spec = AggregateSpec | ModelSpec

_KEPT: Final = 16  # compiled models that a worker keeps at most
_COMPILED: Final[dict[tuple[object, ...], CompiledAggregate]] = {}


class SimulateCohort(Protocol):
    """Simulates patients from a seed, and says what is true of each quantity, by its label."""

    def __call__(self, seed: int, /) -> tuple[Cohort, Mapping[str, float]]:
        """Return the cohort and the true values."""


@dataclass(frozen=True, kw_only=True)
class CohortStudy:
    """Simulated patients instead of results of subgroups, for any disease file.

    Parameters
    ----------
    simulate
        From a seed to a cohort and the true value of each quantity. A function of a module, so
        that other processes find it.
    extract
        From a fit to the draws of each quantity, in any shape.
    labels
        The quantities, such as the survival at two years of each subgroup.
    rarest, discordant
        Those of them that are about the rarest and the discordant subgroup.

    Examples
    --------
    >>> def simulate(seed):
    ...     return tb.datasets.simulated_registry(seed), {"survival at 1 year": 0.6}
    >>> def extract(fit):
    ...     survival = patient_survival(fit, fit.cohort.patient_ids[:2], [365.25])
    ...     return {"survival at 1 year": survival.mean(("patient", "time"))}
    >>> study = CohortStudy(simulate=simulate, extract=extract, labels=("survival at 1 year",))
    >>> study.extract(fit)["survival at 1 year"].dims
    ('chain', 'draw')
    """

    simulate: SimulateCohort
    extract: Callable[[Fit], Mapping[str, ArrayLike]]
    labels: tuple[str, ...]
    rarest: tuple[str, ...] = ()
    discordant: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise OptionError("labels name the quantities, each once: give at least one.")
        unknown = sorted({*self.rarest, *self.discordant} - {*self.labels})
        if unknown:
            raise OptionError(
                f"rarest and discordant must be among the labels; unknown: {', '.join(unknown)}. "
                f"Known: {', '.join(self.labels)}."
            )


@dataclass(frozen=True, kw_only=True)
class AnalysisDecision:
    """When a subgroup is declared to respond: Pr(value > threshold) above a cut-off.

    Parameters
    ----------
    threshold
        On the scale of the values; a true value at it is null.
    cut_off
        Posterior probability that has to be exceeded.
    above
        False where smaller values are better, such as hazard ratios.

    Examples
    --------
    >>> AnalysisDecision(threshold=0.3).cut_off
    0.9
    """

    threshold: float
    cut_off: float = 0.9
    above: bool = True

    def __post_init__(self) -> None:
        if not np.isfinite(self.threshold) or not 0.0 < self.cut_off < 1.0:
            raise OptionError(
                "A decision needs a finite threshold and a cut-off between 0 and 1, not "
                f"{self.threshold!r} and {self.cut_off!r}."
            )

    def better(self, values: Floats) -> NDArray[np.bool_]:
        """Whether values lie beyond the threshold."""
        return np.asarray(values > self.threshold if self.above else values < self.threshold)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a worker needs; small, and the same for every trial."""

    study: TrialDesign | CohortStudy
    analyses: Mapping[str, Spec]
    priors: Mapping[str, PriorSet]
    sampling: Sampling
    decision: AnalysisDecision | None
    level: float
    seed: int


@dataclass(frozen=True)
class TrialFit:
    """One analysis of one simulated trial; arrays have one number a label.

    `reasons` say why the gate did not pass it; `error` why there is no fit at all, in which
    case estimates are NaN. `seconds` are of the processor.
    """

    analysis: str
    trial: int
    truth: Floats
    estimates: Floats  # (mean, sd, lower, upper, probability, effective draws; label)
    reasons: tuple[str, ...]
    error: str
    seconds: float


ESTIMATES: Final = ("mean", "sd", "lower", "upper", "probability", "effective_draws")
"""What is kept of each posterior."""


def run_trials(plan: Plan, trials: Sequence[int]) -> list[TrialFit]:
    """Simulate and fit some trials; the same for the same numbers, wherever it runs."""
    with one_thread_each():
        return [fit for trial in trials for fit in _run_trial(plan, trial)]


def _run_trial(plan: Plan, trial: int) -> list[TrialFit]:
    sampler_seed, data_seed = (
        int(n) for n in np.random.SeedSequence([plan.seed, trial]).generate_state(2)
    )
    study = plan.study
    data: Aggregate | Cohort
    if isinstance(study, TrialDesign):
        data, truth = study.simulate(trial, plan.seed)
    else:
        data, known = study.simulate(data_seed)
        truth = _in_order(known, study.labels, "simulate").ravel()
    found = []
    for name, spec in plan.analyses.items():
        started, error = time.process_time(), ""
        estimates = np.full((len(ESTIMATES), len(truth)), np.nan)
        reasons: tuple[str, ...] = ()
        try:
            if isinstance(spec, AggregateSpec) and isinstance(data, Aggregate):
                draws, reasons = _of_results(plan, name, spec, data, sampler_seed)
            else:
                draws, reasons = _of_patients(
                    plan, name, cast(ModelSpec, spec), cast(Cohort, data), sampler_seed
                )
            estimates = summarise(draws, plan)
        except FitError as failure:
            error = str(failure)
        seconds = time.process_time() - started
        found.append(TrialFit(name, trial, truth, estimates, reasons, error, seconds))
    return found


def summarise(draws: Floats, plan: Plan) -> Floats:
    """(estimate, label) of draws (chain, draw, label), in the order of `ESTIMATES`."""
    flat = draws.reshape(-1, draws.shape[2])
    tails = np.quantile(flat, [0.5 - plan.level / 2, 0.5 + plan.level / 2], axis=0)
    probability = np.full(draws.shape[2], np.nan)
    if plan.decision is not None:
        probability = plan.decision.better(flat).mean(axis=0)
    effective = diagnose(np.moveaxis(draws, 2, 0)).ess_bulk
    return np.stack([flat.mean(axis=0), flat.std(axis=0, ddof=1), *tails, probability, effective])


def _of_results(
    plan: Plan, name: str, spec: AggregateSpec, data: Aggregate, seed: int
) -> tuple[Floats, tuple[str, ...]]:
    for sampling in plan.sampling.attempts:
        compiled = compiled_for(spec, data, plan.priors[name], sampling.target_accept)
        run = sample_short(compiled.compiled, sampling, seed)
        if run.usable:
            break
    return run.values[SUBGROUP_VALUE], run.reasons


def compiled_for(
    spec: AggregateSpec, data: Aggregate, priors: PriorSet, target_accept: float
) -> CompiledAggregate:
    """Return the model on these data, compiled once a process for all data of one shape."""
    if getattr(spec.pooling, "power", 0.0) is None:  # its data are part of the model
        return compile_aggregate(spec, data, priors=priors, target_accept=target_accept)
    rows = (data.outcome, tuple(data.table[SUBGROUP]))
    key = (spec.content_hash, priors.content_hash, rows, target_accept)
    if key not in _COMPILED:
        if len(_COMPILED) >= _KEPT:
            _COMPILED.clear()
        _COMPILED[key] = compile_aggregate(spec, data, priors=priors, target_accept=target_accept)
    return _COMPILED[key].with_data(data)


def _of_patients(
    plan: Plan, name: str, spec: ModelSpec, cohort: Cohort, seed: int
) -> tuple[Floats, tuple[str, ...]]:
    study = cast(CohortStudy, plan.study)
    for sampling in plan.sampling.attempts:
        compiled = compile_fit(
            spec, cohort, priors=plan.priors[name], target_accept=sampling.target_accept
        )
        fit = compiled.sample(
            draws=sampling.draws, tune=sampling.tune, chains=sampling.chains, seed=seed,
            progressbar=False,
        )  # fmt: skip
        verdict = judge(
            fit.datatree, rhat_max=sampling.rhat_max, ess_min=sampling.ess_min,
            constants=compiled.spec.constants(compiled.plan.learnt),
        )  # fmt: skip
        if verdict.usable:
            break
    draws = _in_order(study.extract(fit), study.labels, "extract")
    by_chain = draws.reshape(len(draws), sampling.chains, -1)
    return np.moveaxis(by_chain, 0, 2), verdict.reasons


def _in_order(found: Mapping[str, ArrayLike], labels: tuple[str, ...], what: str) -> Floats:
    """(label, ...) of what a function of the study returned, in the order of the labels."""
    if set(found) != set(labels):
        raise OptionError(
            f"{what} must return the labels of the study, {', '.join(labels)}; it returned "
            f"{', '.join(map(str, found))}."
        )
    return np.stack([np.asarray(found[label], dtype=np.float64) for label in labels])
