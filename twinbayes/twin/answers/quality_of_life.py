"""Quality-adjusted time: restricted mean time of which each day counts by its quality.

Each draw's own curve goes with the same draw's own state occupation. The area is that of Glasziou,
Cole, Gelber, Hilden & Simes (1998), Quality adjusted survival analysis with repeated quality of
life measures, Statistics in Medicine 17, 1215-1229, under a joint model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.stats import beta

from twinbayes.arrays import Floats, Reals, is_number
from twinbayes.errors import OptionError, TwinError, require_known, told
from twinbayes.model.curves.families.normal import Normal
from twinbayes.names import (
    PATIENT,
    QUALITY_ADJUSTED_SURVIVAL,
    QUALITY_ADJUSTED_TIME,
    RMST,
    SAMPLE,
    TIME,
)
from twinbayes.showing import brief
from twinbayes.twin.answers.grid import (
    Data,
    OutputGrid,
    each_patient,
    label,
    output_grid,
    require_room,
    require_scenarios,
    survival_of,
    with_bounds,
)
from twinbayes.twin.answers.summaries import restricted_means, summarise
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.occupation.paths import Path
from twinbayes.twin.on_paths import AlongSteps, CurvesOnPaths
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.weighting.patient_draws import PatientDraws

type Utility = float | tuple[float, float]

# Gauss-Legendre points of a step: exact for a line times a parabola, and never on a node, where
# curves may step. For a constant they give the trapezoid rule of the restricted mean.
_POINTS: Final = (0.5 - 0.5 / np.sqrt(3.0), 0.5 + 0.5 / np.sqrt(3.0))


@brief
@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a day alive counts: from 0, no more than a day dead, to 1, a day in full health.

    With a marker, the patient's forecast curve counts; with utilities, the state; with both, the
    product of the two.

    Parameters
    ----------
    marker
        A marker of the model whose curve is a quality of life.
    utilities
        Weight of every living state, from 0 to 1; ``(mean, sd)`` where it is not known for
        certain: then a Beta distribution, independent of the other states, with the same draws
        for all patients and scenarios. Deaths count 0 and are not named.
    scale
        Worst and best value of the marker, ``(100, 0)`` where high is bad; what lies beyond counts
        as they do. By default floor and ceiling of the marker's family.

    Raises
    ------
    OptionError
        Neither marker nor utilities; a marker, weights or a scale that cannot be.

    Examples
    --------
    >>> Quality(marker="global_health").marker
    'global_health'
    >>> Quality(utilities={"remission": 0.8}).utilities["remission"]
    0.8
    """

    marker: str | None = None
    utilities: Mapping[str, Utility] | None = None
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.marker is None and self.utilities is None:
            raise OptionError("Quality: give a `marker`, `utilities` of the states, or both.")
        if self.scale is not None:
            if self.marker is None:
                raise OptionError("Quality: `scale` is that of a marker. Give `marker` too.")
            given: object = self.scale  # what arrives may be anything
            ends = tuple(given) if isinstance(given, Sequence | np.ndarray) else ()
            if len(ends) != 2 or not all(is_number(x) for x in ends) or ends[0] == ends[1]:
                raise OptionError(
                    "Quality: `scale` is two numbers that differ, (worst, best), "
                    f"not {told(self.scale)}."
                )
            object.__setattr__(self, "scale", ends)
        if not (self.marker is None or isinstance(self.marker, str)):
            raise OptionError("Quality: `marker` is the name of a marker of the model.")
        if self.utilities is not None:
            weights: object = self.utilities  # what arrives may be anything
            if not isinstance(weights, Mapping):
                raise OptionError(
                    "Quality: `utilities` gives each living state its weight, such as "
                    "{'remission': 0.9}."
                )
            object.__setattr__(self, "utilities", dict(self.utilities))  # nobody else's to change
            for state, utility in self.utilities.items():
                _require_weight(state, utility)

    def weights(self, patients: Patients) -> DayWeights:
        """Hold this against the model of some patients.

        Raises
        ------
        TwinError
            The model has no curves, or the marker has no bounds.
        OptionError
            An unknown marker or state, or living states without a weight.
        """
        n, graph, fatal = patients.population.n_draws, patients.graph, patients.chart.fatal
        living = [s for k, s in enumerate(graph.states) if k not in fatal]
        given = dict.fromkeys(living, 1.0) if self.utilities is None else dict(self.utilities)
        _require_living(given, living)
        scale = None if self.marker is None else self._scale(patients)
        said = []
        if scale is not None:
            said.append(f"{self.marker} ({scale[0]:g} counts 0, {scale[1]:g} counts 1)")
        if self.utilities is not None:
            said.append(", ".join(f"{s} {_words(given[s])}" for s in living))
        return DayWeights(
            marker=self.marker,
            scale=scale,
            state={graph.states.index(s): _drawn(s, given[s], n) for s in living},
            fatal=fatal,
            label="; ".join(said),
        )

    def _scale(self, patients: Patients) -> tuple[float, float]:
        learnt = patients.learnt.curves
        if learnt is None or self.marker is None:
            raise TwinError(
                f"Quality: this model has no trajectories, so no curve of {self.marker!r}. "
                "Give `utilities` of the states instead."
            )
        require_known(self.marker, [m.marker for m in learnt.markers], "marker of the model")
        if self.scale is not None:
            return float(self.scale[0]), float(self.scale[1])
        family = learnt.get(self.marker).family
        if not isinstance(family, Normal) or family.floor is None or family.ceiling is None:
            raise TwinError(
                f"Quality: marker {self.marker!r} has no floor and ceiling to rescale it by. Give "
                "scale=(worst, best), or `utilities` of the states instead of the marker."
            )
        return float(family.floor), float(family.ceiling)


