"""Samplers that compile anew inside each call, as those of PyMC and NumPyro do."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import MappingProxyType
from typing import ClassVar, Self

import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.inference.samplers.protocol import (
    GiveUp,
    on_data,
    require_run,
    require_shared,
    stopped,
)
from twinbayes.inference.samplers.threads import one_thread_each, show_progress
from twinbayes.inference.samplers.tree import STATISTICS, build_tree


@dataclass(frozen=True, kw_only=True)
class CompiledInOneCall(ABC):
    """A model for a sampler whose one call compiles and samples.

    `compile_seconds` is therefore zero here; the tree that `sample` returns has what the sampler
    says of it. A subclass names its sampler, which is also the package, and makes the call.
    """

    sampler: ClassVar[str]
    model: pm.Model
    options: Mapping[str, object]
    data: Mapping[str, ArrayLike] = field(default_factory=dict)
    compile_seconds: float = 0.0
    starts: bool = False

    @abstractmethod
    def chains_at_once(self, chains: int, cores: int | None) -> int:
        """How many chains run at the same time; no draw depends on it."""

    @abstractmethod
    def call(
        self, *, draws: int, tune: int, chains: int, seed: int, cores: int, progressbar: bool
    ) -> xr.DataTree:
        """Compile, and draw from the posterior."""

    def sample(
        self,
        *,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        seed: int = 0,
        cores: int | None = None,
        progressbar: bool = True,
        give_up: GiveUp | None = None,
    ) -> xr.DataTree:
        """Draw from the posterior, to the end; see `protocol.sample` for what comes back."""
        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=cores)
        run = {"draws": draws, "tune": tune, "chains": chains, "seed": seed}
        run["cores"] = self.chains_at_once(chains, cores)
        started = time.perf_counter()
        with one_thread_each(), on_data(self.model, self.data):
            try:
                result = self.call(**run, progressbar=show_progress(progressbar))
            except (pm.exceptions.SamplingError, RuntimeError) as error:
                raise stopped(self.sampler, error) from error
        total = time.perf_counter() - started
        sampling = float(result["posterior"].attrs.get("sampling_time", total))
        stats = result["sample_stats"].to_dataset()
        return build_tree(
            self.model,
            result["posterior"].to_dataset(),
            {name: stats[name] for name in STATISTICS if name in stats},
            {
                "sampler": self.sampler,
                "sampler_version": version(self.sampler),
                "options": self.options,
                **run,
                "compile_seconds": total - sampling,
                "sample_seconds": sampling,
            },
        )

    def with_options(self, **updates: object) -> Self:
        """Return the same model with other values of some options."""
        return dataclasses.replace(self, options=MappingProxyType({**self.options, **updates}))

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same model on other values of its `pm.Data`."""
        require_shared(updates, self.model)
        return dataclasses.replace(self, data={**self.data, **updates})
