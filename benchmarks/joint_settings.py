"""Joint models whose calibration is tested: small ones, with priors that keep registries alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

import twinbayes as tb
from twinbayes.model import ModelSpec, PiecewiseConstant, Term, Trajectory
from twinbayes.model.curves.families.normal import Normal
from twinbayes.priors import PriorSet, load_priors

EDGES: Final = np.array([0.0, 365.0, 1000.0, np.inf])
COLUMN_SCALE: Final = 2.0  # root mean square of the years, about that of the visits
_DRUG: Final = Term(name="d_penicillamine", group="treatment", transform="binary")
_MODERATE: Final = "Keeps simulated registries alive and measurable: calibration needs no width."
_PRIORS: Final[Mapping[str, tuple[str, dict[str, float]]]] = {
    "baseline_level": ("Normal", {"mu": -7.3, "sigma": 0.5}),
    "baseline_roughness": ("HalfNormal", {"sigma": 0.3}),
    "covariate_effect": ("Normal", {"mu": 0.0, "sigma": 0.5}),
    "curve_level": ("Normal", {"mu": 0.0, "sigma": 0.5}),
    "curve_effect": ("Normal", {"mu": 0.0, "sigma": 0.5}),
    "curve_subgroup_scale": ("HalfNormal", {"sigma": 0.3}),
    "subgroup_scale": ("HalfNormal", {"sigma": 0.5}),
    "patient_sd": ("LogNormal", {"mu": -0.4, "sigma": 0.3}),
    "marker_sd": ("LogNormal", {"mu": -0.7, "sigma": 0.3}),
    "association": ("Normal", {"mu": 0.0, "sigma": 0.5}),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One joint model under test.

    `centre` and `scale` are those of the marker, after its transform; `limit` is a detection limit
    on the same scale.
    """

    name: str
    endpoint: str
    trajectory: Trajectory
    centre: float
    scale: float
    limit: float = -np.inf

    @cached_property
    def spec(self) -> ModelSpec:
        """Straight lines of one marker, whose present value moves every hazard."""
        return tb.disease(
            "pbc",
            endpoint=self.endpoint,
            covariates=(_DRUG,),
            curve_covariates=(_DRUG,),
            markers=(self.trajectory,),
            baseline=PiecewiseConstant(windows=len(EDGES) - 1, centred=False),
        )

    @cached_property
    def priors(self) -> PriorSet:
        """The library's, but for those that would let registries explode."""
        return load_priors("pbc").override(
            {
                name: {"distribution": kind, "arguments": arguments, "rationale": _MODERATE}
                for name, (kind, arguments) in _PRIORS.items()
            }
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value that can be recorded, on the transformed scale."""
        family = self.trajectory.family
        assert isinstance(family, Normal)
        low = self.limit if family.floor is None else family.floor
        return low, np.inf if family.ceiling is None else family.ceiling


SETTINGS: Final = {
    s.name: s
    for s in (
        Setting(
            name="competing risks",
            endpoint="competing",
            trajectory=Trajectory(marker="bilirubin", transform="log"),
            centre=0.6,
            scale=1.0,
        ),
        Setting(
            name="detection limit",
            endpoint="death",
            trajectory=Trajectory(marker="bilirubin", transform="log"),
            centre=0.6,
            scale=1.0,
            limit=0.1,
        ),
        Setting(
            name="quality of life",
            endpoint="death",
            trajectory=Trajectory(
                marker="quality_of_life", family=Normal(floor=0.0, ceiling=100.0)
            ),
            centre=65.0,
            scale=25.0,
        ),
    )
}
