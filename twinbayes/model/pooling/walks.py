"""Gaussian random walks along which data tell much here and little there, sampled as both need.

Each walk is turned to the axes along which what the data tell and what the prior says are both
independent, and sampled along each axis as `centring` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from scipy.linalg import eigh

from twinbayes.arrays import Floats
from twinbayes.model.pooling.centring import Told, ToldTogether
from twinbayes.tensors import Tensor

_MORE: Final = 0.25
"""Events added to those of every window: what is expected is never nothing."""


class AlongAxes(Transform):  # type: ignore[misc]
    """A random walk as coordinates along axes, each standardised as `centring` says.

    Parameters
    ----------
    axes
        Directions, shape (row, step, axis); the first axis is the level.
    told
        What the data tell of coordinates along them.
    as_they_are
        Sample all coordinates as they are, or all in units of the walk's standard deviation;
        None: as the data tell of each.
    """

    name = "along_axes"
    ndim_supp = 1

    def __init__(self, axes: Floats, told: Told, as_they_are: bool | None) -> None:
        self._axes = axes
        self._back = np.linalg.inv(axes)
        self._told = told
        self._as_they_are = as_they_are
        self._log_volume = np.linalg.slogdet(axes)[1]

    def forward(self, value: Tensor, *inputs: Any) -> Tensor:
        """Return the coordinates of a walk, (row, axis)."""
        along = (pt.as_tensor(self._back) * value[:, None, :]).sum(axis=-1)
        width, mean = self._given_data(inputs)
        out: Tensor = (along - mean) / width
        return out

    def backward(self, value: Tensor, *inputs: Any) -> Tensor:
        """Return the walk, (row, step)."""
        width, mean = self._given_data(inputs)
        along = mean + value * width
        walk: Tensor = (pt.as_tensor(self._axes) * along[:, None, :]).sum(axis=-1)
        return walk

    def log_jac_det(self, value: Tensor, *inputs: Any) -> Tensor:
        """Log of the volume that a unit of coordinates takes up, (row,)."""
        width, _ = self._given_data(inputs)
        volume: Tensor = pt.log(width).sum(axis=-1) + pt.as_tensor(self._log_volume)
        return volume

    def _given_data(self, inputs: Any) -> tuple[Tensor, Tensor]:
        """Standard deviation and mean of each coordinate given the data, (row, axis)."""
        # a walk in PyMC is made of its first value, its steps, and their number
        sd = inputs[1].owner.inputs[-1].flatten()[:, None]
        is_level = np.arange(self._axes.shape[-1]) == 0
        if self._as_they_are is not None:
            in_units = ~is_level & (not self._as_they_are)
            return pt.where(in_units, sd, 1.0), pt.zeros(self._axes.shape[::2])
        width = pt.where(is_level, 1.0, self._told.width(sd))
        mean = pt.where(is_level, 0.0, self._told.estimate * self._told.information * width**2)
        return width, mean


@dataclass(frozen=True)
class RatesTold:
    """What events and days at risk tell of log hazards, or of the coefficients of their basis.

    Attributes
    ----------
    information
        Of the data about the entries of each walk, shape (row, step, step).
    score
        Information times the estimated entries, (row, step).
    """

    information: Floats
    score: Floats

    @classmethod
    def of(cls, events: Floats, days: Floats, basis: Floats | None = None) -> Self:
        """Estimate from (row, window) counts; `basis`, (window, step), makes hazards of entries.

        Every window has a quarter of an event more than it has, at the mean rate of its row; a row
        without time at risk tells nothing.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = events.sum(axis=1, keepdims=True) / days.sum(axis=1, keepdims=True)
        rate = np.where(np.isfinite(rate) & (rate > 0.0), rate, 1.0)
        followed = days.sum(axis=1, keepdims=True) > 0.0
        counted = np.where(followed, events + _MORE, 0.0)
        log_ratio = np.log((events + _MORE) / (days * rate + _MORE))
        basis = np.eye(events.shape[1]) if basis is None else basis
        information = np.einsum("wk,ew,wl->ekl", basis, counted, basis)
        return cls(information, (counted * log_ratio) @ basis)

    @property
    def steps(self) -> int:
        """Number of entries of a walk."""
        return int(self.score.shape[1])

    def beside(self, free: Floats, shapes: Floats) -> ToldTogether:
        """What is told of how much of each shape a walk has, beside free others.

        Parameters
        ----------
        free, shapes
            Rows are walks, (row, step): the free ones may be in a walk as much as they like.
        """
        both = np.concatenate([free, shapes])
        information, score = both @ self.information @ both.T, self.score @ both.T
        n = len(free)
        known = information[:, :n, :n] + 1e-9 * np.eye(n)
        along = np.linalg.solve(known, information[:, :n, n:])
        less = np.swapaxes(information[:, n:, :n] @ along, 1, 2)
        return ToldTogether(
            information[:, n:, n:] - less,
            score[:, n:] - (score[:, None, :n] @ along)[:, 0],
        )

    def along_axes(self) -> tuple[Floats, Told]:
        """Axes along which both the data and the steps of a walk are independent.

        Returns
        -------
        axes, told
            (row, step, axis), the first axis being the level, and what is told of coordinates
            along them, in units in which a walk with steps of standard deviation s has standard
            deviation s too. The level has no such unit, and no information.
        """
        difference = np.diff(np.eye(self.steps), axis=0)
        axes = np.empty_like(self.information)
        estimate, information = np.zeros((2, *self.score.shape))
        for row, (inverse, score) in enumerate(zip(self.information, self.score, strict=True)):
            known = inverse + 1e-9 * max(np.trace(inverse), 1.0) * np.eye(self.steps)
            rough, axes[row] = eigh(difference.T @ difference, known)
            unit = np.sqrt(rough[1:])
            estimate[row, 1:] = (axes[row].T @ score)[1:] * unit
            information[row, 1:] = 1.0 / rough[1:]
            axes[row, :, 1:] /= unit
        return axes, Told(estimate, information)
