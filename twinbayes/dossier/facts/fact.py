"""What a fact of a fit is: where in it that lies, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twinbayes.inference import Fit

type Told = Mapping[str, str]
"""Label and value, each in words; nothing of it names a patient or counts fewer than 5."""


@dataclass(frozen=True)
class Fact:
    """One answer that a fit gives of itself.

    Attributes
    ----------
    where
        Part of the fit from which it is computed.
    of
        From a fit to labels and values; empty where the fit has none.
    """

    where: str
    of: Callable[[Fit], Told]
