"""nutpie: NUTS in Rust on a numba-compiled log density; the default on CPUs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.errors import FitError, require_known
from twinbayes.inference.nutpie_entry import quick_entry_points
from twinbayes.inference.resources import cores_for, one_thread_each, show_progress
from twinbayes.inference.samplers import require_run, require_shared, resolve_options, stopped
from twinbayes.inference.trace import build_tree, kept_names

NAME: Final = "nutpie"
ADAPTATIONS: Final = ("diag", "draw_diag", "low_rank")
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.8, "max_treedepth": 10, "adaptation": "diag", "backend": "numba"}
)
_STATISTICS: Final = {
    "diverging": "diverging",
    "energy": "energy",
    "lp": "logp",
    "step_size": "step_size",
    "n_steps": "n_steps",
    "tree_depth": "depth",
    "acceptance_rate": "mean_tree_accept",
}


@dataclass(frozen=True, kw_only=True)
class NutpieCompiled:
    """A model compiled by nutpie."""

    model: pm.Model
    inner: Any
    options: Mapping[str, object]
    compile_seconds: float
    sampler: str = NAME

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
        """Draw from the posterior; each chain has its own stream, so `cores` changes no draw."""
        import nutpie

        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=cores)
        parallel = cores_for(chains, cores)
        started = time.perf_counter()
        with one_thread_each():
            running = nutpie.sample(
                self.inner,
                draws=draws,
                tune=tune,
                chains=chains,
                cores=parallel,
                seed=seed,
                save_warmup=False,
                progress_bar=show_progress(progressbar),
                adaptation=self.options["adaptation"],
                target_accept=self.options["target_accept"],
                maxdepth=self.options["max_treedepth"],
                blocking=False,
            )
            # nutpie's own blocking call turns an interrupt into a shorter trace; we stop instead.
            try:
                result = running.wait()
            except RuntimeError as error:
                raise stopped(NAME, error) from error
            except BaseException:
                running.cancel()
                raise
        seconds = time.perf_counter() - started
        stats = result["sample_stats"]
        return build_tree(
            self.model,
            result["posterior"].to_dataset(),
            {ours: stats[theirs] for ours, theirs in _STATISTICS.items()},
            {
                "sampler": NAME,
                "sampler_version": version("nutpie"),
                "options": self.options,
                "draws": draws,
                "tune": tune,
                "chains": chains,
                "seed": seed,
                "cores": parallel,
                "compile_seconds": self.compile_seconds,
                "sample_seconds": seconds,
            },
        )

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same compiled functions on other values of the model's `pm.Data`."""
        require_shared(updates, self.model)
        used = {v.name: self.inner.shared_data[k] for v, k in self.inner.shared_var_keys.items()}
        arrays = {name: np.asarray(value) for name, value in updates.items() if name in used}
        return dataclasses.replace(self, inner=self.inner.with_data(**arrays))


def compile_model(model: pm.Model, options: Mapping[str, object]) -> NutpieCompiled:
    """Compile a model with nutpie; `options` update `DEFAULTS`."""
    resolved = resolve_options(options, DEFAULTS, NAME)
    require_known(resolved["adaptation"], ADAPTATIONS, "adaptation")
    require_known(resolved["backend"], ("numba", "jax"), "backend")
    try:
        import nutpie
    except ImportError as error:
        raise FitError(
            "The sampler 'nutpie' needs the package nutpie: pip install nutpie."
        ) from error
    started = time.perf_counter()
    with one_thread_each(), quick_entry_points():
        inner = nutpie.compile_pymc_model(
            model, backend=resolved["backend"], var_names=kept_names(model)
        )
    return NutpieCompiled(
        model=model,
        inner=inner,
        options=MappingProxyType(resolved),
        compile_seconds=time.perf_counter() - started,
    )
