"""Parameters that families have beside the curve, as they are declared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.model.storing.typed import typed
from twinbayes.names import MARKER_SD, MARKER_WITH_ERROR

_NAME: Final = re.compile("marker_[a-z0-9_]+")


def _as_sampled(values: Floats) -> Floats:
    return values


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class FamilyParameter:
    """One parameter of a family: how it is named, sampled, and read by twins.

    Attributes
    ----------
    name
        Of the posterior's variable and of the prior's entry, ``marker_…``. A number may have an
        entry ``name.marker`` for one marker.
    dim
        Of the variable: the markers whose families have the parameter. Of a parameter with
        `labels`, what follows the marker's name in the dim.
    labels
        Empty of a number. A vector has a variable of its own in each marker,
        ``name_marker (marker_dim)``, with these coordinates.
    is_scaled
        Whether it is sampled in standard deviations of the marker, and reported in its units.
    width
        How many numbers twins read.
    lay_out
        (label, draw) values, of a number (1, draw), to the (width, draw) that twins read.

    Raises
    ------
    ModelError
        The name is none of a parameter.
    """

    name: str
    dim: str
    labels: tuple[float | str, ...] = ()
    is_scaled: bool = False
    width: int = 1
    lay_out: Callable[[Floats], Floats] = _as_sampled

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ModelError(
                f"A parameter of a marker family cannot be named {self.name!r}. Begin with "
                "'marker_', and go on with small letters, digits and underscores: no other "
                "variable of a model and no other prior is named so."
            )

    def variable(self, marker: str) -> str:
        """Name of the posterior's variable that holds the parameter of a marker."""
        return f"{self.name}_{marker}" if self.labels else self.name

    def dim_of(self, marker: str) -> str:
        """Dim of that variable."""
        return f"{marker}_{self.dim}" if self.labels else self.dim


STANDARD_DEVIATION: Final = FamilyParameter(name=MARKER_SD, dim=MARKER_WITH_ERROR, is_scaled=True)

# Short names, which stored descriptions hold.
SD: Final = "sd"
SHAPE: Final = "shape"
GAP: Final = "gap"


def require_parameter(found: str, expected: str, kind: str) -> None:
    """Raise ModelError where a family's stored parameter is not the one that it has."""
    if found != expected:
        raise ModelError(
            f"The {kind} family has the parameter {expected!r} beside its curve, not {found!r}. "
            "Leave `parameter` as it is."
        )
