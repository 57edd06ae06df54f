"""PyMC's own NUTS: the reference the other samplers are compared with."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, Self

import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.inference.samplers.protocol import (
    on_data,
    require_run,
    require_shared,
    resolve_options,
    stopped,
)
from twinbayes.inference.samplers.threads import cores_for, one_thread_each, show_progress
from twinbayes.inference.samplers.tree import STATISTICS, build_tree, kept_names

NAME: Final = "pymc"
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.8, "max_treedepth": 10}
)


@dataclass(frozen=True, kw_only=True)
class PymcCompiled:
    """A model for PyMC's NUTS, which compiles anew inside each sampling call.

    `compile_seconds` is therefore zero here; the tree that `sample` returns has the true figure.
    """

    model: pm.Model
    options: Mapping[str, object]
    data: Mapping[str, ArrayLike] = field(default_factory=dict)
    compile_seconds: float = 0.0
    sampler: str = NAME
    starts: bool = False

    def sample(
        self,
        *,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        seed: int = 0,
        cores: int | None = None,
        progressbar: bool = True,
    ) -> xr.DataTree:
        """Draw from the posterior; each chain has its own stream, so `cores` changes no draw.

        Where JAX is loaded, chains run one after the other.
        """
        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=cores)
        # Chains are forked processes, and forking a process in which JAX runs threads can deadlock.
        parallel = 1 if "jax" in sys.modules else cores_for(chains, cores)
        started = time.perf_counter()
        with one_thread_each(), on_data(self.model, self.data):
            try:
                result = pm.sample(
                    draws=draws,
                    tune=tune,
                    chains=chains,
                    cores=parallel,
                    blas_cores=parallel,
                    random_seed=seed,
                    var_names=kept_names(self.model),
                    nuts_sampler="pymc",
                    nuts={
                        "target_accept": self.options["target_accept"],
                        "max_treedepth": self.options["max_treedepth"],
                    },
                    progressbar=show_progress(progressbar),
                    quiet=not show_progress(progressbar),
                    compute_convergence_checks=False,
                    model=self.model,
                )
            except (pm.exceptions.SamplingError, RuntimeError) as error:
                raise stopped(NAME, error) from error
        total = time.perf_counter() - started
        sampling = float(result["posterior"].attrs["sampling_time"])
        stats = result["sample_stats"]
        return build_tree(
            self.model,
            result["posterior"].to_dataset(),
            {name: stats[name] for name in STATISTICS if name in stats},
            {
                "sampler": NAME,
                "sampler_version": version("pymc"),
                "options": self.options,
                "draws": draws,
                "tune": tune,
                "chains": chains,
                "seed": seed,
                "cores": parallel,
                "compile_seconds": total - sampling,
                "sample_seconds": sampling,
            },
        )

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same model on other values of its `pm.Data`."""
        require_shared(updates, self.model)
        return dataclasses.replace(self, data={**self.data, **updates})


def compile_model(model: pm.Model, options: Mapping[str, object]) -> PymcCompiled:
    """Prepare a model for PyMC's NUTS; `options` update `DEFAULTS`."""
    resolved = resolve_options(options, DEFAULTS, NAME)
    return PymcCompiled(model=model, options=MappingProxyType(resolved))
