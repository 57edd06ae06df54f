"""Short runs, thousands of them: draws as plain arrays, and the gate's rules on them.

Labels, provenance and the table of the verdict take longer than sampling a small model does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import OptionError
from twinbayes.inference.gate.diagnostics import MIN_DRAWS, diagnose, ebfmi
from twinbayes.inference.gate.verdict import EBFMI_MIN
from twinbayes.inference.samplers.protocol import Compiled
from twinbayes.names import HIDDEN_POSTERIOR, POSTERIOR, SAMPLE_STATS

DIVERGING: Final = "diverging"
ENERGY: Final = "energy"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How each of many short runs is sampled, and the bars that it has to pass.

    Parameters
    ----------
    draws, tune, chains, target_accept
        As of `fit`.
    rhat_max, ess_min
        Bars of the gate, on every sampled and deterministic quantity: a posterior mean from 100
        effective draws is off by a tenth of the posterior's standard deviation, which a thousand
        trials average out; a single fit that somebody reads needs the stricter bars of `judge`.
    retries, growth
        How often a fit that does not pass is sampled anew, each time so many times as long, and
        with as many times fewer rejections.
    """

    draws: int = 450
    tune: int = 100
    chains: int = 2
    target_accept: float = 0.8
    rhat_max: float = 1.05
    ess_min: float = 100.0
    retries: int = 2
    growth: int = 2

    def __post_init__(self) -> None:
        if not self.rhat_max > 1.0 or not self.ess_min > 0.0:
            raise OptionError(
                f"rhat_max must be above 1 and ess_min above 0, not {self.rhat_max!r} and "
                f"{self.ess_min!r}."
            )
        if not 0.0 < self.target_accept < 1.0:
            raise OptionError(
                f"target_accept must lie between 0 and 1, not {self.target_accept!r}."
            )
        for name, least in (("retries", 0), ("growth", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise OptionError(
                    f"{name} must be a whole number of at least {least}, not {value!r}."
                )

    @property
    def attempts(self) -> tuple[Sampling, ...]:
        """The first run and those that follow as long as the one before did not pass."""
        runs = [self]
        for _ in range(self.retries):
            last = runs[-1]
            runs.append(
                replace(
                    last,
                    draws=self.growth * last.draws,
                    tune=self.growth * last.tune,
                    target_accept=1.0 - (1.0 - last.target_accept) / self.growth,
                )
            )
        return tuple(runs)


@dataclass(frozen=True)
class ShortRun:
    """Draws (chain, draw, ...) of everything that is judged, and what speaks against them."""

    values: Mapping[str, Floats]
    reasons: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether every bar is passed."""
        return not self.reasons


def sample_short(compiled: Compiled, sampling: Sampling, seed: int) -> ShortRun:
    """Draw from a compiled model and judge the draws; keep BLAS to one thread around it."""
    run: dict[str, Any] = {
        "draws": sampling.draws,
        "tune": sampling.tune,
        "chains": sampling.chains,
        "seed": seed,
    }
    if hasattr(compiled, "sample_arrays"):
        values, statistics = compiled.sample_arrays(**run)
    else:
        tree = compiled.sample(**run, cores=1, progressbar=False)
        groups = [g for g in (POSTERIOR, HIDDEN_POSTERIOR) if g in tree.children]
        values = {str(k): v.to_numpy() for g in groups for k, v in tree[g].data_vars.items()}
        statistics = {k: tree[SAMPLE_STATS][k].to_numpy() for k in (DIVERGING, ENERGY)}
    return ShortRun(values, reasons_against(values, statistics, sampling))


def reasons_against(
    values: Mapping[str, Floats], statistics: Mapping[str, Floats], sampling: Sampling
) -> tuple[str, ...]:
    """Apply the gate's rules to arrays; empty where `judge` with the same bars says usable.

    Parameters
    ----------
    values
        (chain, draw, ...) of every quantity.
    statistics
        ``diverging`` and ``energy``, (chain, draw).
    """
    flat = np.concatenate(
        [np.moveaxis(v.reshape(*v.shape[:2], -1), 2, 0) for v in values.values()], axis=0
    )
    found = []
    if flat.shape[2] < MIN_DRAWS:
        found.append("too few draws to judge")
    elif not np.isfinite(flat).all():
        found.append("draws that are not finite")
    else:
        ends = flat.min(axis=(1, 2)), flat.max(axis=(1, 2))
        large = np.maximum(*map(np.abs, ends))
        if (ends[1] - ends[0] <= 16 * np.finfo(np.float64).eps * large).any():
            found.append("a quantity that never moves")
        else:
            of = diagnose(flat)
            if flat.shape[1] > 1 and not (of.rhat <= sampling.rhat_max).all():
                found.append("R-hat too large")
            if not (of.ess_bulk >= sampling.ess_min).all():
                found.append("bulk effective sample size too small")
            if not (of.ess_tail >= sampling.ess_min).all():
                found.append("tail effective sample size too small")
    if flat.shape[1] < 2:
        found.append("one chain alone")
    if statistics[DIVERGING].any():
        found.append("divergent transitions")
    if not (ebfmi(np.asarray(statistics[ENERGY], dtype=np.float64)) >= EBFMI_MIN).all():
        found.append("E-BFMI too small")
    return tuple(found)
