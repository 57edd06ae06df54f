"""One large cohort in shards: the engine of a federation, on this machine or on a Dask cluster.

The data are in one hand, so that nothing is masked and no number too small to be told. Columns and
windows are learnt from the whole cohort, as a fit learns them. Everything else is that of sites.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.estimation import Estimation, Place, completed
from twinbayes.federation.local import LocalLikelihood
from twinbayes.federation.posterior import FederatedPosterior
from twinbayes.federation.study import Study
from twinbayes.model import ModelSpec
from twinbayes.model.events.crude import Crude
from twinbayes.priors import PriorSet

_MOST: Final = 500
_ATTEMPTS: Final = 3  # after a worker has died of a shard


def fit_in_shards(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    shards: int = 8,
    client: Any = None,
    priors: PriorSet | None = None,
    draws: int = 4000,
    seed: int = 0,
) -> FederatedPosterior:
    """Fit a model of events to a cohort whose likelihood is evaluated shard by shard.

    Samplers evaluate a likelihood tens of thousands of times, one evaluation after the other. Here
    it is expanded some five times and scored once at each draw, all of them together, and shards
    do so side by side. The certificate says whether weighted draws are those of the posterior.

    Parameters
    ----------
    spec
        The model, of events alone.
    cohort
        All patients.
    shards
        Into how many parts of the same size they are divided, from 3 to 500.
    client
        A `distributed.Client`, whose workers then hold and evaluate the shards; needs the extra
        ``dask``. A worker that dies is replaced by the others. None: this process, one shard after
        the other. Who evaluates what changes nothing of the result.
    priors
        Default: the model's file of the prior library.
    draws
        Draws of the posterior, of four chains together.
    seed
        The same seed and number of shards give identical draws on one machine.

    Returns
    -------
    FederatedPosterior
        Look at its ``verdict`` first; ``at_site(cohort)`` is an ordinary `Fit`.

    Raises
    ------
    FederationError
        The model has curves or a frailty, there are too few patients for as many shards, or
        workers died again and again.
    ModelError
        The cohort does not fit the model.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> spec = tb.disease("registry").of_events()
    >>> posterior = fit_in_shards(spec, cohort, shards=4)  # doctest: +SKIP
    >>> posterior.at_site(cohort).verdict.banner()  # doctest: +SKIP
    'USABLE'
    """
    if isinstance(shards, bool) or not isinstance(shards, int) or not 3 <= shards <= _MOST:
        raise FederationError(f"shards is a whole number from 3 to {_MOST}, not {shards!r}.")
    names = tuple(f"shard_{k + 1}" for k in range(shards))
    study = Study(spec, names, priors, minimum=0, draws=draws, seed=seed)
    plan = spec.plan(cohort)
    if cohort.n_patients < shards:
        raise FederationError(
            f"{cohort.n_patients} patients cannot be divided into {shards} shards. Use fewer."
        )
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(plan.learnt.encoding.subgroups))
    agreement = Agreement(study, plan.learnt, counts)
    divided = _Shards.of(agreement, cohort, client)
    found = completed(Estimation(agreement), divided.expand, divided.score)
    return found.posterior([{"kind": kind} for kind in found.kinds])


@dataclass(frozen=True)
class _Shards:
    """Shards of a cohort, each as its likelihood or as a task of a cluster that has it."""

    held: tuple[Any, ...] = field(repr=False)
    client: Any = None

    @classmethod
    def of(cls, agreement: Agreement, cohort: Cohort, client: Any) -> _Shards:
        n = len(agreement.study.sites)
        ids = cohort.patient_ids
        parts = [cohort.select(list(ids[k::n])) for k in range(n)]
        of = agreement.study.spec, agreement.learnt, agreement.coordinates
        if client is None:
            return cls(tuple(LocalLikelihood(*of, part) for part in parts))
        if not callable(getattr(client, "submit", None)):
            raise FederationError(
                f"client is a distributed.Client, not {type(client).__name__}. Install the extra "
                "and make one: pip install 'twinbayes[dask]', distributed.Client(address)."
            )
        # Tasks, not scattered data: whoever takes over from a dead worker makes them again.
        held = [
            client.submit(LocalLikelihood, *of, part, pure=False, retries=_ATTEMPTS)
            for part in parts
        ]
        return cls(tuple(held), client)

    def expand(self, place: Place) -> Floats:
        """Sum of expansions, packed."""
        return self._sum(_expanded, place)

    def score(self, values: Floats) -> Floats:
        """(draw, 1 + intensity) sums of scores."""
        return self._sum(_scored, values)

    def _sum(self, work: Callable[[LocalLikelihood, Any], Floats], of: Any) -> Floats:
        """Add up what shards say, in their order whoever was first."""
        if self.client is None:
            each = [work(shard, of) for shard in self.held]
        else:
            each = self._gathered(work, of)
        total: Floats = np.sum(each, axis=0)
        return total

    def _gathered(self, work: Callable[[LocalLikelihood, Any], Floats], of: Any) -> list[Floats]:
        import distributed

        library: Any = distributed  # typed in parts only
        tasks = [
            self.client.submit(work, shard, of, pure=False, retries=_ATTEMPTS)
            for shard in self.held
        ]
        try:
            found: list[Floats] = self.client.gather(tasks)
        except library.KilledWorker as error:
            raise FederationError(
                "Workers of the cluster ended again and again during the same shard; see their "
                "logs, and give them more memory or use more shards."
            ) from error
        return found


def _expanded(shard: LocalLikelihood, place: Place) -> Floats:
    return shard.expansion(place.point, place.spread).packed()


def _scored(shard: LocalLikelihood, values: Floats) -> Floats:
    return shard.totals(values)
