"""Types of arrays, under the names that all signatures use; what counts as a number; groups."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Reals = NDArray[np.floating[Any]]  # of either precision
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]

_LARGEST: Final = sys.float_info.max


def is_number(value: object) -> bool:
    """Whether a value is one finite real number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(-_LARGEST <= value <= _LARGEST)  # no float is made of a whole number without end


@dataclass(frozen=True)
class Groups:
    """Where each of the labels 0, 1, … is in an array of labels.

    Attributes
    ----------
    order, start
        Positions of label k, increasing, are ``order[start[k]:start[k + 1]]``.
    """

    order: Ints
    start: Ints

    @classmethod
    def of(cls, labels: Ints) -> Groups:
        """Group the positions of labels, none below 0."""
        size = int(labels.max(initial=-1)) + 1
        order = np.argsort(labels, kind="stable")
        return cls(order, np.searchsorted(labels[order], np.arange(size + 1)))

    def at(self, label: int) -> Ints:
        """Positions of one label; none where it does not occur."""
        if label + 1 >= len(self.start):
            return self.order[:0]
        return self.order[self.start[label] : self.start[label + 1]]
