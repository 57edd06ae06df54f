"""Sampling until a fit is usable, or a budget ends.

A run that falls short is followed by one that answers why: more draws where effective sample sizes
are short, smaller steps after a longer warm-up where transitions diverge or chains disagree. The
runs follow from the seed alone, so that the same seed gives the same draws.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.errors import OptionError, require_known
from twinbayes.inference.gate.verdict import EBFMI_MIN, ESS_MIN, RHAT_MAX, Verdict
from twinbayes.inference.samplers.protocol import Compiled, GaveUpError, GiveUp, require_run
from twinbayes.inference.samplers.threads import show_progress

USABLE: Final = "usable"
MAX_RUNS: Final = 6
"""Runs of one fit at most: the last one takes steps a thirtieth as likely to be refused."""
_NAMED: Final = 5  # reasons of a run that are written down


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a model is sampled, and when that is enough.

    Parameters
    ----------
    draws, tune, chains, seed, cores, progressbar
        Of the first run; see `twinbayes.fit`.
    until
        ``"usable"``: go on until the verdict is, or the budget ends. None: one run of this length.
        Default: ``"usable"`` where `draws` is not given, else None.
    max_draws
        Draws kept of each chain of the longest run, at most.
    max_seconds
        Begin no further run after so many seconds, and leave the one under way where an earlier
        one has ended. The draws may then depend on how fast the machine is.
    """

    draws: int | None = None
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    cores: int | None = None
    progressbar: bool = True
    until: str | None = "default"
    max_draws: int = 8000
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.until not in (USABLE, None, "default"):
            raise OptionError(
                f"until must be 'usable' or None, not {self.until!r}: None is one run of a fixed "
                "length."
            )
        require_run(
            draws=self.first_draws,
            tune=self.tune,
            chains=self.chains,
            seed=self.seed,
            cores=self.cores,
        )
        whole = isinstance(self.max_draws, int) and not isinstance(self.max_draws, bool)
        if not whole or (self.goes_on and self.max_draws < self.first_draws):
            raise OptionError(
                f"max_draws must be a whole number of at least draws = {self.first_draws}, not "
                f"{self.max_draws!r}."
            )
        if self.max_seconds is not None and not (
            isinstance(self.max_seconds, int | float) and self.max_seconds > 0
        ):
            raise OptionError(
                f"max_seconds must be a number above 0, or None, not {self.max_seconds!r}."
            )

    @property
    def goes_on(self) -> bool:
        """Whether a run that is not usable is followed by another."""
        return self.draws is None if self.until == "default" else self.until == USABLE

    @property
    def first_draws(self) -> int:
        """Draws of the first run."""
        return 1000 if self.draws is None else self.draws


def effort_of(options: Mapping[str, Any]) -> Effort:
    """Return an effort from options by name; an unknown one raises."""
    known = tuple(field.name for field in fields(Effort))
    for name in options:
        require_known(name, known, "option of sampling")
    return Effort(**options)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Lengths of one run, and the options of the sampler that runs differ in."""

    draws: int
    tune: int
    target_accept: float
    max_treedepth: int

    def after(self, summary: Mapping[str, float], max_draws: int) -> Run:
        """Return the run that answers why this one fell short.

        Parameters
        ----------
        summary
            Of its verdict; what is not known is NaN.
        max_draws
            Draws of each chain at most.
        """
        diverged = summary["divergences"] != 0
        deep = summary["at_max_treedepth"] != 0
        disagree = not summary["max_rhat"] <= RHAT_MAX
        smallest = np.fmin(summary["min_ess_bulk"], summary["min_ess_tail"])
        missing = ESS_MIN / smallest if smallest > 0 else math.inf
        trapped = diverged or not summary["min_ebfmi"] >= EBFMI_MIN
        longer = 1.0
        if missing > 1.0 and not np.isnan(smallest):
            longer = float(np.clip(1.5 * missing, 1.5, 4.0))
        elif disagree:
            longer = 2.0
        return Run(
            draws=min(math.ceil(longer * self.draws), max_draws),
            tune=math.ceil((2.0 if disagree else 1.5 if trapped else 1.0) * self.tune),
            target_accept=(1.0 + self.target_accept) / 2 if trapped else self.target_accept,
            max_treedepth=self.max_treedepth + 2 * deep,
        )


def sample_until(
    compiled: Compiled, judged: Callable[[xr.DataTree], Verdict], effort: Effort
) -> tuple[xr.DataTree, Verdict, list[dict[str, Any]]]:
    """Draw from the posterior until it is usable, or the budget ends.

    Parameters
    ----------
    compiled
        The model, made ready for a sampler.
    judged
        Gives the verdict on a run.
    effort
        How long at most.

    Returns
    -------
    tree, verdict, runs
        The last run that ended, its verdict, and what was tried: lengths, options, seconds and
        reasons of each run, plain values.
    """
    started = time.monotonic()
    run = Run(
        draws=effort.first_draws,
        tune=effort.tune,
        target_accept=float(compiled.options["target_accept"]),  # type: ignore[arg-type]
        max_treedepth=int(compiled.options["max_treedepth"]),  # type: ignore[call-overload]
    )
    ended: tuple[xr.DataTree, Verdict] | None = None
    tried: list[dict[str, Any]] = []
    over = None if effort.max_seconds is None else started + effort.max_seconds
    for number in range(1, MAX_RUNS + 1):
        late = over is not None and time.monotonic() >= over
        if late and ended is not None:
            break
        last = not effort.goes_on or number == MAX_RUNS or late
        begun = time.monotonic()
        try:
            tree = _one(compiled, run, effort, GiveUp(not last, over if ended else None))
            ended = tree, judged(tree)
            reasons, summary = ended[1].reasons, ended[1].summary
        except GaveUpError as gave_up:
            reasons, summary = (str(gave_up),), gave_up.summary
        tried.append(
            {
                **vars(run),
                "seconds": round(time.monotonic() - begun, 3),
                "reasons": list(reasons[:_NAMED]),
            }
        )
        if not reasons or last:
            break
        following = run.after(summary, effort.max_draws)
        if following == run:
            break
        _tell(effort, number, reasons, following)
        run = following
    if ended is None:
        raise AssertionError("the last run is never given up")
    return *ended, tried


def _one(compiled: Compiled, run: Run, effort: Effort, give_up: GiveUp) -> xr.DataTree:
    options = {"target_accept": run.target_accept, "max_treedepth": run.max_treedepth}
    return compiled.with_options(**options).sample(
        draws=run.draws,
        tune=run.tune,
        chains=effort.chains,
        seed=effort.seed,
        cores=effort.cores,
        progressbar=effort.progressbar,
        give_up=give_up,
    )


def _tell(effort: Effort, number: int, reasons: tuple[str, ...], run: Run) -> None:
    """Say what is waited for, where somebody can see it."""
    if show_progress(effort.progressbar):
        more = f" and {len(reasons) - 1} more reasons" if len(reasons) > 1 else ""
        sys.stderr.write(
            f"Run {number} is not usable: {reasons[0]}{more}. Run {number + 1} of at most "
            f"{MAX_RUNS}: {run.draws} draws after {run.tune} of warm-up, target_accept "
            f"{run.target_accept:.3g}.\n"
        )
