"""Mean functions of one's own, registered by name so that stored fits can be loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.model.curves.basis import VALUE
from twinbayes.model.curves.means.mean_function import (
    LOG,
    MeanFunction,
    Standard,
    central_differences,
    require_labels,
)
from twinbayes.model.curves.means.shapes import MEANS
from twinbayes.model.storing.registration import OWN_TYPES, Registered
from twinbayes.model.storing.typed import typed

type Formula = Callable[[Any, Sequence[Any]], Any]

#: Mean functions, by the `kind` of their `OwnMean`.
OWN_FUNCTIONS: Final = Registered[Formula]("mean function", "twinbayes.mean_functions")


def register_mean_function[F: Formula](kind: str) -> Callable[[F], F]:
    """Register a mean function of one's own by name, for `OwnMean`.

    The name stands for the function in stored fits: register it again, unchanged, before loading.
    Reviews and the command line are processes of their own; there, a function is found that an
    installed package names in its entry points of the group ``twinbayes.mean_functions``.

    Parameters
    ----------
    kind
        Its name.

    Returns
    -------
    callable
        A decorator of ``f(years, parameters)``, which returns the marker's value on its own scale
        from arithmetic and NumPy's functions of one number (``np.exp``, ``np.log1p``, ``np.tanh``,
        …). `parameters` has one array a label, which broadcasts with `years`.

    Raises
    ------
    ModelError
        The name is taken by another function.

    Examples
    --------
    >>> @register_mean_function("gompertz")
    ... def gompertz(years, parameters):
    ...     log_start, log_gain, log_rate = parameters
    ...     return np.exp(log_start - np.exp(log_gain) * np.expm1(-np.exp(log_rate) * years))
    >>> float(gompertz(0.0, (0.0, 0.0, 0.0)))
    1.0
    """

    def register(function: F) -> F:
        OWN_FUNCTIONS.add(kind, function)
        return function

    return register


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class OwnMean:
    """A mean function that has been registered with `register_mean_function`.

    Parameters
    ----------
    kind
        The name under which it is registered.
    standard
        ``(label, centre, unit)`` of every parameter: its name, a value around which it may be, and
        how far patients may be from it. While sampling, a parameter is (θ − centre) / unit, and
        priors are of that.
    formula
        f(t), for descriptions.
    shared
        Labels of parameters in which patients do not differ.

    Examples
    --------
    >>> @register_mean_function("gompertz")
    ... def gompertz(years, parameters):
    ...     log_start, log_gain, log_rate = parameters
    ...     return np.exp(log_start - np.exp(log_gain) * np.expm1(-np.exp(log_rate) * years))
    >>> standard = (("log start", 3.0, 0.5), ("log gain", 0.0, 0.5), ("log rate", 0.0, 1.0))
    >>> basis = OwnMean(kind="gompertz", standard=standard)
    >>> Trajectory(marker="tumour_size", transform="log", basis=basis).basis.labels
    ('log start', 'log gain', 'log rate')
    """

    forms: ClassVar[tuple[str, ...]] = (VALUE,)
    kind: str
    standard: tuple[Standard, ...]
    formula: str = ""
    shared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if _found(self.kind) is None:
            raise ModelError(
                f"The mean function {self.kind!r} is not registered. Known: "
                f"{', '.join(map(repr, OWN_FUNCTIONS)) or 'none'}. Register it with "
                "register_mean_function, before a stored fit is loaded, or install a package that "
                f"has it among its entry points {OWN_FUNCTIONS.entry_points!r}."
            )
        if not self.labels:
            raise ModelError(
                f"The mean function {self.kind!r} has no parameters. Give `standard` a row "
                "(label, centre, unit) for each."
            )
        require_labels(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of `standard`."""
        return tuple(row[0] for row in self.standard)

    def adapt(self, years: Floats, centre: float, scale: float, transform: str) -> Self:
        """All is known."""
        return self

    def value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """f(t)."""
        function = _found(self.kind)
        assert function is not None  # noqa: S101 - refused where it was described
        return function(years, parameters)

    def curve(
        self, years: Any, parameters: Sequence[Any], transform: str, form: str = VALUE
    ) -> Any:
        """f(t), or its logarithm.

        Raises
        ------
        ModelError
            Another form than the value.
        """
        if form not in self.forms:
            raise ModelError(f"The {form} of the mean function {self.kind!r} is not known.")
        value = self.value(years, parameters)
        return np.log(value) if transform == LOG else value

    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """Central differences."""
        return central_differences(
            lambda own: self.curve(years, own, transform, form),
            parameters,
            [unit for _, _, unit in self.standard],
        )


def require_supported(mean: MeanFunction, marker: str, *, is_plain: bool) -> None:
    """Refuse a mean function where it cannot be fitted or stored.

    Parameters
    ----------
    mean, marker
        The function, and whose curve it is.
    is_plain
        Whether the curve has no turns, and a family without a link.

    Raises
    ------
    ModelError
        The curve is not plain, or the function neither one of the package's nor an `OwnMean`.
    """
    own = OWN_TYPES.get(type(mean).__name__)
    if not isinstance(mean, (*MEANS, OwnMean)) and type(mean) is not own:
        kind = type.__name__ if isinstance(mean, type) else type(mean).__name__
        raise ModelError(
            f"Marker {marker!r}: a mean function of the type {kind} cannot be "
            f"stored. Use {', '.join(t.__name__ for t in MEANS)}, or register your function with "
            "register_mean_function and name it in OwnMean(kind=...)."
        )
    if not is_plain:
        raise ModelError(
            f"Marker {marker!r}: a mean function ({mean.kind}) takes no turns, and "
            "the family Normal() or StudentT(). Leave `turns` empty, or choose another basis."
        )


def _found(kind: str) -> Formula | None:
    """Return the function that is registered here, or by an installed package."""
    known = OWN_FUNCTIONS.get(kind)
    if known is None and (known := OWN_FUNCTIONS.installed(kind)) is not None:
        OWN_FUNCTIONS.add(kind, known)
    return known
