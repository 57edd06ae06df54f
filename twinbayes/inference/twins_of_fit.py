"""What a fit asks of the twins under its draws, and who answers."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.inference.groups import Measured
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.names import TWINS_OF_FIT


class TwinsOfFit(Protocol):
    """What a fit asks of the twins under its draws; `twinbayes.twin.of_fit` answers."""

    @property
    def population(self) -> Any:
        """Posterior draws laid out for forecasts."""

    @property
    def curve_population(self) -> Any:
        """Posterior draws of what curves have in common, None without trajectories."""

    def twin(self, cohort: Cohort, at: float | None, draws: int | None) -> Any:
        """Twins of the patients of a cohort; see `Fit.twin`."""

    def log_likelihood(self) -> xr.DataArray:
        """Log marginal likelihood of every record of the fit, (chain, draw, patient)."""

    def trails(self, points: TrailPoints) -> Floats:
        """What the patients' curves add to their log hazards at points, (draw, point)."""

    def replicated_measurements(self) -> Measured:
        """Visits by marker, and measurements drawn at them, (visit, draw)."""

    def followed(self) -> dict[str, float]:
        """By state, the last day on which at least as many were followed as a cell may show."""

    def has_seen(self, cohort: Cohort) -> np.ndarray:
        """Which patients of a cohort the fit has seen, (patient,)."""


_providers: list[Callable[[Any], TwinsOfFit]] = []  # one, once it has registered


def provide_twins(provider: Callable[[Any], TwinsOfFit]) -> None:
    """Register what makes the twins of a fit; the last one counts.

    Twins are built on fits, and a fit is where users ask for a twin. So that `inference` imports
    nothing that is built on it, whoever makes twins registers here when it is imported.
    """
    _providers[:] = [provider]


def twins_of_fit() -> Callable[[Any], TwinsOfFit]:
    """Return what makes the twins of a fit.

    If nobody has registered, as where `twinbayes.inference` alone was imported, the module
    `names.TWINS_OF_FIT` is loaded, which registers.
    """
    if not _providers:
        import_module(TWINS_OF_FIT)
    return _providers[0]
