"""Mean functions: curves that are not linear in their parameters, such as growth and decay.

Parameters are on scales without bounds (logarithms of rates a year, logits of shares), where those
of patients are normal around their mean, as the coefficients of linear curves are. Everything is
written in NumPy's functions of one number and in arithmetic, which PyTensor's tensors understand
too: the fit and its twins read the same formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, Self, runtime_checkable

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError, require_known
from twinbayes.model.curves.basis import VALUE

LOG: Final = "log"
_STEP: Final = 1e-5  # of numerical derivatives, in units of a parameter

type Standard = tuple[str, float, float]


@runtime_checkable
class MeanFunction(Protocol):
    """A curve f(t) with parameters of any shape; t in years since the origin.

    Attributes
    ----------
    kind
        Short name, as printed in reports.
    labels
        Names of the parameters.
    shared
        Those in which patients do not differ.
    standard
        ``(label, centre, unit)`` of parameters whose scale while sampling is known.
    formula
        f(t), as printed in descriptions.
    forms
        What hazards may follow: ``value``, and ``slope`` where it is known.

    Examples
    --------
    >>> isinstance(SteinFojo(), MeanFunction)
    True
    >>> SteinFojo().labels
    ('log start', 'log shrinkage', 'log growth')
    """

    @property
    def kind(self) -> str: ...  # noqa: D102

    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def shared(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def standard(self) -> tuple[Standard, ...]: ...  # noqa: D102

    @property
    def formula(self) -> str: ...  # noqa: D102

    @property
    def forms(self) -> tuple[str, ...]: ...  # noqa: D102

    def adapt(self, years: Floats, centre: float, scale: float, transform: str) -> Self:
        """Fix the `standard` of every parameter, from the times of visits and the marker's own."""

    def value(self, years: Any, parameters: Sequence[Any]) -> Any:
        """f(t) at `years`, one array a parameter; arrays or tensors that broadcast."""

    def curve(
        self, years: Any, parameters: Sequence[Any], transform: str, form: str = VALUE
    ) -> Any:
        """f(t) after the transform of the marker, or its slope a year, as `value`."""

    def jacobian(
        self, years: Floats, parameters: Sequence[Floats], transform: str, form: str = VALUE
    ) -> Floats:
        """(..., parameter) derivatives of `curve`; arrays only."""


def central_differences(
    function: Callable[[list[Floats]], Floats], parameters: Sequence[Floats], units: Sequence[float]
) -> Floats:
    """(..., parameter) derivatives of a function of parameters, found by small steps."""
    columns = []
    for k, unit in enumerate(units):
        ends = [
            function([p + side * unit * (j == k) for j, p in enumerate(parameters)])
            for side in (_STEP, -_STEP)
        ]
        columns.append((ends[0] - ends[1]) / (2.0 * unit * _STEP))
    out: Floats = np.stack(np.broadcast_arrays(*columns), axis=-1)
    return out


def require_labels(mean: MeanFunction) -> None:
    """Refuse what names no parameter, one twice, or a unit that is none."""
    labels = [row[0] for row in mean.standard]
    for label in (*labels, *mean.shared):
        require_known(label, mean.labels, f"parameter of the mean function {mean.kind!r}")
    if len(set(labels)) < len(labels):
        raise ModelError(f"The mean function {mean.kind!r}: `standard` names a parameter twice.")
    for label, centre, unit in mean.standard:
        if not (np.isfinite(centre) and 0.0 < unit < np.inf):
            raise ModelError(
                f"The mean function {mean.kind!r}: parameter {label!r} has the centre {centre!r} "
                f"and the unit {unit!r}. Centres are finite, units positive."
            )
