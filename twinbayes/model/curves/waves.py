"""A Gaussian process of time as a sum of sine waves: curves that bend as the data have it.

The departure of the mean curve from a straight line is a Gaussian process g. On an interval of half
length L around the visits it is nearly

    g(t) = sum over j of  w_j phi_j(t),   w_j ~ normal(0, S(omega_j)),   omega_j = j pi / (2 L)

where phi_j are sine waves that vanish at both ends of the interval, and S is the spectral density
of the process: a Hilbert-space approximation (Solin & Särkkä, Statistics and Computing
2020;30:419-446; Riutort-Mayol et al., Statistics and Computing 2023;33:17). It needs no matrix of
visits by visits, and slopes and areas of sine waves are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from scipy.linalg import block_diag

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError, require_known
from twinbayes.model.curves.basis import AREA, SLOPE, VALUE, require_end
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.storing.typed import typed
from twinbayes.names import CURVE_LINE, CURVE_TERM, CURVE_WAVE, MARKER_WITH_WAVES
from twinbayes.tensors import Tensor

_MEDIAN: Final = 0.67  # of a half-normal variable
_TOLD: Final = 0.5  # information of visits on a wave's weight, over that of its prior


def _matern32(omega: Any, length: Any) -> Any:
    return np.sqrt(4.0 * 3.0**1.5) * length**-1.5 / (3.0 / length**2 + omega**2)


def _matern52(omega: Any, length: Any) -> Any:
    return np.sqrt(16.0 / 3.0 * 5.0**2.5) * length**-2.5 * (5.0 / length**2 + omega**2) ** -1.5


def _expquad(omega: Any, length: Any) -> Any:
    return (2.0 * np.pi) ** 0.25 * length**0.5 * np.e ** (-0.25 * (omega * length) ** 2)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What is known of one covariance function.

    Attributes
    ----------
    root_density
        Square root of the spectral density at an amplitude of 1, given frequencies per year and
        a lengthscale in years; arrays or tensors.
    waves
        Waves needed, times lengthscale over the half length of the data, over `boundary`
        (Riutort-Mayol et al. 2023, section 4.1).
    """

    root_density: Callable[[Any, Any], Any]
    waves: float


KERNELS: Final[Mapping[str, Kernel]] = {
    "matern32": Kernel(_matern32, 3.42),
    "matern52": Kernel(_matern52, 2.65),
    "expquad": Kernel(_expquad, 1.75),
}


