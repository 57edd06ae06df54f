"""Operating characteristics by simulation: how often an analysis is right, and how far it is off.

Trials are simulated from a known truth and fitted by every analysis; all analyses see the same
data. Every figure has its Monte Carlo standard error, and fits that the gate did not pass are
counted, never dropped in silence (Morris, White & Crowther 2019, Statistics in Medicine 38,
2074-2102).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.diseases import disease
from twinbayes.errors import OptionError, require_known, require_level, require_seed
from twinbayes.inference.samplers.short_run import Sampling
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.priors import PriorSet, chosen_priors
from twinbayes.showing import brief
from twinbayes.trials.simulated.design import TrialDesign
from twinbayes.trials.simulated.executors import run_chunks
from twinbayes.trials.simulated.table import figures, rmse_ratio
from twinbayes.trials.simulated.trials import (
    ESTIMATES,
    AnalysisDecision,
    CohortStudy,
    Plan,
    Spec,
    TrialFit,
    run_trials,
)

CHUNK: Final = 10
"""Trials that a worker is given at a time."""


@brief
@dataclass(frozen=True)
class OperatingCharacteristics:
    """What a simulation study found.

    Attributes
    ----------
    settings
        What was simulated, analysed and decided, in plain words and numbers, with hashes.
    estimates
        One row an analysis, trial and subgroup: ``truth``, ``mean``, ``sd``, ``lower``,
        ``upper``, ``probability`` (of being better than the threshold), ``effective_draws`` and
        ``usable``.
    fits
        One row an analysis: ``trials``, ``usable``, ``unusable`` (the gate did not pass them),
        ``failed`` (no draws at all), and the ``reasons`` with their counts.
    cpu_seconds
        Of all workers together; not part of what is reproducible.

    Examples
    --------
    >>> design = TrialDesign(sizes=(6, 12, 25), truth=Truth(scenario="null", value=0.2))
    >>> found = operating_characteristics(design, ["none", "exnex"], 4, seed=1)  # doctest: +SKIP
    >>> found.fits[["analysis", "trials", "failed"]]  # doctest: +SKIP
      analysis  trials  failed
    0     none       4       0
    1    exnex       4       0
    >>> ratio, error = found.rmse_ratio("exnex", "none")  # doctest: +SKIP
    >>> ratio > 0.0  # doctest: +SKIP
    True
    """

    settings: Mapping[str, Any]
    estimates: pd.DataFrame = field(repr=False)
    fits: pd.DataFrame
    cpu_seconds: float
    places: Mapping[str, tuple[str, ...]] = field(repr=False)
    decision: AnalysisDecision | None = field(repr=False)

    def table(self, *, usable_only: bool = False) -> pd.DataFrame:
        """Return the operating characteristics.

        Parameters
        ----------
        usable_only
            Leave out fits that the gate did not pass. They are in by default: whether a fit
            passes depends on its data, so that the others alone are another population.

        Returns
        -------
        DataFrame
            One row an analysis and place (``overall``, each subgroup, ``rarest``,
            ``discordant``): ``bias``, ``rmse``, ``coverage`` of the intervals, and with a
            decision rule ``type_one_error``, ``power`` and ``family_wise_error`` (any subgroup
            declared falsely, of trials that have a null one); each with ``_mcse``, its Monte
            Carlo standard error, subgroups of one trial counted as one cluster. NaN where there
            is nothing to count.
        """
        rows = self.estimates
        if usable_only:
            rows = rows.assign(mean=rows["mean"].where(rows["usable"]))
        return figures(rows, self.places, self.decision)

    def rmse_ratio(
        self, analysis: str, reference: str, place: str = "overall"
    ) -> tuple[float, float]:
        """Root mean squared error relative to another analysis of the same trials, and its MCSE."""
        known = list(self.fits["analysis"])
        for name in (analysis, reference):
            require_known(name, known, "analysis")
        labels = self.places[require_known(place, self.places, "place")]
        return rmse_ratio(self.estimates, analysis, reference, labels)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready; NaN becomes None."""
        return {
            "settings": dict(self.settings),
            "fits": _plain(self.fits),
            "table": _plain(self.table()),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }


