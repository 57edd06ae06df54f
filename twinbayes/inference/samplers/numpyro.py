"""NumPyro's NUTS on JAX: for GPUs, and for models whose likelihood is large matrix algebra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import ClassVar, Final

import pymc as pm
import xarray as xr

from twinbayes.errors import FitError, require_known
from twinbayes.inference.samplers.one_call import CompiledInOneCall
from twinbayes.inference.samplers.protocol import resolve_options
from twinbayes.inference.samplers.tree import kept_names

NAME: Final = "numpyro"
CHAIN_METHODS: Final = ("vectorized", "parallel")
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.85, "max_treedepth": 10, "chain_method": "vectorized"}
)


@dataclass(frozen=True, kw_only=True)
class NumpyroCompiled(CompiledInOneCall):
    """A model for NumPyro. XLA compiles it while it samples."""

    sampler: ClassVar[str] = NAME

    def chains_at_once(self, chains: int, cores: int | None) -> int:
        """One process: chains advance together, and `cores` is not used."""
        return 1

    def call(
        self, *, draws: int, tune: int, chains: int, seed: int, cores: int, progressbar: bool
    ) -> xr.DataTree:
        """Run `sample_numpyro_nuts`."""
        from pymc.sampling.jax import sample_numpyro_nuts

        found: xr.DataTree = sample_numpyro_nuts(
            draws=draws,
            tune=tune,
            chains=chains,
            random_seed=seed,
            target_accept=self.options["target_accept"],
            nuts_kwargs={"max_tree_depth": self.options["max_treedepth"]},
            chain_method=self.options["chain_method"],
            var_names=kept_names(self.model),
            progressbar=progressbar,
            compute_convergence_checks=False,
            model=self.model,
        )
        return found


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