@dataclass(frozen=True, slots=True)
@typed
class HSGP:
    """A straight line and, shared by all patients, a Gaussian process around it.

    Patients differ in level and slope; subgroups, centres and covariates act on these two. The
    line is that which fits all visits of the cohort best, so that the process says only what no
    line can. Before the origin and after the last visit of the cohort of the fit, the departure
    from the line stays what it was there and the line goes on: waves return where there are no
    data, and a process would fall back to its mean, which nobody has seen either.

    Parameters
    ----------
    m
        Number of sine waves. More follow shorter lengthscales; at least
        ``c boundary / (2 lengthscale)``, where c is 1.75 (``expquad``), 2.65 or 3.42.
    boundary
        Half length of the interval on which waves live, over that of the data. Waves vanish at its
        ends, so it has to be longer than the data by a lengthscale or so.
    kernel
        ``matern32``, ``matern52`` or ``expquad``: with one derivative, two, or all.
    amplitude
        The standard deviation of the process, in those of the marker, is half-normal with this
        scale. At 0.5 its median is 0.34 and its 95 % quantile 0.98: a marker varies by patients,
        slopes and errors too, and a common departure of all that it varies would be a surprise.
    lengthscale, spread
        The lengthscale, as a share of the time from the origin to the last visit, is log-normal
        with this median and standard deviation of its logarithm. At 0.3 and 0.5 its central 95 %
        runs from 0.11 to 0.80, from about six bends to hardly one. Much shorter ones cannot be told
        from scatter, longer ones not from a line.
    varies
        Whether patients, subgroups and centres differ in every wave too, each wave with a standard
        deviation of its own as the columns of a spline have; the process is that of their mean.
    end
        Years at the last visit.
    lines
        For each wave (level, slope) of the line that is taken from it; learnt from the visits.

    Examples
    --------
    >>> Trajectory(marker="load", transform="log", basis=HSGP(m=10)).basis.kind
    'Gaussian process'
    """

    m: int = 15
    boundary: float = 1.5
    kernel: str = "matern52"
    amplitude: float = 0.5
    lengthscale: float = 0.3
    spread: float = 0.5
    varies: bool = False
    end: float = 0.0
    lines: tuple[tuple[float, float], ...] = ()
    kind: str = "Gaussian process"

    def __post_init__(self) -> None:
        require_known(self.kernel, KERNELS, "kernel of the Gaussian process")
        if not 1.0 < self.boundary < np.inf:
            raise ModelError(
                f"The boundary of a Gaussian process lies beyond the data: {self.boundary!r} is "
                "not a finite number above 1."
            )
        scales = self.amplitude, self.lengthscale, self.spread
        if not all(0.0 < scale < np.inf for scale in scales):
            raise ModelError("Amplitude, lengthscale and spread of their priors are positive.")
        require_end(self.end)
        least = int(np.ceil(KERNELS[self.kernel].waves * self.boundary / (2 * self.lengthscale)))
        if self.m < least:
            raise ModelError(
                f"{self.m} waves cannot follow a {self.kernel} process with a lengthscale of "
                f"{self.lengthscale:g} of the time. Use m={least} or more."
            )

    @property
    def waves(self) -> tuple[str, ...]:
        """Names of the columns that make up the process."""
        return tuple(f"wave {j + 1}" for j in range(self.m))

    @property
    def labels(self) -> tuple[str, ...]:
        """``level`` and ``year`` of the line, then the waves."""
        return ("level", "year", *self.waves)

    @property
    def shared(self) -> tuple[str, ...]:
        """Waves are the same in all patients, unless they vary."""
        return () if self.varies else self.waves

    @property
    def omega(self) -> Floats:
        """(wave,) frequencies, in radians a year."""
        return np.asarray(np.arange(1, self.m + 1) * np.pi / (self.boundary * self.end))

    def learn(self, years: Floats) -> Self:
        """Take the end of the last visit, and the line that each wave has over the visits."""
        if self.lines:
            return self
        end = self.end or float(np.max(years, initial=0.0)) or 1.0
        known = replace(self, end=end)
        t = np.clip(np.asarray(years, dtype=np.float64), 0.0, end)
        line = np.column_stack([np.ones_like(t), t])
        fitted = np.linalg.lstsq(line, known.sines(t), rcond=None)[0].T
        return replace(known, lines=tuple((float(a), float(b)) for a, b in fitted))

    def sines(self, years: Floats, form: str = VALUE) -> Floats:
        """(time, wave) waves whose weights have the spectral density as variance, unaltered.

        Years lie between 0 and `end`; areas are from 0.
        """
        half = 0.5 * self.boundary * self.end
        omega, root = self.omega, np.sqrt(half)

        def phase(t: Floats) -> Floats:
            angle: Floats = omega * (t[:, None] - 0.5 * self.end + half)
            return angle

        t = np.asarray(years, dtype=np.float64)
        if form == SLOPE:
            return np.asarray(omega * np.cos(phase(t)) / root)
        if form == AREA:
            return np.asarray((np.cos(phase(np.zeros(1))) - np.cos(phase(t))) / (omega * root))
        return np.asarray(np.sin(phase(t)) / root)

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Values, slopes or areas; waves without their lines, constant beyond the data."""
        t = np.asarray(years, dtype=np.float64)[:, None]
        inside = np.clip(t, 0.0, self.end)
        level, slope = np.array(self.lines).T
        waves = self.sines(inside[:, 0], form)
        if form == SLOPE:
            waves = np.where(t == inside, waves - slope, 0.0)
            return np.column_stack([np.zeros_like(t), np.ones_like(t), waves])
        if form == AREA:
            kept = self.sines(inside[:, 0]) - level - slope * inside
            waves = waves - level * inside - 0.5 * slope * inside**2 + (t - inside) * kept
            return np.column_stack([t, 0.5 * t**2, waves])
        return np.column_stack([np.ones_like(t), t, waves - level - slope * inside])

    def describe(self) -> str:
        """The priors of the process, for a description."""
        return (
            f"waves: {self.kernel} process on {self.boundary:g} times the data; amplitude ~ "
            f"HalfNormal({self.amplitude:g}) sd of the marker; lengthscale ~ LogNormal(median "
            f"{self.lengthscale:g} of the time to the last visit, {self.spread:g})"
        )


def are_waves(markers: Sequence[MarkerScale]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(term,) which coefficients of all markers are weights of waves."""
    flags = [
        isinstance(m.basis, HSGP) and label in m.basis.waves for m in markers for label in m.labels
    ]
    return np.array(flags, dtype=np.bool_)


