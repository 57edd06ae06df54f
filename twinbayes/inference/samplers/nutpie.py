"""nutpie: NUTS in Rust on a log density that needs no compiling; the default on CPUs."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final, Self
from weakref import WeakSet

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike
from pytensor.configdefaults import config

from twinbayes.arrays import Floats
from twinbayes.errors import CompilationWarning, FitError, require_known
from twinbayes.inference.samplers.protocol import (
    GaveUpError,
    GiveUp,
    require_run,
    require_shared,
    resolve_options,
    stopped,
)
from twinbayes.inference.samplers.threads import cores_for, one_thread_each, show_progress
from twinbayes.inference.samplers.tree import build_tree, kept_names
from twinbayes.machine.tape.model import ModelTapes, record_model
from twinbayes.machine.tape.player import density_entry, record_entry
from twinbayes.machine.tape.rules import UnknownOperationError

NAME: Final = "nutpie"
ADAPTATIONS: Final = ("diag", "draw_diag", "low_rank")
DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {"target_accept": 0.85, "max_treedepth": 10, "adaptation": "diag", "backend": "auto"}
)
#: Above so many dimensions the cost of a draw is least near an acceptance of 0.65 (Beskos et al.
#: 2013, doi:10.3150/12-BEJ414): longer steps, a bit above it, are the default.
MANY_DIMENSIONS: Final = 5000
ACCEPT_IN_MANY: Final = 0.7
BACKENDS: Final = ("auto", "tape", "numba", "jax")
_LOOK_MS: Final = 50  # a run under way is looked at so often
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
    """A model made ready for nutpie: recorded as `tapes`, or compiled where there are none."""

    model: pm.Model
    inner: Any
    options: Mapping[str, object]
    compile_seconds: float
    tapes: ModelTapes | None = None
    sampler: str = NAME

    @property
    def starts(self) -> bool:
        """Whether one of a few starts has a finite density, which tapes tell at once."""
        return self.tapes is not None and self.tapes.starts

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
        """Draw from the posterior; each chain has its own stream, so `cores` changes no draw."""
        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=cores)
        parallel = cores_for(chains, cores)
        started = time.perf_counter()
        with one_thread_each():
            result = self._run(
                give_up or GiveUp(),
                draws=draws,
                tune=tune,
                chains=chains,
                cores=parallel,
                seed=seed,
                progress_bar=show_progress(progressbar),
            )
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

    def sample_arrays(
        self, *, draws: int, tune: int, chains: int, seed: int
    ) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Draw one chain after the other; the draws are those of `sample`, without their labels.

        The caller keeps BLAS to one thread (`one_thread_each`): asking for it takes as long as a
        short run.

        Returns
        -------
        values, statistics
            (chain, draw, ...) of every variable that the gate judges, and (chain, draw) of
            ``diverging`` and ``energy``.
        """
        require_run(draws=draws, tune=tune, chains=chains, seed=seed, cores=1)
        result = self._run(
            GiveUp(), draws=draws, tune=tune, chains=chains, cores=1, seed=seed,
            progress_bar=False, return_raw_trace=True,
        )  # fmt: skip
        drawn, told = result.get_arrow_trace()
        kept = [~np.asarray(batch.column("tuning").to_numpy(), dtype=bool) for batch in told]
        if any(int(keep.sum()) != draws for keep in kept):
            raise FitError("The sampler returned fewer draws than asked for: sample again.")
        values = {name: _stacked(drawn, kept, name) for name in kept_names(self.model)}
        return values, {name: _stacked(told, kept, name) for name in ("diverging", "energy")}

    def _run(self, give_up: GiveUp, **settings: Any) -> Any:
        """Let nutpie sample, with the options in force."""
        import nutpie

        watch = _Watch(settings["tune"])
        if give_up.at_divergence:
            settings |= {"progress_callback": watch, "progress_rate": _LOOK_MS}
        running = nutpie.sample(
            self.inner,
            save_warmup=False,
            adaptation=self.options["adaptation"],
            target_accept=self.options["target_accept"],
            maxdepth=self.options["max_treedepth"],
            blocking=False,
            **settings,
        )
        # nutpie's own blocking call turns an interrupt into a shorter trace; we stop instead.
        try:
            return running.wait() if give_up == GiveUp() else _attend(running, watch, give_up)
        except RuntimeError as error:
            raise stopped(NAME, error) from error
        except BaseException:
            running.cancel()
            raise

    def with_options(self, **updates: object) -> Self:
        """Return the same compiled functions under other values of some options."""
        return dataclasses.replace(self, options=MappingProxyType({**self.options, **updates}))

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same compiled functions on other values of the model's `pm.Data`."""
        require_shared(updates, self.model)
        if self.tapes is not None:
            try:
                tapes = self.tapes.with_data(updates)
            except UnknownOperationError as error:
                raise FitError(
                    f"The model cannot be put on a tape with these data: {error}. Check their "
                    "shapes, or compile the model with backend='numba'."
                ) from error
            return dataclasses.replace(self, inner=_playing(self.model, tapes), tapes=tapes)
        used = {v.name: self.inner.shared_data[k] for v, k in self.inner.shared_var_keys.items()}
        arrays = {name: np.asarray(value) for name, value in updates.items() if name in used}
        return dataclasses.replace(self, inner=self.inner.with_data(**arrays))