def operating_characteristics(
    study: TrialDesign | CohortStudy,
    analyses: Sequence[str] | Mapping[str, Spec],
    n_trials: int,
    *,
    seed: int,
    decision: AnalysisDecision | None = None,
    sampling: Sampling | None = None,
    priors: PriorSet | None = None,
    level: float = 0.9,
    workers: int = 1,
    scheduler: str | None = None,
) -> OperatingCharacteristics:
    """Simulate trials, fit each by every analysis, and say how the analyses did.

    Parameters
    ----------
    study
        What is simulated: subgroups with `TrialDesign`, or patients with `CohortStudy`.
    analyses
        Names of pooling strategies, or models by the name they get in the table.
    n_trials
        Number of simulated trials.
    seed
        The same seed gives the same numbers on one machine, bit for bit, whatever `workers` and
        `scheduler`; a study of more trials begins with those of a shorter one.
    decision
        When a subgroup is declared to respond; without it there are no error rates.
    sampling
        How the short runs are sampled and which bars they have to pass; see `Sampling`.
    priors
        Of all analyses; by default each model's own.
    level
        Probability of the equal-tailed intervals.
    workers
        Processes of this machine; each compiles every model once.
    scheduler
        Address of a Dask scheduler instead; needs the extra ``dask``.

    Raises
    ------
    OptionError
        An argument makes no sense, or analyses and study do not fit together.
    FitError
        Workers could not be had, or died again and again.

    Examples
    --------
    Four trials show how it is asked; a study takes a thousand or more.

    >>> design = TrialDesign(sizes=(6, 12, 25), truth=Truth(scenario="null", value=0.2))
    >>> found = operating_characteristics(design, ["none", "exnex"], 4, seed=1)  # doctest: +SKIP
    >>> found.table().query("place == 'overall'")[["analysis", "trials"]]  # doctest: +SKIP
      analysis  trials
    0     none     4.0
    5    exnex     4.0
    """
    if not isinstance(n_trials, int) or isinstance(n_trials, bool) or n_trials < 2:
        raise OptionError(f"n_trials must be a whole number of at least 2, not {n_trials!r}.")
    plan = plan_of(
        study, analyses, seed=seed, decision=decision, sampling=sampling, priors=priors, level=level
    )
    chunks = [range(k, min(k + CHUNK, n_trials)) for k in range(0, n_trials, CHUNK)]
    done = run_chunks(partial(run_trials, plan), chunks, workers=workers, scheduler=scheduler)
    fits = [fit for chunk in done for fit in chunk]
    return OperatingCharacteristics(
        settings=describe(plan, n_trials),
        estimates=_estimates(fits, study.labels),
        fits=_counted(fits, list(plan.analyses)),
        cpu_seconds=sum(fit.seconds for fit in fits),
        places=_places(study),
        decision=decision,
    )


def plan_of(
    study: TrialDesign | CohortStudy,
    analyses: Sequence[str] | Mapping[str, Spec],
    *,
    seed: int,
    decision: AnalysisDecision | None = None,
    sampling: Sampling | None = None,
    priors: PriorSet | None = None,
    level: float = 0.9,
) -> Plan:
    """Check a study and return all that workers need; see `operating_characteristics`."""
    require_seed(seed)
    require_level(level)
    specs = _specs(study, analyses)
    return Plan(
        study=study,
        analyses=specs,
        priors={n: chosen_priors(priors, spec.priors) for n, spec in specs.items()},
        sampling=sampling or Sampling(),
        decision=decision,
        level=level,
        seed=seed,
    )