@dataclass(frozen=True)
class DayWeights:
    """What a day counts under a model, draw by draw.

    Attributes
    ----------
    marker, scale
        The marker whose curve counts, with its worst and best value; None without.
    state
        Index of each living state → its weight in every draw, (draw,).
    fatal
        Indices of the deaths.
    label
        All this in words.
    """

    marker: str | None
    scale: tuple[float, float] | None
    state: dict[int, Floats]
    fatal: tuple[int, ...]
    label: str

    def along(
        self, path: Path, curves: CurvesOnPaths | None, grid: OutputGrid | None = None
    ) -> QualityPath:
        """Quality of one patient along the paths under a scenario; `now` is for a grid alone."""
        if self.marker is None or curves is None:
            return self._known(path, lambda days: np.ones((len(days), 1)), grid)
        marker, own, landmark = self.marker, curves.curves, curves.journey.present.day
        groups = curves.by_group(marker)
        if groups is None:
            return self._known(
                path, lambda days: self._share(own, own.marker(marker, landmark + days)), grid
            )
        given = groups.given_state(marker, lambda curve: self._share(own, curve))
        return self._by_state(path, given, grid)

    def _known(
        self, path: Path, quality: Callable[[Floats], Reals], grid: OutputGrid | None
    ) -> QualityPath:
        """Quality that is the same on all paths: (time, draw) on days since the landmark.

        Occupation is linear within a step, as for restricted means.
        """
        living, step = self._living(path), np.diff(path.nodes)
        lived = np.zeros((len(step), living.shape[1]))
        for share in _POINTS:
            present = (1.0 - share) * living[:-1] + share * living[1:]
            lived += 0.5 * step[:, None] * quality(path.nodes[:-1] + share * step) * present
        now = np.zeros((0, living.shape[1]))
        if grid is not None:
            now = grid.read_off(path.nodes, living) * quality(grid.times)
        return QualityPath(path.nodes, lived, now)

    def _by_state(
        self, path: Path, given: Mapping[int, AlongSteps], grid: OutputGrid | None
    ) -> QualityPath:
        """Quality that differs by state; within a step it is linear in each, as occupation is."""
        step = np.diff(path.nodes)[:, None] / 6.0
        lived = np.zeros((len(step), path.occupation.shape[-1]))
        now = np.zeros((0 if grid is None else len(grid.times), lived.shape[1]))
        for k, weight in self.state.items():
            if k not in given:  # nobody can be there any more
                continue
            p = path.occupation[:, k].astype(np.float64)
            u, v = given[k].begin, given[k].end
            first, last = p[:-1], p[1:]
            product = 2.0 * (first * u + last * v) + first * v + last * u
            lived += weight * step * product
            if grid is not None:
                quality = grid.read_off_steps(path.nodes, u, v)
                now += weight * quality * grid.read_off(path.nodes, p)
        return QualityPath(path.nodes, lived, now)

    def _living(self, path: Path) -> Floats:
        """(node, draw) probability of living, each state by its weight."""
        out: Floats = survival_of(path.occupation, self.fatal)[:, 0].astype(np.float64)
        # Taking away what is lost, full weights give survival itself, to the last bit.
        for k, weight in self.state.items():
            out -= (1.0 - weight) * path.occupation[:, k]
        return np.maximum(out, 0.0)

    def _share(self, curves: PatientCurves, curve: Reals) -> Floats:
        """(..., draw) share of full health where the marker's curve has these values."""
        worst, best = (0.0, 1.0) if self.scale is None else self.scale
        share = (curves.stands_for(str(self.marker), curve) - worst) / (best - worst)
        out: Floats = np.clip(share, 0.0, 1.0)
        return out


