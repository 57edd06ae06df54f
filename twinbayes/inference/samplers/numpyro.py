"""NumPyro's NUTS on JAX: for GPUs, and for models whose likelihood is large matrix algebra."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final, Self

import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.errors import FitError, require_known
from twinbayes.inference.samplers.protocol import (
    on_data,
    require_run,
    require_shared,
    resolve_options,
    stopped,
)
from twinbayes.inference.samplers.threads import one_thread_each, show_progress
from twinbayes.inference.samplers.tree import STATISTICS, build_tree, kept_names

NAME: Final = "numpyro"
CHAIN_METHODS: Final = ("vectorized", "parallel")
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.8, "max_treedepth": 10, "chain_method": "vectorized"}
)


@dataclass(frozen=True, kw_only=True)
class NumpyroCompiled:
    """A model for NumPyro, which XLA compiles while it samples.

    `compile_seconds` is therefore zero here, and XLA's compilation counts as sampling in the
    tree that `sample` returns.
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
        """Draw from the posterior; chains advance together, so `cores` is not used."""
        from pymc.sampling.jax import sample_numpyro_nuts

        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=cores)
        started = time.perf_counter()
        with one_thread_each(), on_data(self.model, self.data):
            try:
                result = sample_numpyro_nuts(
                    draws=draws,
                    tune=tune,
                    chains=chains,
                    random_seed=seed,
                    target_accept=self.options["target_accept"],
                    nuts_kwargs={"max_tree_depth": self.options["max_treedepth"]},
                    chain_method=self.options["chain_method"],
                    var_names=kept_names(self.model),
                    progressbar=show_progress(progressbar),
                    compute_convergence_checks=False,
                    model=self.model,
                )
            except (pm.exceptions.SamplingError, RuntimeError) as error:
                raise stopped(NAME, error) from error
        total = time.perf_counter() - started
        sampling = float(result["posterior"].attrs.get("sampling_time", total))
        stats = result["sample_stats"]
        return build_tree(
            self.model,
            result["posterior"].to_dataset(),
            {name: stats[name] for name in STATISTICS if name in stats},
            {
                "sampler": NAME,
                "sampler_version": version("numpyro"),
                "options": self.options,
                "draws": draws,
                "tune": tune,
                "chains": chains,
                "seed": seed,
                "cores": 1,
                "compile_seconds": total - sampling,
                "sample_seconds": sampling,
            },
        )

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same model on other values of its `pm.Data`."""
        require_shared(updates, self.model)
        return dataclasses.replace(self, data={**self.data, **updates})


def compile_model(model: pm.Model, options: Mapping[str, object]) -> NumpyroCompiled:
    """Prepare a model for NumPyro; `options` update `DEFAULTS`."""
    resolved = resolve_options(options, DEFAULTS, NAME)
    require_known(resolved["chain_method"], CHAIN_METHODS, "chain_method")
    absent = [name for name in ("jax", "numpyro") if find_spec(name) is None]
    if absent:
        raise FitError(
            f"The sampler 'numpyro' needs {' and '.join(absent)}: pip install 'twinbayes[numpyro]'."
        )
    return NumpyroCompiled(model=model, options=MappingProxyType(resolved))