def describe(plan: Plan, n_trials: int) -> dict[str, Any]:
    """Say in plain data what a study does; its hash stands for all of it."""
    study = plan.study
    simulated: dict[str, Any] = (
        asdict(study)
        if isinstance(study, TrialDesign)
        else {
            "simulate": f"{getattr(study.simulate, '__qualname__', study.simulate)}",
            "extract": f"{getattr(study.extract, '__qualname__', study.extract)}",
            "labels": study.labels,
        }
    )
    told: dict[str, Any] = {
        "study": simulated,
        "analyses": {name: spec.content_hash for name, spec in plan.analyses.items()},
        "priors": {name: priors.content_hash for name, priors in plan.priors.items()},
        "sampling": asdict(plan.sampling),
        "decision": None if plan.decision is None else asdict(plan.decision),
        "level": plan.level,
        "trials": n_trials,
        "seed": plan.seed,
    }
    text = json.dumps(told, sort_keys=True)
    plain: dict[str, Any] = json.loads(text)
    return plain | {"hash": hashlib.sha256(text.encode()).hexdigest()}


def _specs(
    study: TrialDesign | CohortStudy, analyses: Sequence[str] | Mapping[str, Spec]
) -> dict[str, Spec]:
    if isinstance(analyses, str) or not analyses:
        raise OptionError("analyses: give at least one, as a list of names or models by name.")
    if isinstance(analyses, Mapping):
        specs = dict(analyses)
    elif isinstance(study, TrialDesign):
        specs = {n: disease("basket", outcome=study.outcome, pooling=n) for n in analyses}
    else:
        raise OptionError("Names of pooling strategies are for results of subgroups. Give models.")
    for name, spec in specs.items():
        if isinstance(spec, AggregateSpec) != isinstance(study, TrialDesign):
            raise OptionError(
                f"Analysis {name!r}: a `TrialDesign` simulates results of subgroups, a "
                "`CohortStudy` patients; the model is of the other."
            )
        if isinstance(spec, AggregateSpec) and spec.covariates:
            raise OptionError(f"Analysis {name!r}: simulated subgroups have no covariates.")
    return specs


def _places(study: TrialDesign | CohortStudy) -> dict[str, tuple[str, ...]]:
    places = {"overall": study.labels, **{label: (label,) for label in study.labels}}
    named = {"rarest": study.rarest, "discordant": study.discordant}
    return places | {place: labels for place, labels in named.items() if labels}


def _estimates(fits: Sequence[TrialFit], labels: tuple[str, ...]) -> pd.DataFrame:
    n = len(labels)
    columns: dict[str, Any] = {
        "analysis": np.repeat([fit.analysis for fit in fits], n),
        "trial": np.repeat([fit.trial for fit in fits], n),
        "subgroup": np.tile(np.array(labels, dtype=object), len(fits)),
        "truth": np.concatenate([fit.truth for fit in fits]),
    }
    for k, name in enumerate(ESTIMATES):
        columns[name] = np.concatenate([fit.estimates[k] for fit in fits])
    columns["usable"] = np.repeat([not fit.reasons and not fit.error for fit in fits], n)
    return pd.DataFrame(columns)


def _counted(fits: Sequence[TrialFit], names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for name in names:
        own = [fit for fit in fits if fit.analysis == name]
        failed = sum(bool(fit.error) for fit in own)
        unusable = sum(bool(fit.reasons) and not fit.error for fit in own)
        reasons = Counter(r for fit in own for r in (fit.error, *fit.reasons) if r)
        rows.append(
            {
                "analysis": name,
                "trials": len(own),
                "usable": len(own) - failed - unusable,
                "unusable": unusable,
                "failed": failed,
                "reasons": dict(reasons.most_common()),
            }
        )
    return pd.DataFrame(rows)


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    records = table.to_dict("records")
    return [
        {str(k): None if isinstance(v, float) and v != v else v for k, v in row.items()}
        for row in records
    ]
