"""PyMC's own NUTS: the reference the other samplers are compared with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

import pymc as pm
import xarray as xr

from twinbayes.inference.samplers.one_call import CompiledInOneCall
from twinbayes.inference.samplers.protocol import resolve_options
from twinbayes.inference.samplers.threads import cores_for
from twinbayes.inference.samplers.tree import kept_names

NAME: Final = "pymc"
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.85, "max_treedepth": 10}
)


@dataclass(frozen=True, kw_only=True)
class PymcCompiled(CompiledInOneCall):
    """A model for PyMC's NUTS. Each chain has its own stream of random numbers."""

    sampler: ClassVar[str] = NAME

    def chains_at_once(self, chains: int, cores: int | None) -> int:
        """One after the other where JAX is loaded.

        Chains are forked processes, and forking a process in which JAX runs threads can deadlock.
        """
        return 1 if "jax" in sys.modules else cores_for(chains, cores)

    def call(
        self, *, draws: int, tune: int, chains: int, seed: int, cores: int, progressbar: bool
    ) -> xr.DataTree:
        """Run `pm.sample`."""
        found: xr.DataTree = pm.sample(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            blas_cores=cores,
            random_seed=seed,
            var_names=kept_names(self.model),
            nuts_sampler="pymc",
            nuts={name: self.options[name] for name in ("target_accept", "max_treedepth")},
            progressbar=progressbar,
            quiet=not progressbar,
            compute_convergence_checks=False,
            model=self.model,
        )
        return found


def compile_model(model: pm.Model, options: Mapping[str, object]) -> PymcCompiled:
    """Prepare a model for PyMC's NUTS; `options` update `DEFAULTS`."""
    resolved = resolve_options(options, DEFAULTS, NAME)
    return PymcCompiled(model=model, options=MappingProxyType(resolved))
