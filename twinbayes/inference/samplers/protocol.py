"""One way to sample any plain `pm.Model`, whichever sampler does the work.

Compiling is kept apart from sampling, because cross-validation, simulation-based calibration and
sensitivity runs sample one model many times on different data: `compile_model` once, then
`with_data` and `sample` as often as needed.

Adding a sampler is one file with a `compile_model` function and one line in `SAMPLERS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, Protocol, Self

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.errors import FitError, ModelError, OptionError, require_known, require_seed

SAMPLERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nutpie": "twinbayes.inference.samplers.nutpie",
        "pymc": "twinbayes.inference.samplers.pymc",
        "numpyro": "twinbayes.inference.samplers.numpyro",
    }
)
"""Name of each sampler and the module that knows it."""

DEEPEST_TREE: Final = 30
"""A trajectory of 2**30 steps is none that anybody waits for."""


@dataclass(frozen=True)
class GiveUp:
    """When a run may be left before its end.

    Parameters
    ----------
    at_divergence
        As soon as a transition has diverged after the warm-up.
    deadline
        After this moment of `time.monotonic`; None, never.
    """

    at_divergence: bool = False
    deadline: float | None = None


class GaveUpError(Exception):
    """A run was left before its end, as had been asked for; never seen by users.

    Attributes
    ----------
    summary
        Of a verdict, so far as it is known: NaN for the rest.
    """

    def __init__(self, reason: str, *, diverged: bool) -> None:
        super().__init__(reason)
        self.summary = {
            "divergences": 1.0 if diverged else 0.0,
            "at_max_treedepth": 0.0,
            "max_rhat": 1.0,
            "min_ess_bulk": float("nan"),
            "min_ess_tail": float("nan"),
            "min_ebfmi": 1.0,
        }


class Compiled(Protocol):
    """A model made ready for one sampler; sampling it does not change it.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     effect = pm.Normal("effect")
    >>> compiled = compile_model(model)
    >>> compiled.with_options(target_accept=0.9).options["target_accept"]
    0.9
    """

    @property
    def sampler(self) -> str:
        """Name of the sampler, a key of `SAMPLERS`."""

    @property
    def compile_seconds(self) -> float:
        """Wall-clock seconds that compiling took."""

    @property
    def starts(self) -> bool:
        """Whether a start of finite density was found; False also where none was looked for."""

    @property
    def options(self) -> Mapping[str, object]:
        """Every option of the sampler with the value in force."""

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
        """Draw from the posterior; see `sample` for what comes back.

        Raises `GaveUpError` where `give_up` asks for it; a sampler may go on to the end instead.
        """

    def with_options(self, **updates: object) -> Self:
        """Return the same compiled model with other values of some options, not recompiled."""

    def with_data(self, **updates: ArrayLike) -> Self:
        """Return the same compiled model on other values of its `pm.Data`, not recompiled."""


def compile_model(model: pm.Model, *, sampler: str = "nutpie", **options: object) -> Compiled:
    """Compile a model for a sampler.

    Parameters
    ----------
    model
        Any PyMC model whose free variables are all continuous.
    sampler
        A key of `SAMPLERS`: `"nutpie"` (default), `"pymc"` or `"numpyro"`.
    **options
        Options of that sampler; all know `target_accept` (default 0.85; of nutpie 0.7 in more than
        5,000 dimensions, for longer steps) and `max_treedepth`
        (default 10). An unknown one raises an OptionError that lists the known.

    Raises
    ------
    OptionError
        Unknown sampler or option.
    ModelError
        The model has nothing to sample, or a discrete free variable.
    FitError
        The package behind the sampler is not installed.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     effect = pm.Normal("effect")
    >>> tree = compile_model(model).sample(draws=200, seed=1)
    >>> tree["posterior"].sizes["draw"]
    200
    """
    require_known(sampler, SAMPLERS, "sampler")
    require_continuous(model)
    compiled: Compiled = import_module(SAMPLERS[sampler]).compile_model(model, options)
    return compiled


def sample(
    model: pm.Model,
    *,
    sampler: str = "nutpie",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    cores: int | None = None,
    progressbar: bool = True,
    **options: object,
) -> xr.DataTree:
    """Compile a model and draw from its posterior.

    Parameters
    ----------
    model
        Any PyMC model whose free variables are all continuous.
    sampler
        `"nutpie"`, `"pymc"` or `"numpyro"`.
    draws, tune, chains
        Draws kept and warm-up draws of each chain; number of chains.
    seed
        The same seed gives identical draws on one machine, whatever `cores` is.
    cores
        Chains that run at the same time; by default as many as this process may use.
    progressbar
        Show progress where somebody can see it: a terminal or a notebook.
    **options
        Options of the sampler, see `compile_model`.

    Returns
    -------
    DataTree
        `posterior` (dims chain, draw, and those of the model) and `sample_stats` (diverging,
        energy, lp, step_size, n_steps, tree_depth, acceptance_rate). Sampled variables whose
        names start with an underscore go to `hidden_posterior`, which the gate judges too;
        deterministic ones of that name are not kept. Attributes of the root: sampler,
        sampler_version, options (JSON), draws, tune, chains, seed, cores, compile_seconds,
        sample_seconds.

    Raises
    ------
    OptionError, ModelError, FitError
        See `compile_model`; FitError also when sampling cannot start.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> model = tb.assemble(tb.disease("registry"), cohort)  # doctest: +SKIP
    >>> sample(model, draws=100, tune=100, seed=1)["posterior"].sizes["chain"]  # doctest: +SKIP
    4
    """
    compiled = compile_model(model, sampler=sampler, **options)
    return compiled.sample(
        draws=draws, tune=tune, chains=chains, seed=seed, cores=cores, progressbar=progressbar
    )


def resolve_options(
    given: Mapping[str, object], defaults: Mapping[str, object], sampler: str
) -> dict[str, Any]:
    """Return the defaults updated by the given options.

    Raises
    ------
    OptionError
        An unknown option, one of another type, or a value that no sampler can work with.
    """
    for name, value in given.items():
        require_known(name, defaults, f"option of sampler {sampler!r}")
        default = defaults[name]
        numeric = isinstance(default, float) and isinstance(value, int)
        if default is not None and not numeric and not isinstance(value, type(default)):
            raise OptionError(
                f"Option {name!r} of sampler {sampler!r} needs a {type(default).__name__}, "
                f"not {value!r}."
            )
    resolved: dict[str, Any] = {**defaults, **given}
    accept, depth = resolved["target_accept"], resolved["max_treedepth"]
    if isinstance(accept, bool) or not 0.0 < float(accept) < 1.0:
        raise OptionError(
            f"target_accept must be a number between 0 and 1, without the ends, not {accept!r}."
        )
    if isinstance(depth, bool) or not 1 <= int(depth) <= DEEPEST_TREE:
        raise OptionError(
            f"max_treedepth must be a whole number from 1 to {DEEPEST_TREE}, not {depth!r}."
        )
    return resolved


def require_run(*, draws: int, tune: int, chains: int, seed: int, cores: int | None) -> None:
    """Refuse a run whose lengths make no sense before anything is sampled."""
    require_seed(seed)
    least = {"draws": (draws, 4), "tune": (tune, 1), "chains": (chains, 1)}
    if cores is not None:
        least["cores"] = (cores, 1)
    for name, (value, minimum) in least.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise OptionError(
                f"{name} must be a whole number of at least {minimum}, not {value!r}."
            )


def require_shared(updates: Mapping[str, object], model: pm.Model) -> None:
    """Refuse to update anything but a `pm.Data` of the model."""
    known = [variable.name for variable in model.data_vars]
    for name in updates:
        require_known(name, known, "data of the model")


def stopped(sampler: str, error: Exception) -> FitError:
    """Say that a sampler gave up; only the first line, as the rest lists every parameter."""
    cause = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".!:")
    return FitError(
        f"{sampler} stopped: {cause}. Check that the log density and its gradient are finite at "
        "the initial point: model.point_logps()."
    )


@contextmanager
def on_data(model: pm.Model, data: Mapping[str, ArrayLike]) -> Iterator[None]:
    """Give the model other data for the time of a block, and its own back afterwards."""
    before = {name: model[name].get_value() for name in data}
    pm.set_data({name: np.asarray(value) for name, value in data.items()}, model=model)
    try:
        yield
    finally:
        pm.set_data(before, model=model)


def require_continuous(model: pm.Model) -> None:
    """Refuse a model with nothing to sample, or with discrete free variables.

    Raises
    ------
    ModelError
        With the names and the remedy.
    """
    free = model.free_RVs
    if not free:
        raise ModelError("The model has no free random variable: there is nothing to sample.")
    discrete = sorted(rv.name for rv in free if rv.dtype not in ("float64", "float32"))
    if discrete:
        raise ModelError(
            f"Discrete free variables cannot be sampled by gradients: {', '.join(discrete)}. "
            "Sum them out of the likelihood (pm.Mixture, pm.Categorical over a logsumexp)."
        )
