"""Mean functions that come with the package: decay in two phases, tumour growth inhibition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError, require_known
from twinbayes.model.curves.basis import SLOPE, VALUE
from twinbayes.model.curves.means.mean_function import (
    LOG,
    MeanFunction,
    Standard,
    central_differences,
    require_labels,
)
from twinbayes.model.storing.typed import typed

FORMS: Final = (VALUE, SLOPE)
_FAR: Final = 300.0  # exponents beyond it, which vague priors reach, are taken at it


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class _Positive(ABC):
    """A positive function, given by its logarithm."""

    forms: ClassVar[tuple[str, ...]] = FORMS
    labels: ClassVar[tuple[str, ...]]
    formula: ClassVar[str]
    shared: tuple[str, ...] = ()
    standard: tuple[Standard, ...] = ()
    kind: str = ""

    def __post_init__(self) -> None:
        require_labels(self)

    @abstractmethod
    def log_value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Log f(t)."""

    @abstractmethod
    def log_slope(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Slope of log f a year."""

    @abstractmethod
    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """Derivatives of `curve` by the parameters."""

    @abstractmethod
    def adapt(self, years: Floats, centre: float, scale: float, transform: str) -> Self:
        """Take the units of the parameters from the visits."""

    def value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """f(t)."""
        return self.curve(years, parameters, "identity")

    def curve(
        self, years: Any, parameters: Sequence[Any], transform: str, form: str = VALUE
    ) -> Any:
        """f(t), or its logarithm; or the slope a year of either."""
        return _formed(self, years, parameters, transform, form)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tumour(_Positive):
    """A positive function of a start and of rates."""

    def adapt(self, years: Floats, centre: float, scale: float, transform: str) -> Self:
        """Start at the marker's mean; change takes as long as the visits last."""
        slow = -np.log(_period(years)), 1.0
        start, *rates = self.labels
        usual = {start: _logged(self, centre, scale, transform), **dict.fromkeys(rates, slow)}
        return replace(self, standard=_standardised(self, usual))


@dataclass(frozen=True, kw_only=True, slots=True)
class BiexponentialDecay(_Positive):
    """Decay in two phases: f(t) = f0 (p exp(−(s + e) t) + (1 − p) exp(−s t)).

    Always positive; under ``transform="log"`` the curve is log f. The fast rate is the slow one, s,
    plus an excess e, so that the phases keep their order.

    Parameters
    ----------
    shared
        Labels of parameters in which patients do not differ.
    standard
        ``(label, centre, unit)`` of parameters: while sampling, a parameter is (θ − centre) / unit,
        and priors are of that. By default, with T the root mean square of the times of visits in
        years, ``log start`` has mean and standard deviation of the logged marker (those of the
        marker as it is, by the delta method), ``logit fast share`` 0 and 1, ``log slow rate``
        −log T and 1, and ``log fast excess`` log(10 / T) and 1.

    Notes
    -----
    Source: Michor et al. (2005), Dynamics of chronic myeloid leukaemia, Nature 435, 1267-1270.

    Examples
    --------
    >>> Trajectory(marker="bcr_abl", transform="log", basis=BiexponentialDecay()).basis.kind
    'bi-exponential decay'
    """

    labels: ClassVar[tuple[str, ...]] = (
        "log start",
        "logit fast share",
        "log slow rate",
        "log fast excess",
    )
    formula: ClassVar[str] = (
        "exp(log start) (p exp(−(s + e) t) + (1 − p) exp(−s t)), p the fast share, s the slow "
        "rate a year, e the excess of the fast one"
    )
    kind: str = "bi-exponential decay"

    def adapt(self, years: Floats, centre: float, scale: float, transform: str) -> Self:
        """Start at the marker's mean; the slow phase lasts as long as the visits."""
        period = _period(years)
        usual = {
            "log start": _logged(self, centre, scale, transform),
            "logit fast share": (0.0, 1.0),
            "log slow rate": (-np.log(period), 1.0),
            "log fast excess": (np.log(10.0 / period), 1.0),
        }
        return replace(self, standard=_standardised(self, usual))

    def log_value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Log f(t)."""
        start, share, slow, excess = parameters
        more = share - _exp(excess) * years  # log odds of the fast phase at t
        return start - _softplus(share) - _exp(slow) * years + _softplus(more)

    def log_slope(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Slope of log f a year."""
        _, share, slow, excess = parameters
        return -_exp(slow) - _exp(excess) * _expit(share - _exp(excess) * years)

    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """Derivatives, exact of values."""
        if form == SLOPE:
            return _of_slope(self, years, parameters, transform)
        _, share, slow, excess = parameters
        fast = _expit(share - _exp(excess) * years)
        log = (
            np.ones_like(fast),
            fast - _expit(share),
            -_exp(slow) * years,
            -fast * _exp(excess) * years,
        )
        return _chained(log, self.curve(years, parameters, transform), transform)


@dataclass(frozen=True, kw_only=True, slots=True)
class SteinFojo(_Tumour):
    """Tumour growth inhibition: f(t) = f0 (exp(−d t) + exp(g t) − 1).

    A part of the tumour shrinks at the rate d, another grows at the rate g. Always positive; under
    ``transform="log"`` the curve is log f.

    Parameters
    ----------
    shared
        Labels of parameters in which patients do not differ.
    standard
        As in `BiexponentialDecay`; by default both rates have −log T and 1.

    Notes
    -----
    Source: Stein et al. (2011), Tumor regression and growth rates determined in five intramural NCI
    prostate cancer trials, Clinical Cancer Research 17, 907-917.

    Examples
    --------
    >>> SteinFojo(standard=(("log growth", -1.2, 0.5),)).kind
    'Stein-Fojo'
    """

    labels: ClassVar[tuple[str, ...]] = ("log start", "log shrinkage", "log growth")
    formula: ClassVar[str] = (
        "exp(log start) (exp(−d t) + exp(g t) − 1), d shrinkage and g growth a year"
    )
    kind: str = "Stein-Fojo"

    def log_value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Log f(t)."""
        start, shrinkage, growth = parameters
        left = _exp(-_exp(shrinkage) * years)
        return start + np.log(left + np.expm1(_bounded(_exp(growth) * years)))

    def log_slope(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Slope of log f a year."""
        _, shrinkage, growth = parameters
        left, rises = _exp(-_exp(shrinkage) * years), _bounded(_exp(growth) * years)
        rise = _exp(growth) * np.exp(rises) - _exp(shrinkage) * left
        return rise / (left + np.expm1(rises))

    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """Derivatives, exact of values."""
        if form == SLOPE:
            return _of_slope(self, years, parameters, transform)
        _, shrinkage, growth = parameters
        falls, rises = _exp(shrinkage) * years, _exp(growth) * years
        left, risen = _exp(-falls), _exp(rises)
        whole = left + np.expm1(_bounded(rises))
        log = (np.ones_like(whole), -falls * left / whole, rises * risen / whole)
        return _chained(log, self.curve(years, parameters, transform), transform)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claret(_Tumour):
    """Tumour growth inhibition with fading effect: f(t) = f0 exp(g t − (k / λ) (1 − exp(−λ t))).

    The tumour grows at the rate g, and treatment at constant exposure, which k includes, kills at
    the rate k exp(−λ t). Always positive; under ``transform="log"`` the curve is log f.

    Parameters
    ----------
    shared
        Labels of parameters in which patients do not differ.
    standard
        As in `BiexponentialDecay`; by default all three rates have −log T and 1.

    Notes
    -----
    Source: Claret et al. (2009), Model-based prediction of phase III overall survival in colorectal
    cancer on the basis of phase II tumor dynamics, Journal of Clinical Oncology 27, 4103-4108.

    Examples
    --------
    >>> Trajectory(marker="tumour_size", transform="log", basis=Claret()).basis.kind
    'Claret'
    """

    labels: ClassVar[tuple[str, ...]] = ("log start", "log growth", "log kill", "log fading")
    formula: ClassVar[str] = (
        "exp(log start + g t − (k / λ) (1 − exp(−λ t))), g growth, k kill, λ fading a year"
    )
    kind: str = "Claret"

    def log_value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Log f(t)."""
        start, growth, kill, fading = parameters
        killed = -np.expm1(_bounded(-_exp(fading) * years)) * _exp(kill - fading)
        return start + _exp(growth) * years - killed

    def log_slope(self, years: Any, parameters: Sequence[Any]) -> Any:
        """Slope of log f a year."""
        _, growth, kill, fading = parameters
        return _exp(growth) - _exp(kill) * _exp(-_exp(fading) * years)

    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """Derivatives, exact of values."""
        if form == SLOPE:
            return _of_slope(self, years, parameters, transform)
        _, growth, kill, fading = parameters
        fades = _bounded(-_exp(fading) * years)
        killed = -np.expm1(fades) * _exp(kill - fading)
        grows = _exp(growth) * years
        log = (
            np.ones_like(killed),
            np.broadcast_to(grows, killed.shape),
            -killed,
            killed - _exp(kill) * years * np.exp(fades),
        )
        return _chained(log, self.curve(years, parameters, transform), transform)


MEANS: Final[Sequence[type[Any]]] = (BiexponentialDecay, SteinFojo, Claret)


def _standardised(
    mean: MeanFunction, usual: Mapping[str, tuple[float, float]]
) -> tuple[Standard, ...]:
    """Fill in what is usual where nothing else is said."""
    given = {label: (centre, unit) for label, centre, unit in mean.standard}
    rows = ((label, *given.get(label, usual[label])) for label in mean.labels)
    return tuple((label, float(centre), float(unit)) for label, centre, unit in rows)


def _period(years: Floats) -> float:
    """Root mean square of the times of visits."""
    return float(np.sqrt(np.mean(np.square(years)))) or 1.0


def _logged(mean: MeanFunction, centre: float, scale: float, transform: str) -> tuple[float, float]:
    """Centre and scale of the logarithm of a marker."""
    if transform == LOG:
        return centre, scale
    if not centre > 0:
        raise ModelError(
            f"The mean function {mean.kind!r} is positive, and the mean of the marker is "
            f"{centre:g}. Correct its values, or choose another basis."
        )
    return float(np.log(centre)), scale / centre


def _formed(
    mean: _Positive, years: Any, parameters: Sequence[Any], transform: str, form: str
) -> Any:
    """Value or slope of a positive function or of its logarithm."""
    require_known(form, FORMS, f"form of the mean function {mean.kind!r}")
    if form == SLOPE and transform == LOG:
        return mean.log_slope(years, parameters)
    log = mean.log_value(years, parameters)
    if form == SLOPE:
        return _exp(log) * mean.log_slope(years, parameters)
    return log if transform == LOG else _exp(log)


def _of_slope(
    mean: _Positive, years: Floats, parameters: Sequence[Floats], transform: str
) -> Floats:
    units = [1.0] * len(parameters)
    return central_differences(
        lambda own: mean.curve(years, own, transform, SLOPE), parameters, units
    )


def _chained(log: Sequence[Floats], curve: Floats, transform: str) -> Floats:
    """(..., parameter) derivatives of a curve from those of its logarithm."""
    out: Floats = np.stack(np.broadcast_arrays(*log), axis=-1)
    return out if transform == LOG else out * curve[..., None]


def _bounded(x: Any) -> Any:
    return (x if hasattr(x, "clip") else np.asarray(x)).clip(-_FAR, _FAR)


def _exp(x: Any) -> Any:
    return np.exp(_bounded(x))


def _expit(x: Any) -> Any:
    return 1.0 / (1.0 + _exp(-x))


def _softplus(x: Any) -> Any:
    """Log of 1 + exp(x)."""
    return 0.5 * (x + abs(x)) + np.log1p(np.exp(-abs(x)))