def line_terms(markers: Sequence[MarkerScale]) -> tuple[str, Ints]:
    """Dim and indices of the coefficients that are no waves; the dim is in the model then."""
    waves = are_waves(markers)
    which = np.flatnonzero(~waves)
    if not waves.any():
        return CURVE_TERM, which
    labels = [f"{m.marker}: {label}" for m in markers for label in m.labels]
    pm.modelcontext(None).add_coord(CURVE_LINE, [labels[k] for k in which])
    return CURVE_LINE, which


def beside_waves(x: Tensor, markers: Sequence[MarkerScale]) -> Tensor:
    """(..., line term) coefficients as (..., term), zero for waves."""
    waves = are_waves(markers)
    whole: Tensor = x @ pt.as_tensor(np.eye(len(waves))[~waves]) if waves.any() else x
    return whole


def add_waves(level: Tensor, markers: Sequence[MarkerScale], grams: Sequence[Floats]) -> Tensor:
    """Put the weights of waves beside the levels (line term,) of all else; return (term,).

    Amplitudes and lengthscales are learnt. Weights are sampled in units of their prior standard
    deviation, those of which visits tell little, and the others in units of what it is expected to
    be; all along the principal axes of the visits, because waves on a part of their interval look
    alike. `grams` are as in `OwnCoefficients`.
    """
    waves = are_waves(markers)
    if not waves.any():
        return level
    every = zip(grams, markers, strict=True)
    mine = [(g, m, m.basis) for g, m in every if isinstance(m.basis, HSGP)]
    model, dims = pm.modelcontext(None), (MARKER_WITH_WAVES,)
    model.add_coord(MARKER_WITH_WAVES, [m.marker for _, m, _ in mine])
    model.add_coord(CURVE_WAVE, [f"{m.marker}: {w}" for _, m, b in mine for w in b.waves])
    half_normal = np.array([b.amplitude for _, _, b in mine])
    amplitude = pm.HalfNormal("_curve_amplitude", half_normal, dims=dims)
    pm.Deterministic(
        "curve_amplitude", amplitude * np.array([m.scale for _, m, _ in mine]), dims=dims
    )
    median = np.array([b.lengthscale * b.end for _, _, b in mine])
    spread = np.array([b.spread for _, _, b in mine])
    length = pm.LogNormal("curve_lengthscale", np.log(median), spread, dims=dims)
    sds, expected, axes = [], [], []
    for k, (g, m, b) in enumerate(mine):
        own = slice(2, 2 + b.m)
        unit, density = np.array(m.column_scale)[own], KERNELS[b.kernel].root_density
        sds.append(unit * amplitude[k] * density(b.omega, length[k]))
        expected.append(unit * _MEDIAN * b.amplitude * density(b.omega, median[k]))
        axes.append(np.linalg.eigh(np.outer(expected[k], expected[k]) * g[own, own])[1])
    usual = np.concatenate(expected)
    told = np.concatenate([np.diagonal(g)[2 : 2 + b.m] for g, _, b in mine]) * usual**2
    ratio = pt.concatenate(sds) / usual
    weight = pm.Normal(
        "_curve_wave",
        0.0,
        pt.switch(told > _TOLD, ratio, 1.0),
        dims=(CURVE_WAVE,),
        transform=_AlongAxes(block_diag(*axes)),
    )
    weights = weight * usual * pt.switch(told > _TOLD, 1.0, ratio)
    order = np.argsort(np.concatenate([np.flatnonzero(~waves), np.flatnonzero(waves)]))
    whole: Tensor = pt.concatenate([level, weights])[order]
    return whole


class _AlongAxes(Transform):  # type: ignore[misc]
    """Sampling along other axes: a rotation, which leaves densities as they are."""

    name = "axes"

    def __init__(self, axes: Floats) -> None:
        self.axes = axes

    def forward(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """From weights to axes."""
        along: Tensor = pt.as_tensor(self.axes.T) @ value
        return along

    def backward(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """From axes to weights."""
        weights: Tensor = pt.as_tensor(self.axes) @ value
        return weights

    def log_jac_det(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """A rotation has the determinant 1."""
        return pt.as_tensor(0.0)
