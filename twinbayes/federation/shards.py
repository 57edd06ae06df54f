"""One large cohort in shards: the engine of a federation, on this machine or on a Dask cluster.

The data are in one hand, so that nothing is masked and no number too small to be told. Columns and
windows are learnt from the whole cohort, as a fit learns them. Everything else is that of sites.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.begin import begun
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.estimation import Place, completed
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.likelihood.kinds import likelihood_of
from twinbayes.federation.likelihood.local import LocalLikelihood
from twinbayes.federation.posterior import FederatedPosterior
from twinbayes.federation.study import Study
from twinbayes.model import ModelSpec
from twinbayes.model.events.crude import Crude
from twinbayes.names import FEDERATION
from twinbayes.priors import PriorSet

_MOST: Final = 500
_SENT: Final = 2**22  # bytes of draws that a task scores
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
    """Fit a model to a cohort whose likelihood is evaluated shard by shard.

    Samplers evaluate a likelihood tens of thousands of times, one evaluation after the other. Here
    it is expanded some five times and scored once at each draw, all of them together, and shards
    do so side by side. Curves of patients and frailties are integrated out. The certificate says
    whether weighted draws are those of the posterior.

    Parameters
    ----------
    spec
        The model.
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
        The likelihood of the model has another form, there are too few patients for as many
        shards, or workers died again and again.
    ModelError
        The cohort does not fit the model.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> posterior = fit_in_shards(spec, cohort, shards=4)  # doctest: +SKIP
    >>> posterior.at_site(cohort).verdict.banner()  # doctest: +SKIP
    'USABLE'
    """
    if isinstance(shards, bool) or not isinstance(shards, int) or not 3 <= shards <= _MOST:
        raise FederationError(f"shards is a whole number from 3 to {_MOST}, not {shards!r}.")
    names = tuple(f"shard_{k + 1}" for k in range(shards))
    study = Study(spec, names, priors, minimum=0, draws=draws, seed=seed)
    if cohort.n_patients < shards:
        raise FederationError(
            f"{cohort.n_patients} patients cannot be divided into {shards} shards. Use fewer."
        )
    if client is not None and not callable(getattr(client, "submit", None)):
        raise FederationError(
            f"client is a distributed.Client, not {type(client).__name__}. Install the extra "
            "and make one: pip install 'twinbayes[dask]', distributed.Client(address)."
        )
    plan = spec.plan(cohort)
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(plan.learnt.encoding.subgroups))
    agreement = Agreement(study, plan.learnt, counts)
    divided = Shards.of(agreement, cohort, client)
    found = completed(begun(agreement), divided.expand, divided.score)
    rounds = zip(found.kinds, divided.seconds, strict=True)
    posterior = found.posterior([{"kind": kind, "seconds": round(s, 3)} for kind, s in rounds])
    told = {**posterior.manifest[FEDERATION], "sites": [], "shards": shards}
    return replace(posterior, manifest={**posterior.manifest, FEDERATION: told})


@dataclass(frozen=True)
class Shards:
    """Shards of a cohort.

    Attributes
    ----------
    held
        The likelihood of each, or the task of a cluster that has it.
    client
        Of the cluster; None where there is none.
    seconds
        That each sum has taken so far.
    """

    held: tuple[Any, ...] = field(repr=False)
    client: Any = None
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, agreement: Agreement, cohort: Cohort, client: Any) -> Shards:
        """Divide a cohort into as many as the study has sites."""
        n = len(agreement.study.sites)
        ids = cohort.patient_ids
        parts = [cohort.select(list(ids[k::n])) for k in range(n)]
        of = agreement.study.spec, agreement.learnt, agreement.coordinates
        kind = likelihood_of(agreement.study.spec)
        if client is None:
            return cls(tuple(kind(*of, part) for part in parts))
        # Tasks, not scattered data: whoever takes over from a dead worker makes them again.
        cluster = cls((), client)
        held = [cluster._task(kind, *of, part) for part in parts]
        return replace(cluster, held=tuple(held))

    def expand(self, place: Place) -> Floats:
        """Sum of expansions, packed."""
        return self._sum(_expanded, [place])

    def score(self, values: Floats) -> Floats:
        """(draw, ...) sums of scores."""
        n_parts = -(-values.nbytes // _SENT)
        return self._sum(_scored, np.array_split(values, n_parts))

    def _sum(self, work: Callable[[Any, Any], Floats], questions: Sequence[Any]) -> Floats:
        """Answers to questions, one after the other: what shards say to each, added up.

        Shards are added in their order, whoever was first.
        """
        began = time.perf_counter()
        if self.client is None:
            each = [[work(shard, q) for shard in self.held] for q in questions]
        else:
            each = self._gathered(work, questions)
        total: Floats = np.concatenate([np.sum(one, axis=0) for one in each])
        self.seconds.append(time.perf_counter() - began)
        return total

    def _gathered(
        self, work: Callable[[Any, Any], Floats], questions: Sequence[Any]
    ) -> list[list[Floats]]:
        import distributed

        library: Any = distributed  # typed in parts only
        asked = [self._task(_itself, q) for q in questions]  # sent once, not once a shard
        tasks = [[self._task(work, shard, q) for shard in self.held] for q in asked]
        try:
            found: list[list[Floats]] = self.client.gather(tasks)
        except library.KilledWorker as error:
            raise FederationError(
                "Workers of the cluster ended again and again during the same shard; see their "
                "logs, and give them more memory or use more shards."
            ) from error
        except (library.CancelledError, OSError) as error:
            raise FederationError(
                "The cluster's scheduler went away while shards were evaluated. Start it again, "
                "and the fit."
            ) from error
        return found

    def _task(self, work: Callable[..., Any], *of: Any) -> Any:
        return self.client.submit(work, *of, pure=False, retries=_ATTEMPTS)


def _itself(question: Any) -> Any:
    return question


def _expanded(shard: EventLikelihood, place: Place) -> Floats:
    return shard.expansion(place.point, place.spread).packed()


def _scored(shard: LocalLikelihood, values: Floats) -> Floats:
    return shard.totals(values)
