"""Compiling and sampling: from a model and its data to a fit, and fits read from files."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast, overload

import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.cohort import Cohort
from twinbayes.cohort.aggregate import Aggregate
from twinbayes.errors import ModelError, OptionError, StorageError, TwinError
from twinbayes.inference.aggregate_fit import (
    DATA,
    AggregateFit,
    CompiledAggregate,
    compile_aggregate,
    unpack_aggregate,
)
from twinbayes.inference.files.archive import (
    COHORT,
    read_text,
    require_description,
    stored_priors,
    unpack_fit,
)
from twinbayes.inference.files.constants import checked_weights, constants
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.files.provenance import (
    CONTENT,
    bars_of,
    require_content,
    with_whole_run,
)
from twinbayes.inference.files.sealed import malformed_is_refused, read_tree
from twinbayes.inference.fit import Fit, LaidOut
from twinbayes.inference.gate.verdict import judge
from twinbayes.inference.plain.model_fit import MODEL, ModelFit, compile_pymc, unpack_model
from twinbayes.inference.samplers.protocol import Compiled, compile_model
from twinbayes.inference.shared_fit import SHARED, SharedFit, unpack_shared
from twinbayes.inference.until import Effort, effort_of, sample_until
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.assemble import assemble_plan, require_finite_start, require_spec
from twinbayes.model.curves.trail import op as trail_op
from twinbayes.model.events.likelihood import op as event_op
from twinbayes.model.pooling.quantile import op as mixture_quantile
from twinbayes.names import CONSTANT_DATA, PATIENT_WEIGHT
from twinbayes.priors import PriorSet, chosen_priors
from twinbayes.releases import require_in_use
from twinbayes.showing import brief


@brief
@dataclass(frozen=True)
class CompiledFit:
    """A model compiled for a cohort: sample it again and again without compiling again.

    Examples
    --------
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> compiled = compile_fit(spec, tb.datasets.simulated_registry())  # doctest: +SKIP
    >>> fits = [compiled.sample(seed=seed) for seed in (1, 2)]  # doctest: +SKIP
    >>> [fit.manifest["sampler"]["seed"] for fit in fits]  # doctest: +SKIP
    [1, 2]
    """

    spec: ModelSpec
    cohort: Cohort
    priors: PriorSet
    plan: ModelPlan
    compiled: Compiled

    def sample(self, *, weights: ArrayLike | None = None, **effort: Any) -> Fit:
        """Draw from the posterior, by default with every patient counting once.

        Parameters
        ----------
        weights
            One number a patient: 0 leaves a patient out (cross-validation), 1 counts as
            observed. Power priors of the model discount on top of it.
        **effort
            How long, as of `fit`: see `until.Effort`.
        """
        weight = checked_weights(weights, len(self.cohort.patient_ids))
        weight = weight * self.spec.discounts(self.plan)
        allowed = self.spec.constants(self.plan.learnt)
        tree, verdict, runs = sample_until(
            self.compiled.with_data(**{PATIENT_WEIGHT: weight}),
            partial(judge, constants=allowed),
            effort_of(effort),
        )
        tree[CONSTANT_DATA] = xr.DataTree(constants(self.plan.events, self.cohort, weight))
        manifest = build_manifest(
            run={str(key): value for key, value in tree.attrs.items()},
            runs=runs,
            cohort_fingerprint=self.cohort.fingerprint,
            spec_hash=self.spec.content_hash,
            prior_ids=self.priors.ids,
            prior_hash=self.priors.content_hash,
            verdict=verdict,
        )
        spec, cohort, learnt = self.spec, self.cohort, self.plan.learnt
        laid_out = LaidOut(spec, cohort, learnt, self.plan)
        return Fit(spec, cohort, self.priors, tree, verdict, manifest, learnt, laid_out)


@overload
def compile_fit(
    spec: ModelSpec, data: Cohort, *, priors: PriorSet | None = ..., **options: Any
) -> CompiledFit: ...


@overload
def compile_fit(
    spec: AggregateSpec, data: Aggregate, *, priors: PriorSet | None = ..., **options: Any
) -> CompiledAggregate: ...


def compile_fit(
    spec: ModelSpec | AggregateSpec,
    data: Cohort | Aggregate,
    *,
    priors: PriorSet | None = None,
    sampler: str = "nutpie",
    **options: Any,
) -> CompiledFit | CompiledAggregate:
    """Compile a model for its data; see `fit` for the parameters.

    Examples
    --------
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> compiled = compile_fit(spec, tb.datasets.simulated_registry())  # doctest: +SKIP
    >>> compiled.sample(seed=1).verdict.banner()  # doctest: +SKIP
    'USABLE'
    """
    require_spec(spec, ModelSpec, AggregateSpec)
    if sampler == "numpyro":
        event_op.register_jax()
        trail_op.register_jax()
        mixture_quantile.register_jax()
    if not isinstance(data, Cohort | Aggregate):
        raise ModelError(
            f"The model {spec.name!r} needs data: a cohort from `read_cohort`, or results from "
            f"`read_aggregate`, not {type(data).__name__}."
        )
    if isinstance(spec, AggregateSpec) != isinstance(data, Aggregate):
        raise ModelError(
            f"The model {spec.name!r} is of {_DATA[isinstance(spec, AggregateSpec)]}, the data are "
            f"{_DATA[isinstance(data, Aggregate)]}."
        )
    if isinstance(spec, AggregateSpec):
        return compile_aggregate(
            spec, cast(Aggregate, data), priors=priors, sampler=sampler, **options
        )
    cohort = cast(Cohort, data)
    priors = chosen_priors(priors, spec.priors)
    plan = spec.plan(cohort)
    model = assemble_plan(spec, plan, priors)
    compiled = compile_model(model, sampler=sampler, **options)
    if not compiled.starts:
        require_finite_start(model)
    return CompiledFit(spec, cohort, priors, plan, compiled)


@overload
def fit(spec: pm.Model, data: None = ..., **options: Any) -> ModelFit: ...


@overload
def fit(spec: ModelSpec, data: Cohort, **options: Any) -> Fit: ...


@overload
def fit(spec: AggregateSpec, data: Aggregate, **options: Any) -> AggregateFit: ...


def fit(
    spec: ModelSpec | AggregateSpec | pm.Model,
    data: Cohort | Aggregate | None = None,
    *,
    priors: PriorSet | None = None,
    sampler: str = "nutpie",
    draws: int | None = None,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    cores: int | None = None,
    until: str | None = "default",
    max_draws: int = 8000,
    max_seconds: float | None = None,
    progressbar: bool = True,
    **options: Any,
) -> Fit | AggregateFit | ModelFit:
    """Fit a model to a cohort, or to aggregate data, or an ordinary PyMC model.

    Parameters
    ----------
    spec
        The model, from `disease`; or any `pymc.Model` whose free variables are continuous.
    data
        The patients, from `read_cohort`; for a model of aggregate data, from `read_aggregate`. A
        PyMC model has its own.
    priors
        Default: the model's file of the prior library. A PyMC model has its own.
    sampler
        ``"nutpie"`` (default), ``"pymc"`` or ``"numpyro"``.
    draws, tune, chains
        Draws kept (default 1,000) and warm-up draws of each chain; number of chains.
    seed
        The same seed gives identical draws on one machine.
    cores
        Chains that run at the same time; by default as many as this process may use.
    until
        ``"usable"``, the default where `draws` is not given: go on until the verdict is usable,
        or the budget ends. A run that falls short is followed by one with more draws, or with
        smaller steps after a longer warm-up; what was tried is in ``manifest["runs"]``. None, the
        default where `draws` is given: one run of this length.
    max_draws, max_seconds
        The budget: draws of each chain of the longest run; seconds after which no further run
        begins (the draws may then depend on the machine's speed).
    progressbar
        Show progress where somebody can see it.
    **options
        Options of the sampler.

    Returns
    -------
    Fit, AggregateFit or ModelFit
        Look at its ``verdict`` first.

    Raises
    ------
    ModelError, PriorError, OptionError, FitError
        Before sampling, wherever possible.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> fit = tb.fit(tb.disease("registry"), cohort, seed=1)  # doctest: +SKIP
    >>> fit.verdict.banner()  # doctest: +SKIP
    'USABLE'
    """
    effort = Effort(
        draws=draws, tune=tune, chains=chains, seed=seed, cores=cores, until=until,
        max_draws=max_draws, max_seconds=max_seconds, progressbar=progressbar,
    )  # fmt: skip
    if isinstance(spec, pm.Model):
        if data is not None or priors is not None:
            raise OptionError("A PyMC model has its own data and priors: give it alone.")
        return compile_pymc(spec, sampler=sampler, **options).sample(**vars(effort))
    compiled: CompiledFit | CompiledAggregate = compile_fit(
        cast(Any, spec), cast(Any, data), priors=priors, sampler=sampler, **options
    )
    return compiled.sample(**vars(effort))


def load_fit(
    path: str | os.PathLike[str], *, key: bytes | None = None
) -> Fit | SharedFit | AggregateFit | ModelFit:
    """Read a fit that `Fit.save` wrote; the checksum is verified before anything is parsed.

    Model, priors, data and draws are hashed again and compared with the manifest, and the draws
    are judged again. Where they are not all that were sampled, the verdict is the worse of theirs
    and of the whole run's.

    Parameters
    ----------
    path
        The file.
    key
        The secret that it was saved with. Only with it is a change noticed that was made by
        somebody who meant it to pass: whoever rewrites a whole file can compute its checksums.

    Raises
    ------
    StorageError
        Missing, truncated, altered, written by a newer version, not saved with this key, or made
        of parts that do not belong together.
    ModelError
        The model has a type of one's own that is not registered here.
    OptionError
        The key is shorter than 16 bytes.
    ReleaseError
        The log of releases beside it says that it was withdrawn, or is of another file.

    Examples
    --------
    >>> fit.save("my_fit.nc").name
    'my_fit.nc'
    >>> tb.load_fit("my_fit.nc").spec.name
    'registry'
    """
    tree, stored = read_tree(path, key=key)
    require_in_use(path)
    with malformed_is_refused(Path(path).name):
        text, draws = read_text(tree)
        manifest = require_content(tree, stored)
        if MODEL in text:
            return unpack_model(text[MODEL], draws, manifest)
        priors = stored_priors(text)
        require_description(text, priors, manifest)
        if SHARED in text:
            if COHORT in tree:
                raise StorageError(
                    "The file says that it holds no patients, and has their records. Make it again "
                    "with Fit.without_patients."
                )
            return unpack_shared(text, priors, draws, manifest)
        if DATA in text:
            return unpack_aggregate(text, priors, draws, manifest)
        spec, cohort, learnt = unpack_fit(tree, text, manifest)
        judged = judge(draws, constants=spec.constants(learnt), **bars_of(manifest))
        verdict = with_whole_run(judged, manifest)
        found = Fit(spec, cohort, priors, draws, verdict, manifest, learnt)
        return found if CONTENT in stored else _tried(found)


def _tried(found: Fit) -> Fit:
    """A fit of a file that has no hashes of its content: one forecast shows that nothing lacks."""
    with suppress(TwinError):  # the patient may be dead: then the record is read all the same
        found.twin(found.cohort.patient_ids[0]).forecast(until=1.0, grid=1)
    return found


_DATA: Final = {True: "aggregate data", False: "patients"}