@dataclass(frozen=True)
class QualityPath:
    """Quality of one patient along the paths from the landmark on.

    Attributes
    ----------
    nodes
        Days since the landmark.
    lived
        (step, draw) quality-adjusted days in each step.
    now
        (time, draw) quality times the probability of living, at the output times, if any.
    """

    nodes: Floats
    lived: Floats
    now: Floats

    @property
    def time(self) -> Floats:
        """(draw,) quality-adjusted days up to the last node."""
        out: Floats = self.lived.sum(axis=0)
        return out

    @property
    def time_until(self) -> Floats:
        """(node, draw) quality-adjusted days up to each node."""
        return np.concatenate([np.zeros((1, self.lived.shape[1])), np.cumsum(self.lived, axis=0)])


def quality_patients(
    patients: Patients,
    quality: Quality,
    until: float,
    grid: int | ArrayLike | None,
    scenario: Scenario,
    interval: float,
    draws: bool,
) -> xr.Dataset:
    """Quality-adjusted time of every patient; see `Twin.quality_adjusted_time`."""
    out_grid = output_grid(until, grid, interval)
    require_scenarios(patients, scenario)
    weights = quality.weights(patients)
    if draws:
        require_room(patients, 2 * len(patients.patient_ids))

    def work(i: int, drawn: PatientDraws, nodes: Floats) -> dict[str, Floats]:
        path, curves = patients.followed(i, scenario, nodes, drawn)
        quality_path = weights.along(path, curves, out_grid)
        mean = restricted_means(survival_of(path.occupation, weights.fatal), nodes)
        out = {
            QUALITY_ADJUSTED_TIME: out_grid.summarise_total(quality_path.time[None])[0],
            RMST: out_grid.summarise_total(mean)[0],
            QUALITY_ADJUSTED_SURVIVAL: summarise(quality_path.now[None], *out_grid.tails)[0],
        }
        if draws:
            out |= {"quality_adjusted_time_draws": quality_path.time, "rmst_draws": mean[0]}
        return out

    parts = list(each_patient(patients, [scenario], until, out_grid, work))
    data: Data = {}
    for name in parts[0]:
        stacked = np.stack([p[name] for p in parts])
        if name.endswith("_draws"):
            data[name] = ((PATIENT, SAMPLE), stacked)
        else:
            with_bounds(data, name, (PATIENT, TIME)[: stacked.ndim - 1], stacked)
    return label(patients, data, out_grid, {"scenario": scenario.label, "quality": weights.label})


def _require_weight(state: str, utility: Utility) -> None:
    """Refuse what is neither a weight nor mean and deviation of a Beta distribution."""
    if isinstance(utility, tuple):
        if len(utility) == 2 and all(is_number(x) for x in utility):
            mean, sd = utility
            if 0.0 < mean < 1.0 and sd > 0.0 and sd**2 < mean * (1.0 - mean):
                return
    elif is_number(utility) and 0.0 <= utility <= 1.0:
        return
    raise OptionError(
        f"Quality: utilities of {state!r}: {told(utility)} is no weight. Give a number from 0, "
        "as if dead, to 1, full health; or (mean, sd) of a Beta distribution, 0 < mean < 1 and "
        "0 < sd² < mean (1 - mean)."
    )


def _require_living(given: Mapping[str, Utility], living: list[str]) -> None:
    known = ", ".join(map(repr, living))
    for state in given:
        if state not in living:
            raise OptionError(
                f"Quality: utilities of {state!r}, which is no living state of the model. "
                f"Known: {known}; deaths count 0."
            )
    missing = [s for s in living if s not in given]
    if missing:
        raise OptionError(
            f"Quality: utilities lack {', '.join(map(repr, missing))}. "
            f"Give a weight for each living state: {known}."
        )


def _drawn(state: str, utility: Utility, n_draws: int) -> Floats:
    """(draw,) weight of a state: its quantiles at (s + 1/2) / S, in an order of the state's own."""
    if not isinstance(utility, tuple):
        return np.full(n_draws, float(utility))
    mean, sd = utility
    size = mean * (1.0 - mean) / sd**2 - 1.0
    seed = int.from_bytes(hashlib.sha256(state.encode()).digest()[:8], "little")
    order = np.random.default_rng(seed).permutation(n_draws)
    out: Floats = beta.ppf((order + 0.5) / n_draws, mean * size, (1.0 - mean) * size)
    return out


def _words(utility: Utility) -> str:
    return f"{utility[0]:g} ± {utility[1]:g}" if isinstance(utility, tuple) else f"{utility:g}"
