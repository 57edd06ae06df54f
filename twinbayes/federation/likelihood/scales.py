"""From variables of a model to coordinates without bounds, and back."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.names import PATIENT_CORRELATION, PATIENT_SD
from twinbayes.tensors import Tensor

_OF_FAMILY: Final = "marker_"  # parameters of families are named so, and positive


class Scale(Protocol):
    """How numbers of one variable become coordinates."""

    def places(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Which numbers of the variable the coordinates stand for."""

    def tensor(self, variable: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(coordinate,) of a variable of a model."""

    def inward(self, values: Floats) -> Floats:
        """(draw, coordinate) of draws (draw, ...)."""

    def outward(self, values: Floats, shape: tuple[int, ...]) -> Floats:
        """(draw, ...) of coordinates (draw, coordinate)."""


class _Identity:
    """Numbers as they are."""

    def places(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple(np.ndindex(shape))

    def tensor(self, variable: Tensor, shape: tuple[int, ...]) -> Tensor:
        flat: Tensor = variable.ravel()
        return flat

    def inward(self, values: Floats) -> Floats:
        return values.reshape(len(values), -1)

    def outward(self, values: Floats, shape: tuple[int, ...]) -> Floats:
        return values.reshape(len(values), *shape)


class _Log(_Identity):
    """Logarithms of positive numbers."""

    def tensor(self, variable: Tensor, shape: tuple[int, ...]) -> Tensor:
        out: Tensor = pt.log(variable.ravel())
        return out

    def inward(self, values: Floats) -> Floats:
        out: Floats = np.log(super().inward(values))
        return out

    def outward(self, values: Floats, shape: tuple[int, ...]) -> Floats:
        out: Floats = np.exp(super().outward(values, shape))
        return out


class _Correlation:
    """Of a correlation matrix, rows of its Cholesky root over their last number.

    A row of the root has length 1 and a positive last number, so that the ratios tell it, and any
    ratios tell one.
    """

    def places(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple((i, j) for i in range(shape[0]) for j in range(i))

    def tensor(self, variable: Tensor, shape: tuple[int, ...]) -> Tensor:
        root: dict[tuple[int, int], Tensor] = {}
        for i in range(shape[0]):
            for j in range(i + 1):
                left = variable[i, j]
                for k in range(j):
                    left = left - root[i, k] * root[j, k]
                root[i, j] = pt.sqrt(left) if i == j else left / root[j, j]
        ratios = [root[i, j] / root[i, i] for i, j in self.places(shape)]
        return pt.stack(ratios) if ratios else pt.zeros(0)

    def inward(self, values: Floats) -> Floats:
        root = np.linalg.cholesky(values)
        at = self.places(values.shape[1:])
        ratios = [root[:, i, j] / root[:, i, i] for i, j in at]
        return np.stack(ratios, axis=1) if ratios else np.zeros((len(values), 0))

    def outward(self, values: Floats, shape: tuple[int, ...]) -> Floats:
        root = np.broadcast_to(np.eye(shape[0]), (len(values), *shape)).copy()
        for k, (i, j) in enumerate(self.places(shape)):
            root[:, i, j] = values[:, k]
        root /= np.linalg.norm(root, axis=2, keepdims=True)
        out: Floats = root @ np.swapaxes(root, 1, 2)
        return out


IDENTITY: Final = _Identity()
_LOG: Final = _Log()
_CORRELATION: Final = _Correlation()


def scale_of(name: str) -> Scale:
    """Find the scale of a variable."""
    if name == PATIENT_CORRELATION:
        return _CORRELATION
    return _LOG if name == PATIENT_SD or name.startswith(_OF_FAMILY) else IDENTITY