class _Watch:
    """Sees whether a transition has diverged after the warm-up; nutpie's threads call it."""

    def __init__(self, tune: int) -> None:
        self._tune = tune
        self.diverged = False

    def __call__(self, chains: Sequence[Any]) -> None:
        self.diverged |= any(
            int(draw) >= self._tune for chain in chains for draw in chain.divergent_draws
        )


def _attend(running: Any, watch: _Watch, give_up: GiveUp) -> Any:
    """Wait for the end of a run, or leave it."""
    while True:
        try:
            return running.wait(timeout=_LOOK_MS / 1000)
        except TimeoutError:
            if watch.diverged:
                raise GaveUpError("a transition diverged", diverged=True) from None
            if give_up.deadline is not None and time.monotonic() >= give_up.deadline:
                raise GaveUpError("the time was over", diverged=False) from None


def _stacked(batches: Sequence[Any], kept: Sequence[Any], name: str) -> Floats:
    """(chain, draw, ...) of one column of nutpie's records, without the warm-up."""
    import pyarrow

    rows = []
    for batch, keep in zip(batches, kept, strict=True):
        column = batch.column(name)
        shape = (column.field.metadata or {}).get(b"shape", b"").decode()
        array = pyarrow.array(column)
        flat = array.flatten() if hasattr(array, "flatten") else array
        values = np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float64)
        item = tuple(int(n) for n in shape.split(",")) if shape else ()
        rows.append(values.reshape(len(keep), *item)[keep])
    return np.stack(rows)


def compile_model(model: pm.Model, options: Mapping[str, object]) -> NutpieCompiled:
    """Make a model ready for nutpie; `options` update `DEFAULTS`.

    ``backend`` is ``"tape"``, which takes a second; ``"numba"`` or ``"jax"``, which take
    minutes and know every model; or ``"auto"``, the first where it can be had, and a
    `CompilationWarning` where it cannot. The one in force is in the options of the result, and so
    is ``target_accept``, which by default is lower in more than `MANY_DIMENSIONS`.
    """
    resolved = resolve_options(options, DEFAULTS, NAME)
    require_known(resolved["adaptation"], ADAPTATIONS, "adaptation")
    backend = require_known(resolved["backend"], BACKENDS, "backend")
    try:
        import nutpie
    except ImportError as error:
        raise FitError(
            "The sampler 'nutpie' needs the package nutpie: pip install nutpie."
        ) from error
    started = time.perf_counter()
    kept = kept_names(model)
    tapes = None
    if backend in ("auto", "tape"):
        try:
            with config.change_flags(traceback__limit=0):  # noted of every node, read of none
                tapes = record_model(model, kept)
            backend = "tape"
        except UnknownOperationError as error:
            if backend == "tape":
                raise FitError(
                    f"The model cannot be put on a tape: {error}. Use backend='numba'."
                ) from error
            _warn_of_compiling(model, error)
            backend = "numba"
    with one_thread_each():
        inner = (
            _playing(model, tapes)
            if tapes is not None
            else nutpie.compile_pymc_model(model, backend=backend, var_names=kept)
        )
    if "target_accept" not in options and inner.n_dim > MANY_DIMENSIONS:
        resolved["target_accept"] = ACCEPT_IN_MANY
    return NutpieCompiled(
        model=model,
        inner=inner,
        options=MappingProxyType({**resolved, "backend": backend}),
        compile_seconds=time.perf_counter() - started,
        tapes=tapes,
    )


# Models are compiled anew for other options: that one is beyond the tape is said once.
_WARNED: Final[WeakSet[pm.Model]] = WeakSet()


def _warn_of_compiling(model: pm.Model, reason: UnknownOperationError) -> None:
    if model in _WARNED:
        return
    _WARNED.add(model)
    warnings.warn(
        f"The model cannot be put on a tape: {reason}. It is compiled, which takes minutes and "
        "changes no result. Use backend='numba' to ask for that.",
        CompilationWarning,
        stacklevel=4,
    )


def _playing(model: pm.Model, tapes: ModelTapes) -> Any:
    """Present tapes to nutpie as a model that it has compiled itself."""
    from nutpie import compile_pymc

    shapes = list(tapes.draw.shapes)
    ends = np.cumsum([int(np.prod(shape, dtype=int)) for shape in shapes])
    slices = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    layout = (list(tapes.names), slices, shapes)
    transformed = [
        model.rvs_to_values[rv].name
        for rv in model.free_RVs
        if model.rvs_to_transforms.get(rv) is not None
    ]
    dims, coords = compile_pymc._prepare_dims_and_coords(model, layout, transformed)
    return compile_pymc.CompiledPyMCModel(
        dims=dims,
        compiled_logp_func=density_entry(),
        compiled_expand_func=record_entry(),
        initial_point_func=tapes.start,
        shared_data={},
        shared_var_keys={},
        user_data=tapes.heads,
        n_expanded=int(ends[-1]),
        shape_info=layout,
        logp_func=tapes,  # unused, but it lives as long as its addresses are in use
        expand_func=None,
        _n_dim=tapes.n_inputs,
        _shapes=dict(zip(tapes.names, shapes, strict=True)),
        _coords=coords,
        reparameterized_names=transformed,
    )
