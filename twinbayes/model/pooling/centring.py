"""How much of a coefficient the data tell, which decides how it is sampled.

A coefficient with a learnt scale is sampled as itself (centred) where many events tell it, and in
units of its scale (non-centred) where few do; each choice traps or slows the sampler where the
other is right. In between, it is sampled in units of a power of the scale: ``scale ** (1 - share)``
with the share of its information that comes from the data (partial non-centring; Papaspiliopoulos,
Roberts and Sköld 2007, doi:10.1214/088342307000000014). A scale that may be next to nothing makes a
funnel of whatever is sampled as itself, so that shares are those at the smallest scale that is
still likely. The model is the same for any choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats, Ints
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

_POINTS: Final = (np.arange(200) + 0.5) / 200
_SMALLEST: Final = 0.001
"""Probability of a scale below the one that shares are computed for."""
_LITTLE: Final = 0.3
"""Shares below this one count as none."""


@dataclass(frozen=True)
class Told:
    """Rough estimates of coefficients from the data alone, before anything is sampled.

    Attributes
    ----------
    estimate
        Estimates, shape (row, coefficient); of a log hazard ratio or the like.
    information
        Inverse variances of the estimates; 0 where the data tell nothing.
    """

    estimate: Floats
    information: Floats

    @classmethod
    def by_counts(cls, events: Floats, expected: Floats) -> Self:
        """Estimate log hazard ratios from numbers of events, and of those to be expected."""
        return cls(np.log((events + 0.5) / (expected + 0.5)), np.minimum(events, expected))

    def take(self, rows: Sequence[int]) -> Told:
        """Return what is told of some of the rows."""
        index = list(rows)
        return Told(self.estimate[index], self.information[index])

    def shares(
        self,
        priors: PriorSet,
        scale: str,
        labels: Sequence[str],
        groups: Ints | None = None,
    ) -> Floats:
        """Share of the data in what is known of each coefficient, from 0 to 1.

        Parameters
        ----------
        priors, scale, labels
            The prior of the scales: its name, and the label of each.
        groups
            Which of the scales each row has; default: each its own.

        Returns
        -------
        ndarray
            (row, coefficient). The coefficients of rows with one scale are taken as drawn around
            0 with this scale.
        """
        groups = np.arange(len(labels)) if groups is None else groups
        share = np.zeros(self.information.shape)
        for group, label in enumerate(labels):
            mine = groups == group
            if mine.any():
                prior = priors.get_entry(scale, label)
                points = np.array([prior.quantile(p) for p in _POINTS])
                told = self.information[mine]
                least = np.square(_smallest(points, self.estimate[mine], told)) * told
                share[mine] = least / (1.0 + least)
        # between the two, a chain that has come near a scale of nothing takes long to leave it
        return np.where(share < _LITTLE, 0.0, share)


def _smallest(points: Floats, estimate: Floats, information: Floats) -> float:
    """Return the smallest scale that is likely, of points of equal prior probability."""
    some = information > 0.0
    if not some.any():
        return 0.0
    variance = np.square(points)[:, None] + 1.0 / information[some]
    log_density = -0.5 * (np.log(variance) + np.square(estimate[some]) / variance).sum(axis=1)
    weight = np.exp(log_density - log_density.max())
    below = np.cumsum(weight) / weight.sum()
    return float(points[np.searchsorted(below, _SMALLEST)])


def power(scale: Tensor, exponent: Floats) -> Tensor:
    """Return a positive scale to constant powers, by what the shapes broadcast to."""
    raised: Tensor = pt.exp(pt.as_tensor(exponent) * pt.log(scale))
    return raised
